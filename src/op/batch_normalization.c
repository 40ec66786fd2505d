/* SPDX-License-Identifier: Apache-2.0 */
/* batch_normalization: y = (x - mean) / sqrt(var + epsilon) * scale + bias per channel. Usually folded into a convolution; one that
** stands alone is a depthwise convolution of one tap in integers. */
#include <math.h>
#include <string.h>

#include "op/batch_normalization.h"
#include "op/lower.h"
#include "op/nn.h"

typedef it_bn_args bn_args;
enum { SCALE = IT_BN_SCALE, BIAS = IT_BN_BIAS, MEAN = IT_BN_MEAN, VAR = IT_BN_VAR };

static intact_status bn_parse(it_parse *p)
{
    bn_args *a = p->n->args;
    int64_t spatial;
    IT_TRY(it_attr_float(p, "epsilon", 1e-5f, &a->epsilon));
    IT_TRY(it_attr_float(p, "momentum", 0.9f, &a->momentum));
    IT_TRY(it_attr_int(p, "training_mode", 0, &a->training));
    IT_TRY(it_attr_int(p, "spatial", 1, &spatial));
    if (spatial != 1)
        return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "spatial is %lld: a mean for each position is not supported; 1 is",
                            (long long)spatial);
    for (int i = 1; i < p->n->out_len; i++)
        if (p->n->out[i] && (p->n->opset < 14 || !a->training))
            return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "output %d is asked for, which only training_mode=1 of opset 14 and later "
                                "gives; export the network for inference", i);
    if (p->n->out_len > 3)
        return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "%d outputs; 1 is given, 3 in training mode", p->n->out_len);
    return INTACT_OK;
}

static intact_status bn_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    static const char *const ROLE[] = { "", "scale", "bias", "mean", "variance" };
    int64_t channels;
    IT_TRY(it_nn_float_only(n, in[0], err));
    if (in[0]->rank < 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the input has no dimensions; batch and channels are needed");
    channels = in[0]->rank > 1 ? in[0]->dim[1] : 1;
    for (int i = SCALE; i <= VAR; i++) {
        IT_TRY(it_nn_float_only(n, in[i], err)); /* from opset 15 on their types are their own */
        IT_TRY(it_nn_expect(n, in[i], ROLE[i], in[i]->type, 1, &channels, err));
    }
    it_shape_copy(&out[0], in[0]);
    for (int i = 1; i < n->out_len; i++)
        it_shape_copy(&out[i], in[i == 1 ? MEAN : VAR]);
    return INTACT_OK;
}

/* y = (x - mean[c]) * a[c] + b[c] */
#define DEFINE_APPLY(name, T)                                                                                                    \
    static void name(const it_nn_view *v, const T *x, const double *mean, const double *a, const double *b, T *y)                \
    {                                                                                                                            \
        for (int64_t o = 0; o < v->outer; o++)                                                                                   \
            for (int64_t i = 0; i < v->inner; i++) {                                                                             \
                int64_t c = (o * v->inner + i) % v->channels, at = o * v->len * v->inner + i;                                    \
                T m = (T)mean[c], s = (T)a[c], t = (T)b[c];                                                                      \
                for (int64_t p = 0; p < v->len; p++, at += v->inner)                                                             \
                    y[at] = (x[at] - m) * s + t;                                                                                 \
            }                                                                                                                    \
    }
DEFINE_APPLY(apply_f32, float)
DEFINE_APPLY(apply_f64, double)

/* Mean and population variance of each channel. */
static void statistics(const it_nn_view *v, const double *x, double *mean, double *var)
{
    double count = (double)(v->outer * v->inner / v->channels * v->len);
    memset(mean, 0, (size_t)v->channels * sizeof(*mean));
    memset(var, 0, (size_t)v->channels * sizeof(*var));
    for (int pass = 0; pass < 2; pass++) {
        double *sum = pass ? var : mean;
        for (int64_t o = 0; o < v->outer; o++)
            for (int64_t p = 0; p < v->len; p++)
                for (int64_t i = 0; i < v->inner; i++) {
                    int64_t c = (o * v->inner + i) % v->channels;
                    double d = x[(o * v->len + p) * v->inner + i] - (pass ? mean[c] : 0);
                    sum[c] += pass ? d * d : d;
                }
        for (int64_t c = 0; c < v->channels; c++)
            sum[c] /= count;
    }
}

