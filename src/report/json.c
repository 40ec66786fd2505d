/* SPDX-License-Identifier: Apache-2.0 */
/* json.c: a report as JSON, the same facts as the page; docs/REPORT.md says what each member is. */
#include <math.h>

#include "report/out.h"

static void text(it_out *o, const char *key, const char *s)
{
    it_out_printf(o, "\"%s\": ", key);
    it_out_json(o, s);
    it_out_add(o, ", ");
}

static void real(it_out *o, const char *key, double v)
{
    it_out_printf(o, "\"%s\": ", key);
    it_out_real(o, v);
    it_out_add(o, ", ");
}

static void count(it_out *o, const char *key, uint64_t v) { it_out_printf(o, "\"%s\": %llu, ", key, (unsigned long long)v); }
static void flag(it_out *o, const char *key, bool v) { it_out_printf(o, "\"%s\": %s, ", key, v ? "true" : "false"); }

/* The comma and the blank after an object's last member go. */
static void close_object(it_out *o)
{
    if (!o->failed && o->len >= 2 && o->data[o->len - 1] == ' ')
        o->len -= 2;
    it_out_add(o, "}");
}

static void hist(it_out *o, const char *key, const it_report_hist *h)
{
    if (!h->count) {
        it_out_printf(o, "\"%s\": null, ", key);
        return;
    }
    it_out_printf(o, "\"%s\": {", key);
    real(o, "from", h->from);
    real(o, "to", h->to);
    count(o, "count", h->count);
    it_out_add(o, "\"bars\": [");
    for (int i = 0; i < IT_REPORT_BARS; i++)
        it_out_printf(o, i ? ",%llu" : "%llu", (unsigned long long)h->bar[i]);
    it_out_add(o, "]}, ");
}

static void evaluation(it_out *o, const it_report_eval *e)
{
    if (!e->measured) {
        it_out_add(o, "\"eval\": null, ");
        return;
    }
    it_out_add(o, "\"eval\": {");
    text(o, "data", e->data);
    count(o, "samples", e->n);
    count(o, "labelled", e->labelled);
    real(o, "agreement", e->agreement);
    real(o, "output_db", e->db);
    if (e->labelled) {
        real(o, "top1_float", e->top1_float);
        real(o, "top1_integer", e->top1_integer);
        real(o, "top5_float", e->top5_float);
        real(o, "top5_integer", e->top5_integer);
        count(o, "only_float", e->only_float);
        count(o, "only_integer", e->only_integer);
        real(o, "loss", e->loss);
        real(o, "loss_standard_error", e->loss_error);
    }
    close_object(o);
    it_out_add(o, ",\n");
}

static void layer(it_out *o, const void *item)
{
    const it_report_layer *l = item;
    text(o, "name", l->name);
    text(o, "operator", l->op);
    text(o, "value", l->value);
    it_out_add(o, "\"weights\": ");
    if (l->weight_bits) {
        it_out_add(o, "{");
        count(o, "bits", (uint64_t)l->weight_bits);
        text(o, "how", l->weight_how);
        real(o, "db", l->weight_db);
        real(o, "clipped", l->weight_clipped);
        hist(o, "histogram", &l->weights);
        close_object(o);
    } else {
        it_out_add(o, "null");
    }
    it_out_add(o, ", \"activations\": {");
    count(o, "bits", (uint64_t)l->bits);
    text(o, "how", l->how);
    flag(o, "known", l->known);
    real(o, "lo", l->lo);
    real(o, "hi", l->hi);
    real(o, "min", l->min);
    real(o, "max", l->max);
    real(o, "scale", l->scale);
    it_out_printf(o, "\"zero_point\": %d, ", l->zero_point);
    real(o, "clipped", l->clipped);
    real(o, "own_db", l->own_db);
    real(o, "own_clip", l->own_clip);
    hist(o, "histogram", &l->acts);
    close_object(o);
    it_out_add(o, ", ");
    real(o, "input_db", l->input_db);
    real(o, "db", l->db);
    text(o, "cause", l->cause);
}

