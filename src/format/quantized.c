/* SPDX-License-Identifier: Apache-2.0 */
/* quantized.c: a network with quantization parameters as ONNX: its own float operators, each value with parameters between QuantizeLinear and
** DequantizeLinear, each weight int8 codes behind DequantizeLinear, a bias int32 where both scales of its layer are known. What has no
** parameters stays float, so this also holds networks that are integer only in part.
**
** Against the integer program: no fixed-point multipliers, ties to even instead of upwards; so single codes differ. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/format.h"
#include "op/op.h"

typedef struct quantized {
    const it_graph *from;
    it_graph *g;
    it_value **real; /* [value id of from]: what readers read; NULL: not yet made */
    intact_error *err;
} quantized;

/* ---- making ---- */

static intact_status no_memory(const quantized *w, const char *what) { return it_fail_nomem(w->err, what ? what : "network", 64); }

/* base + end, and a number where somebody bears that already. */
static const char *fresh(quantized *w, const char *base, const char *end)
{
    char *name = it_arena_printf(&w->g->arena, "%s%s", base, end);
    for (int k = 1; name && it_graph_find(w->g, name); k++)
        name = it_arena_printf(&w->g->arena, "%s%s_%d", base, end, k);
    return name;
}

/* Nodes' names are their own; runtimes refuse two that are the same. */
static const char *fresh_node(quantized *w, const char *base, const char *end)
{
    char *name = it_arena_printf(&w->g->arena, "%s%s", base, end);
    for (size_t i = 0, k = 0; name && i < w->g->nodes.len; i++)
        if (strcmp(w->g->nodes.items[i]->name, name) == 0) {
            name = it_arena_printf(&w->g->arena, "%s%s_%zu", base, end, ++k);
            i = SIZE_MAX;
        }
    return name;
}

static intact_status constant(quantized *w, const char *base, const char *end, const it_tensor *t, it_value **out)
{
    const char *name = fresh(w, base, end);
    *out = name ? it_graph_const(w->g, name, t) : NULL;
    return *out ? INTACT_OK : no_memory(w, base);
}

static intact_status vector(quantized *w, const char *base, const char *end, it_type type, int64_t len, const void *data, it_value **out)
{
    it_tensor t = {.type = type, .rank = len == 1 ? 0 : 1, .dim = {len}, .data = (void *)(uintptr_t)data};
    return constant(w, base, end, &t, out);
}

/* Named base where it stands for the network's own node, else base and the operator. y: made where it is NULL. attrs live as long as the graph. */
static intact_status node(quantized *w, const it_op *op, it_value *const *in, int in_len, const it_attr *attrs, int attrs_len, const char *base, bool own, it_value **y)
{
    char end[64];
    snprintf(end, sizeof end, "_%s", op->onnx);
    const char *name = fresh_node(w, base, own ? "" : end), *value = *y ? NULL : fresh(w, base, end);
    it_node *n = name ? it_graph_node(w->g, name, op, in_len, 1) : NULL;
    if (value)
        *y = it_graph_value(w->g, value);
    if (!n || !*y)
        return no_memory(w, base);
    n->opset = op->domain ? 1 : w->g->opset;
    n->attrs = attrs;
    n->attrs_len = attrs_len;
    memcpy(n->in, in, (size_t)in_len * sizeof *in);
    n->out[0] = *y;
    (*y)->producer = n;
    return INTACT_OK;
}

/* Scales along an axis came with opset 13, 16 bits with 21; ONNX Runtime has both at any opset in a domain of its own. */
static const it_op *codes_op(const quantized *w, const char *onnx, bool wide)
{
    return it_op_find(onnx, w->g->opset < 13 || (wide && w->g->opset < 21) ? "com.microsoft" : "", w->g->opset);
}

