/* SPDX-License-Identifier: Apache-2.0 */
/* non_zero: coordinates (rank, count) of the elements other than zero, in row-major order; the shape is known only with the content. */
#include "op/move.h"

/* Any bit set means not zero, except the sign of a floating-point zero. */
static bool is_zero(const it_tensor *t, int64_t i)
{
    return it_type_is_float(t->type) ? it_tensor_get(t, i) == 0 : it_tensor_get_int(t, i) == 0;
}

static intact_status non_zero_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_tensor *x = in[0];
    int64_t count = 0;

    out[0] = (it_tensor){ .type = IT_I64, .rank = IT_RANK_UNKNOWN };
    if (x->rank == IT_RANK_UNKNOWN || (!x->data && it_tensor_len(x) > 0))
        return INTACT_OK;
    for (int64_t i = 0, len = it_tensor_len(x); i < len; i++)
        count += !is_zero(x, i); /* the count is the same in every layout */
    return it_move_shape(n, out, IT_I64, 2, (int64_t[]){ x->rank, count }, err);
}

static intact_status non_zero_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const it_tensor *x = in[0];
    int64_t *y = out[0]->data, index[IT_RANK_MAX] = { 0 }, found = 0, count = out[0]->dim[1];

    IT_TRY(it_move_verify(c, n, in, out, err));
    for (int64_t i = 0, len = it_tensor_len(x); i < len; i++) {
        if (!is_zero(x, i)) {
            for (int k = 0; k < x->rank; k++)
                y[k * count + found] = index[k];
            found++;
        }
        for (int k = x->rank - 1; k >= 0 && ++index[k] == x->dim[k]; k--)
            index[k] = 0;
    }
    return INTACT_OK;
}

const it_op it_op_non_zero = {
    .name = "non_zero", .onnx = "NonZero", .since = 9,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .infer = non_zero_infer, .forward = non_zero_forward,
    .hint = "tensors of an integer program have fixed shapes; cut the network before it",
};
