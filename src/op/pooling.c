/* SPDX-License-Identifier: Apache-2.0 */
/* pooling.c: what the pooling operators share. Memory-bound, so plain loops do: channels-last tensors run along the channels. */
#include <math.h>
#include <string.h>

#include "op/pooling.h"

/* outer blocks of in[0]*in[1]*in[2] positions of inner values each; axes that the tensor lacks come first with length 1. */
typedef struct geom {
    int64_t outer, inner, channels, in[3], out[3], kernel[3], stride[3], dil[3], pad[3], pad_end[3];
    bool count_pad, column_major;
    double p;
} geom;

intact_status it_pooling_window(const it_node *n, const it_tensor *x, bool global, it_window *win, intact_error *err)
{
    const it_pooling_args *a = n->args;
    int64_t dim[3];
    if (!global)
        return it_window_resolve(n, &a->win, NULL, x, win, dim, err);
    memset(win, 0, sizeof(*win));
    win->len = x->rank - 2;
    for (int i = 0; i < win->len; i++) {
        win->kernel[i] = x->dim[i + 2];
        win->stride[i] = win->dil[i] = 1;
    }
    return INTACT_OK;
}

intact_status it_pooling_infer(const it_node *n, const it_tensor *x, bool global, it_tensor *out, intact_error *err)
{
    const it_pooling_args *a = n->args;
    int64_t dim[3] = { 1, 1, 1 };
    it_window win;
    if (x->rank < 3 || x->rank > 5)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the input has %d dimensions; 3, 4 or 5 are needed (batch, channels, spatial)",
                            x->rank);
    if (!global)
        IT_TRY(it_window_resolve(n, &a->win, NULL, x, &win, dim, err));
    out->type = x->type;
    out->rank = x->rank;
    out->dim[0] = x->dim[0];
    out->dim[1] = x->dim[1];
    for (int i = 2; i < x->rank; i++) {
        if (x->dim[i] < 1)
            return it_node_fail(n, err, INTACT_E_SHAPE, "spatial axis %d is empty", i - 2);
        out->dim[i] = dim[i - 2];
    }
    return INTACT_OK;
}

static void geometry(geom *g, const it_window *win, const it_tensor *x, const it_tensor *y)
{
    it_nn_view v = it_nn_view_of(x);
    g->outer = v.outer;
    g->inner = v.inner;
    g->channels = v.channels;
    for (int i = 0; i < 3; i++) {
        int at = i - (3 - win->len);
        g->in[i] = at < 0 ? 1 : x->dim[at + 2];
        g->out[i] = at < 0 ? 1 : y->dim[at + 2];
        g->kernel[i] = at < 0 ? 1 : win->kernel[at];
        g->stride[i] = at < 0 ? 1 : win->stride[at];
        g->dil[i] = at < 0 ? 1 : win->dil[at];
        g->pad[i] = at < 0 ? 0 : win->pad[at];
        g->pad_end[i] = at < 0 ? 0 : win->pad[win->len + at];
    }
}

/* Taps [first, last) of axis i that fall inside [lo, hi) for output position o. */
static void taps(const geom *g, int i, int64_t o, int64_t lo, int64_t hi, int64_t *first, int64_t *last)
{
    int64_t start = o * g->stride[i] - g->pad[i], d = g->dil[i];
    *first = start >= lo ? 0 : d == 1 ? lo - start : (lo - start + d - 1) / d; /* divisions cost more than a short row */
    *last = start >= hi ? 0 : d == 1 ? hi - start : (hi - start + d - 1) / d;
    if (*last > g->kernel[i])
        *last = g->kernel[i];
    if (*last < *first)
        *last = *first;
}

/* Elements that an average divides by: the valid ones, or with count_pad those up to the end of the padding. */
static int64_t divisor(const geom *g, const int64_t o[3])
{
    int64_t count = 1, first, last;
    for (int i = 0; i < 3; i++) {
        if (g->count_pad)
            taps(g, i, o[i], -g->pad[i], g->in[i] + g->pad_end[i], &first, &last);
        else
            taps(g, i, o[i], 0, g->in[i], &first, &last);
        count *= last - first;
    }
    return count > 0 ? count : 1;
}