static intact_status dequantize(quantized *w, it_value *codes, it_value *scale, it_value *zero, int axis, bool wide, const char *base, it_value **y)
{
    it_value *in[3] = {codes, scale, zero};
    it_attr *along = NULL;
    if (axis >= 0) {
        along = it_arena_new(&w->g->arena, sizeof *along);
        if (!along)
            return no_memory(w, base);
        *along = (it_attr){.name = "axis", .kind = IT_ATTR_INT, .i = axis};
    }
    return node(w, codes_op(w, "DequantizeLinear", wide), in, zero ? 3 : 2, along, along != NULL, base, false, y);
}

/* ---- constants ---- */

static intact_status plain_constant(quantized *w, const it_value *v, it_value **out)
{
    it_tensor t = v->t;
    if (v->tuned)
        t.data = (void *)(uintptr_t)v->tuned;
    return constant(w, v->name, "", &t, out);
}

static intact_status weight(quantized *w, const it_node *n, const it_value *v, it_value **out)
{
    const it_quant *q = v->q;
    it_value *codes, *scale, *zero;
    int8_t *z = it_arena_new(&w->g->arena, (size_t)q->len);
    if (!z)
        return no_memory(w, v->name);
    for (int64_t c = 0; c < q->len; c++) {
        if (q->zero[c] < INT8_MIN || q->zero[c] > INT8_MAX)
            return it_node_fail(n, w->err, INTACT_E_UNSUPPORTED, "channel %lld of the weight has zero point %d; -128..127 can be written", (long long)c, q->zero[c]);
        z[c] = (int8_t)q->zero[c];
    }
    it_tensor t = v->t;
    t.type = IT_I8;
    t.data = (void *)(uintptr_t)q->codes;
    IT_TRY(constant(w, v->name, "_codes", &t, &codes));
    IT_TRY(vector(w, v->name, "_scale", IT_F32, q->len, q->scale, &scale));
    IT_TRY(vector(w, v->name, "_zero_point", IT_I8, q->len, z, &zero));
    return dequantize(w, codes, scale, zero, q->len > 1 ? q->axis : -1, false, v->name, out);
}

/* int32 at the scale of the layer's sums, as runtimes that fuse the layer want it; false: there is none, or the bias does not fit. */
static bool bias_codes(const it_node *n, const it_value *b, int32_t *codes, float *scale)
{
    const it_quant *x = n->in[0]->q, *wq = n->in[n->op->quant.weight_in]->q;
    const float *v = b->tuned ? b->tuned : b->t.data;
    int64_t len = it_tensor_len(&b->t);
    if (!x || x->type != INTACT_U8 || !wq || (wq->len != 1 && wq->len != len) || b->t.rank != 1 || b->t.type != IT_F32)
        return false;
    for (int64_t c = 0; c < len; c++) {
        scale[c] = x->scale[0] * wq->scale[wq->len == 1 ? 0 : c];
        double code = nearbyint((double)v[c] / scale[c]);
        if (!(scale[c] > 0) || !(fabs(code) < 0x1p31))
            return false;
        codes[c] = (int32_t)code;
    }
    return true;
}

static intact_status bias(quantized *w, const it_node *n, const it_value *b, it_value **out)
{
    size_t len = (size_t)it_tensor_len(&b->t);
    int32_t *codes = it_arena_new(&w->g->arena, (len + 1) * sizeof *codes);
    float *scale = it_arena_new(&w->g->arena, (len + 1) * sizeof *scale);
    it_value *c, *s;
    if (!codes || !scale)
        return no_memory(w, b->name);
    if (!bias_codes(n, b, codes, scale))
        return plain_constant(w, b, out);
    it_tensor t = {.type = IT_I32, .rank = 1, .dim = {(int64_t)len}, .data = codes}, st = {.type = IT_F32, .rank = 1, .dim = {(int64_t)len}, .data = scale};
    IT_TRY(constant(w, b->name, "_codes", &t, &c));
    IT_TRY(constant(w, b->name, "_scale", &st, &s));
    return dequantize(w, c, s, NULL, 0, false, b->name, out);
}

