/* SPDX-License-Identifier: Apache-2.0 */
/* meta.c: provenance that a program carries, and what later commands read back from it. */
#include <jansson.h>
#include <string.h>

#include "api/api.h"

bool it_meta_text_string(const char *meta, const char *key, char *buf, size_t len)
{
    json_t *root = meta ? json_loads(meta, 0, NULL) : NULL;
    const char *s = json_string_value(json_object_get(root, key));
    bool ok = s && strlen(s) < len;
    if (ok)
        memcpy(buf, s, strlen(s) + 1);
    json_decref(root);
    return ok;
}

bool it_meta_string(const intact_program *p, const char *key, char *buf, size_t len) { return it_meta_text_string(intact_program_meta(p), key, buf, len); }

intact_status it_model_preprocess(const intact_model *m, const char *text, it_preprocess *out, intact_error *err)
{
    char stored[256];
    bool has = m->kind == INTACT_MODEL_INTEGER && it_meta_string(m->program, "preprocess", stored, sizeof stored);
    if (!text)
        return it_preprocess_parse(has ? stored : "", out, err);
    IT_TRY(it_preprocess_parse(text, out, err));
    intact_port in;
    if (m->kind != INTACT_MODEL_INTEGER || intact_program_input(m->program, 0, &in) != INTACT_OK || !in.is_pixels)
        return INTACT_OK;
    char now[256];
    it_preprocess_print(out, now, sizeof now);
    if (has && strcmp(now, stored) != 0)
        it_log(m->ctx, INTACT_LOG_WARNING, "%s holds its own preprocessing (%s); of --preprocess only resize and crop apply", m->path, stored);
    return INTACT_OK;
}
