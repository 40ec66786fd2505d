/* SPDX-License-Identifier: Apache-2.0 */
/* gather_nd: the last axis of the indices holds coordinates into the data; each picks an element or a slice. */
#include "op/move.h"

#include <string.h>

typedef struct gather_nd_args { int64_t batch; } gather_nd_args;

static intact_status gather_nd_parse(it_parse *p)
{
    return p->n->opset >= 12 ? it_attr_int(p, "batch_dims", 0, &((gather_nd_args *)p->n->args)->batch) : INTACT_OK;
}

static intact_status gather_nd_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const gather_nd_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int64_t dim[2 * IT_RANK_MAX], coords;
    int rank = 0;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    if (at->type != IT_I64)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the indices have type %s; int64 is needed", it_type_name(at->type));
    if (at->rank < 1 || x->rank < 1 || a->batch < 0 || a->batch >= at->rank || a->batch >= x->rank)
        return it_node_fail(n, err, INTACT_E_SHAPE,
                            "data of %d and indices of %d dimensions with batch_dims %lld; both need more than batch_dims", x->rank,
                            at->rank, (long long)a->batch);
    coords = at->dim[at->rank - 1];
    if (coords < 1 || coords > x->rank - a->batch)
        return it_node_fail(n, err, INTACT_E_SHAPE, "each index has %lld coordinates; 1 to %lld are possible", (long long)coords,
                            (long long)(x->rank - a->batch));
    for (int k = 0; k < a->batch; k++) {
        if (at->dim[k] != x->dim[k])
            return it_node_fail(n, err, INTACT_E_SHAPE, "batch axis %d has size %lld in the data and %lld in the indices", k,
                                (long long)x->dim[k], (long long)at->dim[k]);
    }
    for (int k = 0; k < at->rank - 1; k++)
        dim[rank++] = at->dim[k];
    for (int k = (int)(a->batch + coords); k < x->rank; k++)
        dim[rank++] = x->dim[k];
    return it_move_shape(n, out, x->type, rank, dim, err);
}

static intact_status gather_nd_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                       intact_error *err)
{
    const gather_nd_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int64_t stride[IT_RANK_MAX], coords = at->dim[at->rank - 1], batches = 1, picks = 1, slice = 1;
    const int64_t *index = at->data;
    uint8_t *to = out[0]->data;
    size_t bytes;

    (void)c;
    it_move_strides(x, stride);
    for (int k = 0; k < at->rank - 1; k++)
        *(k < a->batch ? &batches : &picks) *= at->dim[k];
    for (int k = (int)(a->batch + coords); k < x->rank; k++)
        slice *= x->dim[k];
    bytes = (size_t)slice * it_type_bytes(x->type);
    for (int64_t b = 0; b < batches; b++) {
        const uint8_t *from = (const uint8_t *)x->data + (a->batch ? b * stride[a->batch - 1] : 0) * (int64_t)it_type_bytes(x->type);
        for (int64_t p = 0; p < picks; p++, index += coords, to += bytes) {
            int64_t offset = 0;
            for (int64_t k = 0; k < coords; k++) {
                int64_t i = index[k];
                if (!it_move_index(&i, x->dim[a->batch + k]))
                    return it_node_fail(n, err, INTACT_E_SHAPE, "coordinate %lld is %lld, outside -%lld..%lld", (long long)k,
                                        (long long)index[k], (long long)x->dim[a->batch + k], (long long)x->dim[a->batch + k] - 1);
                offset += i * stride[a->batch + k];
            }
            memcpy(to, from + offset * (int64_t)it_type_bytes(x->type), bytes);
        }
    }
    return INTACT_OK;
}

const it_op it_op_gather_nd = {
    .name = "gather_nd", .onnx = "GatherND", .since = 11,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(gather_nd_args),
    .parse = gather_nd_parse, .infer = gather_nd_infer, .forward = gather_nd_forward,
    .hint = "a Gather with constant indices lowers to copies",
};
