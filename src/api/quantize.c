/* SPDX-License-Identifier: Apache-2.0 */
/* quantize.c: float network in, integer program out: read, rewrite, calibrate, assign, lower, check, write. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api.h"
#include "api/quantize.h"
#include "api/report.h"
#include "base/file.h"
#include "format/format.h"
#include "lower/build.h"
#include "pass/absorb.h"
#include "ptq/ptq.h"

#define SAMPLES_DEFAULT 512

typedef struct quantize_job {
    intact_ctx *c;
    const intact_quantize_options *o;
    intact_quantize_result *out;
    const char *model_path;
    const it_quantize_hooks *hooks; /* NULL: none */
    const char *gate;        /* JSON for the provenance; NULL: none */
    intact_model m;          /* a float model; its graph is edited */
    it_recipe recipe;
    it_absorb absorb;        /* of a network that came quantized */
    it_ptq ptq;
    it_job job;
    it_source src;
    size_t *pick;
    size_t pick_len;
    it_lower lower;
    it_prog prog;
    char model_sha[65], calib_sha[65];
} quantize_job;

void intact_quantize_options_default(intact_quantize_options *o) { *o = (intact_quantize_options){0}; }

/* "first,last,NAME" of --keep8: a rule each. */
static intact_status keep_layers(it_recipe *r, const char *list, intact_error *err)
{
    char name[256];
    for (size_t len; *list; list += len + (list[len] == ',')) {
        len = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)len, list);
        if (strcmp(name, "none") == 0 || len == 0)
            continue;
        it_recipe_rule *rule = it_recipe_add(r, name, false);
        if (!rule)
            return it_fail_nomem(err, "--keep8", sizeof *rule);
        IT_TRY(it_recipe_set(r, rule, "weights.bits", "8", err));
        IT_TRY(it_recipe_set(r, rule, "activations.bits", "8", err));
    }
    return INTACT_OK;
}

static intact_status set_number(it_recipe *r, const char *field, uint32_t value, intact_error *err)
{
    char text[16];
    snprintf(text, sizeof text, "%u", value);
    return value ? it_recipe_set(r, NULL, field, text, err) : INTACT_OK;
}

/* The recipe file first, then what the options say. */
static intact_status read_options(quantize_job *q, intact_error *err)
{
    const intact_quantize_options *o = q->o;
    it_recipe *r = &q->recipe;
    if (!o->output)
        return it_fail(err, INTACT_E_ARG, "quantize", "no output file was given");
    if (o->recipe)
        IT_TRY(it_recipe_read(r, o->recipe, err));
    IT_TRY(set_number(r, "weights.bits", o->weight_bits, err));
    IT_TRY(set_number(r, "activations.bits", o->act_bits, err));
    if (o->symmetric_activations)
        IT_TRY(it_recipe_set(r, NULL, "activations.scheme", "symmetric", err));
    if (o->per_tensor_weights)
        IT_TRY(it_recipe_set(r, NULL, "weights.per", "tensor", err));
    if (o->method)
        IT_TRY(it_recipe_set(r, NULL, "activations.method", o->method, err));
    for (size_t i = 0; i < o->set_len; i++)
        IT_TRY(it_recipe_set(r, NULL, o->set[i].field, o->set[i].value, err));
    for (size_t i = 0; i < o->methods_len; i++)
        IT_TRY(it_recipe_method(r, o->methods[i], err));
    r->samples = o->samples ? o->samples : r->samples;
    r->seed = o->seed ? o->seed : r->seed;
    r->keep_softmax = r->keep_softmax || o->keep_softmax;
    if (o->keep8 || (!o->recipe && (r->plans.weights.bits < 8 || r->plans.acts.bits < 8)))
        IT_TRY(keep_layers(r, o->keep8 ? o->keep8 : "first,last", err));
    return o->ranges ? it_recipe_read_ranges(r, o->ranges, err) : INTACT_OK;
}

