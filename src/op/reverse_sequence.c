/* SPDX-License-Identifier: Apache-2.0 */
/* reverse_sequence: for each batch the first sequence_lens[b] time steps backwards, the rest as it was. */
#include "op/move.h"

typedef struct reverse_sequence_args { int64_t batch, time; } reverse_sequence_args;

static intact_status reverse_sequence_parse(it_parse *p)
{
    reverse_sequence_args *a = p->n->args;

    IT_TRY(it_attr_int(p, "batch_axis", 1, &a->batch));
    return it_attr_int(p, "time_axis", 0, &a->time);
}

static intact_status reverse_sequence_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const reverse_sequence_args *a = n->args;
    const it_tensor *x = in[0];
    int batch, time;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_axis(n, a->batch, x->rank, &batch, err));
    IT_TRY(it_axis(n, a->time, x->rank, &time, err));
    if (batch == time)
        return it_node_fail(n, err, INTACT_E_SHAPE, "batch_axis and time_axis are both %d; they must differ", batch);
    if (in[1]->type != IT_I64 || in[1]->rank != 1 || in[1]->dim[0] != x->dim[batch])
        return it_node_fail(n, err, INTACT_E_SHAPE, "sequence_lens has type %s and %lld elements; %lld int64 are needed",
                            it_type_name(in[1]->type), (long long)it_tensor_len(in[1]), (long long)x->dim[batch]);
    return it_move_shape(n, out, x->type, x->rank, x->dim, err);
}

static intact_status reverse_sequence_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                              intact_error *err)
{
    const reverse_sequence_args *a = n->args;
    const it_tensor *x = in[0];
    const int64_t *lens = in[1]->data;
    int64_t stride[IT_RANK_MAX], back[IT_RANK_MAX], dim[IT_RANK_MAX];
    size_t item = it_type_bytes(x->type);
    int batch, time;

    IT_TRY(it_axis(n, a->batch, x->rank, &batch, err));
    IT_TRY(it_axis(n, a->time, x->rank, &time, err));
    IT_TRY(it_move_bytes(c, n, in, out, err));
    it_move_strides(x, stride);
    for (int k = 0; k < x->rank; k++) {
        back[k] = k == time ? -stride[k] : stride[k];
        dim[k] = k == batch ? 1 : x->dim[k];
    }
    for (int64_t b = 0; b < x->dim[batch]; b++) {
        if (lens[b] < 0 || lens[b] > x->dim[time])
            return it_node_fail(n, err, INTACT_E_SHAPE, "sequence_lens[%lld] is %lld; the time axis has %lld steps", (long long)b,
                                (long long)lens[b], (long long)x->dim[time]);
        if (lens[b] < 2)
            continue;
        dim[time] = lens[b];
        it_move_items((uint8_t *)out[0]->data + b * stride[batch] * (int64_t)item,
                      (const uint8_t *)x->data + (b * stride[batch] + (lens[b] - 1) * stride[time]) * (int64_t)item, item, x->rank, dim,
                      stride, back);
    }
    return INTACT_OK;
}

const it_op it_op_reverse_sequence = {
    .name = "reverse_sequence", .onnx = "ReverseSequence", .since = 10,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(reverse_sequence_args),
    .parse = reverse_sequence_parse, .infer = reverse_sequence_infer, .forward = reverse_sequence_forward,
    .hint = "a Slice with step -1 reverses whole axes in integers",
};
