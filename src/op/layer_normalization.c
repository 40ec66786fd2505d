/* SPDX-License-Identifier: Apache-2.0 */
/* layer_normalization: everything from an axis on to mean 0 and variance 1, then scale and bias of each position. */
#include <math.h>

#include "op/nn.h"

typedef struct ln_args { int64_t axis; float epsilon; } ln_args;

static intact_status ln_parse(it_parse *p)
{
    ln_args *a = p->n->args;
    IT_TRY(it_attr_int(p, "axis", -1, &a->axis));
    return it_attr_float(p, "epsilon", 1e-5f, &a->epsilon);
}

/* The normalized dims as a shape of their own. */
static intact_status inner_shape(const it_node *n, const it_tensor *x, int *axis, it_tensor *inner, intact_error *err)
{
    const ln_args *a = n->args;
    IT_TRY(it_axis(n, a->axis, x->rank, axis, err));
    *inner = (it_tensor){ .type = x->type, .rank = x->rank - *axis };
    for (int i = 0; i < inner->rank; i++)
        inner->dim[i] = x->dim[*axis + i];
    return INTACT_OK;
}

static intact_status ln_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    it_tensor inner, all;
    char have[160], want[160];
    int axis;
    IT_TRY(it_nn_float_only(n, in[0], err));
    IT_TRY(inner_shape(n, in[0], &axis, &inner, err));
    for (int i = 1; i < n->in_len; i++) {
        const it_tensor *both[2] = { &inner, in[i] };
        if (!in[i])
            continue;
        IT_TRY(it_nn_float_only(n, in[i], err));
        IT_TRY(it_broadcast(n, both, 2, &all, err));
        all.type = inner.type;
        if (!it_tensor_same_shape(&all, &inner))
            return it_node_fail(n, err, INTACT_E_SHAPE, "input %d is %s, which does not broadcast to the normalized %s", i,
                                it_tensor_print(in[i], have, sizeof(have)), it_tensor_print(&inner, want, sizeof(want)));
    }
    it_shape_copy(&out[0], in[0]);
    for (int k = 1; k < n->out_len; k++) {
        it_shape_copy(&out[k], in[0]);
        out[k].type = IT_F32; /* the stash type */
        for (int i = axis; i < in[0]->rank; i++)
            out[k].dim[i] = 1;
    }
    return INTACT_OK;
}

/* t spread over inner's positions; def everywhere when it is left out. */
static intact_status spread(it_run_ctx *c, const it_node *n, const it_tensor *t, const it_tensor *inner, double def, const double **out,
                            intact_error *err)
{
    int64_t stride[IT_RANK_MAX], len = it_tensor_len(inner);
    const double *from = NULL;
    double *to = it_arena_new(c->scratch, (size_t)len * sizeof(*to) + 1);
    if (!to)
        return it_fail_nomem(err, n->name, (size_t)len * sizeof(*to));
    if (t) {
        IT_TRY(it_nn_f64(c, n, t, &from, err));
        it_broadcast_strides(t, inner, stride);
    }
    for (int64_t i = 0; i < len; i++) {
        int64_t rest = i, at = 0;
        for (int d = inner->rank - 1; t && d >= 0; d--) {
            at += rest % inner->dim[d] * stride[d];
            rest /= inner->dim[d];
        }
        to[i] = t ? from[at] : def;
    }
    *out = to;
    return INTACT_OK;
}

static intact_status ln_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const ln_args *a = n->args;
    it_tensor inner;
    const double *x, *scale, *bias;
    double *y;
    int axis;
    int64_t len, rows;
    IT_TRY(inner_shape(n, in[0], &axis, &inner, err));
    IT_TRY(it_nn_f64(c, n, in[0], &x, err));
    IT_TRY(spread(c, n, in[1], &inner, 1, &scale, err));
    IT_TRY(spread(c, n, n->in_len > 2 ? in[2] : NULL, &inner, 0, &bias, err));
    IT_TRY(it_nn_f64_room(c, n, out[0], &y, err));
    len = it_tensor_len(&inner);
    rows = len > 0 ? it_tensor_len(in[0]) / len : 0;
    for (int64_t r = 0; r < rows; r++) {
        const double *from = x + r * len;
        double mean = 0, var = 0, inv;
        for (int64_t i = 0; i < len; i++)
            mean += from[i];
        mean /= (double)len;
        for (int64_t i = 0; i < len; i++)
            var += (from[i] - mean) * (from[i] - mean);
        inv = 1 / sqrt(var / (double)len + (double)a->epsilon);
        for (int64_t i = 0; i < len; i++)
            y[r * len + i] = (from[i] - mean) * inv * scale[i] + bias[i];
        if (n->out_len > 1 && out[1])
            it_tensor_set(out[1], r, mean);
        if (n->out_len > 2 && out[2])
            it_tensor_set(out[2], r, inv);
    }
    it_nn_put_f64(out[0], y);
    return INTACT_OK;
}

const it_op it_op_layer_normalization = {
    .name = "layer_normalization", .onnx = "LayerNormalization", .since = 17,
    .in_min = 2, .in_max = 3, .out_min = 1, .out_max = 3,
    .args_bytes = sizeof(ln_args),
    .parse = ln_parse, .infer = ln_infer, .forward = ln_forward,
    .hint = "networks with BatchNormalization instead run in integers",
};