static intact_status input_of(quantized *w, const it_node *n, int k, it_value **out)
{
    const it_value *v = n->in[k];
    *out = NULL;
    if (!v)
        return INTACT_OK;
    if (v->is_const && k > 0 && k == n->op->quant.bias_in && n->in[n->op->quant.weight_in]->is_const)
        return bias(w, n, v, out);
    if (!w->real[v->id] && v->is_const)
        IT_TRY(v->q && v->q->codes && v->t.type == IT_F32 ? weight(w, n, v, &w->real[v->id]) : plain_constant(w, v, &w->real[v->id]));
    *out = w->real[v->id];
    return *out ? INTACT_OK : it_node_fail(n, w->err, INTACT_E_FORMAT, "it reads %s, which nothing makes", v->name);
}

/* ---- values ---- */

static intact_status clip(quantized *w, const char *base, it_value *x, float lo, float hi, it_value **y)
{
    it_value *in[3] = {x, NULL, NULL};
    const float limits[2] = {lo, hi};
    if (lo == 0 && hi == INFINITY)
        return node(w, it_op_find("Relu", "", w->g->opset), in, 1, NULL, 0, base, false, y);
    if (w->g->opset >= 11) {
        for (int k = 0; k < 2; k++)
            if (isfinite(limits[k]))
                IT_TRY(vector(w, base, k ? "_max" : "_min", IT_F32, 1, &limits[k], &in[1 + k]));
        return node(w, it_op_find("Clip", "", w->g->opset), in, isfinite(hi) ? 3 : 2, NULL, 0, base, false, y);
    }
    it_attr *a = it_arena_new(&w->g->arena, 2 * sizeof *a);
    int len = 0;
    if (!a)
        return no_memory(w, base);
    for (int k = 0; k < 2; k++)
        if (isfinite(limits[k]))
            a[len++] = (it_attr){.name = k ? "max" : "min", .kind = IT_ATTR_FLOAT, .f = limits[k]};
    return node(w, it_op_find("Clip", "", w->g->opset), in, 1, a, len, base, false, y);
}

/* Codes to the nearest level, by a table. */
static intact_status to_levels(quantized *w, const it_value *v, it_value **codes)
{
    uint8_t nearest[256];
    it_value *table, *index = NULL, *y = NULL;
    it_tensor t = {.type = IT_U8, .rank = 1, .dim = {256}, .data = nearest};
    it_attr *to = it_arena_new(&w->g->arena, sizeof *to);
    if (!to)
        return no_memory(w, v->name);
    *to = (it_attr){.name = "to", .kind = IT_ATTR_INT, .i = it_type_to_onnx(IT_I32)};
    it_quant_nearest(v->q, nearest);
    IT_TRY(constant(w, v->name, "_levels", &t, &table));
    IT_TRY(node(w, it_op_find("Cast", "", w->g->opset), codes, 1, to, 1, v->name, false, &index));
    IT_TRY(node(w, it_op_find("Gather", "", w->g->opset), (it_value *[]){table, index}, 2, NULL, 0, v->name, false, &y));
    *codes = y;
    return INTACT_OK;
}

/* x of v's codes alone: rounded to one of them. Fewer than 8 bits are a clip before the codes; y as for node(). */
static intact_status round_value(quantized *w, const it_value *v, it_value *x, it_value **y)
{
    const it_quant *q = v->q;
    const bool wide = q->type == INTACT_S16;
    const uint8_t z8 = (uint8_t)q->zero[0];
    const int16_t z16 = 0;
    it_value *scale, *zero, *codes = NULL;
    if (!wide && q->bits < 8) {
        it_value *cut = NULL;
        IT_TRY(clip(w, v->name, x, q->scale[0] * (float)-q->zero[0], q->scale[0] * (float)((1 << q->bits) - 1 - q->zero[0]), &cut));
        x = cut;
    }
    IT_TRY(vector(w, v->name, "_scale", IT_F32, 1, q->scale, &scale));
    IT_TRY(vector(w, v->name, "_zero_point", wide ? IT_I16 : IT_U8, 1, wide ? (const void *)&z16 : &z8, &zero));
    it_value *in[3] = {x, scale, zero};
    IT_TRY(node(w, codes_op(w, "QuantizeLinear", wide), in, 3, NULL, 0, v->name, false, &codes));
    if (q->levels)
        IT_TRY(to_levels(w, v, &codes));
    return dequantize(w, codes, scale, zero, -1, wide, v->name, y);
}

