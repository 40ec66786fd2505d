/* SPDX-License-Identifier: Apache-2.0 */
/* lrn: local response normalization over neighbouring channels: y = x / (bias + alpha / size * sum x^2) ^ beta. */
#include <math.h>

#include "op/nn.h"

typedef struct lrn_args { float alpha, beta, bias; int64_t size; } lrn_args;

static intact_status lrn_parse(it_parse *p)
{
    lrn_args *a = p->n->args;
    IT_TRY(it_attr_float(p, "alpha", 1e-4f, &a->alpha));
    IT_TRY(it_attr_float(p, "beta", 0.75f, &a->beta));
    IT_TRY(it_attr_float(p, "bias", 1.0f, &a->bias));
    IT_TRY(it_attr_int(p, "size", 0, &a->size));
    if (a->size < 1 || a->size > INT32_MAX)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "size is %lld; the number of channels to sum over is needed", (long long)a->size);
    return INTACT_OK;
}

static intact_status lrn_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_nn_float_only(n, in[0], err));
    if (in[0]->rank < 2)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the input has %d dimensions; batch and channels are needed", in[0]->rank);
    it_shape_copy(&out[0], in[0]);
    return INTACT_OK;
}

/* One sample, plain: channels planes of len values. The window of c is c - (size-1)/2 .. c + size/2. */
static void sample(const lrn_args *a, const double *x, double *y, int64_t channels, int64_t len)
{
    for (int64_t c = 0; c < channels; c++) {
        int64_t lo = c - (a->size - 1) / 2, hi = c + a->size / 2;
        lo = lo < 0 ? 0 : lo;
        hi = hi >= channels ? channels - 1 : hi;
        for (int64_t i = 0; i < len; i++) {
            double sum = 0;
            for (int64_t k = lo; k <= hi; k++)
                sum += x[k * len + i] * x[k * len + i];
            y[c * len + i] = x[c * len + i] / pow(a->bias + (double)a->alpha / (double)a->size * sum, a->beta);
        }
    }
}

static intact_status lrn_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const it_tensor *t = in[0];
    const double *x;
    double *y;
    int64_t len = 1;
    for (int i = 2; i < t->rank; i++)
        len *= t->dim[i];
    IT_TRY(it_nn_f64(c, n, t, &x, err));
    IT_TRY(it_nn_f64_room(c, n, out[0], &y, err));
    for (int64_t b = 0; b < t->dim[0]; b++)
        sample(n->args, x + b * t->dim[1] * len, y + b * t->dim[1] * len, t->dim[1], len);
    it_nn_put_f64(out[0], y);
    return INTACT_OK;
}

const it_op it_op_lrn = {
    .name = "lrn", .onnx = "LRN", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(lrn_args),
    .parse = lrn_parse, .infer = lrn_infer, .forward = lrn_forward,
    .hint = "train without it; BatchNormalization took its place",
};