/* Calls body with `row`, the inner values at each valid tap of output position o. */
#define FOR_TAPS(T, g, o, x_block, row, body)                                                                                    \
    do {                                                                                                                         \
        int64_t t0_, e0_, t1_, e1_, first2_, e2_;                                                                                \
        taps(g, 0, (o)[0], 0, (g)->in[0], &t0_, &e0_);                                                                           \
        for (; t0_ < e0_; t0_++)                                                                                                 \
            for (taps(g, 1, (o)[1], 0, (g)->in[1], &t1_, &e1_); t1_ < e1_; t1_++)                                                \
                for (taps(g, 2, (o)[2], 0, (g)->in[2], &first2_, &e2_); first2_ < e2_; first2_++) {                              \
                    int64_t pos = (((o)[0] * (g)->stride[0] - (g)->pad[0] + t0_ * (g)->dil[0]) * (g)->in[1] +                    \
                                   (o)[1] * (g)->stride[1] - (g)->pad[1] + t1_ * (g)->dil[1]) * (g)->in[2] +                     \
                                  (o)[2] * (g)->stride[2] - (g)->pad[2] + first2_ * (g)->dil[2];                                 \
                    const T *row = (x_block) + pos * (g)->inner;                                                                 \
                    body                                                                                                         \
                }                                                                                                                \
    } while (0)

#define FOR_OUT(g, b, o)                                                                                                         \
    for (int64_t b = 0; b < (g)->outer; b++)                                                                                     \
        for (o[0] = 0; o[0] < (g)->out[0]; o[0]++)                                                                               \
            for (o[1] = 0; o[1] < (g)->out[1]; o[1]++)                                                                           \
                for (o[2] = 0; o[2] < (g)->out[2]; o[2]++)

static int64_t in_block(const geom *g) { return g->in[0] * g->in[1] * g->in[2] * g->inner; }
static int64_t out_at(const geom *g, int64_t b, const int64_t o[3])
{
    return (((b * g->out[0] + o[0]) * g->out[1] + o[1]) * g->out[2] + o[2]) * g->inner;
}

/* A window that lies in the padding altogether gives the lowest value of the type. */
#define DEFINE_MAX(name, T, LOWEST)                                                                                              \
    static void name(const geom *g, const T *restrict x, T *restrict y)                                                          \
    {                                                                                                                            \
        int64_t o[3];                                                                                                            \
        FOR_OUT(g, b, o) {                                                                                                       \
            T *restrict to = y + out_at(g, b, o);                                                                                \
            for (int64_t i = 0; i < g->inner; i++)                                                                               \
                to[i] = LOWEST;                                                                                                  \
            FOR_TAPS(T, g, o, x + b * in_block(g), row, {                                                                        \
                for (int64_t i = 0; i < g->inner; i++)                                                                           \
                    to[i] = row[i] > to[i] ? row[i] : to[i];                                                                     \
            });                                                                                                                  \
        }                                                                                                                        \
    }
DEFINE_MAX(max_f32, float, -INFINITY)
DEFINE_MAX(max_f64, double, -INFINITY)
DEFINE_MAX(max_u8, uint8_t, 0)
DEFINE_MAX(max_i8, int8_t, INT8_MIN)

#define DEFINE_AVERAGE(name, T)                                                                                                  \
    static void name(const geom *g, const T *restrict x, T *restrict y)                                                          \
    {                                                                                                                            \
        int64_t o[3];                                                                                                            \
        FOR_OUT(g, b, o) {                                                                                                       \
            T *to = y + out_at(g, b, o), by = (T)divisor(g, o);                                                                  \
            memset(to, 0, (size_t)g->inner * sizeof(T));                                                                         \
            FOR_TAPS(T, g, o, x + b * in_block(g), row, {                                                                        \
                for (int64_t i = 0; i < g->inner; i++)                                                                           \
                    to[i] += row[i];                                                                                             \
            });                                                                                                                  \
            for (int64_t i = 0; i < g->inner; i++)                                                                               \
                to[i] /= by;                                                                                                     \
        }                                                                                                                        \
    }
