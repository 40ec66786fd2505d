/* SPDX-License-Identifier: Apache-2.0 */
/* IsInf: true where x is infinite, of the signs asked for. */
#include <math.h>

#include "op/elem.h"

typedef struct is_inf_args { int64_t negative, positive; } is_inf_args;

static intact_status is_inf_parse(it_parse *p)
{
    is_inf_args *a = p->n->args;
    IT_TRY(it_attr_int(p, "detect_negative", 1, &a->negative));
    return it_attr_int(p, "detect_positive", 1, &a->positive);
}

static intact_status is_inf_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, 0, IT_T_FLOAT, err));
    it_shape_copy(&out[0], in[0]);
    out[0].type = IT_BOOL;
    return INTACT_OK;
}

static intact_status is_inf_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)err;
    const is_inf_args *a = n->args;
    uint8_t *y = out[0]->data;
    int64_t len = it_tensor_len(in[0]);
    for (int64_t i = 0; i < len; i++) {
        double x = it_tensor_get(in[0], i);
        y[i] = isinf(x) && (x < 0 ? a->negative : a->positive) != 0;
    }
    return INTACT_OK;
}

const it_op it_op_is_inf = {
    .name = "is_inf", .onnx = "IsInf", .since = 10, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(is_inf_args), .parse = is_inf_parse, .infer = is_inf_infer, .forward = is_inf_forward,
    .hint = "integers are never infinite: remove the test from the network",
};
