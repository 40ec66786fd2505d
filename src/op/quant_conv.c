/* SPDX-License-Identifier: Apache-2.0 */
/* Integer convolution: whole output rows at a time, one weight after the other. */
#include "op/quant_mac.h"

intact_status it_qconv_parse(it_parse *p)
{
    it_qconv_args *a = p->n->args;
    IT_TRY(it_window_parse(p, &a->win));
    IT_TRY(it_attr_int(p, "group", 1, &a->group));
    if (a->group < 1) return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "group is %lld; it must be at least 1", (long long)a->group);
    return INTACT_OK;
}

intact_status it_qconv_infer(const it_node *n, const it_tensor *x, const it_tensor *w, it_tensor *out, intact_error *err)
{
    const it_qconv_args *a = n->args;
    it_window win;
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank)
        return it_node_fail(n, err, INTACT_E_SHAPE, "x has %d dimensions, the weight %d; both must have the same number, 3 to 5", x->rank,
                            w->rank);
    if (x->dim[1] % a->group || w->dim[0] % a->group || w->dim[1] != x->dim[1] / a->group)
        return it_node_fail(n, err, INTACT_E_SHAPE, "weight of %lld outputs and %lld inputs for %lld channels in %lld groups",
                            (long long)w->dim[0], (long long)w->dim[1], (long long)x->dim[1], (long long)a->group);
    IT_TRY(it_window_resolve(n, &a->win, w->dim + 2, x, &win, out->dim + 2, err));
    out->rank = x->rank;
    out->dim[0] = x->dim[0];
    out->dim[1] = w->dim[0];
    return INTACT_OK;
}

/* With one or two axes, leading ones of extent 1: everything below has three. */
static void three_axes(it_window *w)
{
    it_window v = {.len = 3, .kernel = {1, 1, 1}, .stride = {1, 1, 1}, .dil = {1, 1, 1}};
    int shift = 3 - w->len;
    for (int k = 0; k < w->len; k++) {
        v.kernel[k + shift] = w->kernel[k];
        v.stride[k + shift] = w->stride[k];
        v.dil[k + shift] = w->dil[k];
        v.pad[k + shift] = w->pad[k];
    }
    *w = v;
}

intact_status it_qconv_prepare(it_run_ctx *c, const it_node *n, const it_tensor *x, const it_tensor *x_zero, const it_tensor *w,
                               const it_tensor *w_zero, it_qconv *q, intact_error *err)
{
    const it_qconv_args *a = n->args;
    int64_t out[3], sample = 1;
    *q = (it_qconv){.x = x, .w = w, .w_zero = w_zero, .x_zero = x_zero ? (int32_t)it_tensor_get_int(x_zero, 0) : 0, .group = a->group,
                    .out_dim = {1, 1, 1}};
    IT_TRY(it_window_resolve(n, &a->win, w->dim + 2, x, &q->win, out, err));
    for (int k = 0; k < q->win.len; k++) q->out_dim[3 - q->win.len + k] = out[k];
    three_axes(&q->win);
    for (int k = 1; k < x->rank; k++) sample *= x->dim[k];
    void *room;
    IT_TRY(it_elem_scratch(c, n, (size_t)sample, sizeof(int32_t), &room, err));
    q->sample = room;
    IT_TRY(it_elem_scratch(c, n, (size_t)(q->out_dim[0] * q->out_dim[1] * q->out_dim[2]), sizeof(int32_t), &room, err));
    q->acc = room;
    return INTACT_OK;
}

void it_qconv_load(it_qconv *q, int64_t sample)
{
    int64_t len = 1;
    for (int k = 1; k < q->x->rank; k++) len *= q->x->dim[k];
    it_q_widen(q->x, sample * len, len, q->x_zero, q->sample);
}

