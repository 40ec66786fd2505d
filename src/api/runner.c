/* SPDX-License-Identifier: Apache-2.0 */
/* runner.c: drives a float executor or an integer session on one thread, sample by sample or batch by batch. */
#include <math.h>
#include <string.h>

#include "api/api.h"

/* ---- recording of inner values ---- */

static float *scratch_for(it_runner *r, size_t n)
{
    if (n > r->scratch_cap) {
        float *p = it_alloc_grow(r->m->ctx->alloc, r->scratch, r->scratch_cap * sizeof *p, n * sizeof *p);
        if (!p) {
            r->record_failed = true;
            return NULL;
        }
        r->scratch = p;
        r->scratch_cap = n;
    }
    return r->scratch;
}

/* Channels last, as the integer program stores it. */
static const float *to_runtime_order(it_runner *r, const it_tensor *t, size_t n)
{
    if (t->rank < 3 || t->layout == IT_NHWC)
        return t->data;
    float *to = scratch_for(r, n);
    const float *from = t->data;
    size_t batch = (size_t)t->dim[0], c_len = (size_t)t->dim[1], area = batch && c_len ? n / batch / c_len : 0;
    for (size_t b = 0; to && b < batch; b++)
        for (size_t c = 0; c < c_len; c++)
            for (size_t i = 0; i < area; i++)
                to[(b * area + i) * c_len + c] = from[(b * c_len + c) * area + i];
    return to;
}

static intact_status keep_output(it_runner *r, uint32_t k, const it_tensor *y, size_t at, size_t samples, intact_error *err);

static intact_status float_hook(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    it_runner *r = user;
    if (v == r->tap)
        IT_TRY(keep_output(r, 0, t, r->tap_at, (size_t)t->dim[0], err));
    if (t->type != IT_F32 || !r->record)
        return INTACT_OK;
    size_t n = (size_t)it_tensor_len(t);
    const float *x = to_runtime_order(r, t, n);
    if (!x && n)
        return it_fail_nomem(err, v->name, n * sizeof(float));
    r->record(r->record_user, v->name, x, n);
    return INTACT_OK;
}

static void codes_to_real(intact_type type, float scale, int32_t zero, const void *codes, size_t n, float *out)
{
    const uint8_t *u8 = codes;
    const int16_t *s16 = codes;
    const int32_t *s32 = codes;
    for (size_t i = 0; i < n; i++) {
        int32_t q = type == INTACT_U8 ? u8[i] : type == INTACT_S16 ? s16[i] : s32[i];
        out[i] = type == INTACT_S32 ? (float)q : scale * (float)(q - zero);
    }
}

static void integer_probe(void *user, uint32_t step, const void *data, size_t bytes, uint64_t nanoseconds)
{
    it_runner *r = user;
    intact_step s;
    (void)nanoseconds;
    if (intact_program_step(r->separate, step, &s) != INTACT_OK)
        return;
    size_t n = bytes / intact_type_bytes(s.out_type);
    float *x = scratch_for(r, n);
    if (!x)
        return;
    codes_to_real(s.out_type, s.out_scale, s.out_zero_point, data, n, x);
    r->record(r->record_user, s.out_name, x, n);
}

/* ---- life ---- */

static intact_status out_room(it_runner *r, it_answer *o, size_t len, intact_error *err)
{
    size_t floats = len * IT_FEED_BATCH;
    if (floats > o->cap) {
        float *p = it_alloc_grow(r->m->ctx->alloc, o->real, o->cap * sizeof *p, floats * sizeof *p);
        if (!p)
            return it_fail_nomem(err, r->m->path, floats * sizeof *p);
        o->real = p;
        o->cap = floats;
    }
    o->len = len;
    return INTACT_OK;
}

static intact_status outs_new(it_runner *r, uint32_t len, intact_error *err)
{
    r->outs = it_alloc_zero(r->m->ctx->alloc, len * sizeof *r->outs);
    if (!r->outs)
        return it_fail_nomem(err, r->m->path, len * sizeof *r->outs);
    r->outs_len = len;
    return INTACT_OK;
}

