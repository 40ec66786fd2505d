/* SPDX-License-Identifier: Apache-2.0 */
/* BitShift: a shifted by b bits, of unsigned integers; a shift by the width or more gives 0. */
#include <string.h>

#include "op/binary.h"

typedef struct bit_shift_args { bool left; } bit_shift_args;

#define BINARY_NAME(suffix) left_##suffix
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, z < 8 * sizeof(type) ? (uint64_t)x << z : 0)
IT_EACH_UNSIGNED(LOOP)
#undef LOOP
static it_binary_table LEFT = {IT_EACH_UNSIGNED(IT_BINARY_ENTRY)};
#undef BINARY_NAME
#define BINARY_NAME(suffix) right_##suffix
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, z < 8 * sizeof(type) ? x >> z : 0)
IT_EACH_UNSIGNED(LOOP)
#undef LOOP
static it_binary_table RIGHT = {IT_EACH_UNSIGNED(IT_BINARY_ENTRY)};

static intact_status bit_shift_parse(it_parse *p)
{
    bit_shift_args *a = p->n->args;
    const char *way;
    IT_TRY(it_attr_str(p, "direction", "", &way));
    a->left = strcmp(way, "LEFT") == 0;
    if (!a->left && strcmp(way, "RIGHT") != 0)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "direction is \"%s\"; it must be LEFT or RIGHT", way);
    return INTACT_OK;
}

static intact_status bit_shift_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return it_binary_infer(n, in, IT_T_UNSIGNED, out, err);
}

static intact_status bit_shift_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                       intact_error *err)
{
    const bit_shift_args *a = n->args;
    return it_binary_forward(c, n, in[0], in[1], out[0], a->left ? LEFT : RIGHT, err);
}

const it_op it_op_bit_shift = {
    .name = "bit_shift", .onnx = "BitShift", .since = 11, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(bit_shift_args), .parse = bit_shift_parse, .infer = bit_shift_infer, .forward = bit_shift_forward,
    .hint = "compute it before the network",
    .layout = IT_LAYOUT_ANY, .inplace = true,
};