static intact_status file_sha256(const char *path, char out[65], intact_error *err)
{
    it_map map;
    IT_TRY(it_map_open(path, &map, err));
    it_sha256 s;
    it_sha256_init(&s);
    it_sha256_add(&s, map.data, map.len);
    it_sha256_hex(&s, out);
    it_map_close(&map);
    return INTACT_OK;
}

/* The chosen samples of the calibration set, as this network takes them. */
static intact_status open_calibration(quantize_job *q, intact_error *err)
{
    const intact_alloc *a = q->c->alloc;
    IT_TRY(it_source_open(&q->src, &q->m, &q->o->calib, err));
    size_t all = q->src.feed.len, want = q->recipe.samples ? q->recipe.samples : SAMPLES_DEFAULT;
    it_dataset *d = q->src.data;
    size_t len = d->len;
    d->len = all; /* limit applies before the choice */
    intact_status st = it_dataset_pick(d, want, q->recipe.seed, &q->pick, &q->pick_len, err);
    d->len = len;
    IT_TRY(st);
    q->src.feed.pick = q->pick;
    q->src.feed.len = q->pick_len;
    if (q->recipe.samples > all)
        it_log(q->c, INTACT_LOG_WARNING, "%u calibration samples were asked for, %s has %zu: all are used", q->recipe.samples, q->o->calib.path, all);
    (void)a;
    return it_dataset_sha256(d, q->pick, q->pick_len, q->calib_sha, err);
}

/* A network that came quantized throughout needs no data; with --preprocess it takes pixels all the same. */
static intact_status open_without_data(quantize_job *q, intact_error *err)
{
    uint32_t rank;
    int64_t dims[INTACT_RANK_MAX];
    it_dataset none = {0};
    it_preprocess pre;
    q->src.feed = (it_feed){.arrays = true};
    if (!q->o->calib.preprocess)
        return INTACT_OK;
    IT_TRY(it_model_input(&q->m, &rank, dims, err));
    IT_TRY(it_model_preprocess(&q->m, q->o->calib.preprocess, &pre, err));
    return it_feed_open(&q->src.feed, q->c->alloc, &none, &pre, NULL, 0, 0, rank, dims, err);
}

/* Pixels can be 0..255 in every channel: the input's range is known without data. */
static void fix_input_range(void *user, it_groups *gs)
{
    quantize_job *q = user;
    int group = gs->of[q->m.g.inputs.items[0]->id];
    if (group < 0 || q->src.feed.arrays)
        return;
    it_range r = {0, 0};
    for (uint32_t i = 0; i < q->src.feed.dim[0] * 256; i++) {
        float v = q->src.feed.table[i];
        r.lo = v < r.lo ? v : r.lo;
        r.hi = v > r.hi ? v : r.hi;
    }
    it_group *gr = &gs->g.items[group];
    bool alone = true; /* a group with other sources keeps its histogram */
    for (size_t i = 0; i < q->m.g.values.len; i++) {
        const it_value *v = q->m.g.values.items[i];
        if (gs->of[v->id] == group && v->producer && v->producer->op->quant.out != IT_Q_SAME)
            alone = false;
    }
    if (alone) {
        gr->fixed = true;
        gr->range = r;
    }
}

static intact_status calibrate(quantize_job *q, intact_error *err)
{
    q->job = it_api_job(q->c);
    q->ptq = (it_ptq){.alloc = q->c->alloc, .g = &q->m.g, .recipe = &q->recipe, .feed = &q->src.feed, .job = &q->job, .know_ranges = fix_input_range, .know_user = q};
    IT_TRY(it_ptq_run(&q->ptq, err));
    const it_collect_result *cr = &q->ptq.collected;
    if (cr->skipped)
        it_log(q->c, INTACT_LOG_WARNING, "%llu unreadable samples were skipped", (unsigned long long)cr->skipped);
    q->out->samples = cr->samples;
    q->out->skipped = cr->skipped;
    return INTACT_OK;
}

