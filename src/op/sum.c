/* SPDX-License-Identifier: Apache-2.0 */
/* Sum: y = the sum of the inputs. */
#include "op/back.h"
#include "op/binary.h"

#define BINARY_NAME(suffix) sum_##suffix
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x + z)
IT_EACH_REAL(LOOP)
#undef LOOP
static it_binary_table TABLE = {IT_EACH_REAL(IT_BINARY_ENTRY)};

IT_BINARY_SCALARS(sum, x + z)

static intact_status sum_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return it_variadic_infer(n, in, IT_T_FLOAT, out, err);
}

static intact_status sum_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    return it_variadic_forward(c, n, in, out[0], TABLE, 1, err);
}

static intact_status sum_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    if (n->in_len == 1) return it_lower_pass(lw, n, err);
    if (n->in_len > 2)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the sum of %d tensors has no integer form; add them two by two", n->in_len);
    return it_lower_sum_of_two(lw, n, 1, sum_with_right, sum_with_left, err);
}

static intact_status sum_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                  it_tensor *const *dx, intact_error *err)
{
    (void)out;
    for (int k = 0; k < n->in_len; k++)
        if (dx[k]) IT_TRY(it_back_reduce(c, n, in[k], dy[0], dx[k], err));
    return INTACT_OK;
}

static const it_backward sum_back = { .gives = UINT32_MAX, .pass = UINT32_MAX, .run = sum_run_back };

const it_op it_op_sum = {
    .name = "sum", .onnx = "Sum", .since = 1, .in_min = 1, .in_max = -1, .out_min = 1, .out_max = 1,
    .infer = sum_infer, .forward = sum_forward, .lower = sum_lower,
    .quant = IT_BINARY_QUANT,
    .layout = IT_LAYOUT_ANY, .back = &sum_back,
};
