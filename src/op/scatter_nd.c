/* SPDX-License-Identifier: Apache-2.0 */
/* scatter_nd: a copy of the data with the slices at the given coordinates set to, or combined with, the updates. */
#include "op/scatter.h"

typedef struct scatter_nd_args { it_scatter_how how; } scatter_nd_args;

static intact_status scatter_nd_parse(it_parse *p)
{
    return it_scatter_parse(p, &((scatter_nd_args *)p->n->args)->how);
}

static intact_status scatter_nd_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_tensor *x = in[0], *at = in[1], *up = in[2];
    int64_t coords;
    bool fits;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_move_same_type(n, in, 2, err));
    if (at->type != IT_I64 || at->rank < 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the indices have type %s and %d dimensions; int64 and at least one are needed",
                            it_type_name(at->type), at->rank);
    coords = at->dim[at->rank - 1];
    if (coords < 1 || coords > x->rank)
        return it_node_fail(n, err, INTACT_E_SHAPE, "each index has %lld coordinates; 1 to %d are possible", (long long)coords, x->rank);
    fits = up->rank == at->rank - 1 + x->rank - coords;
    for (int k = 0; fits && k < up->rank; k++)
        fits = up->dim[k] == (k < at->rank - 1 ? at->dim[k] : x->dim[coords + k - (at->rank - 1)]);
    if (!fits)
        return it_node_fail(n, err, INTACT_E_SHAPE,
                            "the updates must have the indices' shape without its last axis, then the data's last %lld axes",
                            (long long)(x->rank - coords));
    return it_move_shape(n, out, x->type, x->rank, x->dim, err);
}

static intact_status scatter_nd_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                        intact_error *err)
{
    const scatter_nd_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int64_t stride[IT_RANK_MAX], coords = at->dim[at->rank - 1], picks = it_tensor_len(at) / coords, slice = 1;
    const int64_t *index = at->data;
    const uint8_t *from = in[2]->data;
    int64_t item = (int64_t)it_type_bytes(x->type);

    IT_TRY(it_move_bytes(c, n, in, out, err));
    it_move_strides(x, stride);
    for (int64_t k = coords; k < x->rank; k++)
        slice *= x->dim[k];
    for (int64_t p = 0; p < picks; p++, index += coords, from += slice * item) {
        int64_t offset = 0;
        for (int64_t k = 0; k < coords; k++) {
            int64_t i = index[k];
            if (!it_move_index(&i, x->dim[k]))
                return it_node_fail(n, err, INTACT_E_SHAPE, "coordinate %lld is %lld, outside -%lld..%lld", (long long)k,
                                    (long long)index[k], (long long)x->dim[k], (long long)x->dim[k] - 1);
            offset += i * stride[k];
        }
        it_scatter_combine(x->type, a->how, (uint8_t *)out[0]->data + offset * item, from, slice);
    }
    return INTACT_OK;
}

const it_op it_op_scatter_nd = {
    .name = "scatter_nd", .onnx = "ScatterND", .since = 11,
    .in_min = 3, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(scatter_nd_args),
    .parse = scatter_nd_parse, .infer = scatter_nd_infer, .forward = scatter_nd_forward,
    .hint = "a Concat or a Pad writes at constant places in integers",
};