/* Outputs whose input index o * stride - pad + k * dil lies in 0..in-1: *first..*last - 1. */
static void reach(int64_t in, int64_t out, int64_t stride, int64_t pad, int64_t offset, int64_t *first, int64_t *last)
{
    int64_t before = pad - offset, after = in - 1 + pad - offset;
    *first = before > 0 ? (before + stride - 1) / stride : 0;
    *last = after < 0 ? 0 : after / stride + 1;
    if (*last > out) *last = out;
}

/* acc (out_h,out_w) += weight * the input plane (in_h,in_w) seen through tap (kh,kw). */
static void add_tap(const it_qconv *q, const int32_t *plane, int64_t in_h, int64_t in_w, int64_t kh, int64_t kw, int32_t weight,
                    int32_t *acc)
{
    const it_window *w = &q->win;
    int64_t h0, h1, w0, w1, step = w->stride[2], off_h = kh * w->dil[1], off_w = kw * w->dil[2];
    reach(in_h, q->out_dim[1], w->stride[1], w->pad[1], off_h, &h0, &h1);
    reach(in_w, q->out_dim[2], step, w->pad[2], off_w, &w0, &w1);
    for (int64_t h = h0; h < h1; h++) {
        const int32_t *x = plane + (h * w->stride[1] - w->pad[1] + off_h) * in_w + off_w - w->pad[2];
        uint32_t *y = (uint32_t *)acc + h * q->out_dim[2];
        if (step == 1)
            for (int64_t i = w0; i < w1; i++) y[i] += (uint32_t)weight * (uint32_t)x[i];
        else
            for (int64_t i = w0; i < w1; i++) y[i] += (uint32_t)weight * (uint32_t)x[i * step];
    }
}

/* One input channel into acc: its planes one by one, through every tap. */
static void add_channel(const it_qconv *q, const int32_t *x, int64_t weight_at, int32_t w_zero, int32_t *acc)
{
    const it_window *w = &q->win;
    int rank = q->x->rank;
    int64_t in_d = rank > 4 ? q->x->dim[2] : 1, in_h = rank > 3 ? q->x->dim[rank - 2] : 1, in_w = q->x->dim[rank - 1];
    int64_t taps = w->kernel[0] * w->kernel[1] * w->kernel[2], plane = q->out_dim[1] * q->out_dim[2];
    for (int64_t t = 0; t < taps; t++) {
        int64_t kd = t / (w->kernel[1] * w->kernel[2]), kh = t / w->kernel[2] % w->kernel[1], kw = t % w->kernel[2], d0, d1;
        int32_t weight;
        it_q_widen(q->w, weight_at + t, 1, w_zero, &weight);
        if (weight == 0) continue;
        reach(in_d, q->out_dim[0], w->stride[0], w->pad[0], kd * w->dil[0], &d0, &d1);
        for (int64_t d = d0; d < d1; d++)
            add_tap(q, x + (d * w->stride[0] - w->pad[0] + kd * w->dil[0]) * in_h * in_w, in_h, in_w, kh, kw, weight, acc + d * plane);
    }
}

int64_t it_qconv_plane(it_qconv *q, int64_t o, int32_t bias)
{
    int64_t len = q->out_dim[0] * q->out_dim[1] * q->out_dim[2], in_c = q->w->dim[1], in_len = 1;
    int64_t taps = q->win.kernel[0] * q->win.kernel[1] * q->win.kernel[2], first = o / (q->w->dim[0] / q->group) * in_c;
    int32_t w_zero = !q->w_zero ? 0 : (int32_t)it_tensor_get_int(q->w_zero, it_tensor_len(q->w_zero) == 1 ? 0 : o);
    for (int k = 2; k < q->x->rank; k++) in_len *= q->x->dim[k];
    for (int64_t i = 0; i < len; i++) q->acc[i] = bias;
    for (int64_t c = 0; c < in_c; c++) add_channel(q, q->sample + (first + c) * in_len, (o * in_c + c) * taps, w_zero, q->acc);
    return len;
}
