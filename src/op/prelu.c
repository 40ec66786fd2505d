/* SPDX-License-Identifier: Apache-2.0 */
/* PRelu: y = x for x >= 0, else slope x; the slope broadcasts to x's shape. */
#include "op/binary_back.h"

#define BINARY_NAME(suffix) prelu_##suffix
static inline float pick_f32(float x, float below) { return x < 0.0f ? below : x; }
IT_BINARY(prelu_f32, float, pick_f32(x, z * x))
IT_BINARY(prelu_f64, double, x < 0 ? z * x : x)
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x < 0 ? (uint64_t)z * (uint64_t)x : (uint64_t)x)
LOOP(IT_I32, i32, int32_t)
LOOP(IT_I64, i64, int64_t)
#undef LOOP
IT_BINARY(prelu_u32, uint32_t, ((void)z, x))
IT_BINARY(prelu_u64, uint64_t, ((void)z, x))
static it_binary_table TABLE = {
    [IT_F32] = prelu_f32, [IT_F64] = prelu_f64, [IT_I32] = prelu_i32, [IT_I64] = prelu_i64, [IT_U32] = prelu_u32, [IT_U64] = prelu_u64,
};

IT_BINARY_SCALARS(prelu, x < 0 ? z * x : x)

static intact_status prelu_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_binary_infer(n, in, IT_T_WIDE, out, err));
    if (!it_tensor_same_shape(&out[0], in[0])) {
        char a[128], b[128];
        return it_node_fail(n, err, INTACT_E_SHAPE, "the slope %s does not broadcast to the shape of the input %s",
                            it_tensor_print(in[1], b, sizeof(b)), it_tensor_print(in[0], a, sizeof(a)));
    }
    return INTACT_OK;
}

static intact_status prelu_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    return it_binary_forward(c, n, in[0], in[1], out[0], TABLE, err);
}

static intact_status prelu_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    return it_lower_channel_table(lw, n, prelu_with_right, prelu_with_left, err);
}

IT_BINARY_BACKS(prelu, 3, 0, X < 0 ? g * Z : g, X < 0 ? g * X : 0)

const it_op it_op_prelu = {
    .name = "prelu", .onnx = "PRelu", .since = 6, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = prelu_infer, .forward = prelu_forward, .lower = prelu_lower,
    .quant = IT_BINARY_QUANT,
    .layout = IT_LAYOUT_ANY, .back = &prelu_back, .inplace = true,
};
