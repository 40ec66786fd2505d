/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_swish: products that spell out swish, hard swish, mish or GELU become one operator, which integers run as one table.
** A product is taken apart into its constant and its other factors, so that the order of multiplication does not matter. */
#include "pass/edit.h"

#include "op/unary.h"

#define FACTORS_MAX 3
#define DEPTH_MAX 6 /* multiplications in one spelled-out activation */

typedef struct product {
    const it_graph *g;
    double constant;
    const it_value *factor[FACTORS_MAX];
    int len;
} product;

/* Constants may have been rounded to half precision on the way. */
static bool near(double x, double want) { return fabs(x - want) <= 1e-4 * fabs(want); }

static bool collect(const it_value *v, product *p, int depth);

/* The factors of a Mul, or of a Div by a constant. */
static bool collect_node(const it_node *n, product *p, int depth)
{
    double c;
    if (it_edit_is(n, "Div")) {
        if (!it_edit_scalar(n->in[1], &c) || c == 0.0) return false;
        p->constant /= c;
        return collect(n->in[0], p, depth);
    }
    return collect(n->in[0], p, depth) && collect(n->in[1], p, depth);
}

static bool collect(const it_value *v, product *p, int depth)
{
    double c;
    if (it_edit_scalar(v, &c)) {
        p->constant *= c;
        return true;
    }
    const it_node *n = v->producer;
    bool inner = n && depth < DEPTH_MAX && !it_edit_clamped(n) && !v->q && (it_edit_is(n, "Mul") || it_edit_is(n, "Div")) &&
                 it_graph_uses(p->g, v, NULL) == 1; /* what others read too is a factor of its own: x is read twice in all patterns */
    if (inner) {
        product saved = *p;
        if (collect_node(n, p, depth + 1)) return true;
        *p = saved; /* too many factors below, or a true division: take it as one */
    }
    if (p->len == FACTORS_MAX) return false;
    p->factor[p->len++] = v;
    return true;
}

/* x when v is f(x) without a clamp and without a quantization of its own, else NULL. */
static const it_value *of(const it_value *v, const char *onnx)
{
    return v && !v->q && it_edit_is(v->producer, onnx) && !it_edit_clamped(v->producer) ? v->producer->in[0] : NULL;
}

/* x when v is x + c, in either order, else NULL. */
static const it_value *plus(const it_value *v, double c, bool may_clamp)
{
    double k;
    const it_node *n = v ? v->producer : NULL;
    if (!it_edit_is(n, "Add") || v->q || (!may_clamp && it_edit_clamped(n))) return NULL;
    for (int side = 0; side < 2; side++)
        if (it_edit_scalar(n->in[side], &k) && near(k, c)) return n->in[1 - side];
    return NULL;
}

/* v is c * x. */
static bool is_multiple(const it_graph *g, const it_value *v, const it_value *x, double c)
{
    product p = {.g = g, .constant = 1.0};
    return v && collect(v, &p, 0) && p.len == 1 && p.factor[0] == x && near(p.constant, c);
}

/* v is c * x^3, the cube a Pow or a product. */
static bool is_cubic(const it_graph *g, const it_value *v, const it_value *x, double c)
{
    double e;
    product p = {.g = g, .constant = 1.0};
    if (!v || !collect(v, &p, 0) || !near(p.constant, c)) return false;
    if (p.len == 3) return p.factor[0] == x && p.factor[1] == x && p.factor[2] == x;
    const it_node *n = p.len == 1 ? p.factor[0]->producer : NULL;
    return it_edit_is(n, "Pow") && !it_edit_clamped(n) && n->in[0] == x && it_edit_scalar(n->in[1], &e) && e == 3.0;
}

/* Each takes the factor beside x, and x. */
static bool is_sigmoid(const it_graph *g, const it_value *v, const it_value *x)
{
    (void)g;
    return of(v, "Sigmoid") == x;
}

static bool is_softplus_tanh(const it_graph *g, const it_value *v, const it_value *x)
{
    (void)g;
    return of(of(v, "Tanh"), "Softplus") == x;
}

