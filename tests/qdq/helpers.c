/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that come quantized, on top of the ones that tests of lowering build. */
#include "qdq/helpers.h"

#include "lower/helpers.c" /* one program, one set of helpers: this area's tests lower and run, too */

it_value *typed(net *t, it_type type, int rank, const int64_t *dim, const void *data)
{
    it_tensor v = { .type = type, .rank = rank, .data = (void *)(uintptr_t)data };
    char name[32];
    if (rank)
        memcpy(v.dim, dim, (size_t)rank * sizeof *dim);
    snprintf(name, sizeof name, "k%d", t->made++);
    it_value *out = it_graph_const(&t->g, name, &v);
    assert_non_null(out);
    return out;
}

it_value *number(net *t, float v) { return typed(t, IT_F32, 0, NULL, &v); }

it_value *code(net *t, it_type type, int32_t v)
{
    it_tensor s = { .type = type, .data = &(int64_t){ 0 } };
    it_tensor_set(&s, 0, v);
    return typed(t, type, 0, NULL, s.data);
}

it_value *op_node(net *t, const it_op *op, it_value *const *in, int in_len, const it_attr *attrs)
{
    int attrs_len = 0;
    char name[48];
    while (attrs && attrs[attrs_len].name)
        attrs_len++;
    snprintf(name, sizeof name, "%s%d", op->name, t->made++);
    it_node *n = it_graph_node(&t->g, name, op, in_len, 1);
    memcpy(n->in, in, (size_t)in_len * sizeof *in);
    snprintf(name, sizeof name, "v%d", t->made++);
    n->out[0] = it_graph_value(&t->g, name);
    n->out[0]->producer = n;
    n->opset = op->domain ? 1 : t->opset;
    it_attr *copy = it_arena_copy(&t->g.arena, attrs ? attrs : &(it_attr){ 0 }, sizeof *copy * (size_t)(attrs_len + 1));
    for (int i = 0; i < attrs_len; i++)
        if (copy[i].kind == IT_ATTR_INTS)
            copy[i].ints = it_arena_copy(&t->g.arena, copy[i].ints, copy[i].len * sizeof(int64_t));
    n->attrs = copy;
    n->attrs_len = attrs_len;
    if (it_node_parse(&t->g, n, &t->err) != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
    return n->out[0];
}

it_value *quantize(net *t, it_value *x, it_type type, float scale, int32_t zero)
{
    return op_node(t, &it_op_quantize_linear, (it_value *[]){ x, number(t, scale), code(t, type, zero) }, 3, NULL);
}

it_value *dequantize(net *t, it_value *x, it_type type, float scale, int32_t zero)
{
    return op_node(t, &it_op_dequantize_linear, (it_value *[]){ x, number(t, scale), code(t, type, zero) }, 3, NULL);
}

it_value *both(net *t, it_value *x, it_type type, float scale, int32_t zero) { return dequantize(t, quantize(t, x, type, scale, zero), type, scale, zero); }

it_value *input(net *t, it_type type, int rank, const int64_t *dim)
{
    net_input(t, INTACT_U8, -1.5f, 2.5f, rank, dim);
    const it_quant *q = t->x->q;
    return both(t, t->x, type, q->scale[0], q->zero[0] - (type == IT_I8 ? 128 : 0));
}

void weight_make(net *t, coded *w, it_type type, int rank, const int64_t *dim, int axis, int32_t lo, int32_t hi)
{
    int64_t len = 1, channels = axis < 0 ? 1 : dim[axis];
    for (int k = 0; k < rank; k++)
        len *= dim[k];
    uint8_t *codes = malloc((size_t)len), *zero = malloc((size_t)channels);
    float *scale = malloc((size_t)channels * sizeof *scale);
    for (int64_t i = 0; i < len; i++)
        codes[i] = (uint8_t)(lo + (int32_t)it_rng_below(&t->rng, (uint64_t)(hi - lo + 1)));
    for (int64_t c = 0; c < channels; c++) {
        scale[c] = net_uniform(t, 0.002f, 0.02f);
        zero[c] = 0;
    }
    *w = (coded){ .type = type, .axis = axis, .channels = channels };
    w->codes = typed(t, type, rank, dim, codes);
    w->scale = typed(t, IT_F32, axis >= 0, &channels, scale);
    w->zero = typed(t, type, axis >= 0, &channels, zero);
    free(codes);
    free(zero);
    free(scale);
}

void weight_zero(coded *w, int64_t c, int32_t zero) { it_tensor_set(&w->zero->t, c, zero); }

it_value *weight_real(net *t, const coded *w)
{
    return op_node(t, &it_op_dequantize_linear, (it_value *[]){ w->codes, w->scale, w->zero }, 3, ATTRS(A_INT("axis", w->axis < 0 ? 0 : w->axis)));
}

it_value *bias_codes(net *t, int64_t len, int32_t size)
{
    int32_t *b = malloc((size_t)len * sizeof *b);
    for (int64_t i = 0; i < len; i++)
        b[i] = (int32_t)((int64_t)it_rng_below(&t->rng, 2 * (uint64_t)size + 1) - size);
    it_value *v = typed(t, IT_I32, 1, &len, b);
    free(b);
    return v;
}

it_value *bias_real(net *t, it_value *codes, const coded *w, double off)
{
    float *scale = malloc((size_t)w->channels * sizeof *scale);
    for (int64_t c = 0; c < w->channels; c++)
        scale[c] = (float)((double)t->x->q->scale[0] * it_tensor_get(&w->scale->t, c) * off);
    it_value *s = typed(t, IT_F32, w->axis >= 0, &w->channels, scale);
    free(scale);
    return op_node(t, &it_op_dequantize_linear, (it_value *[]){ codes, s }, 2, ATTRS(A_INT("axis", 0)));
}

void run_float(net *t, it_value *y)
{
    it_exec *e = NULL;
    it_tensor in;
    y->is_output = true;
    assert_true(IT_VEC_ROOM(t->g.alloc, t->g.outputs));
    t->g.outputs.items[t->g.outputs.len++] = y;
    OK(it_graph_infer(&t->g, 1, NULL, &t->err));
    OK(it_pass_all_run(&t->g, &t->err));
    in = t->x->t;
    in.data = t->x_real;
    OK(it_exec_new(&t->g, NULL, &e, &t->err));
    OK(it_exec_run(e, &in, 1, &t->err));
    const it_tensor *out = it_exec_output(e, 0);
    t->y_len = it_tensor_len(out);
    t->y_float = malloc((size_t)t->y_len * sizeof(float));
    for (int64_t i = 0; i < t->y_len; i++)
        t->y_float[i] = (float)it_tensor_get(out, i);
    it_exec_free(e);
}

void absorb_and_check(net *t, it_absorb *a, it_value *y, double steps)
{
    t->x->q = NULL;
    run_float(t, y);
    *a = (it_absorb){ .g = &t->g, .alloc = &it_alloc_libc };
    OK(it_absorb_run(a, &t->err));
    if (a->missing_len)
        fail_msg("%zu without parameters, first %s", a->missing_len, a->missing);
    t->y = t->g.outputs.items[0];
    net_check(t, steps);
}

void check(net *t, it_value *y, double steps)
{
    it_absorb a;
    absorb_and_check(t, &a, y, steps);
    it_absorb_release(&a);
    net_free(t);
}
