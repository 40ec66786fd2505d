/* SPDX-License-Identifier: Apache-2.0 */
/* train_json.c: a training run as JSON, the same facts as its page; docs/REPORT.md says what each member is. */
#include "report/out.h"
#include "report/train_report.h"

static void text(it_out *o, const char *key, const char *s)
{
    it_out_printf(o, "\"%s\": ", key);
    it_out_json(o, s);
    it_out_add(o, ",\n");
}

static void count(it_out *o, const char *key, uint64_t v) { it_out_printf(o, "\"%s\": %llu,\n", key, (unsigned long long)v); }

static void real(it_out *o, const char *key, double v, const char *behind)
{
    it_out_printf(o, "\"%s\": ", key);
    it_out_real(o, v);
    it_out_add(o, behind);
}

static void epoch(it_out *o, const it_report_epoch *e)
{
    it_out_printf(o, "{\"epoch\": %u, ", e->epoch);
    real(o, "loss", e->loss, ", ");
    real(o, "train_top1", e->top1, ", ");
    real(o, "val_top1", e->val_top1, ", ");
    real(o, "rate", e->rate, ", ");
    real(o, "gradient", e->norm, ", ");
    real(o, "seconds", e->seconds, ", ");
    real(o, "images_per_second", e->images_per_second, ", ");
    real(o, "waited", e->waited, ", ");
    it_out_printf(o, "\"images\": %llu, \"skipped\": %llu}", (unsigned long long)e->images, (unsigned long long)e->skipped);
}

intact_status it_report_train_json(const it_report_train *r, const char *path, const intact_alloc *a, intact_error *err)
{
    it_out o = {.alloc = a};
    it_out_add(&o, "{\"intact_training\": 1,\n");
    text(&o, "intact", INTACT_VERSION_STRING);
    text(&o, "network", r->network);
    text(&o, "network_sha256", r->network_sha);
    text(&o, "output", r->output);
    text(&o, "output_sha256", r->output_sha);
    text(&o, "data", r->data);
    text(&o, "val", r->val);
    count(&o, "samples", r->samples);
    count(&o, "val_samples", r->val_samples);
    count(&o, "parameters", r->parameters);
    count(&o, "file_bytes", r->file_bytes);
    count(&o, "memory_bytes", r->memory_bytes);
    count(&o, "epochs_all", r->epochs_all);
    real(&o, "val_top1", r->val_top1, ",\n");
    real(&o, "val_top5", r->val_top5, ",\n");
    real(&o, "val_top1_standard_error", r->val_error, ",\n");
    it_out_add(&o, "\"settings\": {");
    for (size_t i = 0; i < r->settings_len; i++) {
        it_out_add(&o, i ? ", " : "");
        it_out_json(&o, r->settings[i].key);
        it_out_add(&o, ": ");
        it_out_json(&o, r->settings[i].value);
    }
    it_out_add(&o, "},\n\"epochs\": [");
    for (size_t i = 0; i < r->epochs_len; i++) {
        it_out_add(&o, i ? ",\n  " : "\n  ");
        epoch(&o, &r->epochs[i]);
    }
    it_out_add(&o, "]\n}\n");
    return it_out_write(&o, path, err);
}
