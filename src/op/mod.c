/* SPDX-License-Identifier: Apache-2.0 */
/* Mod: the rest of a / b, with the sign of b (integers only), or with the sign of a as C's fmod when fmod = 1. */
#include <math.h>

#include "op/binary.h"

typedef struct mod_args { int64_t fmod; } mod_args;

/* Sign of the dividend. */
#define BINARY_NAME(suffix) rest_##suffix
IT_BINARY(rest_f32, float, fmodf(x, z))
IT_BINARY(rest_f64, double, fmod(x, z))
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, z == -1 ? 0 : x % z)
IT_EACH_SIGNED(LOOP)
#undef LOOP
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x % z)
IT_EACH_UNSIGNED(LOOP)
#undef LOOP
static it_binary_table REST = {IT_EACH_REAL(IT_BINARY_ENTRY) IT_EACH_SIGNED(IT_BINARY_ENTRY) IT_EACH_UNSIGNED(IT_BINARY_ENTRY)};
#undef BINARY_NAME

/* Sign of the divisor: z is added when the rest is not 0 and the signs differ. */
#define BINARY_NAME(suffix) mod_##suffix
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, z == -1 ? 0 : x % z + (x % z != 0 && (x % z < 0) != (z < 0) ? z : 0))
IT_EACH_SIGNED(LOOP)
#undef LOOP
static it_binary_table MOD = {
    IT_EACH_SIGNED(IT_BINARY_ENTRY)
    [IT_U8] = rest_u8, [IT_U16] = rest_u16, [IT_U32] = rest_u32, [IT_U64] = rest_u64,
};

static intact_status mod_parse(it_parse *p)
{
    mod_args *a = p->n->args;
    return it_attr_int(p, "fmod", 0, &a->fmod);
}

static intact_status mod_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const mod_args *a = n->args;
    IT_TRY(it_binary_infer(n, in, IT_T_NUMBER, out, err));
    if (!a->fmod && it_type_is_float(in[0]->type))
        return it_node_fail(n, err, INTACT_E_SHAPE, "the inputs are %s and attribute fmod is 0; it must be 1 for floats",
                            it_type_name(in[0]->type));
    return INTACT_OK;
}

static intact_status mod_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const mod_args *a = n->args;
    IT_TRY(it_binary_no_zero(n, in[1], err));
    return it_binary_forward(c, n, in[0], in[1], out[0], a->fmod ? REST : MOD, err);
}

const it_op it_op_mod = {
    .name = "mod", .onnx = "Mod", .since = 10, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(mod_args), .parse = mod_parse, .infer = mod_infer, .forward = mod_forward,
    .hint = "compute it before the network",
    .layout = IT_LAYOUT_ANY, .inplace = true,
};