static void put_running(const it_tensor *t, const double *old, const double *batch, double momentum)
{
    for (int64_t c = 0; c < it_tensor_len(t); c++)
        it_tensor_set(t, c, old[c] * momentum + batch[c] * (1 - momentum));
}

/* Statistics of this batch instead of the stored ones, which move toward them. */
static intact_status train(it_run_ctx *c, const it_node *n, const it_nn_view *v, const double *x, double *const stat[2],
                           const double *const old[2], it_tensor *const *out, intact_error *err)
{
    const bn_args *a = n->args;
    if (v->outer * v->len == 0)
        return it_node_fail(n, err, INTACT_E_SHAPE, "an empty batch has no mean");
    (void)c;
    statistics(v, x, stat[0], stat[1]);
    for (int i = 1; i < n->out_len; i++)
        if (out[i])
            put_running(out[i], old[i - 1], stat[i - 1], a->momentum);
    return INTACT_OK;
}

static intact_status bn_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const bn_args *a = n->args;
    it_nn_view v = it_nn_view_of(in[0]);
    const double *p[5] = { NULL }, *x = NULL, *bias;
    double *fac = it_arena_new(c->scratch, (size_t)v.channels * 3 * sizeof(double) + 1), *y;
    if (!fac)
        return it_fail_nomem(err, n->name, (size_t)v.channels * 3 * sizeof(double));
    for (int i = SCALE; i <= VAR; i++)
        IT_TRY(it_nn_f64(c, n, in[i], &p[i], err));
    bias = p[BIAS];
    if (in[0]->type != IT_F32 || a->training)
        IT_TRY(it_nn_f64(c, n, in[0], &x, err));
    if (a->training) {
        double *stat[2] = { fac + v.channels, fac + 2 * v.channels };
        const double *old[2] = { p[MEAN], p[VAR] };
        IT_TRY(train(c, n, &v, x, stat, old, out, err));
        p[MEAN] = stat[0], p[VAR] = stat[1];
    }
    for (int64_t i = 0; i < v.channels; i++)
        fac[i] = p[SCALE][i] / sqrt(p[VAR][i] + (double)a->epsilon);
    if (in[0]->type == IT_F32) {
        apply_f32(&v, in[0]->data, p[MEAN], fac, bias, out[0]->data);
        return INTACT_OK;
    }
    IT_TRY(it_nn_f64_room(c, n, out[0], &y, err));
    apply_f64(&v, x, p[MEAN], fac, bias, y);
    it_nn_put_f64(out[0], y);
    return INTACT_OK;
}

static intact_status bn_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const bn_args *a = n->args;
    const it_tensor *x = &n->in[0]->t;
    if (x->rank < 2)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the input has %d dimensions; the integer form needs a batch and channels", x->rank);
    if (a->training)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "training_mode is 1; export the network for inference");
    for (int i = SCALE; i <= VAR; i++)
        if (!n->in[i]->is_const || !n->in[i]->t.data)
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "input %d is computed by the network; the integer form needs constants", i);
    int64_t channels = x->dim[1];
    size_t bytes = (size_t)channels * 2 * sizeof(double);
    double *weight = it_alloc_new(lw->alloc, bytes);
    if (!weight)
        return it_fail_nomem(err, n->name, bytes);
    double *bias = weight + channels;
    for (int64_t c = 0; c < channels; c++) {
        weight[c] = it_tensor_get(&n->in[SCALE]->t, c) / sqrt(it_tensor_get(&n->in[VAR]->t, c) + (double)a->epsilon);
        bias[c] = it_tensor_get(&n->in[BIAS]->t, c) - it_tensor_get(&n->in[MEAN]->t, c) * weight[c];
    }
    intact_status st = it_lower_affine(lw, n, n->in[0], channels, weight, bias, err);
    it_alloc_free(lw->alloc, weight, bytes);
    return st;
}

