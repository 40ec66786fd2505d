/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: a network of one operator, run in float and, lowered, in integers. */
#include "helpers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lower/build.h"

const it_tensor none = { .rank = IT_RANK_UNKNOWN };
static it_rng rng;

uint64_t net_random(uint64_t n) { return it_rng_below(&rng, n); }

void net_init(net *t, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    it_rng_seed(&rng, seed);
    it_arena_init(&t->arena, NULL);
}

it_tensor tensor(net *t, it_type type, int rank, const int64_t *dim)
{
    it_tensor v = { .type = type, .rank = rank };
    for (int k = 0; k < rank; k++)
        v.dim[k] = dim[k];
    v.data = it_arena_new(&t->arena, it_tensor_bytes(&v) + 1);
    for (int64_t i = 0, len = it_tensor_len(&v); i < len; i++)
        it_tensor_set(&v, i,
                      type == IT_BOOL          ? (double)net_random(2)
                      : it_type_is_float(type) ? ((double)net_random(4001) - 2000) / 512
                                               : (double)net_random(100));
    return v;
}

it_tensor list(net *t, int len, const int64_t *v)
{
    it_tensor x = { .type = IT_I64, .rank = 1, .dim = { len }, .data = it_arena_copy(&t->arena, v, (size_t)len * 8 + (len == 0)) };
    return x;
}

it_tensor floats(net *t, int rank, const int64_t *dim, const float *v)
{
    it_tensor x = { .type = IT_F32, .rank = rank };
    for (int k = 0; k < rank; k++)
        x.dim[k] = dim[k];
    x.data = it_arena_copy(&t->arena, v, it_tensor_bytes(&x) + (it_tensor_len(&x) == 0));
    return x;
}

static intact_status build(net *t, const char *onnx, int opset, const it_attr *attrs, int attrs_len, const it_tensor *in, int in_len,
                           unsigned consts, int out_len)
{
    const it_op *op = it_op_find(onnx, "", opset);
    it_node *n;
    char name[16];
    if (!op)
        return it_fail(&t->err, INTACT_E_UNSUPPORTED, onnx, "unknown at opset %d", opset);
    it_graph_init(&t->g, NULL);
    t->g.name = "test";
    t->g.opset = opset;
    n = it_graph_node(&t->g, "the_node", op, in_len, out_len);
    n->attrs = attrs;
    n->attrs_len = attrs_len;
    t->out_len = out_len;
    for (int k = 0; k < in_len; k++) {
        if (in[k].rank == IT_RANK_UNKNOWN)
            continue;
        snprintf(name, sizeof(name), "x%d", k);
        t->in[k] = n->in[k] = consts >> k & 1 ? it_graph_const(&t->g, name, &in[k]) : it_graph_value(&t->g, name);
        if (consts >> k & 1)
            continue;
        n->in[k]->t = in[k];
        n->in[k]->t.data = NULL;
        n->in[k]->is_input = true;
        n->in[k]->declared_rank = -1;
        assert_true(IT_VEC_ROOM(t->g.alloc, t->g.inputs));
        t->g.inputs.items[t->g.inputs.len++] = n->in[k];
        t->fed[t->fed_len++] = in[k];
    }
    for (int k = 0; k < out_len; k++) {
        snprintf(name, sizeof(name), "y%d", k);
        t->out[k] = n->out[k] = it_graph_value(&t->g, name);
        n->out[k]->producer = n;
        n->out[k]->is_output = true;
        assert_true(IT_VEC_ROOM(t->g.alloc, t->g.outputs));
        t->g.outputs.items[t->g.outputs.len++] = n->out[k];
    }
    IT_TRY(it_node_parse(&t->g, n, &t->err));
    return it_graph_infer(&t->g, 1, t->fed, &t->err);
}

intact_status net_make(net *t, const char *onnx, int opset, const it_attr *attrs, int attrs_len, const it_tensor *in, int in_len,
                       unsigned consts, int out_len)
{
    t->status = build(t, onnx, opset, attrs, attrs_len, in, in_len, consts, out_len);
    return t->status;
}

intact_status net_run(net *t)
{
    if (t->status != INTACT_OK)
        return t->status;
    if (!t->e)
        IT_TRY(it_exec_new(&t->g, NULL, &t->e, &t->err));
    return it_exec_run(t->e, t->fed, t->fed_len, &t->err);
}

const it_tensor *net_out(const net *t, int k) { return it_exec_output(t->e, (size_t)k); }

void net_free(net *t)
{
    it_exec_free(t->e);
    if (t->g.alloc)
        it_graph_release(&t->g);
    it_arena_release(&t->arena);
}

/* ---- integers ---- */