DEFINE_AVERAGE(average_f32, float)
DEFINE_AVERAGE(average_f64, double)

static void norm_f64(const geom *g, const double *x, double *y)
{
    int64_t o[3];
    FOR_OUT(g, b, o) {
        double *to = y + out_at(g, b, o);
        memset(to, 0, (size_t)g->inner * sizeof(*to));
        FOR_TAPS(double, g, o, x + b * in_block(g), row, {
            for (int64_t i = 0; i < g->inner; i++)
                to[i] += g->p == 1 ? fabs(row[i]) : g->p == 2 ? row[i] * row[i] : pow(fabs(row[i]), g->p);
        });
        for (int64_t i = 0; i < g->inner; i++)
            to[i] = g->p == 1 ? to[i] : g->p == 2 ? sqrt(to[i]) : pow(to[i], 1.0 / g->p);
    }
}

/* Position in x, flattened as ONNX orders it, of each maximum: the first in row-major order on a tie. */
static void max_index(const geom *g, const double *x, int64_t *index)
{
    int64_t o[3], len_in = g->in[0] * g->in[1] * g->in[2], len_out = g->out[0] * g->out[1] * g->out[2];
    FOR_OUT(g, b, o) {
        int64_t at_out = (o[0] * g->out[1] + o[1]) * g->out[2] + o[2];
        for (int64_t i = 0; i < g->inner; i++) {
            int64_t best = -1, plane = b * g->inner + i; /* n * channels + c in both layouts */
            double most = 0;
            FOR_TAPS(double, g, o, x + b * in_block(g), row, {
                if (best < 0 || row[i] > most) {
                    most = row[i];
                    best = pos;
                }
            });
            if (g->column_major && best >= 0) {
                int64_t q2 = best % g->in[2], q1 = best / g->in[2] % g->in[1], q0 = best / (g->in[2] * g->in[1]);
                best = q0 + (q1 + q2 * g->in[1]) * g->in[0];
            }
            index[plane * len_out + at_out] = best < 0 ? -1 : plane * len_in + best;
        }
    }
}

static intact_status run_f64(it_run_ctx *c, const it_node *n, it_pooling_kind kind, const geom *g, const it_tensor *x, it_tensor *y,
                             intact_error *err)
{
    const double *from;
    double *to;
    IT_TRY(it_nn_f64(c, n, x, &from, err));
    IT_TRY(it_nn_f64_room(c, n, y, &to, err));
    (kind == IT_POOLING_MAX ? max_f64 : kind == IT_POOLING_AVERAGE ? average_f64 : norm_f64)(g, from, to);
    it_nn_put_f64(y, to);
    return INTACT_OK;
}

intact_status it_pooling_run(it_run_ctx *c, const it_node *n, it_pooling_kind kind, const it_window *win, const it_tensor *x, it_tensor *y,
                             int64_t *index, intact_error *err)
{
    const it_pooling_args *a = n->args;
    geom g = { .count_pad = a && a->count_include_pad, .column_major = a && a->column_major, .p = a ? (double)a->p : 2 };
    geometry(&g, win, x, y);
    if (index) {
        const double *from;
        IT_TRY(it_nn_f64(c, n, x, &from, err));
        max_index(&g, from, index);
    }
    if (kind == IT_POOLING_MAX && x->type == IT_F32)
        max_f32(&g, x->data, y->data);
    else if (kind == IT_POOLING_MAX && x->type == IT_U8)
        max_u8(&g, x->data, y->data);
    else if (kind == IT_POOLING_MAX && x->type == IT_I8)
        max_i8(&g, x->data, y->data);
    else if (kind == IT_POOLING_AVERAGE && x->type == IT_F32)
        average_f32(&g, x->data, y->data);
    else
        return run_f64(c, n, kind, &g, x, y, err);
    return INTACT_OK;
}

/* ---- backward ---- */

