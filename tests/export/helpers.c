/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: programs made by hand as in tests/run, run in integers and, exported and read back, in the float executor. */
#include "export/helpers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/exec.h"
#include "format/export.h"

#include "run/helpers.c"

uint32_t x_tensor(it_prog *p, const char *name, intact_type type, double scale, int32_t zero, uint32_t rank, const uint32_t *dims)
{
    float s = (float)scale;
    uint32_t t = net_tensor(p, name, type, zero, rank, dims);
    memcpy(&p->tensors.items[t].scale_bits, &s, sizeof s);
    return t;
}

void x_begin(it_prog *p) { it_prog_init(p, NULL); }

void x_end(it_prog *p)
{
    it_prog_release(p);
}

enum { BATCH = 3 };

/* Codes in the program's order and what the exported network reads of them. */
typedef struct feed { void *codes; it_tensor t; } feed;

static bool is_pixels(const it_prog *p, uint32_t t, const it_pinstr **px)
{
    for (size_t k = 0; k < p->instrs.len; k++)
        if (p->instrs.items[k].kind == &it_instr_pixels && p->instrs.items[k].in[0] == t)
            return *px = &p->instrs.items[k], true;
    return false;
}

/* Element (n, k) of t, k in ONNX's order. */
static size_t place_of(const it_ptensor *t, size_t n, size_t k)
{
    int64_t channels, positions;
    it_export_planes(t, &channels, &positions);
    if (t->rank < 3)
        return n * it_ptensor_elements(t) + k;
    return n * it_ptensor_elements(t) + k % (size_t)positions * (size_t)channels + k / (size_t)positions;
}

static feed make_feed(const it_prog *p, uint32_t input, bool pixels, it_rng *r, double off)
{
    const it_ptensor *t = &p->tensors.items[input], *shown = t;
    const it_pinstr *px = NULL;
    const size_t n = it_ptensor_elements(t);
    feed f = { .codes = aligned_alloc(64, (n * 4 * BATCH + 63) / 64 * 64) };
    random_codes(r, t->type, f.codes, n * BATCH);
    bool raw = is_pixels(p, input, &px);
    if (raw && !pixels)
        shown = it_out(p, px, 0);
    f.t.type = raw && pixels ? IT_U8 : IT_F32;
    f.t.rank = it_export_shape(shown, f.t.dim);
    if (raw && pixels)
        for (int k = 0; k < f.t.rank; k++)
            f.t.dim[k] = t->dims[k];
    f.t.dim[0] = BATCH;
    f.t.data = malloc(it_tensor_bytes(&f.t));
    if (raw && pixels) {
        memcpy(f.t.data, f.codes, n * BATCH);
        return f;
    }
    const size_t len = it_ptensor_elements(shown);
    for (size_t b = 0; b < BATCH; b++)
        for (size_t k = 0; k < len; k++) {
            int32_t q;
            if (raw) {
                const it_pixels_args *a = px->args;
                const size_t plane = len / shown->dims[3], c = k / plane;
                const size_t at = k % plane * t->dims[3] + (size_t)((const int32_t *)it_const(p, a->source)->data)[c];
                q = ((const uint8_t *)it_const(p, a->table)->data)[c * 256 + ((const uint8_t *)f.codes)[b * n + at]];
            } else {
                q = code_at(t->type, f.codes, place_of(t, b, k));
            }
            ((float *)f.t.data)[b * len + k] = (float)(it_export_scale_of(shown) * (q - shown->zero_point - off));
        }
    return f;
}

static void run_program(const it_prog *p, const feed *f, void **out)
{
    blob b = blob_of(p);
    intact_program *g = load_blob(&b, INTACT_CPU_SCALAR, NULL);
    intact_session *s;
    intact_error e;
    const void *in[8];
    for (uint32_t k = 0; k < p->inputs_len; k++)
        in[k] = f[k].codes;
    for (uint32_t k = 0; k < p->outputs_len; k++)
        out[k] = aligned_alloc(64, (it_ptensor_elements(&p->tensors.items[p->outputs[k]]) * 4 * BATCH + 63) / 64 * 64);
    if (intact_session_new(g, &(intact_session_options){ .batch = BATCH, .threads = 1 }, &s, &e) != INTACT_OK ||
        intact_session_run(s, in, p->inputs_len, out, p->outputs_len, &e) != INTACT_OK)
        fail_msg("run: %s: %s", e.where, e.message);
    intact_session_free(s);
    intact_program_free(g);
    blob_free(&b);
}

