/* SPDX-License-Identifier: Apache-2.0 */
/* Gelu: y = x/2 (1 + erf(x / sqrt 2)), or its tanh form. */
#include "op/unary.h"

typedef struct gelu_args { bool by_tanh; } gelu_args;

static intact_status gelu_parse(it_parse *p)
{
    gelu_args *a = p->n->args;
    const char *how;
    IT_TRY(it_attr_str(p, "approximate", "none", &how));
    a->by_tanh = strcmp(how, "tanh") == 0;
    if (!a->by_tanh && strcmp(how, "none") != 0)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "approximate is \"%s\"; it may be \"none\" or \"tanh\"", how);
    return INTACT_OK;
}

IT_UNARY(gelu_erf, IT_GELU(x))
/* 0.797... is sqrt(2/pi) */
IT_UNARY(gelu_tanh, x * R(0.5) * (1 + IT_TANH(R(0.79788456080286535588) * (x + R(0.044715) * x * x * x))))

static intact_status gelu_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const gelu_args *a = n->args;
    return a->by_tanh ? gelu_tanh_forward(c, n, in, out, err) : gelu_erf_forward(c, n, in, out, err);
}

static float gelu_scalar(const it_node *n, float x)
{
    const gelu_args *a = n->args;
    return a->by_tanh ? gelu_tanh_scalar(n, x) : gelu_erf_scalar(n, x);
}

const it_op it_op_gelu = {
    IT_UNARY_FIELDS(gelu), .onnx = "Gelu", .since = 20,
    .args_bytes = sizeof(gelu_args), .parse = gelu_parse,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