/* Scales and zero points that the network came with. */
static intact_status absorb(quantize_job *q, intact_error *err)
{
    const it_absorb *a = &q->absorb;
    q->absorb = (it_absorb){.g = &q->m.g, .alloc = q->c->alloc, .calibrates = q->o->calib.path != NULL};
    if (!it_absorb_wanted(&q->m.g))
        return q->o->calib.path ? INTACT_OK : it_fail(err, INTACT_E_ARG, "data", "%s is a float network; quantizing it needs --calib DATA", q->model_path);
    IT_TRY(it_absorb_run(&q->absorb, err));
    q->out->given = a->values + a->weights;
    if (q->recipe.methods[0] && q->out->given)
        return it_fail(err, INTACT_E_ARG, q->model_path, "came quantized; methods that change weights (--apply) work on float networks alone");
    if (!q->o->calib.path && a->missing_len)
        return it_fail(err, INTACT_E_UNSUPPORTED, a->missing, "has no scale; the network came quantized, but %zu weights and values did not: --calib DATA calibrates those alone",
                       a->missing_len);
    it_log(q->c, INTACT_LOG_INFO, "the network came quantized: the parameters of %zu weights and %zu values are kept%s", a->weights, a->values,
           !q->o->calib.path ? ", nothing is calibrated" : a->missing_len ? ", the others calibrated" : "; calibration has nothing to do");
    return INTACT_OK;
}

static intact_status absorb_notes(quantize_job *q, intact_error *err)
{
    q->ptq.alloc = q->c->alloc;
    for (size_t i = 0; i < q->absorb.notes.len; i++)
        if (it_ptq_say(&q->ptq, q->absorb.notes.items[i].where, "%s", q->absorb.notes.items[i].text) != INTACT_OK)
            return it_fail_nomem(err, "notes", sizeof(it_ptq_note));
    return INTACT_OK;
}