static void one_sensitivity(it_out *o, const void *item)
{
    const it_report_sensitivity *s = item;
    text(o, "layer", s->layer);
    real(o, "weights_db", s->weights_db);
    real(o, "activations_db", s->acts_db);
    real(o, "both_db", s->both_db);
    real(o, "drop", s->drop);
    text(o, "cause", s->cause);
    text(o, "line", s->line);
}

static void step(it_out *o, const void *item)
{
    const it_report_step *s = item;
    text(o, "what", s->what);
    text(o, "change", s->change);
    real(o, "bytes", s->failed ? NAN : s->bytes);
    real(o, "accuracy", s->accuracy);
    real(o, "agreement", s->agreement);
    real(o, "db", s->db);
    real(o, "seconds", s->seconds);
    flag(o, "holds", s->holds);
    flag(o, "failed", s->failed);
    real(o, "drop", s->drop);
    real(o, "drop_standard_error", s->drop_error);
    flag(o, "equal", s->equal);
    flag(o, "chosen", s->chosen);
}

static void point(it_out *o, const void *item)
{
    const it_report_point *p = item;
    text(o, "label", p->label);
    real(o, "bytes", p->bytes);
    real(o, "accuracy", p->accuracy);
    flag(o, "chosen", p->chosen);
}

static void note(it_out *o, const void *item)
{
    const it_report_note *n = item;
    text(o, "layer", n->layer);
    text(o, "text", n->text);
}

static void advice(it_out *o, const void *item)
{
    const it_report_advice *a = item;
    text(o, "layer", a->layer);
    text(o, "why", a->why);
    text(o, "where", a->where);
    text(o, "line", a->line);
}

static void array(it_out *o, const char *key, const void *items, size_t len, size_t size, void (*one)(it_out *, const void *))
{
    it_out_printf(o, "\"%s\": [", key);
    for (size_t i = 0; i < len; i++) {
        it_out_add(o, i ? ",\n  {" : "\n  {");
        one(o, (const char *)items + i * size);
        close_object(o);
    }
    it_out_add(o, "],\n");
}

static void done(it_out *o, const it_report *r)
{
    it_out_add(o, "\"done\": [");
    for (size_t i = 0; i < r->done_len; i++) {
        it_out_add(o, i ? ", " : "");
        it_out_json(o, r->done[i]);
    }
    it_out_printf(o, "],\n\"recipe\": %s", r->recipe ? "" : "null");
    it_out_add(o, r->recipe ? r->recipe : "");
    it_out_add(o, "\n}\n");
}

intact_status it_report_write_json(const it_report *r, const char *path, const intact_alloc *a, intact_error *err)
{
    it_out o = {.alloc = a};
    it_out_add(&o, "{\"intact_report\": 1,\n");
    text(&o, "intact", INTACT_VERSION_STRING);
    text(&o, "network", r->network);
    text(&o, "output", r->output);
    text(&o, "network_sha256", r->network_sha);
    text(&o, "calibration_sha256", r->calib_sha);
    text(&o, "preprocess", r->preprocess);
    count(&o, "network_bytes", r->network_bytes);
    count(&o, "file_bytes", r->file_bytes);
    count(&o, "peak_bytes", r->peak_bytes);
    count(&o, "samples", r->samples);
    count(&o, "skipped", r->skipped);
    count(&o, "measured_samples", r->measured_samples);
    real(&o, "output_db", r->output_db);
    text(&o, "bound", r->bound);
    count(&o, "sensitivity_samples", r->sensitivity_samples);
    evaluation(&o, &r->eval);
    array(&o, "layers", r->layers, r->layers_len, sizeof *r->layers, layer);
    array(&o, "sensitivity", r->sensitivity, r->sensitivity_len, sizeof *r->sensitivity, one_sensitivity);
    array(&o, "steps", r->steps, r->steps_len, sizeof *r->steps, step);
    array(&o, "points", r->points, r->points_len, sizeof *r->points, point);
    array(&o, "notes", r->notes, r->notes_len, sizeof *r->notes, note);
    array(&o, "advice", r->advice, r->advice_len, sizeof *r->advice, advice);
    done(&o, r);
    return it_out_write(&o, path, err);
}