static bool is_hard_sigmoid(const it_graph *g, const it_value *v, const it_value *x)
{
    (void)g;
    return of(v, "HardSigmoid") == x && near((double)it_edit_attr_float(v->producer, "alpha", 0.2f), 1.0 / 6.0) &&
           near((double)it_edit_attr_float(v->producer, "beta", 0.5f), 0.5);
}

static bool is_relu6_plus_3(const it_graph *g, const it_value *v, const it_value *x)
{
    (void)g;
    float lo, hi;
    const it_value *sum = of(v, "Clip");
    if (sum) {
        const it_node *n = v->producer;
        for (int k = 1; k < n->in_len; k++)
            if (n->in[k] && !n->in[k]->is_const) return false;
        return it_clip_range(n, &lo, &hi) && lo == 0.0f && hi == 6.0f && plus(sum, 3.0, false) == x;
    }
    return plus(v, 3.0, true) == x && v->producer->clamp_lo == 0.0f && v->producer->clamp_hi == 6.0f;
}

static bool is_erf_plus_1(const it_graph *g, const it_value *v, const it_value *x)
{
    return is_multiple(g, of(plus(v, 1.0, false), "Erf"), x, 0.70710678118654752440);
}

/* 1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) */
static bool is_tanh_plus_1(const it_graph *g, const it_value *v, const it_value *x)
{
    product inner = {.g = g, .constant = 1.0};
    const it_value *arg = of(plus(v, 1.0, false), "Tanh");
    if (!arg || !collect(arg, &inner, 0) || inner.len != 1 || !near(inner.constant, 0.79788456080286535588)) return false;
    const it_node *sum = inner.factor[0]->producer;
    if (!it_edit_is(sum, "Add") || it_edit_clamped(sum)) return false;
    const it_value *rest = sum->in[0] == x ? sum->in[1] : sum->in[1] == x ? sum->in[0] : NULL;
    return is_cubic(g, rest, x, 0.044715);
}

static const it_attr BY_TANH = {.name = "approximate", .kind = IT_ATTR_STRING, .s = "tanh"};

static const struct {
    bool (*is_beside)(const it_graph *g, const it_value *v, const it_value *x);
    double constant;
    const it_op *op;
    const it_attr *attr;
} PATTERNS[] = {
    {is_sigmoid, 1.0, &it_op_swish, NULL},           {is_hard_sigmoid, 1.0, &it_op_hard_swish, NULL},
    {is_relu6_plus_3, 1.0 / 6.0, &it_op_hard_swish, NULL}, {is_softplus_tanh, 1.0, &it_op_mish, NULL},
    {is_erf_plus_1, 0.5, &it_op_gelu, NULL},         {is_tanh_plus_1, 0.5, &it_op_gelu, &BY_TANH},
};

static intact_status try_fuse(it_graph *g, it_node *n, bool *fused, intact_error *err)
{
    product p = {.g = g, .constant = 1.0};
    *fused = false;
    if ((!it_edit_is(n, "Mul") && !it_edit_is(n, "Div")) || !it_type_is_float(n->out[0]->t.type)) return INTACT_OK;
    if (!collect_node(n, &p, 0) || p.len != 2) return INTACT_OK;
    for (size_t i = 0; i < IT_LEN(PATTERNS); i++) {
        for (int side = 0; side < 2; side++) {
            const it_value *x = p.factor[side];
            if (fabs(p.constant / PATTERNS[i].constant - 1.0) > 1e-6 || !PATTERNS[i].is_beside(g, p.factor[1 - side], x)) continue;
            if (!it_tensor_same_shape(&x->t, &n->out[0]->t)) continue; /* a constant of higher rank */
            it_value *in[1] = {g->values.items[x->id]};
            IT_TRY(it_edit_become(g, n, PATTERNS[i].op, in, 1, PATTERNS[i].attr, PATTERNS[i].attr != NULL, err));
            *fused = true;
            return INTACT_OK;
        }
    }
    return INTACT_OK;
}

static intact_status fuse_swish_run(it_graph *g, size_t *changes, intact_error *err)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        bool fused;
        IT_TRY(try_fuse(g, g->nodes.items[i], &fused, err));
        *changes += fused;
    }
    return INTACT_OK;
}

const it_pass it_pass_fuse_swish = {
    .name = "fuse_swish", .what = "recognizes swish, hard swish, mish and GELU spelled out", .run = fuse_swish_run,
};