/* dx = dy a (NULL: not wanted); adds dy and dy (x - mean) to sum, one after the other. */
#define DEFINE_BACK(name, T)                                                                                                     \
    static void name(const it_nn_view *v, const T *x, const T *g, const double *mean, const double *a, T *dx, double *sum)       \
    {                                                                                                                            \
        for (int64_t o = 0; o < v->outer; o++)                                                                                   \
            for (int64_t q = 0, first = v->inner > 1 ? 0 : o % v->channels; q < v->len; q++, x += v->inner, g += v->inner)       \
                for (int64_t i = 0, c = first; i < v->inner; i++, c++) {                                                         \
                    sum[c] += (double)g[i];                                                                                      \
                    sum[v->channels + c] += (double)g[i] * ((double)x[i] - mean[c]);                                             \
                    if (dx)                                                                                                      \
                        *dx++ = (T)((double)g[i] * a[c]);                                                                        \
                }                                                                                                                \
    }
DEFINE_BACK(back_f32, float)
DEFINE_BACK(back_f64, double)

/* With the stored statistics and a = scale / sqrt(var + epsilon). */
static intact_status bn_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                 it_tensor *const *dx, intact_error *err)
{
    const bn_args *args = n->args;
    const it_nn_view v = it_nn_view_of(in[0]);
    it_run_ctx rc = { .alloc = c->alloc, .scratch = c->scratch };
    const double *p[5] = { NULL };
    double *sum = it_arena_new(c->scratch, (size_t)v.channels * 3 * sizeof(double) + 1), *a;
    (void)out;
    if (!sum)
        return it_fail_nomem(err, n->name, (size_t)v.channels * 3 * sizeof(double));
    if (args->training)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "training_mode is 1; the statistics of a batch have a gradient of their own (it_across)");
    IT_TRY(it_back_float(n, in[0], err));
    a = sum + 2 * v.channels;
    for (int i = SCALE; i <= VAR; i++)
        IT_TRY(it_nn_f64(&rc, n, in[i], &p[i], err));
    for (int64_t k = 0; k < v.channels; k++)
        a[k] = p[SCALE][k] / sqrt(p[VAR][k] + (double)args->epsilon);
    if (in[0]->type == IT_F32)
        back_f32(&v, in[0]->data, dy[0]->data, p[MEAN], a, dx[0] ? dx[0]->data : NULL, sum);
    else
        back_f64(&v, in[0]->data, dy[0]->data, p[MEAN], a, dx[0] ? dx[0]->data : NULL, sum);
    for (int64_t k = 0; k < v.channels; k++) {
        double s = 1 / sqrt(p[VAR][k] + (double)args->epsilon), gu = sum[v.channels + k];
        double d[5] = { 0, gu * s, sum[k], -sum[k] * a[k], -0.5 * gu * a[k] * s * s };
        for (int i = SCALE; i <= VAR; i++)
            if (dx[i])
                it_tensor_set(dx[i], k, d[i]);
    }
    return INTACT_OK;
}

static const it_backward bn_back = { .reads_in = 0x1f, .gives = 0x1f, .run = bn_run_back };

const it_op it_op_batch_normalization = {
    .name = "batch_normalization", .onnx = "BatchNormalization", .since = 7,
    .in_min = 5, .in_max = 5, .out_min = 1, .out_max = 5,
    .args_bytes = sizeof(bn_args),
    .parse = bn_parse, .infer = bn_infer, .forward = bn_forward, .lower = bn_lower,
    .quant = { .clamps = true, .all_parameters = true, .out = IT_Q_FREE, .in_types = 1u << INTACT_U8 | 1u << INTACT_S16, .out_types = 1u << INTACT_U8 | 1u << INTACT_S16 },
    .layout = IT_LAYOUT_NHWC, .back = &bn_back, .across = &it_bn_across,
};
