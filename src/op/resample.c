/* SPDX-License-Identifier: Apache-2.0 */
/* resample.c: interpolation one axis at a time: source positions and weights of each output position, then weighted sums. */
#include "op/resample.h"

#include <math.h>
#include <string.h>

/* ---- where each position reads; formulas of the ONNX operator Resize ---- */

static double source_of(const it_resample *r, const it_resample_axis *ax, int64_t j)
{
    double x = (double)j, in = (double)ax->in, wanted = ax->scale * in; /* the output's length before it was cut to an integer */

    switch (r->coord) {
    case IT_COORD_PYTORCH_HALF_PIXEL:
        return ax->out > 1 ? (x + 0.5) / ax->scale - 0.5 : 0;
    case IT_COORD_ALIGN_CORNERS:
        return ax->out > 1 ? x * (in - 1) / (wanted - 1) : 0;
    case IT_COORD_ASYMMETRIC:
        return x / ax->scale;
    case IT_COORD_TF_CROP:
        if (ax->out > 1)
            return ax->roi_begin * (in - 1) + x * (ax->roi_end - ax->roi_begin) * (in - 1) / (wanted - 1);
        return 0.5 * (ax->roi_begin + ax->roi_end) * (in - 1);
    case IT_COORD_TF_HALF_PIXEL_NN:
        return (x + 0.5) / ax->scale;
    case IT_COORD_HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - (double)ax->out / wanted) + (x + 0.5) / ax->scale - 0.5;
    default:
        return (x + 0.5) / ax->scale - 0.5;
    }
}

/* Scales come in single precision: 17 / 1.7f lies just below 10. A position as near to a whole or a half as that is taken to be on it. */
static double snapped(double x)
{
    double half = rint(2 * x) / 2;

    return fabs(x - half) <= 1e-6 * fmax(1, fabs(x)) ? half : x;
}

static double rounded(const it_resample *r, const it_resample_axis *ax, double position)
{
    double x = snapped(position);

    switch (r->round) {
    case IT_ROUND_PREFER_CEIL: return floor(x + 0.5);
    case IT_ROUND_FLOOR: return floor(x);
    case IT_ROUND_CEIL: return ceil(x);
    case IT_ROUND_SIMPLE: return ax->scale < 1 ? ceil(x) : floor(x);
    default: return ceil(x - 0.5);
    }
}

