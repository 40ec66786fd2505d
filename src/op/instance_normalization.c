/* SPDX-License-Identifier: Apache-2.0 */
/* instance_normalization: each channel of each sample to mean 0 and variance 1, then scale and bias of its channel. */
#include <math.h>

#include "op/nn.h"

typedef struct in_args { float epsilon; } in_args;

static intact_status in_parse(it_parse *p)
{
    in_args *a = p->n->args;
    return it_attr_float(p, "epsilon", 1e-5f, &a->epsilon);
}

static intact_status in_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_nn_float_only(n, in[0], err));
    if (in[0]->rank < 3)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the input has %d dimensions; at least 3 are needed (batch, channels, spatial)",
                            in[0]->rank);
    IT_TRY(it_nn_expect(n, in[1], "scale", in[0]->type, 1, &in[0]->dim[1], err));
    IT_TRY(it_nn_expect(n, in[2], "bias", in[0]->type, 1, &in[0]->dim[1], err));
    it_shape_copy(&out[0], in[0]);
    return INTACT_OK;
}

static void normalize(const double *x, double *y, int64_t len, double scale, double bias, double epsilon)
{
    double mean = 0, var = 0;
    for (int64_t i = 0; i < len; i++)
        mean += x[i];
    mean /= (double)len;
    for (int64_t i = 0; i < len; i++)
        var += (x[i] - mean) * (x[i] - mean);
    var /= (double)len;
    for (int64_t i = 0; i < len; i++)
        y[i] = (x[i] - mean) / sqrt(var + epsilon) * scale + bias;
}

static intact_status in_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const in_args *a = n->args;
    it_nn_view v = it_nn_view_of(in[0]); /* plain: one plane after another */
    const double *x, *scale, *bias;
    double *y;
    IT_TRY(it_nn_f64(c, n, in[0], &x, err));
    IT_TRY(it_nn_f64(c, n, in[1], &scale, err));
    IT_TRY(it_nn_f64(c, n, in[2], &bias, err));
    IT_TRY(it_nn_f64_room(c, n, out[0], &y, err));
    for (int64_t o = 0; o < v.outer; o++)
        normalize(x + o * v.len, y + o * v.len, v.len, scale[o % v.channels], bias[o % v.channels], a->epsilon);
    it_nn_put_f64(out[0], y);
    return INTACT_OK;
}

const it_op it_op_instance_normalization = {
    .name = "instance_normalization", .onnx = "InstanceNormalization", .since = 6,
    .in_min = 3, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(in_args),
    .parse = in_parse, .infer = in_infer, .forward = in_forward,
    .hint = "train with BatchNormalization, which folds into the convolution before it",
};
