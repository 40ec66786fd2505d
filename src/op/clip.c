/* SPDX-License-Identifier: Apache-2.0 */
/* Clip: y = min(max(x, lo), hi); bounds are attributes up to opset 10, then optional scalar inputs. When lo > hi, hi wins. */
#include <float.h>

#include "op/unary_back.h"

typedef struct clip_args { float lo, hi; } clip_args; /* opset 6..10 */

static intact_status clip_parse(it_parse *p)
{
    clip_args *a = p->n->args;
    if (p->n->opset < 11 && p->n->in_len > 1)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "%d inputs at opset %d; bounds are attributes before opset 11", p->n->in_len,
                            p->n->opset);
    IT_TRY(it_attr_float(p, "min", -FLT_MAX, &a->lo));
    return it_attr_float(p, "max", FLT_MAX, &a->hi);
}

static intact_status clip_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, 0, IT_T_NUMBER, err));
    for (int k = 1; k < n->in_len; k++) {
        if (!in[k]) continue;
        if (in[k]->type != in[0]->type)
            return it_node_fail(n, err, INTACT_E_SHAPE, "the %s has type %s; it must be x's, %s", k == 1 ? "minimum" : "maximum",
                                it_type_name(in[k]->type), it_type_name(in[0]->type));
        if (in[k]->rank >= 0 && it_tensor_len(in[k]) != 1)
            return it_node_fail(n, err, INTACT_E_SHAPE, "the %s has %lld elements; it must be a scalar", k == 1 ? "minimum" : "maximum",
                                (long long)it_tensor_len(in[k]));
    }
    it_shape_copy(&out[0], in[0]);
    return INTACT_OK;
}

/* The bounds as floats, from attributes or from tensors with content. */
static void bounds_of(const it_node *n, const it_tensor *lo, const it_tensor *hi, double *lo_out, double *hi_out)
{
    const clip_args *a = n->args;
    *lo_out = lo ? it_tensor_get(lo, 0) : n->opset < 11 ? (double)a->lo : -INFINITY;
    *hi_out = hi ? it_tensor_get(hi, 0) : n->opset < 11 ? (double)a->hi : INFINITY;
}

bool it_clip_range(const it_node *n, float *lo, float *hi)
{
    const it_tensor *t[3] = {NULL, NULL, NULL};
    for (int k = 1; k < n->in_len && k < 3; k++) {
        if (!n->in[k]) continue;
        if (!n->in[k]->t.data) return false;
        t[k] = &n->in[k]->t;
    }
    double l, h;
    bounds_of(n, t[1], t[2], &l, &h);
    *lo = (float)(l > h ? h : l);
    *hi = (float)h;
    return true;
}

static void clip_f32(const float *x, float *y, int64_t len, float lo, float hi)
{
    IT_IVDEP for (int64_t i = 0; i < len; i++)
    {
        float v = x[i] < lo ? lo : x[i];
        y[i] = v > hi ? hi : v;
    }
}

static intact_status clip_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    int64_t len = it_tensor_len(in[0]);
    const it_tensor *lo = it_elem_in(n, in, 1), *hi = it_elem_in(n, in, 2);
    double l, h;
    bounds_of(n, lo, hi, &l, &h);
    switch (in[0]->type) {
    case IT_F32: clip_f32(in[0]->data, out[0]->data, len, (float)l, (float)h); return INTACT_OK;
    case IT_F16: {
        it_tensor wide;
        IT_TRY(it_elem_cast(c, n, in[0], IT_F32, &wide, err));
        clip_f32(wide.data, wide.data, len, (float)l, (float)h);
        it_elem_narrow(wide.data, out[0]->data, len);
        return INTACT_OK;
    }
    case IT_F64: { /* bounds may be attributes, which integers never have */
        const double *x = in[0]->data;
        double *y = out[0]->data;
        for (int64_t i = 0; i < len; i++) {
            double v = x[i] < l ? l : x[i];
            y[i] = v > h ? h : v;
        }
        return INTACT_OK;
    }
#define LOOP(id, suffix, type)                                                                  \
    case id: {                                                                                  \
        const type *x = in[0]->data;                                                            \
        type *y = out[0]->data;                                                                 \
        const type *least = lo ? lo->data : NULL, *most = hi ? hi->data : NULL;                 \
        for (int64_t i = 0; i < len; i++) {                                                     \
            type v = x[i];                                                                      \
            if (least && v < *least) v = *least;                                                \
            if (most && v > *most) v = *most;                                                   \
            y[i] = v;                                                                           \
        }                                                                                       \
        return INTACT_OK;                                                                       \
    }
    IT_EACH_SIGNED(LOOP)
    IT_EACH_UNSIGNED(LOOP)
#undef LOOP
    default: return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "type %s is not supported", it_type_name(in[0]->type));
    }
}

static float clip_scalar(const it_node *n, float x)
{
    float lo, hi;
    if (!it_clip_range(n, &lo, &hi)) return x;
    float v = x < lo ? lo : x;
    return v > hi ? hi : v;
}

static intact_status clip_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    float lo, hi;
    if (!it_clip_range(n, &lo, &hi))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the bounds are computed in the network; the integer form needs constants");
    return it_lower_scalar(lw, n, err);
}

/* Where the answer is strictly between the bounds, as behind a fused clamp. */
static void clip_back_f32(const float *y, const float *g, float *d, int64_t len, float lo, float hi)
{
    IT_IVDEP for (int64_t i = 0; i < len; i++) d[i] = y[i] > lo && y[i] < hi ? g[i] : 0.0f;
}

static intact_status clip_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                   it_tensor *const *dx, intact_error *err)
{
    const it_tensor *lo = it_elem_in(n, in, 1), *hi = it_elem_in(n, in, 2);
    int64_t len = it_tensor_len(dy[0]);
    double l, h;
    (void)c;
    IT_TRY(it_back_float(n, dy[0], err));
    if (!dx[0]) return INTACT_OK;
    bounds_of(n, lo, hi, &l, &h);
    if (dy[0]->type == IT_F32) {
        clip_back_f32(out[0]->data, dy[0]->data, dx[0]->data, len, (float)l, (float)h);
        return INTACT_OK;
    }
    const double *y = out[0]->data, *g = dy[0]->data;
    double *d = dx[0]->data;
    for (int64_t i = 0; i < len; i++) d[i] = y[i] > l && y[i] < h ? g[i] : 0;
    return INTACT_OK;
}

static const it_backward clip_back = { .reads_in = 1u << 1 | 1u << 2, .reads_out = 1, .gives = 1, .inplace = 1, .run = clip_run_back };

const it_op it_op_clip = {
    .name = "clip", .onnx = "Clip", .since = 6, .in_min = 1, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(clip_args), .parse = clip_parse, .infer = clip_infer, .forward = clip_forward, .lower = clip_lower,
    .scalar = clip_scalar,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
    .layout = IT_LAYOUT_ANY, .inplace = true, .back = &clip_back,
};