static void declare(it_value *to, const it_value *v)
{
    to->t = v->t;
    to->t.data = NULL;
    memcpy(to->declared, v->declared, sizeof to->declared);
    to->declared_rank = v->declared_rank;
}

/* A graph output keeps its name: the last node that makes it gives it. */
static intact_status reserve_output(quantized *w, const it_value *v, it_value **last)
{
    *last = v->is_output ? it_graph_find(w->g, v->name) : NULL;
    if (!v->is_output || *last)
        return INTACT_OK;
    return it_fail(w->err, INTACT_E_FORMAT, v->name, "is an output that is no value of the network");
}

static intact_status swish(quantized *w, const it_node *n, it_value *x, const char *base, it_value **y)
{
    it_value *half = NULL;
    IT_TRY(node(w, it_op_find("Sigmoid", "", w->g->opset), &x, 1, NULL, 0, n->name, false, &half));
    return node(w, it_op_find("Mul", "", w->g->opset), (it_value *[]){x, half}, 2, NULL, 0, base, true, y);
}

static intact_status hard_swish(quantized *w, const it_node *n, it_value *x, const char *base, it_value **y)
{
    it_value *half = NULL;
    it_attr *a = it_arena_new(&w->g->arena, 2 * sizeof *a);
    if (!a)
        return no_memory(w, base);
    a[0] = (it_attr){.name = "alpha", .kind = IT_ATTR_FLOAT, .f = 1.0f / 6.0f};
    a[1] = (it_attr){.name = "beta", .kind = IT_ATTR_FLOAT, .f = 0.5f};
    IT_TRY(node(w, it_op_find("HardSigmoid", "", w->g->opset), &x, 1, a, 2, n->name, false, &half));
    return node(w, it_op_find("Mul", "", w->g->opset), (it_value *[]){x, half}, 2, NULL, 0, base, true, y);
}

/* The operator itself; several outputs are its own values. y: of the first, NULL: to be made. */
static intact_status operator_of(quantized *w, const it_node *n, it_value **y)
{
    const bool own = strcmp(n->op->name, "swish") == 0, young = !n->op->domain && n->op->since > w->g->opset;
    it_value **in = it_arena_new(&w->g->arena, (size_t)(n->in_len + 1) * sizeof *in);
    if (!in)
        return no_memory(w, n->name);
    for (int k = 0; k < n->in_len; k++)
        IT_TRY(input_of(w, n, k, &in[k]));
    if (own)
        return swish(w, n, in[0], n->name, y);
    if (young && strcmp(n->op->name, "hard_swish") == 0)
        return hard_swish(w, n, in[0], n->name, y);
    if (!n->op->onnx || young)
        return it_node_fail(n, w->err, INTACT_E_UNSUPPORTED, "opset %d, the network's, has no %s; intact export writes the integer program of it", w->g->opset, n->op->name);
    IT_TRY(node(w, n->op, in, n->in_len, n->attrs, n->attrs_len, n->name, true, y));
    it_node *made = (*y)->producer;
    if (n->op->domain)
        made->opset = n->opset;
    if (n->out_len < 2)
        return INTACT_OK;
    it_value **out = it_arena_new(&w->g->arena, (size_t)n->out_len * sizeof *out);
    if (!out)
        return no_memory(w, n->name);
    out[0] = *y;
    made->out = out;
    made->out_len = n->out_len;
    return INTACT_OK;
}

/* From x, which output k of n is, to what its readers read: the clamp, then the rounding. last: what it ends in, or NULL. */
static intact_status finish(quantized *w, const it_node *n, int k, it_value *x, it_value *last)
{
    const it_value *v = n->out[k];
    const bool clamps = k == 0 && (n->clamp_lo != -INFINITY || n->clamp_hi != INFINITY);
    if (clamps) {
        it_value *y = v->q ? NULL : last;
        IT_TRY(clip(w, v->name, x, n->clamp_lo, n->clamp_hi, &y));
        x = y;
    }
    if (v->q) {
        it_value *y = last;
        IT_TRY(round_value(w, v, x, &y));
        x = y;
    }
    w->real[v->id] = x;
    return INTACT_OK;
}

