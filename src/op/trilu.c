/* SPDX-License-Identifier: Apache-2.0 */
/* trilu: the upper or lower triangle of each matrix, counted from diagonal k; zeros elsewhere. */
#include "op/move.h"

#include <string.h>

typedef struct trilu_args { int64_t upper; } trilu_args;

static intact_status trilu_parse(it_parse *p)
{
    return it_attr_int(p, "upper", 1, &((trilu_args *)p->n->args)->upper);
}

static intact_status trilu_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    if (in[0]->rank < 2)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the input has %d dimensions; a matrix needs two", in[0]->rank);
    if (it_move_has(n, in, 1) && (in[1]->type != IT_I64 || it_tensor_len(in[1]) != 1))
        return it_node_fail(n, err, INTACT_E_SHAPE, "k has type %s and %lld elements; one int64 is needed", it_type_name(in[1]->type),
                            (long long)it_tensor_len(in[1]));
    return it_move_shape(n, out, in[0]->type, in[0]->rank, in[0]->dim, err);
}

static intact_status trilu_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const trilu_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t k = it_move_has(n, in, 1) ? *(const int64_t *)in[1]->data : 0, h = x->dim[x->rank - 2], w = x->dim[x->rank - 1];
    int64_t rows = w ? it_tensor_len(x) / w : 0;
    size_t item = it_type_bytes(x->type);

    IT_TRY(it_move_bytes(c, n, in, out, err));
    k = k > w ? w : k < -h ? -h : k; /* beyond these nothing changes */
    for (int64_t r = 0; r < rows; r++) {
        uint8_t *row = (uint8_t *)out[0]->data + (size_t)(r * w) * item;
        int64_t cut = r % h + k + (a->upper ? 0 : 1); /* upper keeps [cut, w), lower [0, cut) */
        cut = cut < 0 ? 0 : cut > w ? w : cut;
        if (a->upper)
            memset(row, 0, (size_t)cut * item);
        else
            memset(row + (size_t)cut * item, 0, (size_t)(w - cut) * item);
    }
    return INTACT_OK;
}

const it_op it_op_trilu = {
    .name = "trilu", .onnx = "Trilu", .since = 14,
    .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(trilu_args),
    .parse = trilu_parse, .infer = trilu_infer, .forward = trilu_forward,
    .hint = "a Mul with a constant mask has an integer form",
    .inplace = true,
};
