/* SPDX-License-Identifier: Apache-2.0 */
/* convolve_back.c: the gradients that Conv and ConvTranspose share: oneDNN where it can, loops in double where it cannot. */
#include <string.h>

#include "op/convolve.h"
#include "op/dnnl.h"
#include "op/operand.h"

/* t as plain doubles. */
static intact_status plain_f64(it_run_ctx *c, const it_node *n, const it_tensor *t, const double **out, intact_error *err)
{
    size_t bytes = (size_t)it_tensor_len(t) * sizeof(double);
    double *room;
    IT_TRY(it_nn_f64(c, n, t, out, err));
    if (t->layout != IT_NHWC)
        return INTACT_OK;
    room = it_arena_new(c->scratch, bytes);
    if (!room)
        return it_fail_nomem(err, n->name, bytes);
    it_convolve_swap(*out, room, t->dim[0], t->dim[2] * t->dim[3], t->dim[1]);
    *out = room;
    return INTACT_OK;
}

static intact_status zeros_f64(it_run_ctx *c, const it_node *n, const it_tensor *t, double **out, intact_error *err)
{
    size_t bytes = (size_t)it_tensor_len(t) * sizeof(double);
    *out = it_arena_new(c->scratch, bytes + 1);
    return *out ? INTACT_OK : it_fail_nomem(err, n->name, bytes);
}

static intact_status put_plain(it_run_ctx *c, const it_node *n, it_tensor *t, const double *from, intact_error *err)
{
    double *room;
    if (t->layout != IT_NHWC) {
        it_nn_put_f64(t, from);
        return INTACT_OK;
    }
    IT_TRY(zeros_f64(c, n, t, &room, err));
    it_convolve_swap(from, room, t->dim[0], t->dim[1], t->dim[2] * t->dim[3]);
    it_nn_put_f64(t, room);
    return INTACT_OK;
}

/* The gradient of one kernel: the products of one pair of planes. */
static void kernel_grad(const it_nn_conv *g, const double *small, const double *big, double *dw)
{
    const int64_t *s = g->small, *b = g->big, *k = g->kernel;
    for (int64_t t = 0; t < k[0] * k[1] * k[2]; t++) {
        double sum = 0;
        for (int64_t q = 0; q < s[0] * s[1] * s[2]; q++) {
            int64_t p0 = q / (s[1] * s[2]) * g->stride[0] - g->pad[0] + t / (k[1] * k[2]) * g->dil[0];
            int64_t p1 = q / s[2] % s[1] * g->stride[1] - g->pad[1] + t / k[2] % k[1] * g->dil[1];
            int64_t p2 = q % s[2] * g->stride[2] - g->pad[2] + t % k[2] * g->dil[2];
            if (p0 >= 0 && p0 < b[0] && p1 >= 0 && p1 < b[1] && p2 >= 0 && p2 < b[2])
                sum += small[q] * big[(p0 * b[1] + p1) * b[2] + p2];
        }
        dw[t] += sum;
    }
}

static void weights_direct(const it_nn_conv *g, const double *small, const double *big, double *dw)
{
    int64_t len_small = g->small[0] * g->small[1] * g->small[2], len_big = g->big[0] * g->big[1] * g->big[2];
    int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2], big_per = g->big_c / g->group, small_per = g->small_c / g->group;
    for (int64_t n = 0; n < g->batch; n++)
        for (int64_t sc = 0; sc < g->small_c; sc++)
            for (int64_t j = 0; j < big_per; j++)
                kernel_grad(g, small + (n * g->small_c + sc) * len_small, big + (n * g->big_c + sc / small_per * big_per + j) * len_big,
                            dw + (sc * big_per + j) * taps);
}

/* dx is the transposed convolution of dy; the other way round for a transposed one. */
static intact_status run_direct(it_run_ctx *c, const it_node *n, const it_nn_conv *g, const it_tensor *const *in, const it_tensor *dy, it_tensor *dx,
                                it_tensor *dw, intact_error *err)
{
    const double *x, *w, *from;
    double *to;
    IT_TRY(plain_f64(c, n, dy, &from, err));
    if (dx) {
        it_nn_conv other = *g;
        other.transposed = !g->transposed;
        IT_TRY(it_nn_f64(c, n, in[1], &w, err));
        IT_TRY(zeros_f64(c, n, dx, &to, err));
        it_nn_conv_direct(&other, from, w, NULL, to);
        IT_TRY(put_plain(c, n, dx, to, err));
    }
    if (dw) {
        IT_TRY(plain_f64(c, n, in[0], &x, err));
        IT_TRY(zeros_f64(c, n, dw, &to, err));
        weights_direct(g, g->transposed ? x : from, g->transposed ? from : x, to);
        it_nn_put_f64(dw, to);
    }
    return INTACT_OK;
}