static intact_status put_node(quantized *w, const it_node *n)
{
    if (!n->out[0])
        return it_node_fail(n, w->err, INTACT_E_UNSUPPORTED, "its first output is left out");
    it_node *made = NULL;
    for (int k = 0; k < n->out_len; k++) {
        const it_value *v = n->out[k];
        it_value *last, *x = NULL;
        if (!v)
            continue;
        IT_TRY(reserve_output(w, v, &last));
        const bool ends = !v->q && (k > 0 || (n->clamp_lo == -INFINITY && n->clamp_hi == INFINITY));
        if (ends)
            x = last;
        if (!x) {
            const char *name = fresh(w, v->name, "");
            x = name ? it_graph_value(w->g, name) : NULL;
            if (!x)
                return no_memory(w, v->name);
        }
        if (k == 0) {
            IT_TRY(operator_of(w, n, &x));
            made = x->producer;
        } else {
            made->out[k] = x;
            x->producer = made;
        }
        x->t = v->t;
        x->t.data = NULL;
        IT_TRY(finish(w, n, k, x, last));
    }
    return INTACT_OK;
}

/* ---- the graph ---- */

static intact_status list(quantized *w, const it_value *v, bool output)
{
    it_value *to = output && !v->is_input ? it_graph_find(w->g, v->name) : NULL;
    it_graph *g = w->g;
    if (!to)
        to = it_graph_value(g, v->name);
    bool room = output ? IT_VEC_ROOM(g->alloc, g->outputs) : IT_VEC_ROOM(g->alloc, g->inputs);
    if (!to || !room)
        return no_memory(w, v->name);
    declare(to, v);
    if (output) {
        to->is_output = true;
        g->outputs.items[g->outputs.len++] = to;
    } else {
        to->is_input = true;
        g->inputs.items[g->inputs.len++] = to;
        w->real[v->id] = to;
    }
    return INTACT_OK;
}

static intact_status put_graph(quantized *w)
{
    const it_graph *g = w->from;
    for (size_t i = 0; i < g->inputs.len; i++)
        IT_TRY(list(w, g->inputs.items[i], false));
    for (size_t i = 0; i < g->outputs.len; i++) {
        if (g->outputs.items[i]->is_input || g->outputs.items[i]->is_const)
            return it_fail(w->err, INTACT_E_UNSUPPORTED, g->outputs.items[i]->name, "is an output that no operator computes");
        IT_TRY(list(w, g->outputs.items[i], true));
    }
    for (size_t i = 0; i < g->inputs.len; i++) {
        const it_value *v = g->inputs.items[i];
        it_value *y = NULL;
        if (v->q)
            IT_TRY(round_value(w, v, w->real[v->id], &y));
        w->real[v->id] = y ? y : w->real[v->id];
    }
    for (size_t i = 0; i < g->nodes.len; i++)
        IT_TRY(put_node(w, g->nodes.items[i]));
    return it_graph_verify(w->g, w->err);
}

intact_status it_onnx_write_quantized(const it_graph *g, const char *path, intact_error *err)
{
    it_graph to;
    it_graph_init(&to, g->alloc);
    to.opset = g->opset;
    to.meta = g->meta;
    quantized w = {.from = g, .g = &to, .err = err, .real = it_alloc_zero(g->alloc, (g->values.len + 1) * sizeof *w.real)};
    intact_status st = w.real ? put_graph(&w) : no_memory(&w, g->name);
    if (st == INTACT_OK)
        st = it_onnx_write(&to, path, err);
    it_alloc_free(g->alloc, w.real, (g->values.len + 1) * sizeof *w.real);
    it_graph_release(&to);
    return st;
}