static it_quant *quant(net *t, bool s16, float scale)
{
    it_quant *q = it_arena_new(&t->arena, sizeof(*q));
    *q = (it_quant){ .type = s16 ? INTACT_S16 : INTACT_U8, .bits = s16 ? 16 : 8, .axis = -1, .len = 1, .scale = it_arena_new(&t->arena, 4),
                     .zero = it_arena_new(&t->arena, 4) };
    q->scale[0] = scale;
    q->zero[0] = s16 ? 0 : 100;
    return q;
}

/* Element i of t (ONNX order) in the runtime's order. */
static size_t place(const it_tensor *t, int64_t i)
{
    int64_t index[IT_RANK_MAX];
    uint32_t dims[INTACT_RANK_MAX];
    size_t at = 0;
    for (int k = t->rank - 1; k >= 0; k--) {
        index[it_runtime_axis(t->rank, k)] = i % t->dim[k];
        i /= t->dim[k];
    }
    it_runtime_dims(t, dims);
    for (int k = 0; k < t->rank; k++)
        at = at * dims[k] + (size_t)index[k];
    return at;
}

static int32_t code(const void *codes, bool s16, size_t i)
{
    return s16 ? ((const int16_t *)codes)[i] : ((const uint8_t *)codes)[i];
}

static void *feed(net *t, it_tensor *x, const it_quant *q, bool s16)
{
    int64_t len = it_tensor_len(x);
    void *codes = it_arena_new(&t->arena, (size_t)len * 2);
    for (int64_t i = 0; i < len; i++) {
        int32_t c = s16 ? (int32_t)net_random(65535) - 32767 : (int32_t)net_random(256);
        size_t at = place(x, i);
        if (s16)
            ((int16_t *)codes)[at] = (int16_t)c;
        else
            ((uint8_t *)codes)[at] = (uint8_t)c;
        ((float *)x->data)[i] = q->scale[0] * (float)(c - q->zero[0]);
    }
    return codes;
}

static void compare(const it_tensor *y, const it_quant *q, const void *codes, bool s16, double slack)
{
    int32_t lo = s16 ? -32767 : 0, hi = s16 ? 32767 : 255;
    for (int64_t i = 0, len = it_tensor_len(y); i < len; i++) {
        double want = (double)((const float *)y->data)[i] / (double)q->scale[0] + q->zero[0], got = code(codes, s16, place(y, i));
        want = want < lo ? lo : want > hi ? hi : want;
        if (fabs(want - got) > slack)
            fail_msg("element %lld: code %g instead of %g", (long long)i, got, want);
    }
}

static void run_integer(net *t, it_prog *prog, const void *const *in, void **out)
{
    intact_program *p;
    intact_session *s;
    uint32_t len = prog->outputs_len, in_len = prog->inputs_len;
    if (it_program_pack(prog, &(it_pack_options){ .cpu = INTACT_CPU_SCALAR, .threads = 1 }, &p, &t->err) != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
    assert_int_equal(intact_session_new(p, NULL, &s, &t->err), INTACT_OK);
    assert_int_equal(intact_session_run(s, in, in_len, out, len, &t->err), INTACT_OK);
    intact_session_free(s);
    intact_program_free(p);
}

void net_check_integer(net *t, bool s16, float out_scale, double slack)
{
    it_lower lw;
    it_prog prog;
    const void *in[8];
    void *out[8];
    if (t->status != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
    for (size_t k = 0; k < t->g.inputs.len; k++) {
        t->g.inputs.items[k]->q = quant(t, s16, 0.03125f);
        in[k] = feed(t, &t->fed[k], t->g.inputs.items[k]->q, s16);
    }
    for (size_t k = 0; k < t->g.outputs.len; k++) {
        t->g.outputs.items[k]->q = quant(t, s16, out_scale > 0 ? out_scale : 0.03125f);
        out[k] = it_arena_new(&t->arena, (size_t)it_tensor_len(&t->g.outputs.items[k]->t) * 2 + 1);
    }
    it_prog_init(&prog, NULL);
    prog.meta = "{}";
    if (it_lower_build(&lw, &t->g, NULL, &prog, NULL, &t->err) != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
    it_lower_release(&lw);
    run_integer(t, &prog, in, out);
    if (net_run(t) != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
    for (int k = 0; k < t->out_len; k++)
        compare(net_out(t, k), t->g.outputs.items[k]->q, out[k], s16, slack);
}

void net_check_refused(net *t, const char *word)
{
    it_lower lw;
    it_prog prog;
    assert_int_equal(t->status, INTACT_OK);
    for (size_t k = 0; k < t->g.values.len; k++)
        if (!t->g.values.items[k]->is_const)
            t->g.values.items[k]->q = quant(t, false, 0.03125f);
    it_prog_init(&prog, NULL);
    prog.meta = "{}";
    assert_int_equal(it_lower_build(&lw, &t->g, NULL, &prog, NULL, &t->err), INTACT_E_UNSUPPORTED);
    it_lower_release(&lw);
    it_prog_release(&prog);
    if (!strstr(t->err.message, word))
        fail_msg("\"%s\" is not in \"%s\"", word, t->err.message);
}
