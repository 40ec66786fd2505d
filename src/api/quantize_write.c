/* SPDX-License-Identifier: Apache-2.0 */
/* quantize_write.c: from quantized graph to file: lowering, what the file says of its making, and the checked write. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/quantize_job.h"
#include "base/file.h"
#include "format/format.h"

/* Normalization, channel order and the input's scale folded into one table of codes per channel. */
void it_api_pixel_map(const it_feed *f, const it_quant *iq, it_pixel_map *px, uint8_t table[4][256])
{
    *px = (it_pixel_map){.channels = f->dim[0], .table = table};
    for (uint32_t c = 0; c < px->channels; c++) {
        px->source[c] = (int32_t)(f->pre.bgr ? px->channels - 1 - c : c);
        for (uint32_t x = 0; x < 256; x++)
            table[c][x] = (uint8_t)it_border_code(f->table[c * 256 + x], iq->scale[0], iq->zero[0], INTACT_U8, iq->given);
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

/* False when out of memory: half a provenance would be another one. */
static bool add_notes(json_t *to, const it_ptq_note *notes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (json_array_append_new(to, note_json(notes[i].layer, notes[i].text)) != 0)
            return false;
    return true;
}

/* Doubts of the calibration, what methods could not do, then what lowering had to adjust. */
static json_t *notes_json(const it_quantize_job *q)
{
    json_t *notes = json_array();
    bool ok = notes && add_notes(notes, q->ptq.groups.notes.items, q->ptq.groups.notes.len) && add_notes(notes, q->ptq.notes.items, q->ptq.notes.len);
    for (size_t i = 0; ok && i < q->lower.notes.len; i++)
        ok = json_array_append_new(notes, note_json(q->lower.notes.items[i].layer, q->lower.notes.items[i].text)) == 0;
    if (ok)
        return notes;
    json_decref(notes);
    return NULL;
}

static json_t *recipe_json(const it_recipe *r)
{
    char *text = it_recipe_print(r);
    json_t *j = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return j;
}

/* The same recipe, network and samples say the same. NULL when out of memory. */
static char *provenance(const it_quantize_job *q)
{
    char pre[256], *text = NULL;
    it_preprocess_print(&q->src.feed.pre, pre, sizeof pre);
    const char *slash = strrchr(q->model_path, '/');
    const it_quant *iq = q->m.g.inputs.items[0]->q;
    json_t *root = json_pack("{s:s, s:{s:o, s:s}, s:{s:s, s:I}, s:o, s:o}", "intact", INTACT_VERSION_STRING, "model", "file",
                             text_json(slash ? slash + 1 : q->model_path), "sha256", q->model_sha, "calibration", "sha256", q->calib_sha, "samples", (json_int_t)q->out->samples, "recipe",
                             recipe_json(&q->recipe), "notes", notes_json(q));
    bool ok = root != NULL;
    if (ok && !q->src.feed.arrays)
        ok = json_object_set_new(root, "preprocess", json_string(pre)) == 0;
    if (ok && iq && iq->given)
        ok = json_object_set_new(root, "input_rounding", json_string("half even")) == 0;
    if (ok)
        text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    json_decref(root);
    return text;
}

static intact_status describe(it_quantize_job *q, intact_error *err)
{
    char *text = provenance(q);
    q->prog.meta = text ? it_arena_text(&q->prog.arena, text) : NULL;
    free(text);
    return q->prog.meta ? it_prog_check(&q->prog, err) : it_fail_nomem(err, "provenance", 0);
}

static intact_status build(it_quantize_job *q, intact_error *err)
{
    it_pixel_map px;
    uint8_t table[4][256];
    bool pixels = !q->src.feed.arrays;
    if (pixels)
        it_api_pixel_map(&q->src.feed, q->m.g.inputs.items[0]->q, &px, table);
    IT_TRY(it_lower_build(&q->lower, &q->m.g, pixels ? &px : NULL, &q->prog, q->c->alloc, err));
    return describe(q, err);
}

/* The bytes that are written were loaded and checked as any reader will. */
static intact_status write_checked(it_quantize_job *q, const char *path, intact_error *err)
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

/* ---- as ONNX ---- */

static const char *layer_in_float(const it_quantize_job *q)
{
    for (size_t i = 0; i < q->m.g.nodes.len; i++)
        if (it_ptq_is_mac(q->m.g.nodes.items[i]) && !it_ptq_weight(q->m.g.nodes.items[i])->q)
            return q->m.g.nodes.items[i]->name;
    for (size_t i = 0; i < q->ptq.groups.g.len; i++)
        if (!q->ptq.groups.g.items[i].first->q)
            return q->ptq.groups.g.items[i].first->name;
    return NULL;
}

static intact_status write_onnx(it_quantize_job *q, const char *path, intact_error *err)
{
    struct stat file;
    char *text = provenance(q);
    if (!text)
        return it_fail_nomem(err, "provenance", 0);
    q->m.g.meta = text;
    intact_status st = it_onnx_write_quantized(&q->m.g, path, err);
    q->m.g.meta = NULL;
    free(text);
    if (st == INTACT_OK && stat(path, &file) == 0)
        q->out->file_bytes = (uint64_t)file.st_size;
    return st;
}

/* ---- the step ---- */

static intact_status write_to(it_quantize_job *q, const char *path, intact_error *err) { return q->onnx ? write_onnx(q, path, err) : write_checked(q, path, err); }

static intact_status judge(it_quantize_job *q, intact_error *err)
{
    const char *to = NULL;
    if (!q->hooks || !q->hooks->judge)
        return INTACT_OK;
    IT_TRY(q->hooks->judge(q->hooks->user, q->out, &to, err));
    return to ? write_to(q, to, err) : INTACT_OK;
}

/* Fitted levels count as the bits that number them. */
static int bits_of(const it_value *v)
{
    int bits = 1;
    while (v->q && v->q->levels && 1 << bits < v->q->levels_len)
        bits++;
    return !v->q ? IT_FLOAT_BITS : v->q->levels ? bits : v->q->type == INTACT_S16 ? 16 : v->q->bits;
}

/* Of a sample: each weighted by bits of weight times bits of input, in units of 8 times 8. */
static uint64_t weighted_macs(const it_graph *g)
{
    double sum = 0;
    for (size_t i = 0; i < g->nodes.len; i++)
        if (it_ptq_is_mac(g->nodes.items[i]))
            sum += (double)it_api_node_macs(g->nodes.items[i]) * (double)bits_of(it_ptq_weight(g->nodes.items[i])) * bits_of(g->nodes.items[i]->in[0]) / 64;
    return (uint64_t)sum;
}

intact_status it_quantize_write(it_quantize_job *q, intact_error *err)
{
    const char *in_float = layer_in_float(q);
    if (in_float && !q->onnx)
        return it_fail(err, INTACT_E_ARG, in_float, "stays in float, and a program has integers alone; only a quantized ONNX network can hold it: -o OUT.onnx");
    q->out->weighted_macs = weighted_macs(&q->m.g);
    if (!q->onnx)
        IT_TRY(build(q, err));
    IT_TRY(write_to(q, q->o->output, err));
    return judge(q, err);
}