/* Normalization, channel order and the input's scale folded into one table of codes per channel. */
static void pixel_map(const quantize_job *q, it_pixel_map *px, uint8_t table[4][256])
{
    const it_feed *f = &q->src.feed;
    const it_quant *iq = q->m.g.inputs.items[0]->q;
    *px = (it_pixel_map){.channels = f->dim[0], .table = table};
    for (uint32_t c = 0; c < px->channels; c++) {
        px->source[c] = (int32_t)(f->pre.bgr ? px->channels - 1 - c : c);
        for (uint32_t x = 0; x < 256; x++) {
            double v = floor((double)f->table[c * 256 + x] / iq->scale[0] + 0.5) + iq->zero[0];
            table[c][x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
}

/* JSON holds UTF-8; other bytes of a file or layer name become '?'. */
static json_t *text_json(const char *s)
{
    char safe[1024];
    json_t *j = json_string(s);
    size_t i = 0;
    for (; !j && s[i] && i + 1 < sizeof safe; i++)
        safe[i] = (unsigned char)s[i] < 0x80 ? s[i] : '?';
    safe[i] = 0;
    return j ? j : json_string(safe);
}

static json_t *note_json(const char *layer, const char *what)
{
    char text[1024];
    snprintf(text, sizeof text, "%s: %s", layer, what);
    return text_json(text);
}

/* Doubts of the calibration, then what lowering had to adjust. */
static json_t *notes_json(const quantize_job *q)
{
    json_t *notes = json_array();
    for (size_t i = 0; notes && i < q->ptq.groups.notes.len; i++)
        json_array_append_new(notes, note_json(q->ptq.groups.notes.items[i].layer, q->ptq.groups.notes.items[i].text));
    for (size_t i = 0; notes && i < q->ptq.notes.len; i++)
        json_array_append_new(notes, note_json(q->ptq.notes.items[i].layer, q->ptq.notes.items[i].text));
    for (size_t i = 0; notes && i < q->lower.notes.len; i++)
        json_array_append_new(notes, note_json(q->lower.notes.items[i].layer, q->lower.notes.items[i].text));
    return notes;
}

static json_t *recipe_json(const it_recipe *r)
{
    char *text = it_recipe_print(r);
    json_t *j = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return j;
}

static char *provenance(const quantize_job *q)
{
    char pre[256];
    it_preprocess_print(&q->src.feed.pre, pre, sizeof pre);
    const char *slash = strrchr(q->model_path, '/');
    json_t *notes = notes_json(q);
    json_t *root = json_pack("{s:s, s:{s:o, s:s}, s:{s:s, s:I}, s:o, s:o}", "intact", INTACT_VERSION_STRING, "model", "file",
                             text_json(slash ? slash + 1 : q->model_path), "sha256", q->model_sha, "calibration", "sha256", q->calib_sha, "samples", (json_int_t)q->out->samples, "recipe",
                             recipe_json(&q->recipe), "notes", notes);
    if (root && !q->src.feed.arrays)
        json_object_set_new(root, "preprocess", json_string(pre));
    if (root && q->gate)
        json_object_set_new(root, "gate", json_loads(q->gate, 0, NULL));
    char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    return text;
}

static intact_status describe(quantize_job *q, intact_error *err)
{
    char *text = provenance(q);
    q->prog.meta = text ? it_arena_text(&q->prog.arena, text) : NULL;
    free(text);
    return q->prog.meta ? it_prog_check(&q->prog, err) : it_fail_nomem(err, "provenance", 0);
}

static intact_status build(quantize_job *q, intact_error *err)
{
    it_pixel_map px;
    uint8_t table[4][256];
    bool pixels = !q->src.feed.arrays;
    if (pixels)
        pixel_map(q, &px, table);
    IT_TRY(it_lower_build(&q->lower, &q->m.g, pixels ? &px : NULL, &q->prog, q->c->alloc, err));
    return describe(q, err);
}

/* The bytes that are written were loaded and checked as any reader will. */
static intact_status write_checked(quantize_job *q, const char *path, intact_error *err)
{
    void *bytes;
    size_t len;
    IT_TRY(it_itm_write_memory(&q->prog, q->c->alloc, &bytes, &len, err));
    intact_load_options lo = {.alloc = q->c->alloc, .cpu = INTACT_CPU_SCALAR};
    intact_program *p = NULL;
    intact_status st = intact_program_load_memory(bytes, len, &lo, &p, err);
    if (st == INTACT_OK) {
        intact_program_info info;
        intact_program_get_info(p, &info);
        q->out->peak_bytes = info.peak_bytes;
        q->out->file_bytes = len;
        intact_program_free(p);
        it_part part = {bytes, len};
        st = it_file_replace(path, &part, 1, err);
    }
    it_alloc_free(q->c->alloc, bytes, len);
    return st;
}

static intact_status judge(quantize_job *q, intact_error *err)
{
    char *log = NULL;
    const char *to = q->o->output;
    if (!q->hooks || !q->hooks->judge)
        return INTACT_OK;
    intact_status st = q->hooks->judge(q->hooks->user, q->out, &log, &to, err);
    q->gate = log;
    if (st == INTACT_OK && log)
        st = describe(q, err);
    if (st == INTACT_OK && log)
        st = write_checked(q, to, err);
    q->gate = NULL;
    free(log);
    return st;
}

/* ---- what the caller gets to see ---- */

/* Codes' own range, as nobody measured another. */
static void report_given(const it_value *v, intact_range_info *r)
{
    int32_t least = v->q->type == INTACT_S16 ? -32767 : 0, most = v->q->type == INTACT_S16 ? 32767 : (1 << v->q->bits) - 1;
    strncpy(r->value, v->name, sizeof r->value - 1);
    strncpy(r->type, v->q->type == INTACT_S16 ? "s16" : "u8", sizeof r->type - 1);
    r->scale = v->q->scale[0];
    r->zero_point = v->q->zero[0];
    r->lo = r->min = r->scale * (float)(least - r->zero_point);
    r->hi = r->max = r->scale * (float)(most - r->zero_point);
}

static bool is_quantized_activation(const it_value *v) { return v->q && !v->is_const && (v->producer || v->is_input); }

static intact_status report_all_given(quantize_job *q, intact_error *err)
{
    size_t len = 0;
    for (size_t i = 0; i < q->m.g.values.len; i++)
        len += is_quantized_activation(q->m.g.values.items[i]);
    q->out->ranges = it_alloc_zero(q->c->alloc, len * sizeof *q->out->ranges);
    if (!q->out->ranges)
        return it_fail_nomem(err, "report", len * sizeof *q->out->ranges);
    q->out->ranges_len = (uint32_t)len;
    for (size_t i = 0, at = 0; i < q->m.g.values.len; i++)
        if (is_quantized_activation(q->m.g.values.items[i]))
            report_given(q->m.g.values.items[i], &q->out->ranges[at++]);
    return INTACT_OK;
}

static intact_status report_ranges(quantize_job *q, intact_error *err)
{
    if (q->ptq.groups.g.len == 0)
        return report_all_given(q, err);
    size_t len = q->ptq.groups.g.len;
    q->out->ranges = it_alloc_zero(q->c->alloc, len * sizeof *q->out->ranges);
    if (!q->out->ranges)
        return it_fail_nomem(err, "report", len * sizeof *q->out->ranges);
    q->out->ranges_len = (uint32_t)len;
    for (size_t i = 0; i < len; i++) {
        const it_group *gr = &q->ptq.groups.g.items[i];
        intact_range_info *r = &q->out->ranges[i];
        strncpy(r->value, gr->first->name, sizeof r->value - 1);
        strncpy(r->type, gr->type == INTACT_S16 ? "s16" : "u8", sizeof r->type - 1);
        r->lo = gr->range.lo;
        r->hi = gr->range.hi;
        r->min = gr->hist ? gr->hist->min : gr->range.lo;
        r->max = gr->hist ? gr->hist->max : gr->range.hi;
        r->clipped = gr->hist && gr->hist->count ? (double)gr->clipped / (double)gr->hist->count : 0;
        if (gr->first->q && gr->first->q->given) {
            report_given(gr->first, r);
        } else if (gr->first->q) {
            r->scale = gr->first->q->scale[0];
            r->zero_point = gr->first->q->zero[0];
        }
    }
    return INTACT_OK;
}

static intact_status report_note(quantize_job *q, uint32_t at, const char *layer, const char *text, intact_error *err)
{
    size_t bytes = strlen(layer) + strlen(text) + 3;
    char *s = it_alloc_new(q->c->alloc, bytes);
    if (!s)
        return it_fail_nomem(err, "report", bytes);
    snprintf(s, bytes, "%s: %s", layer, text);
    q->out->notes[at] = s;
    return INTACT_OK;
}

static intact_status report_notes(quantize_job *q, intact_error *err)
{
    size_t len = q->ptq.groups.notes.len + q->ptq.notes.len + q->lower.notes.len;
    q->out->notes = it_alloc_zero(q->c->alloc, len * sizeof *q->out->notes);
    if (!q->out->notes)
        return it_fail_nomem(err, "report", len * sizeof *q->out->notes);
    q->out->notes_len = (uint32_t)len;
    uint32_t at = 0;
    for (size_t i = 0; i < q->ptq.groups.notes.len; i++)
        IT_TRY(report_note(q, at++, q->ptq.groups.notes.items[i].layer, q->ptq.groups.notes.items[i].text, err));
    for (size_t i = 0; i < q->ptq.notes.len; i++)
        IT_TRY(report_note(q, at++, q->ptq.notes.items[i].layer, q->ptq.notes.items[i].text, err));
    for (size_t i = 0; i < q->lower.notes.len; i++)
        IT_TRY(report_note(q, at++, q->lower.notes.items[i].layer, q->lower.notes.items[i].text, err));
    return INTACT_OK;
}

/* The same file under two names counts too. */
static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Trials of a search have none. */
static intact_status write_report(quantize_job *q, intact_error *err)
{
    if ((!q->o->report && !q->o->report_json) || (q->hooks && !q->hooks->judge))
        return INTACT_OK;
    const it_report_job j = {.c = q->c, .o = q->o, .out = q->out, .model_path = q->model_path, .model_sha = q->model_sha, .calib_sha = q->calib_sha, .g = &q->m.g, .recipe = &q->recipe,
                             .ptq = &q->ptq, .feed = &q->src.feed, .lower = &q->lower};
    return it_api_report(&j, err);
}

static intact_status run_steps(quantize_job *q, intact_error *err)
{
    if (same_file(q->model_path, q->o->output))
        return it_fail(err, INTACT_E_ARG, q->o->output, "is the float network itself; the integer program needs another file");
    IT_TRY(file_sha256(q->model_path, q->model_sha, err));
    IT_TRY(absorb(q, err));
    if (!q->recipe.keep_softmax && it_lower_drop_softmax(&q->m.g)) {
        it_log(q->c, INTACT_LOG_INFO, "the Softmax at the network's end is left out: the order of the answers is the same (--keep-softmax keeps it)");
        IT_TRY(it_graph_infer(&q->m.g, 1, NULL, err));
    }
    IT_TRY(it_recipe_check(&q->recipe, &q->m.g, err));
    bool calibrates = q->o->calib.path != NULL;
    IT_TRY(calibrates ? open_calibration(q, err) : open_without_data(q, err));
    if (calibrates)
        IT_TRY(calibrate(q, err));
    IT_TRY(absorb_notes(q, err));
    if (q->hooks && q->hooks->visit)
        return q->hooks->visit(q->hooks->user, &q->ptq, &q->m, err);
    IT_TRY(build(q, err));
    IT_TRY(write_checked(q, q->o->output, err));
    IT_TRY(judge(q, err));
    IT_TRY(report_ranges(q, err));
    IT_TRY(report_notes(q, err));
    return write_report(q, err);
}

intact_status intact_quantize(intact_ctx *c, const char *model_path, const intact_quantize_options *o, intact_quantize_result *out, intact_error *err)
{
    return it_quantize(c, model_path, o, NULL, out, err);
}

intact_status it_quantize(intact_ctx *c, const char *model_path, const intact_quantize_options *o, const it_quantize_hooks *hooks, intact_quantize_result *out, intact_error *err)
{
    *out = (intact_quantize_result){0};
    double start = it_seconds();
    quantize_job q = {.c = c, .o = o, .out = out, .model_path = model_path, .hooks = hooks};
    if (!model_path)
        return it_fail(err, INTACT_E_ARG, "quantize", "no model was given");
    it_recipe_init(&q.recipe, c->alloc);
    intact_status st = read_options(&q, err);
    if (st == INTACT_OK && hooks && hooks->edit)
        st = hooks->edit(hooks->user, &q.recipe, err);
    if (st != INTACT_OK) {
        it_recipe_release(&q.recipe);
        return st;
    }
    q.m = (intact_model){.kind = INTACT_MODEL_FLOAT, .ctx = c, .path = (char *)(uintptr_t)model_path};
    st = it_api_read(c, model_path, &q.m.g, err);
    if (st != INTACT_OK) {
        it_recipe_release(&q.recipe);
        return st;
    }
    it_prog_init(&q.prog, c->alloc);
    st = run_steps(&q, err);
    it_lower_release(&q.lower);
    it_prog_release(&q.prog);
    it_ptq_release(&q.ptq);
    it_absorb_release(&q.absorb);
    it_recipe_release(&q.recipe);
    it_source_close(&q.src);
    it_alloc_free(c->alloc, q.pick, q.pick_len * sizeof *q.pick);
    it_graph_release(&q.m.g);
    out->seconds = it_seconds() - start;
    if (st != INTACT_OK)
        intact_quantize_result_release(c, out);
    return st;
}

void intact_quantize_result_release(intact_ctx *c, intact_quantize_result *r)
{
    for (uint32_t i = 0; r->notes && i < r->notes_len; i++)
        if (r->notes[i])
            it_alloc_free(c->alloc, r->notes[i], strlen(r->notes[i]) + 1);
    it_alloc_free(c->alloc, r->notes, r->notes_len * sizeof *r->notes);
    it_alloc_free(c->alloc, r->ranges, r->ranges_len * sizeof *r->ranges);
    *r = (intact_quantize_result){0};
}