/* Weight of a pixel at distance d: a tent, or Keys' cubic with coefficient a. */
static double kernel(const it_resample *r, double d)
{
    double a = (double)r->cubic_a;

    d = fabs(d);
    if (r->mode == IT_RESAMPLE_LINEAR)
        return d < 1 ? 1 - d : 0;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

static int64_t clamped(double i, int64_t len)
{
    return i > 0 ? (i < (double)(len - 1) ? (int64_t)i : len - 1) : 0; /* not-a-number gives 0 */
}

bool it_resample_identity(const it_resample *r, const it_resample_axis *ax)
{
    bool crop = r->coord == IT_COORD_TF_CROP;

    return ax->in == ax->out && ax->scale == 1 && (!crop || (ax->roi_begin == 0 && ax->roi_end == 1));
}

/* Taps of one output position around x; stretch <= 1 widens the kernel for antialiasing. */
static void taps_at(const it_resample *r, const it_resample_axis *ax, double x, double stretch, int64_t count, int64_t *index,
                    double *weight)
{
    double first = floor(x) + 1 - (double)(count / 2), sum = 0;

    for (int64_t t = 0; t < count; t++) {
        double at = first + (double)t;
        index[t] = clamped(at, ax->in);
        weight[t] = kernel(r, (at - x) * stretch);
        if (r->exclude_outside && (at < 0 || at >= (double)ax->in))
            weight[t] = 0;
        sum += weight[t];
    }
    if (!(r->exclude_outside || r->antialias) || sum == 0)
        return;
    for (int64_t t = 0; t < count; t++)
        weight[t] /= sum;
}

bool it_resample_taps(const it_resample *r, const it_resample_axis *ax, it_arena *arena, it_taps *t)
{
    double stretch = r->antialias && ax->scale < 1 ? ax->scale : 1, reach = r->mode == IT_RESAMPLE_CUBIC ? 2 : 1;
    size_t len;

    *t = (it_taps){ .count = r->mode == IT_RESAMPLE_NEAREST ? 1 : (int64_t)(2 * fmin(ceil(reach / stretch), 0x1p40)) };
    if (ax->out == 0)
        return true;
    if (!it_mul_size((size_t)ax->out, (size_t)t->count, &len) || len > SIZE_MAX / sizeof(double))
        return false;
    t->index = it_arena_new(arena, len * sizeof(*t->index));
    t->weight = it_arena_new(arena, len * sizeof(*t->weight));
    t->outside = it_arena_new(arena, (size_t)ax->out);
    if (!t->index || !t->weight || !t->outside)
        return false;
    for (int64_t j = 0; j < ax->out; j++) {
        double x = it_resample_identity(r, ax) ? (double)j : source_of(r, ax, j); /* tf_half_pixel_for_nn would move it */
        t->outside[j] = r->coord == IT_COORD_TF_CROP && !(x >= 0 && x <= (double)(ax->in - 1));
        t->any_outside = t->any_outside || t->outside[j];
        if (r->mode == IT_RESAMPLE_NEAREST) {
            t->index[j] = clamped(rounded(r, ax, x), ax->in);
            t->weight[j] = 1;
        } else {
            taps_at(r, ax, x, stretch, t->count, t->index + j * t->count, t->weight + j * t->count);
        }
    }
    return true;
}

intact_status it_resample_shape(const it_node *n, const it_tensor *x, const it_resample_axis *ax, it_tensor *out, intact_error *err)
{
    int64_t dim[IT_RANK_MAX];

    for (int k = 0; k < x->rank; k++) {
        dim[k] = ax[k].out;
        if (ax[k].in == 0 && ax[k].out > 0)
            return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d is empty and cannot be resized to %lld", k, (long long)ax[k].out);
    }
    return it_move_shape(n, out, x->type, x->rank, dim, err);
}

/* ---- nearest: a lookup, any type ---- */

/* Everything at the outside positions of each axis gets the extrapolation value. */
static void fill_outside(const it_resample *r, const it_tensor *y, const it_taps *taps)
{
    static const int64_t none[IT_RANK_MAX];
    int64_t stride[IT_RANK_MAX], dim[IT_RANK_MAX];
    size_t item = it_type_bytes(y->type);
    uint64_t value = 0;
    it_tensor one = { .type = y->type, .rank = 0, .data = &value };

    it_tensor_set(&one, 0, (double)r->extrapolation);
    it_move_strides(y, stride);
    for (int k = 0; k < y->rank; k++) {
        if (!taps[k].any_outside)
            continue;
        memcpy(dim, y->dim, sizeof(dim));
        dim[k] = 1;
        for (int64_t j = 0; j < y->dim[k]; j++) {
            if (taps[k].outside[j])
                it_move_items((uint8_t *)y->data + j * stride[k] * (int64_t)item, &value, item, y->rank, dim, stride, none);
        }
    }
}

static void nearest(const it_resample *r, const it_tensor *x, const it_tensor *y, it_taps *taps)
{
    int64_t stride[IT_RANK_MAX], dim[IT_RANK_MAX], *at[IT_RANK_MAX];
    int order[IT_RANK_MAX];

    it_move_order(y, order);
    it_move_strides(x, stride);
    for (int k = 0; k < x->rank; k++) {
        dim[k] = y->dim[order[k]];
        at[k] = taps[order[k]].index;
        for (int64_t j = 0; j < dim[k]; j++)
            at[k][j] *= stride[order[k]];
    }
    it_move_lookup(y->data, x->data, it_type_bytes(x->type), x->rank, dim, at);
    fill_outside(r, y, taps);
}

/* ---- linear and cubic: weighted sums along one axis after another ---- */

/* y (outer, out, inner) from x (outer, in, inner). Sums run in the order of the taps, also in the loop for inner 1. */
#define PASS(T)                                                                                                                  \
    static void line_##T(T *y, const T *x, const it_resample_axis *ax, const it_taps *t, T extrapolation)                        \
    {                                                                                                                            \
        for (int64_t j = 0; j < ax->out; j++) {                                                                                  \
            const int64_t *index = t->index + j * t->count;                                                                      \
            const double *weight = t->weight + j * t->count;                                                                     \
            T sum = (T)weight[0] * x[index[0]];                                                                                  \
            for (int64_t k = 1; k < t->count; k++)                                                                               \
                sum += (T)weight[k] * x[index[k]];                                                                               \
            y[j] = t->outside[j] ? extrapolation : sum;                                                                          \
        }                                                                                                                        \
    }                                                                                                                            \
    static void rows_##T(T *y, const T *x, const it_resample_axis *ax, int64_t inner, const it_taps *t, T extrapolation)         \
    {                                                                                                                            \
        for (int64_t j = 0; j < ax->out; j++, y += inner) {                                                                      \
            const int64_t *index = t->index + j * t->count;                                                                      \
            const double *weight = t->weight + j * t->count;                                                                     \
            for (int64_t k = 0; k < t->count; k++) {                                                                             \
                const T *from = x + index[k] * inner;                                                                            \
                T w = (T)weight[k];                                                                                              \
                for (int64_t i = 0; i < inner; i++)                                                                              \
                    y[i] = k ? y[i] + w * from[i] : w * from[i];                                                                 \
            }                                                                                                                    \
            for (int64_t i = 0; t->outside[j] && i < inner; i++)                                                                 \
                y[i] = extrapolation;                                                                                            \
        }                                                                                                                        \
    }                                                                                                                            \
    static void pass_##T(T *y, const T *x, int64_t outer, const it_resample_axis *ax, int64_t inner, const it_taps *t, T beyond) \
    {                                                                                                                            \
        for (int64_t o = 0; o < outer; o++, x += ax->in * inner, y += ax->out * inner) {                                         \
            if (inner == 1)                                                                                                      \
                line_##T(y, x, ax, t, beyond);                                                                                   \
            else                                                                                                                 \
                rows_##T(y, x, ax, inner, t, beyond);                                                                            \
        }                                                                                                                        \
    }
PASS(float)
PASS(double)

/* Doubles into y's type; integers rounded to nearest even and saturated. */
static void store(const it_tensor *y, const double *v)
{
    static const double lo[IT_TYPE_COUNT] = { [IT_I8] = -128, [IT_I16] = -32768, [IT_I32] = -0x1p31, [IT_I64] = -0x1p63 };
    static const double hi[IT_TYPE_COUNT] = { [IT_BOOL] = 1,
                                              [IT_I8] = 127,
                                              [IT_U8] = 255,
                                              [IT_I16] = 32767,
                                              [IT_U16] = 65535,
                                              [IT_I32] = 0x1p31 - 1,
                                              [IT_U32] = 0x1p32 - 1,
                                              [IT_I64] = 0x1.fffffffffffffp62,
                                              [IT_U64] = 0x1.fffffffffffffp63 };

    for (int64_t i = 0, len = it_tensor_len(y); i < len; i++) {
        double e = v[i];
        if (!it_type_is_float(y->type)) {
            e = rint(e);
            e = e > lo[y->type] ? (e < hi[y->type] ? e : hi[y->type]) : lo[y->type];
        }
        it_tensor_set(y, i, e);
    }
}

static void *load(it_run_ctx *c, const it_tensor *x)
{
    double *v;

    if (x->type == IT_F32)
        return x->data;
    v = it_arena_new(c->scratch, (size_t)it_tensor_len(x) * sizeof(*v));
    for (int64_t i = 0, len = it_tensor_len(x); v && i < len; i++)
        v[i] = it_tensor_get(x, i);
    return v;
}

/* x and y have one order of memory. Each pass writes a buffer; for float32 the last one writes y. */
static intact_status interpolate(it_run_ctx *c, const it_node *n, const it_resample *r, const it_resample_axis *ax, const it_tensor *x,
                                 const it_tensor *y, const it_taps *taps, intact_error *err)
{
    int64_t dim[IT_RANK_MAX];
    int order[IT_RANK_MAX], left = 0;
    size_t item = x->type == IT_F32 ? sizeof(float) : sizeof(double), bytes;
    void *now = load(c, x);

    it_move_order(x, order);
    for (int k = 0; k < x->rank; k++) {
        dim[k] = x->dim[order[k]];
        left += !it_resample_identity(r, &ax[order[k]]);
    }
    for (int k = 0; now && k < x->rank; k++) {
        const it_resample_axis *a = &ax[order[k]];
        int64_t outer = 1, inner = 1;
        void *next;
        if (it_resample_identity(r, a))
            continue;
        for (int j = 0; j < x->rank; j++) {
            outer *= j < k ? dim[j] : 1;
            inner *= j > k ? dim[j] : 1;
        }
        /* in between the axes resized and those not yet may multiply to more than the input and the output have */
        if (!it_mul_size((size_t)outer, (size_t)inner, &bytes) || !it_mul_size(bytes, (size_t)a->out, &bytes) ||
            !it_mul_size(bytes, item, &bytes))
            return it_fail_nomem(err, n->name, SIZE_MAX);
        next = --left == 0 && x->type == IT_F32 ? y->data : it_arena_new(c->scratch, bytes);
        if (next && x->type == IT_F32)
            pass_float(next, now, outer, a, inner, &taps[order[k]], r->extrapolation);
        else if (next)
            pass_double(next, now, outer, a, inner, &taps[order[k]], (double)r->extrapolation);
        now = next;
        dim[k] = a->out;
    }
    if (!now)
        return it_fail_nomem(err, n->name, (size_t)it_tensor_len(y) * item);
    if (x->type != IT_F32)
        store(y, now);
    else if (now != y->data)
        memcpy(y->data, now, it_tensor_bytes(y));
    return INTACT_OK;
}

intact_status it_resample_forward(it_run_ctx *c, const it_node *n, const it_resample *r, const it_resample_axis *ax, const it_tensor *x,
                                  const it_tensor *y, intact_error *err)
{
    it_taps taps[IT_RANK_MAX];

    if (x->layout != y->layout)
        return it_node_fail(n, err, INTACT_E_ARG, "input and output lie in different orders in memory");
    if (it_tensor_len(y) == 0)
        return INTACT_OK;
    for (int k = 0; k < x->rank; k++) {
        if (!it_resample_taps(r, &ax[k], c->scratch, &taps[k]))
            return it_fail_nomem(err, n->name, (size_t)ax[k].out * sizeof(double));
    }
    if (r->mode == IT_RESAMPLE_NEAREST) {
        nearest(r, x, y, taps);
        return INTACT_OK;
    }
    return interpolate(c, n, r, ax, x, y, taps, err);
}

/* ---- integers ---- */

typedef struct tables { uint32_t first, second, weight; } tables;

static intact_status tables_of(it_lower *lw, const it_node *n, const it_resample *r, const it_resample_axis *ax, it_arena *arena,
                               tables *out, intact_error *err)
{
    it_taps t;
    int32_t *v;

    if (ax->out > INT32_MAX / 2 || ax->in > INT32_MAX / 2)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "an axis is resized from %lld to %lld; 2^30 is the limit", (long long)ax->in,
                            (long long)ax->out);
    v = it_arena_new(arena, (size_t)ax->out * 3 * sizeof(*v));
    if (!v || !it_resample_taps(r, ax, arena, &t))
        return it_fail_nomem(err, n->name, (size_t)ax->out * 3 * sizeof(*v));
    if (t.any_outside)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the region of interest leaves the input; the integer form does not extrapolate");
    for (int64_t j = 0; j < ax->out; j++) {
        const int64_t *index = t.index + j * t.count;
        v[j] = (int32_t)index[0];
        v[ax->out + j] = (int32_t)index[t.count - 1];
        v[2 * ax->out + j] = t.count > 1 ? (int32_t)lrint(t.weight[j * t.count + 1] * 2048) : 0;
    }
    IT_TRY(it_lower_const(lw, INTACT_S32, (uint64_t)ax->out, v, &out->first, err));
    IT_TRY(it_lower_const(lw, INTACT_S32, (uint64_t)ax->out, v + ax->out, &out->second, err));
    return it_lower_const(lw, INTACT_S32, (uint64_t)ax->out, v + 2 * ax->out, &out->weight, err);
}

