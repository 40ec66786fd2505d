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

static intact_status float_hook(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    it_runner *r = user;
    if (t->type != IT_F32)
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
    if (intact_program_step(r->m->program, step, &s) != INTACT_OK)
        return;
    size_t n = bytes / intact_type_bytes(s.out_type);
    float *x = scratch_for(r, n);
    if (!x)
        return;
    codes_to_real(s.out_type, s.out_scale, s.out_zero_point, data, n, x);
    r->record(r->record_user, s.out_name, x, n);
}

/* ---- life ---- */

static intact_status open_integer(it_runner *r, intact_error *err)
{
    const intact_alloc *a = r->m->ctx->alloc;
    intact_session_options so = {.batch = 1, .threads = 1, .probe = r->record ? integer_probe : NULL, .probe_user = r};
    intact_program_info info;
    intact_program_get_info(r->m->program, &info);
    if (info.inputs_len != 1)
        return it_fail(err, INTACT_E_UNSUPPORTED, r->m->path, "the program has %u inputs; data sets feed programs with one", info.inputs_len);
    IT_TRY(intact_program_input(r->m->program, 0, &r->in));
    IT_TRY(intact_program_output(r->m->program, 0, &r->out));
    r->wants_pixels = r->in.is_pixels;
    r->wants_floats = !r->in.is_pixels;
    r->codes_bytes = r->in.bytes;
    r->codes = it_alloc_new(a, r->codes_bytes);
    for (uint32_t i = 0; i < info.outputs_len; i++) { /* every output needs room; the first one lies in front */
        intact_port p;
        IT_TRY(intact_program_output(r->m->program, i, &p));
        r->raw_bytes += it_round_up(p.bytes, IT_ALIGN);
    }
    r->raw = it_alloc_new(a, r->raw_bytes);
    r->out_len = r->out.bytes / intact_type_bytes(r->out.type);
    r->out_cap = r->out_len * IT_FEED_BATCH;
    r->out_real = it_alloc_new(a, r->out_cap * sizeof(float));
    if (!r->codes || !r->raw || !r->out_real)
        return it_fail_nomem(err, r->m->path, r->codes_bytes + r->raw_bytes);
    return intact_session_new(r->m->program, &so, &r->session, err);
}

intact_status it_runner_open(it_runner *r, const intact_model *m, const it_feed *f, void (*record)(void *, const char *, const float *, size_t), void *user,
                             intact_error *err)
{
    (void)f;
    *r = (it_runner){.m = m, .record = record, .record_user = user};
    intact_status st;
    if (m->kind == INTACT_MODEL_INTEGER) {
        st = open_integer(r, err);
    } else {
        it_exec_options eo = {record ? float_hook : NULL, r};
        r->wants_floats = true;
        st = it_exec_new(&m->g, &eo, &r->exec, err);
    }
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
    it_alloc_free(a, r->codes, r->codes_bytes);
    it_alloc_free(a, r->raw, r->raw_bytes);
    it_alloc_free(a, r->out_real, r->out_cap * sizeof(float));
    it_alloc_free(a, r->scratch, r->scratch_cap * sizeof(float));
    *r = (it_runner){0};
}

/* ---- running ---- */

static intact_status keep_output(it_runner *r, const it_tensor *y, size_t at, size_t samples, intact_error *err)
{
    size_t len = (size_t)it_tensor_len(y), per = samples ? len / samples : 0;
    if (per == 0 || per * samples != len)
        return it_fail(err, INTACT_E_SHAPE, r->m->path, "the first output has %zu elements for %zu samples; the batch must be its first dimension", len, samples);
    if (r->out_cap < per * IT_FEED_BATCH) {
        float *p = it_alloc_grow(r->m->ctx->alloc, r->out_real, r->out_cap * sizeof *p, per * IT_FEED_BATCH * sizeof *p);
        if (!p)
            return it_fail_nomem(err, r->m->path, per * IT_FEED_BATCH * sizeof *p);
        r->out_real = p;
        r->out_cap = per * IT_FEED_BATCH;
    }
    r->out_len = per;
    for (size_t i = 0; i < len; i++)
        r->out_real[at * per + i] = y->type == IT_F32 ? ((const float *)y->data)[i] : (float)it_tensor_get(y, (int64_t)i);
    return INTACT_OK;
}