/* (1,H,W,C) as the program has it to (C,H,W). */
static void out_dims(it_answer *o, const intact_port *p)
{
    memcpy(o->name, p->name, sizeof o->name);
    o->rank = p->rank ? p->rank - 1 : 0;
    for (uint32_t i = 1; i < p->rank; i++)
        o->dim[p->rank >= 3 ? i % (p->rank - 1) : i - 1] = p->dims[i];
}

/* A model's own program has its layers fused: values between them do not exist. */
static intact_status open_session(it_runner *r, intact_error *err)
{
    intact_session_options so = {.batch = 1, .threads = 1, .probe_user = r};
    if (!r->record)
        return intact_session_new(r->m->program, &so, &r->session, err);
    intact_program_info info;
    intact_program_get_info(r->m->program, &info);
    intact_load_options lo = {.alloc = r->m->ctx->alloc, .cpu = info.cpu, .threads = it_pool_threads(r->m->ctx->pool), .separate = 1};
    so.probe = integer_probe;
    IT_TRY(intact_program_load(r->m->path, &lo, &r->separate, err));
    return intact_session_new(r->separate, &so, &r->session, err);
}

static intact_status open_integer(it_runner *r, intact_error *err)
{
    const intact_alloc *a = r->m->ctx->alloc;
    intact_program_info info;
    intact_program_get_info(r->m->program, &info);
    if (info.inputs_len != 1)
        return it_fail(err, INTACT_E_UNSUPPORTED, r->m->path, "the program has %u inputs; data sets feed programs with one", info.inputs_len);
    IT_TRY(intact_program_input(r->m->program, 0, &r->in));
    r->wants_pixels = r->in.is_pixels;
    r->wants_floats = !r->in.is_pixels;
    char rounding[16];
    r->half_even = it_meta_string(r->m->program, "input_rounding", rounding, sizeof rounding) && strcmp(rounding, "half even") == 0;
    r->codes_bytes = r->in.bytes;
    r->codes = it_alloc_new(a, r->codes_bytes);
    IT_TRY(outs_new(r, info.outputs_len, err));
    r->ports = it_alloc_zero(a, info.outputs_len * sizeof *r->ports);
    if (!r->codes || !r->ports)
        return it_fail_nomem(err, r->m->path, r->codes_bytes);
    for (uint32_t i = 0; i < info.outputs_len; i++) {
        intact_port *p = &r->ports[i];
        IT_TRY(intact_program_output(r->m->program, i, p));
        r->raw_bytes += it_round_up(p->bytes, IT_ALIGN);
        IT_TRY(out_room(r, &r->outs[i], p->bytes / intact_type_bytes(p->type), err));
        out_dims(&r->outs[i], p);
    }
    r->raw = it_alloc_new(a, r->raw_bytes);
    if (!r->raw)
        return it_fail_nomem(err, r->m->path, r->raw_bytes);
    return open_session(r, err);
}

static intact_status open_float(it_runner *r, const char *tap, intact_error *err)
{
    const it_graph *g = &r->m->g;
    r->wants_floats = true;
    IT_TRY(outs_new(r, (uint32_t)g->outputs.len, err));
    for (uint32_t i = 0; i < r->outs_len; i++)
        strncpy(r->outs[i].name, g->outputs.items[i]->name, sizeof r->outs[i].name - 1);
    r->tap = tap ? it_graph_find(g, tap) : NULL;
    if (r->tap && r->tap == g->outputs.items[0])
        r->tap = NULL;
    for (size_t i = 0; i < g->nodes.len; i++)
        r->dynamic = r->dynamic || g->nodes.items[i]->op == &it_op_dynamic_quantize_linear;
    it_exec_options eo = {.hook = r->record || r->tap ? float_hook : NULL, .hook_user = r};
    return it_exec_new(g, &eo, &r->exec, err);
}

intact_status it_runner_open(it_runner *r, const intact_model *m, const char *tap, void (*record)(void *, const char *, const float *, size_t), void *user, intact_error *err)
{
    *r = (it_runner){.m = m, .record = record, .record_user = user};
    intact_status st = m->kind == INTACT_MODEL_INTEGER ? open_integer(r, err) : open_float(r, tap, err);
    if (st != INTACT_OK)
        it_runner_close(r);
    return st;
}