intact_status it_resample_lower(it_lower *lw, const it_node *n, const it_resample *r, const it_resample_axis *ax, intact_error *err)
{
    static const it_resample_axis one = { 1, 1, 1, 0, 1 };
    int rank = n->in[0]->t.rank;
    uint32_t x, y;
    it_arena arena;
    tables h, w;
    intact_status st;

    if (r->mode == IT_RESAMPLE_CUBIC || r->antialias)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "%s has no integer form; linear without antialiasing and nearest have",
                            r->mode == IT_RESAMPLE_CUBIC ? "cubic interpolation" : "antialiasing");
    if (rank < 3 || rank > 4 || !it_resample_identity(r, &ax[0]) || !it_resample_identity(r, &ax[1]))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the integer form resizes height and width of (n, c, h, w) or the length of (n, c, l) only");
    IT_TRY(it_move_source(lw, n, 0, &x, err));
    IT_TRY(it_move_target(lw, n, n->in[0], n->out[0], &y, err));
    it_arena_init(&arena, lw->alloc);
    st = tables_of(lw, n, r, rank == 4 ? &ax[2] : &one, &arena, &h, err);
    if (st == INTACT_OK)
        st = tables_of(lw, n, r, &ax[rank - 1], &arena, &w, err);
    it_arena_release(&arena);
    IT_TRY(st);
    IT_TRY(it_lower_emit(lw, &it_instr_resize, n->name, &x, 1, &y, 1,
                         &(it_resize_args){ .h0 = h.first, .h1 = h.second, .wh = h.weight, .w0 = w.first, .w1 = w.second, .ww = w.weight },
                         err));
    return it_move_finish(lw, n, n->in[0], n->out[0], y, err);
}
