/* SPDX-License-Identifier: Apache-2.0 */
/* search_state.c: what a search has measured, a line a measurement in a file, so that an interrupted one goes on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/search.h"
#include "base/file.h"
#include "format/format.h"

static intact_status add_file(it_sha256 *h, const char *path, intact_error *err)
{
    it_map map;
    if (!path)
        return INTACT_OK;
    IT_TRY(it_map_open(path, &map, err));
    it_sha256_add(h, map.data, map.len);
    it_map_close(&map);
    return INTACT_OK;
}

static intact_status add_data(const it_search *s, it_sha256 *h, const intact_data_options *d, intact_error *err)
{
    it_source src;
    char hex[65];
    IT_TRY(it_source_open(&src, s->m, d, err));
    size_t len = src.feed.len, *all = it_alloc_new(s->c->alloc, len * sizeof *all);
    for (size_t i = 0; all && i < len; i++)
        all[i] = i;
    intact_status st = all ? it_dataset_sha256(src.data, all, len, hex, err) : it_fail_nomem(err, "state", len * sizeof *all);
    it_alloc_free(s->c->alloc, all, len * sizeof *all);
    it_source_close(&src);
    if (st != INTACT_OK)
        return st;
    it_sha256_add(h, hex, 64);
    return add_file(h, d->labels, err);
}

static void add_text(it_sha256 *h, const char *text) { it_sha256_add(h, text ? text : "-", text ? strlen(text) + 1 : 2); }

static intact_status make_key(it_search *s, intact_error *err)
{
    const intact_quantize_options *q = &s->o->quantize;
    char text[256], model[65];
    it_sha256 h;
    it_sha256_init(&h);
    add_text(&h, INTACT_VERSION_STRING);
    IT_TRY(it_onnx_sha256(s->model_path, &s->m->g, model, err));
    add_text(&h, model);
    IT_TRY(add_data(s, &h, &q->calib, err));
    IT_TRY(add_data(s, &h, it_search_data(s), err));
    snprintf(text, sizeof text, "with errors %u %llu %d %d %u %u %d %llu %d %d %u %s", q->samples, (unsigned long long)q->seed, q->symmetric_activations, q->per_tensor_weights, q->weight_bits, q->act_bits,
             q->keep_softmax, (unsigned long long)s->o->sense_samples, s->o->eval.label_offset, q->calib.label_offset, q->given, it_search_ending(s));
    add_text(&h, text);
    add_text(&h, s->c->opt.shape);
    add_text(&h, q->method);
    add_text(&h, q->keep8);
    add_text(&h, q->calib.preprocess);
    add_text(&h, s->o->eval.preprocess);
    for (size_t i = 0; i < q->set_len; i++) {
        add_text(&h, q->set[i].field);
        add_text(&h, q->set[i].value);
    }
    for (size_t i = 0; i < q->methods_len; i++)
        add_text(&h, q->methods[i]);
    IT_TRY(add_file(&h, q->recipe, err));
    IT_TRY(add_file(&h, q->ranges, err));
    it_sha256_hex(&h, s->key);
    return INTACT_OK;
}

/* What a line must say of its result: a line that was damaged is measured again. */
static bool result_hash(const json_t *result, char hex[65])
{
    char *text = result ? json_dumps(result, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    it_sha256 h;
    if (!text)
        return false;
    it_sha256_init(&h);
    it_sha256_add(&h, text, strlen(text));
    it_sha256_hex(&h, hex);
    free(text);
    return true;
}

static bool is_whole(const json_t *line)
{
    const char *check = json_string_value(json_object_get(line, "check"));
    char hex[65];
    return check && result_hash(json_object_get(line, "result"), hex) && strcmp(check, hex) == 0;
}

/* Lines that an interrupt cut off, or that something changed, are passed over. */
void it_search_take(it_search *s, const char *text, size_t len)
{
    const char *at = text, *end = at ? at + len : at;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        json_t *line = json_loadb(at, (size_t)((stop ? stop : end) - at), 0, NULL);
        const char *key = json_string_value(json_object_get(line, "key"));
        if (stop && key && is_whole(line))
            json_object_set(s->known, key, json_object_get(line, "result"));
        json_decref(line);
        at = stop ? stop + 1 : end;
    }
}

intact_status it_search_resume(it_search *s, const char *state, intact_error *err)
{
    IT_TRY(make_key(s, err));
    s->state = state;
    if (access(state, F_OK) != 0)
        return INTACT_OK;
    it_map map;
    IT_TRY(it_map_open(state, &map, err));
    it_search_take(s, map.data, map.len);
    it_map_close(&map);
    return INTACT_OK;
}

static void measurement_key(const it_search *s, const char *kind, const it_trial *t, char out[65])
{
    char flags[64];
    it_sha256 h;
    it_sha256_init(&h);
    add_text(&h, s->key);
    add_text(&h, kind);
    add_text(&h, t->method);
    snprintf(flags, sizeof flags, "%d%d%d", t->equalize, t->bias, t->adaround);
    add_text(&h, flags);
    for (size_t i = 0; i < t->rules_len; i++) {
        add_text(&h, t->rules[i].name);
        add_text(&h, t->rules[i].of_value ? "value" : "layer");
        add_text(&h, t->rules[i].field);
        add_text(&h, t->rules[i].value);
    }
    it_sha256_hex(&h, out);
}

json_t *it_search_recall(const it_search *s, const char *kind, const it_trial *t)
{
    char key[65];
    if (!s->state)
        return NULL;
    measurement_key(s, kind, t, key);
    json_t *known = json_object_get(s->known, key);
    return it_search_sound(kind, known) ? known : NULL;
}

char *it_search_line(const it_search *s, const char *kind, const it_trial *t, json_t *result)
{
    char key[65], check[65];
    measurement_key(s, kind, t, key);
    json_t *line = result_hash(result, check) ? json_pack("{s:s, s:s, s:s, s:s, s:O}", "key", key, "kind", kind, "step", t->name, "check", check, "result", result) : NULL;
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(line);
    return text;
}

intact_status it_search_remember(it_search *s, const char *kind, const it_trial *t, json_t *result, intact_error *err)
{
    char key[65];
    if (!s->state)
        return INTACT_OK;
    measurement_key(s, kind, t, key);
    json_object_set(s->known, key, result);
    char *text = it_search_line(s, kind, t, result);
    if (!text)
        return it_fail_nomem(err, s->state, 0);
    FILE *f = fopen(s->state, "a+b");
    int why = errno;
    bool ok = f != NULL, cut = ok && fseek(f, -1, SEEK_END) == 0 && fgetc(f) != '\n';
    ok = ok && fprintf(f, "%s%s\n", cut ? "\n" : "", text) > 0 && fflush(f) == 0 && fsync(fileno(f)) == 0;
    why = f && !ok ? errno : why;
    if (f && fclose(f) != 0 && ok) {
        why = errno;
        ok = false;
    }
    free(text);
    return ok ? INTACT_OK : it_fail(err, INTACT_E_IO, s->state, "cannot be written: %s", strerror(why));
}