/* Writes, reads back. */
static void through_file(const it_prog *p, const char *format, it_export_options opt, it_graph *g)
{
    char path[] = "/tmp/intact-export-XXXXXX";
    it_graph made;
    intact_error e;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    it_graph_init(&made, NULL);
    made.name = "exported";
    it_graph_init(g, NULL);
    if (it_export_graph(p, it_export_format_find(format), opt, &made, &e) != INTACT_OK || it_onnx_write(&made, path, &e) != INTACT_OK ||
        it_onnx_read(path, g, &e) != INTACT_OK || it_graph_infer(g, BATCH, NULL, &e) != INTACT_OK)
        fail_msg("%s: %s: %s", format, e.where, e.message);
    unlink(path);
    it_graph_release(&made);
}

/* Codes apart between output k of both. */
static void compare(const it_prog *p, uint32_t k, const void *codes, const it_tensor *have, const char *format, x_check c)
{
    const it_ptensor *t = &p->tensors.items[p->outputs[k]];
    const size_t n = it_ptensor_elements(t);
    int64_t dim[IT_RANK_MAX], apart = 0;
    assert_int_equal(have->rank, it_export_shape(t, dim));
    for (int d = 1; d < have->rank; d++)
        assert_int_equal(have->dim[d], dim[d]);
    assert_int_equal(it_tensor_len(have), n * BATCH);
    for (size_t b = 0; b < BATCH; b++)
        for (size_t at = 0; at < n; at++) {
            const int32_t want = code_at(t->type, codes, place_of(t, b, at));
            const double v = it_tensor_get(have, (int64_t)(b * n + at));
            double q = t->type == INTACT_S32 ? v : v / it_export_scale_of(t) + t->zero_point;
            q = t->type == INTACT_S16 && q < -32767 ? -32767 : q; /* int16 saturates one code below */
            if (fabs(q - want) > c.most + 0.01)
                fail_msg("%s, output %u, sample %zu, element %zu: code %d, exported %.3f", format, k, b, at, want, q);
            apart += fabs(q - want) > 0.01;
        }
    if ((double)apart > c.share * (double)(n * BATCH))
        fail_msg("%s, output %u: %lld of %zu codes differ", format, k, (long long)apart, n * BATCH);
}

static int count_ops(const it_graph *g, const char *onnx)
{
    int len = 0;
    for (size_t k = 0; k < g->nodes.len; k++)
        len += strcmp(g->nodes.items[k]->op->onnx, onnx) == 0;
    return len;
}

static void check_format(const it_prog *p, const char *format, bool pixels, x_check c)
{
    it_graph g;
    it_exec *e;
    intact_error err;
    it_rng r;
    feed f[8];
    it_tensor in[8];
    void *out[8];
    it_rng_seed(&r, 99);
    for (uint32_t k = 0; k < p->inputs_len; k++)
        in[k] = (f[k] = make_feed(p, p->inputs[k], pixels, &r, c.exact_input ? 0.5 : 0)).t;
    run_program(p, f, out);
    through_file(p, format, (it_export_options){ .pixels = pixels, .int4 = c.int4, .exact_input = c.exact_input }, &g);
    if (it_exec_new(&g, NULL, &e, &err) != INTACT_OK || it_exec_run(e, in, p->inputs_len, &err) != INTACT_OK)
        fail_msg("%s: %s: %s", format, err.where, err.message);
    for (uint32_t k = 0; k < p->outputs_len; k++)
        compare(p, k, out[k], it_exec_output(e, k), format, c);
    const char *want = strcmp(format, "qdq") == 0 ? c.qdq : c.qop;
    if (want && count_ops(&g, want) == 0)
        fail_msg("%s: no %s in the network", format, want);
    if (c.int4 && g.file_bytes > c.int4_bytes)
        fail_msg("%s: %llu bytes with weights of 4 bits", format, (unsigned long long)g.file_bytes);
    if (c.never && count_ops(&g, c.never) != 0)
        fail_msg("%s: a %s in the network", format, c.never);
    it_exec_free(e);
    it_graph_release(&g);
    for (uint32_t k = 0; k < p->inputs_len; k++) {
        free(f[k].codes);
        free(f[k].t.data);
    }
    for (uint32_t k = 0; k < p->outputs_len; k++)
        free(out[k]);
}

void x_expect(const it_prog *p, x_check c)
{
    const it_pinstr *px;
    for (int k = 0; k < 2; k++) {
        check_format(p, k ? "qop" : "qdq", false, c);
        if (is_pixels(p, p->inputs[0], &px))
            check_format(p, k ? "qop" : "qdq", true, c);
    }
}

void x_refused(const it_prog *p, const char *format, bool pixels, const char *where, const char *text)
{
    it_graph g;
    intact_error e;
    it_graph_init(&g, NULL);
    if (it_prog_check(p, &e) != INTACT_OK)
        fail_msg("check: %s: %s", e.where, e.message);
    assert_int_equal(it_export_graph(p, it_export_format_find(format), (it_export_options){ .pixels = pixels }, &g, &e), INTACT_E_UNSUPPORTED);
    if (!strstr(e.where, where) || !strstr(e.message, text))
        fail_msg("%s: %s", e.where, e.message);
    it_graph_release(&g);
}