/* Sums over samples and positions, in double. */
static void sum_f32(const it_nn_view *v, const float *restrict y, double *restrict sum)
{
    for (int64_t o = 0; o < v->outer; o++)
        for (int64_t p = 0; p < v->len; p++, y += v->inner)
            if (v->inner == 1)
                sum[o % v->channels] += (double)*y;
            else
                for (int64_t c = 0; c < v->inner; c++)
                    sum[c] += (double)y[c];
}

static intact_status bias_grad(it_run_ctx *c, const it_node *n, const it_tensor *dy, it_tensor *db, intact_error *err)
{
    it_nn_view v = it_nn_view_of(dy);
    double *sum;
    IT_TRY(zeros_f64(c, n, db, &sum, err));
    if (dy->type == IT_F32)
        sum_f32(&v, dy->data, sum);
    else
        for (int64_t i = 0; i < it_tensor_len(dy); i++)
            sum[i / v.len % v.channels] += it_tensor_get(dy, i); /* other types are never channels-last */
    it_nn_put_f64(db, sum);
    return INTACT_OK;
}

/* The two operands that samples bring, in one piece of memory: freed as one it stays with the allocator, of two the system would take pages back. */
static intact_status round_both(it_back_ctx *c, const it_node *n, int64_t x_len, int64_t dy_len, it_dnnl_conv_grads *d, intact_error *err)
{
    const size_t x_bytes = it_round_up((size_t)x_len * sizeof(float), IT_ALIGN), bytes = x_bytes + (size_t)dy_len * sizeof(float);
    char *room = it_arena_raw(c->scratch, bytes);
    float *x = (float *)(void *)room, *dy;
    if (!room)
        return it_fail_nomem(err, n->name, bytes);
    dy = (float *)(void *)(room + x_bytes);
    it_operand_round(c->products, d->x, x, x_len);
    it_operand_round(c->products, d->dy, dy, dy_len);
    if (x_len)
        d->x = x;
    d->dy = dy;
    return INTACT_OK;
}

intact_status it_convolve_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *out, const it_tensor *dy,
                               it_tensor *const *dx, const it_window *win, int64_t group, bool transposed, intact_error *err)
{
    it_run_ctx rc = { .alloc = c->alloc, .scratch = c->scratch };
    it_nn_conv g = { .group = group, .transposed = transposed };
    bool done_x = !dx[0], done_w = !dx[1];
    if (n->in_len > 2 && dx[2])
        IT_TRY(bias_grad(&rc, n, dy, dx[2], err));
    if (in[0]->type == IT_F32 && it_tensor_len(in[0]) && it_tensor_len(out) && (dx[0] || dx[1])) {
        it_dnnl_conv_spec spec = { .x = in[0], .w = in[1], .y = out, .transposed = transposed, .group = group, .win = win,
                                   .dot = c->products == IT_PRODUCTS_BF16_DOT };
        it_dnnl_conv_grads d = { .x = in[0]->data, .w = in[1]->data, .dy = dy->data, .dx = dx[0] ? dx[0]->data : NULL,
                                 .dw = dx[1] ? dx[1]->data : NULL, .weights_at = c->weights_at, .products = c->products };
        if (it_operand_copies(c->products))
            IT_TRY(round_both(c, n, d.dw && !(c->rounded & 1) ? it_tensor_len(in[0]) : 0, it_tensor_len(dy), &d, err));
        IT_TRY(it_dnnl_conv_back(c->alloc, c->state, n, &spec, &d, &done_x, &done_w, err));
    }
    if (done_x && done_w)
        return INTACT_OK;
    it_convolve_geometry(&g, in[0], in[1], out, win);
    return run_direct(&rc, n, &g, in, dy, done_x ? NULL : dx[0], done_w ? NULL : dx[1], err);
}
