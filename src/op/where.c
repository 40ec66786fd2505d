/* SPDX-License-Identifier: Apache-2.0 */
/* where: y = condition ? a : b, elementwise; all three broadcast together. */
#include "op/walk.h"

static intact_status where_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    if (in[0]->type != IT_BOOL)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the condition has type %s; it must be bool", it_type_name(in[0]->type));
    if (in[1]->type != in[2]->type)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the choices have types %s and %s; they must have the same", it_type_name(in[1]->type),
                            it_type_name(in[2]->type));
    out[0].type = in[1]->type;
    return it_broadcast(n, in, 3, &out[0], err);
}

#define LOOP(T)                                                                                                                   \
    for (int64_t i = 0; i < r.row; i++)                                                                                           \
        ((T *)out[0]->data)[r.y + i] = cond[r.at[0] + i * r.step[0]] ? ((const T *)in[1]->data)[r.at[1] + i * r.step[1]]         \
                                                                     : ((const T *)in[2]->data)[r.at[2] + i * r.step[2]]

static intact_status where_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)n;
    (void)err;
    const uint8_t *cond = in[0]->data;
    it_walk r;
    for (it_walk_begin(&r, out[0], in, 3); r.rows; it_walk_next(&r))
        switch (it_type_bytes(in[1]->type)) {
        case 1: LOOP(uint8_t); break;
        case 2: LOOP(uint16_t); break;
        case 4: LOOP(uint32_t); break;
        default: LOOP(uint64_t); break;
        }
    return INTACT_OK;
}

const it_op it_op_where = {
    .name = "where", .onnx = "Where", .since = 9,
    .in_min = 3, .in_max = 3, .out_min = 1, .out_max = 1,
    .infer = where_infer, .forward = where_forward,
    .hint = "with a constant mask: Add(Mul(a, mask), Mul(b, 1 - mask)); Where(x > 0, x, k x) is LeakyRelu",
};