void it_runner_close(it_runner *r)
{
    if (!r->m)
        return;
    const intact_alloc *a = r->m->ctx->alloc;
    it_exec_free(r->exec);
    intact_session_free(r->session);
    intact_program_free(r->separate);
    it_alloc_free(a, r->codes, r->codes_bytes);
    it_alloc_free(a, r->raw, r->raw_bytes);
    it_alloc_free(a, r->ports, r->outs_len * sizeof *r->ports);
    for (uint32_t i = 0; i < r->outs_len; i++)
        it_alloc_free(a, r->outs[i].real, r->outs[i].cap * sizeof(float));
    it_alloc_free(a, r->outs, r->outs_len * sizeof *r->outs);
    it_alloc_free(a, r->scratch, r->scratch_cap * sizeof(float));
    *r = (it_runner){0};
}

intact_status it_check_answer(const intact_model *m, const char *sample, const float *x, size_t n, intact_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return it_fail(err, INTACT_E_DATA, sample, "output %zu of %s is %g; an answer needs finite numbers (are the weights, or is the preprocessing, broken?)", i, m->path, (double)x[i]);
    return INTACT_OK;
}

/* ---- running ---- */

static intact_status keep_output(it_runner *r, uint32_t k, const it_tensor *y, size_t at, size_t samples, intact_error *err)
{
    it_answer *o = &r->outs[k];
    size_t len = (size_t)it_tensor_len(y), per = samples ? len / samples : 0;
    if (per == 0 || per * samples != len || y->rank < 1 || (size_t)y->dim[0] != samples)
        return it_fail(err, INTACT_E_SHAPE, r->m->path, "output %s has %zu elements for %zu samples; the batch must be its first dimension", o->name, len, samples);
    IT_TRY(out_room(r, o, per, err));
    o->rank = (uint32_t)y->rank - 1;
    for (uint32_t i = 0; i < o->rank; i++)
        o->dim[i] = (uint64_t)y->dim[i + 1];
    size_t c_len = y->layout == IT_NHWC ? (size_t)y->dim[1] : 1, area = per / c_len;
    for (size_t i = 0; i < len; i++) { /* i counts in the tensor's own order */
        float v = y->type == IT_F32 ? ((const float *)y->data)[i] : (float)it_tensor_get(y, (int64_t)i);
        size_t in = i % per, to = c_len == 1 ? in : in % c_len * area + in / c_len;
        o->real[(at + i / per) * per + to] = v;
    }
    return INTACT_OK;
}

static intact_status run_float(it_runner *r, const it_feed *f, const float *floats, uint32_t len, intact_error *err)
{
    const it_value *x = r->m->g.inputs.items[0];
    bool fixed = x->declared_rank > 0 && x->declared[0] > 0; /* exported with a batch: that many at a time */
    uint32_t step = fixed || r->record || r->dynamic ? 1 : IT_FEED_BATCH;
    for (uint32_t at = 0; at < len; at += step) {
        it_tensor in = x->t;
        in.dim[0] = len - at < step ? len - at : step;
        in.layout = IT_PLAIN;
        in.data = (void *)(uintptr_t)(floats + at * f->elements);
        r->tap_at = at;
        IT_TRY(it_exec_run(r->exec, &in, 1, err));
        for (uint32_t k = r->tap ? 1 : 0; k < r->outs_len; k++)
            IT_TRY(keep_output(r, k, it_exec_output(r->exec, k), at, (size_t)in.dim[0], err));
    }
    return INTACT_OK;
}

/* Real values in ONNX order to the program's codes in its own order. */
static void quantize_input(const it_runner *r, const it_feed *f, const float *x)
{
    size_t c_len = f->rank >= 2 ? f->dim[0] : 1, area = f->elements / c_len;
    for (size_t c = 0; c < c_len; c++)
        for (size_t i = 0; i < area; i++) {
            int32_t q = it_border_code(x[c * area + i], r->in.scale, r->in.zero_point, r->in.type, r->half_even);
            if (r->in.type == INTACT_U8)
                r->codes[i * c_len + c] = (uint8_t)q;
            else
                ((int16_t *)(void *)r->codes)[i * c_len + c] = (int16_t)q;
        }
}