/* The gradient goes to the first tap that has the maximum, found again here: what is left of it is taken away there. 64 channels at a time. */
#define DEFINE_MAX_BACK(name, T)                                                                                                 \
    static void name(const geom *g, const T *x, const T *dy, T *dx)                                                              \
    {                                                                                                                            \
        int64_t o[3];                                                                                                            \
        memset(dx, 0, (size_t)(g->outer * in_block(g)) * sizeof(T));                                                             \
        FOR_OUT(g, b, o)                                                                                                         \
            for (int64_t c0 = 0; c0 < g->inner; c0 += 64) {                                                                      \
                const int64_t len = g->inner - c0 < 64 ? g->inner - c0 : 64;                                                     \
                T left[64], most[64];                                                                                            \
                memcpy(left, dy + out_at(g, b, o) + c0, (size_t)len * sizeof(T));                                                \
                for (int64_t i = 0; i < len; i++)                                                                                \
                    most[i] = -INFINITY;                                                                                         \
                FOR_TAPS(T, g, o, x + b * in_block(g) + c0, row, {                                                               \
                    for (int64_t i = 0; i < len; i++)                                                                            \
                        most[i] = row[i] > most[i] ? row[i] : most[i];                                                           \
                });                                                                                                              \
                FOR_TAPS(T, g, o, x + b * in_block(g) + c0, row, {                                                               \
                    T *restrict to = dx + (row - x);                                                                             \
                    for (int64_t i = 0; i < len; i++) {                                                                          \
                        T hit = row[i] == most[i] ? left[i] : 0;                                                                 \
                        to[i] += hit;                                                                                            \
                        left[i] -= hit;                                                                                          \
                    }                                                                                                            \
                });                                                                                                              \
            }                                                                                                                    \
    }
DEFINE_MAX_BACK(max_back_f32, float)
DEFINE_MAX_BACK(max_back_f64, double)

/* One output position covers everything once. */
static bool is_whole(const geom *g)
{
    for (int i = 0; i < 3; i++)
        if (g->out[i] != 1 || g->kernel[i] != g->in[i] || g->pad[i] || g->pad_end[i] || g->dil[i] != 1)
            return false;
    return true;
}

#define DEFINE_AVERAGE_BACK(name, T)                                                                                             \
    static void name(const geom *g, const T *restrict dy, T *restrict dx)                                                        \
    {                                                                                                                            \
        int64_t o[3];                                                                                                            \
        const bool whole = is_whole(g);                                                                                          \
        if (!whole)                                                                                                              \
            memset(dx, 0, (size_t)(g->outer * in_block(g)) * sizeof(T));                                                         \
        FOR_OUT(g, b, o) {                                                                                                       \
            const T *from = dy + out_at(g, b, o), by = 1 / (T)divisor(g, o);                                                     \
            FOR_TAPS(T, g, o, dx + b * in_block(g), row, {                                                                       \
                T *restrict to = dx + (row - dx);                                                                                \
                if (whole)                                                                                                       \
                    for (int64_t i = 0; i < g->inner; i++)                                                                       \
                        to[i] = from[i] * by;                                                                                    \
                else                                                                                                             \
                    for (int64_t i = 0; i < g->inner; i++)                                                                       \
                        to[i] += from[i] * by;                                                                                   \
            });                                                                                                                  \
        }                                                                                                                        \
    }
DEFINE_AVERAGE_BACK(average_back_f32, float)
DEFINE_AVERAGE_BACK(average_back_f64, double)

intact_status it_pooling_back(const it_node *n, it_pooling_kind kind, const it_window *win, const it_tensor *x, const it_tensor *y, const it_tensor *dy,
                              it_tensor *dx, intact_error *err)
{
    const it_pooling_args *a = n->args;
    geom g = { .count_pad = a && a->count_include_pad };
    IT_TRY(it_back_float(n, dx, err));
    if (!dy) { /* only the indices' gradient, which is none */
        memset(dx->data, 0, it_tensor_bytes(dx));
        return INTACT_OK;
    }
    geometry(&g, win, x, y);
    if (kind == IT_POOLING_MAX && dx->type == IT_F32)
        max_back_f32(&g, x->data, dy->data, dx->data);
    else if (kind == IT_POOLING_MAX)
        max_back_f64(&g, x->data, dy->data, dx->data);
    else if (dx->type == IT_F32)
        average_back_f32(&g, dy->data, dx->data);
    else
        average_back_f64(&g, dy->data, dx->data);
    return INTACT_OK;
}