static intact_status run_float(it_runner *r, const it_feed *f, const float *floats, uint32_t len, intact_error *err)
{
    const it_value *x = r->m->g.inputs.items[0];
    bool fixed = x->declared_rank > 0 && x->declared[0] > 0; /* exported with a batch: that many at a time */
    uint32_t step = fixed ? 1 : r->record ? 1 : IT_FEED_BATCH;
    if (fixed && x->declared[0] != 1)
        return it_fail(err, INTACT_E_UNSUPPORTED, r->m->path, "the input's batch is fixed at %lld; export it with a symbolic batch or with 1", (long long)x->declared[0]);
    for (uint32_t at = 0; at < len; at += step) {
        it_tensor in = x->t;
        in.dim[0] = len - at < step ? len - at : step;
        in.layout = IT_PLAIN;
        in.data = (void *)(uintptr_t)(floats + at * f->elements);
        IT_TRY(it_exec_run(r->exec, &in, 1, err));
        IT_TRY(keep_output(r, it_exec_output(r->exec, 0), at, (size_t)in.dim[0], err));
    }
    return INTACT_OK;
}

/* Real values in ONNX order to the program's codes in its own order; ties toward +infinity as everywhere. */
static void quantize_input(const it_runner *r, const it_feed *f, const float *x)
{
    size_t c_len = f->rank >= 2 ? f->dim[0] : 1, area = f->elements / c_len;
    int32_t lo = r->in.type == INTACT_U8 ? 0 : -32767, hi = r->in.type == INTACT_U8 ? 255 : 32767;
    for (size_t c = 0; c < c_len; c++)
        for (size_t i = 0; i < area; i++) {
            double v = floor((double)x[c * area + i] / r->in.scale + 0.5) + r->in.zero_point;
            int32_t q = v > hi ? hi : v < lo ? lo : (int32_t)v;
            if (r->in.type == INTACT_U8)
                r->codes[i * c_len + c] = (uint8_t)q;
            else
                ((int16_t *)(void *)r->codes)[i * c_len + c] = (int16_t)q;
        }
}

static intact_status run_integer(it_runner *r, const it_feed *f, const uint8_t *pixels, const float *floats, uint32_t len, intact_error *err)
{
    intact_program_info info;
    intact_program_get_info(r->m->program, &info);
    void *out[64];
    if (info.outputs_len > IT_LEN(out))
        return it_fail(err, INTACT_E_UNSUPPORTED, r->m->path, "the program has %u outputs; at most %zu can be read", info.outputs_len, IT_LEN(out));
    size_t at = 0;
    for (uint32_t i = 0; i < info.outputs_len; i++) {
        intact_port p;
        IT_TRY(intact_program_output(r->m->program, i, &p));
        out[i] = (uint8_t *)r->raw + at;
        at += it_round_up(p.bytes, IT_ALIGN);
    }
    for (uint32_t k = 0; k < len; k++) {
        const void *in = r->codes;
        if (r->wants_pixels)
            memcpy(r->codes, pixels + k * f->elements, f->elements);
        else
            quantize_input(r, f, floats + k * f->elements);
        IT_TRY(intact_session_run(r->session, &in, 1, out, info.outputs_len, err));
        codes_to_real(r->out.type, r->out.scale, r->out.zero_point, r->raw, r->out_len, r->out_real + k * r->out_len);
    }
    return r->record_failed ? it_fail_nomem(err, r->m->path, r->scratch_cap) : INTACT_OK;
}

intact_status it_runner_run(it_runner *r, const it_feed *f, const uint8_t *pixels, const float *floats, uint32_t len, intact_error *err)
{
    return r->exec ? run_float(r, f, floats, len, err) : run_integer(r, f, pixels, floats, len, err);
}

void it_top_k(const float *x, size_t n, uint32_t k, uint32_t *index)
{
    for (uint32_t have = 0; have < k; have++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            bool taken = false;
            for (uint32_t j = 0; j < have && !taken; j++)
                taken = index[j] == i;
            if (!taken && (best == n || x[i] > x[best]))
                best = i;
        }
        index[have] = (uint32_t)best;
    }
}