/* One sample's codes, channels last, to real values in ONNX order. */
static void real_output(const intact_port *p, it_answer *o, const void *codes, size_t sample)
{
    size_t c_len = p->rank >= 3 ? p->dims[p->rank - 1] : 1, area = o->len / c_len;
    const uint8_t *u8 = codes;
    const int16_t *s16 = codes;
    const int32_t *s32 = codes;
    for (size_t i = 0; i < o->len; i++) {
        int32_t q = p->type == INTACT_U8 ? u8[i] : p->type == INTACT_S16 ? s16[i] : s32[i];
        size_t to = c_len == 1 ? i : i % c_len * area + i / c_len;
        o->real[sample * o->len + to] = p->type == INTACT_S32 ? (float)q : p->scale * (float)(q - p->zero_point);
    }
}

static intact_status run_integer(it_runner *r, const it_feed *f, const uint8_t *pixels, const float *floats, uint32_t len, intact_error *err)
{
    void *out[64];
    if (r->outs_len > IT_LEN(out))
        return it_fail(err, INTACT_E_UNSUPPORTED, r->m->path, "the program has %u outputs; at most %zu can be read", r->outs_len, IT_LEN(out));
    size_t at = 0;
    for (uint32_t i = 0; i < r->outs_len; i++) {
        out[i] = r->raw + at;
        at += it_round_up(r->ports[i].bytes, IT_ALIGN);
    }
    for (uint32_t k = 0; k < len; k++) {
        const void *in = r->codes;
        if (r->wants_pixels)
            memcpy(r->codes, pixels + k * f->elements, f->elements);
        else
            quantize_input(r, f, floats + k * f->elements);
        IT_TRY(intact_session_run(r->session, &in, 1, out, r->outs_len, err));
        for (uint32_t i = 0; i < r->outs_len; i++)
            real_output(&r->ports[i], &r->outs[i], out[i], k);
    }
    return r->record_failed ? it_fail_nomem(err, r->m->path, r->scratch_cap) : INTACT_OK;
}

intact_status it_runner_run(it_runner *r, const it_feed *f, const uint8_t *pixels, const float *floats, uint32_t len, intact_error *err)
{
    return r->exec ? run_float(r, f, floats, len, err) : run_integer(r, f, pixels, floats, len, err);
}

/* Best first: larger, then the lower index; what is no number comes last. */
static bool goes_before(const float *x, uint32_t a, uint32_t b)
{
    bool na = isnan(x[a]), nb = isnan(x[b]);
    if (na != nb)
        return nb;
    return na || x[a] == x[b] ? a < b : x[a] > x[b];
}

/* index[0..len) is a heap with the worst at its root, but for what stands at i. */
static void sink(const float *x, uint32_t *index, uint32_t len, uint32_t i)
{
    for (uint32_t child; (child = 2 * i + 1) < len; i = child) {
        if (child + 1 < len && goes_before(x, index[child], index[child + 1]))
            child++;
        if (goes_before(x, index[child], index[i]))
            return;
        uint32_t t = index[i];
        index[i] = index[child];
        index[child] = t;
    }
}

void it_top_k(const float *x, size_t n, uint32_t k, uint32_t *index)
{
    for (uint32_t i = 0; i < k; i++)
        index[i] = i;
    for (uint32_t i = k / 2; i-- > 0;)
        sink(x, index, k, i);
    for (size_t i = k; k && i < n; i++)
        if (goes_before(x, (uint32_t)i, index[0])) {
            index[0] = (uint32_t)i;
            sink(x, index, k, 0);
        }
    for (uint32_t len = k; len > 1; len--) { /* the worst goes to the end */
        uint32_t t = index[0];
        index[0] = index[len - 1];
        index[len - 1] = t;
        sink(x, index, len - 1, 0);
    }
}
