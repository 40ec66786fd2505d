/* SPDX-License-Identifier: Apache-2.0 */
/* pooling_lower.c: pooling as integer instructions; one spatial axis is a height of 1. */
#include <math.h>

#include "op/pooling.h"

typedef struct flat_window { uint32_t kh, kw, stride_h, stride_w, dil_h, dil_w, pad_t, pad_l, pad_b, pad_r; } flat_window;

/* ceil_mode lets the last window reach past the padding: the end padding grows to what is really touched. */
static int64_t end_pad(const it_window *w, int i, int64_t in, int64_t out)
{
    int64_t reach = (out - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dil[i] + 1, pad = reach - in - w->pad[i];
    return pad > w->pad[w->len + i] ? pad : w->pad[w->len + i];
}

static flat_window flatten(const it_window *w, const it_tensor *x, const it_tensor *y)
{
    flat_window f = { 1, 1, 1, 1, 1, 1, 0, 0, 0, 0 };
    int last = w->len - 1, h = w->len - 2;
    f.kw = (uint32_t)w->kernel[last];
    f.stride_w = (uint32_t)w->stride[last];
    f.dil_w = (uint32_t)w->dil[last];
    f.pad_l = (uint32_t)w->pad[last];
    f.pad_r = (uint32_t)end_pad(w, last, x->dim[last + 2], y->dim[last + 2]);
    if (h >= 0) {
        f.kh = (uint32_t)w->kernel[h];
        f.stride_h = (uint32_t)w->stride[h];
        f.dil_h = (uint32_t)w->dil[h];
        f.pad_t = (uint32_t)w->pad[h];
        f.pad_b = (uint32_t)end_pad(w, h, x->dim[h + 2], y->dim[h + 2]);
    }
    return f;
}

static bool has_pads(const flat_window *f) { return f->pad_t || f->pad_l || f->pad_b || f->pad_r; }

static intact_status lower_max(it_lower *lw, const it_node *n, const flat_window *f, uint32_t x, intact_error *err)
{
    const it_value *in = n->in[0], *out = n->out[0];
    it_maxpool_args a = { f->kh, f->kw, f->stride_h, f->stride_w, f->dil_h, f->dil_w, f->pad_t, f->pad_l, f->pad_b, f->pad_r, 0, 0 };
    bool same = it_lower_same_quant(in->q, out->q);
    uint32_t y, dims[INTACT_RANK_MAX];
    if (n->out_len > 1 && n->out[1])
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the output of indices has no integer form");
    if (same) {
        it_clamp_codes(in->q, n->clamp_lo, n->clamp_hi, &a.lo, &a.hi);
        IT_TRY(it_lower_tensor(lw, out, &y, err));
        return it_lower_emit(lw, &it_instr_maxpool, n->name, &x, 1, &y, 1, &a, err);
    }
    it_clamp_codes(in->q, -INFINITY, INFINITY, &a.lo, &a.hi);
    it_runtime_dims(&out->t, dims);
    IT_TRY(it_lower_temp(lw, out->name, in->q->type, (uint32_t)out->t.rank, dims, in->q->scale[0], in->q->zero[0], &y, err));
    IT_TRY(it_lower_emit(lw, &it_instr_maxpool, n->name, &x, 1, &y, 1, &a, err));
    return it_lower_requantize(lw, n, y, in->q, out, err);
}

/* One multiplier S_x / (S_y * n) for each possible number n of elements, or one alone when that number never changes. */
static intact_status average_consts(it_lower *lw, const it_node *n, int64_t area, bool by_count, it_avgpool_args *a, intact_error *err)
{
    int64_t len = by_count ? area : 1;
    size_t bytes = (size_t)len * 2 * sizeof(int32_t);
    int32_t *m = it_alloc_new(lw->alloc, bytes);
    intact_status st = INTACT_OK;
    if (!m)
        return it_fail_nomem(err, n->name, bytes);
    for (int64_t i = 0; i < len && st == INTACT_OK; i++) {
        it_mult k = { 0, 1 };
        double by = by_count ? (double)(i + 1) : (double)area;
        st = it_mult_of((double)n->in[0]->q->scale[0] / ((double)n->out[0]->q->scale[0] * by), 31, &k, n->name, err);
        m[i] = k.m;
        m[len + i] = k.s;
    }
    if (st == INTACT_OK)
        st = it_lower_const(lw, INTACT_S32, (uint64_t)len, m, &a->mult, err);
    if (st == INTACT_OK)
        st = it_lower_const(lw, INTACT_S32, (uint64_t)len, m + len, &a->shift, err);
    it_alloc_free(lw->alloc, m, bytes);
    return st;
}

/* ---- ties of a network that came quantized ---- */

/* A window's sum times a power of two, 2^-t: every 2^t-th sum is a tie, which goes to the even number there and up here. 0: not so. */
static int tie_bits(const it_node *n, int64_t area, bool by_count)
{
    const it_quant *x = n->in[0]->q, *y = n->out[0]->q;
    int e;
    if (!x->given || !y->given || x->type != INTACT_U8 || y->type != INTACT_U8 || by_count || area > 128) return 0; /* the sum has 16 bits */
    double f = frexp((double)x->scale[0] / ((double)y->scale[0] * (double)area), &e);
    return f == 0.5 && e <= 0 && e > -15 ? 1 - e : 0;
}

static intact_status temp_like(it_lower *lw, uint32_t y, intact_type type, float scale, int32_t zero, uint32_t *out, intact_error *err)
{
    const it_ptensor t = lw->prog->tensors.items[y];
    return it_lower_temp(lw, t.name, type, t.rank, t.dims, scale, zero, out, err);
}

/* D = 2^t. The sum v as it is; A = (v + D/2) >> t has gone up where v is a tie; P = 0 where A is even, else -1; y = (v + P + D/2) >> t, which is
** A again wherever v is none. All are differences to zero points. */
static intact_status average_even(it_lower *lw, const it_node *n, it_avgpool_args *a, uint32_t x, uint32_t y, int t, intact_error *err)
{
    const it_quant *qy = n->out[0]->q;
    const float step = (float)ldexp((double)qy->scale[0], -t); /* what 1 of the sum is worth */
    const int32_t one[2] = { 1 << 30, 30 };
    it_requantize_args up = { .mult = 1 << 30, .shift = (uint32_t)(30 + t), .hi = 255 };
    it_add_args both = { .m_a = 1 << (30 - t), .m_b = 1 << (30 - t), .shift = 30, .lo = a->lo, .hi = a->hi };
    uint8_t parity[256];
    it_lut_args odd;
    uint32_t v[2], rounded;
    a->lo = -32767;
    a->hi = 32767;
    for (int32_t q = 0; q < 256; q++) parity[q] = (q - qy->zero[0]) % 2 == 0;
    IT_TRY(it_lower_const(lw, INTACT_S32, 1, &one[0], &a->mult, err));
    IT_TRY(it_lower_const(lw, INTACT_S32, 1, &one[1], &a->shift, err));
    IT_TRY(it_lower_const(lw, INTACT_U8, 256, parity, &odd.table, err));
    IT_TRY(temp_like(lw, y, INTACT_S16, step, 0, &v[0], err));
    IT_TRY(temp_like(lw, y, INTACT_U8, qy->scale[0], qy->zero[0], &rounded, err));
    IT_TRY(temp_like(lw, y, INTACT_U8, step, 1, &v[1], err));
    IT_TRY(it_lower_emit(lw, &it_instr_avgpool, n->name, &x, 1, &v[0], 1, a, err));
    IT_TRY(it_lower_emit(lw, &it_instr_requantize, n->name, &v[0], 1, &rounded, 1, &up, err));
    IT_TRY(it_lower_emit(lw, &it_instr_lut, n->name, &rounded, 1, &v[1], 1, &odd, err));
    return it_lower_emit(lw, &it_instr_add, n->name, v, 2, &y, 1, &both, err);
}

static intact_status lower_average(it_lower *lw, const it_node *n, const flat_window *f, const it_window *win, bool count_pad, uint32_t x,
                                   intact_error *err)
{
    const it_value *out = n->out[0];
    it_avgpool_args a = { f->kh, f->kw, f->stride_h, f->stride_w, f->pad_t, f->pad_l, f->pad_b, f->pad_r, 0, 0, 0, 0 };
    int64_t area = (int64_t)f->kh * f->kw, most = n->in[0]->q->type == INTACT_U8 ? 1 << 23 : 1 << 16; /* sums below 2^31 */
    uint32_t y;
    bool beyond;
    if (f->dil_h != 1 || f->dil_w != 1)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "average pooling with dilation has no integer form");
    if (area > most)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "a window of %u x %u could overflow a 32-bit sum; at most %lld elements are "
                            "possible", f->kh, f->kw, (long long)most);
    /* ceil_mode's extra reach is not counted, but the instruction with one divisor would count it. */
    beyond = f->pad_r != (uint32_t)win->pad[2 * win->len - 1] || (win->len > 1 && f->pad_b != (uint32_t)win->pad[2 * win->len - 2]);
    if (count_pad && beyond)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "count_include_pad with windows that ceil_mode takes past the padding has no "
                            "integer form");
    it_clamp_codes(out->q, n->clamp_lo, n->clamp_hi, &a.lo, &a.hi);
    IT_TRY(it_lower_tensor(lw, out, &y, err));
    int ties = tie_bits(n, area, has_pads(f) && !count_pad);
    if (ties)
        return average_even(lw, n, &a, x, y, ties, err);
    IT_TRY(average_consts(lw, n, area, has_pads(f) && !count_pad, &a, err));
    return it_lower_emit(lw, &it_instr_avgpool, n->name, &x, 1, &y, 1, &a, err);
}

intact_status it_pooling_lower(it_lower *lw, const it_node *n, it_pooling_kind kind, bool global, intact_error *err)
{
    const it_value *in = n->in[0], *out = n->out[0];
    const it_pooling_args *args = n->args;
    it_window win;
    flat_window f;
    uint32_t x, y;
    if (in->t.rank > 4)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "pooling over 3 axes has no integer form; 1 or 2 axes have");
    IT_TRY(it_pooling_window(n, &in->t, global, &win, err));
    IT_TRY(it_lower_tensor(lw, in, &x, err));
    IT_TRY(it_lower_tensor(lw, out, &y, err)); /* checks what is computed with below */
    f = flatten(&win, &in->t, &out->t);
    if (kind == IT_POOLING_MAX)
        return lower_max(lw, n, &f, x, err);
    return lower_average(lw, n, &f, &win, !global && args->count_include_pad, x, err);
}
