/* SPDX-License-Identifier: Apache-2.0 */
/* One operator on given tensors, without an executor. */
#include "op_elem/helpers.h"

void rig_init(rig *r, const char *onnx, int opset)
{
    const it_op *op = it_op_find(onnx, "", opset);
    for (const it_op *const *o = it_op_all; !op && *o; o++)
        if (!(*o)->onnx && !strcmp((*o)->name, onnx)) op = *o;
    memset(r, 0, sizeof(*r));
    if (!op) fail_msg("no operator %s at opset %d", onnx, opset);
    r->alloc = &it_alloc_libc;
    it_graph_init(&r->g, &it_alloc_libc);
    it_arena_init(&r->keep, &it_alloc_libc);
    r->n = it_graph_node(&r->g, "node", op, RIG_IN, RIG_OUT);
    assert_non_null(r->n);
    r->n->opset = opset;
}

void rig_free(rig *r)
{
    it_arena_release(&r->keep);
    it_graph_release(&r->g);
}

static it_attr *attr(rig *r, const char *name, it_attr_kind kind)
{
    it_attr *a = &r->attrs[r->attrs_len++];
    assert_true(r->attrs_len <= RIG_ATTRS);
    a->name = name;
    a->kind = kind;
    return a;
}

void rig_int(rig *r, const char *name, int64_t v) { attr(r, name, IT_ATTR_INT)->i = v; }
void rig_float(rig *r, const char *name, double v) { attr(r, name, IT_ATTR_FLOAT)->f = (float)v; }
void rig_text(rig *r, const char *name, const char *v) { attr(r, name, IT_ATTR_STRING)->s = v; }
void rig_ints(rig *r, const char *name, const int64_t *v, size_t len)
{
    it_attr *a = attr(r, name, IT_ATTR_INTS);
    a->ints = v;
    a->len = len;
}

it_tensor *rig_in(rig *r, it_type type, int rank, const int64_t *dim, const double *values)
{
    it_tensor *t = &r->in[r->in_len];
    *t = (it_tensor){.type = type, .rank = rank};
    if (rank) memcpy(t->dim, dim, (size_t)rank * sizeof(*dim));
    t->data = it_arena_new(&r->keep, it_tensor_bytes(t) + 1);
    assert_non_null(t->data);
    for (int64_t i = 0; values && i < it_tensor_len(t); i++)
        it_tensor_set(t, i, values[i]);
    r->in_ptr[r->in_len++] = t;
    return t;
}

it_tensor *rig_random(rig *r, it_rng *rng, it_type type, int rank, const int64_t *dim, double lo, double hi)
{
    it_tensor *t = rig_in(r, type, rank, dim, NULL);
    for (int64_t i = 0; i < it_tensor_len(t); i++) {
        double v = lo + (hi - lo) * (double)(it_rng_next(rng) >> 11) * 0x1p-53;
        it_tensor_set(t, i, it_type_is_float(type) ? v : floor(v + 0.5));
    }
    return t;
}

void rig_skip(rig *r) { r->in_ptr[r->in_len++] = NULL; }

intact_status rig_try(rig *r, int out_len)
{
    it_arena scratch;
    it_op_state *state = NULL;
    it_run_ctx c = {.alloc = r->alloc, .state = &state, .scratch = &scratch};
    r->n->attrs = r->attrs;
    r->n->attrs_len = r->attrs_len;
    r->n->in_len = r->in_len;
    r->n->out_len = out_len;
    for (int k = 0; k < r->in_len; k++) {
        r->n->in[k] = r->in_ptr[k] ? it_graph_value(&r->g, "in") : NULL;
        if (r->n->in[k]) r->n->in[k]->t = r->in[k];
    }
    for (int k = 0; k < out_len; k++)
        r->n->out[k] = it_graph_value(&r->g, "out");
    IT_TRY(it_node_parse(&r->g, r->n, &r->err));
    IT_TRY(r->n->op->infer(r->n, r->in_ptr, r->out, &r->err));
    for (int k = 0; k < out_len; k++) {
        IT_TRY(it_shape_check(&r->out[k], "out", &r->err));
        size_t bytes = it_tensor_bytes(&r->out[k]);
        r->out[k].layout = r->in[0].layout;
        r->out[k].data = it_arena_new(&r->keep, bytes + 1);
        assert_non_null(r->out[k].data);
        memset(r->out[k].data, 0x55, bytes + 1); /* nothing may rely on zeros, nor write behind the end */
        r->out_ptr[k] = &r->out[k];
    }
    it_arena_init(&scratch, r->alloc);
    intact_status st = r->n->op->forward(&c, r->n, r->in_ptr, r->out_ptr, &r->err);
    it_arena_release(&scratch);
    if (state) state->free(state);
    for (int k = 0; k < out_len; k++)
        assert_int_equal(((uint8_t *)r->out[k].data)[it_tensor_bytes(&r->out[k])], 0x55);
    return st;
}

void rig_run(rig *r, int out_len)
{
    if (rig_try(r, out_len) != INTACT_OK) fail_msg("%s: %s", r->err.where, r->err.message);
}

void rig_expect_fail(rig *r, int out_len, intact_status code, const char *says)
{
    assert_int_equal(rig_try(r, out_len), code);
    if (!strstr(r->err.message, says)) fail_msg("\"%s\" does not say \"%s\"", r->err.message, says);
    assert_non_null(strstr(r->err.where, "node ("));
}

static int64_t nhwc_index(const it_tensor *t, int64_t i)
{
    int64_t hw = t->dim[2] * t->dim[3], c = i / hw % t->dim[1], n = i / (hw * t->dim[1]);
    return (n * hw + i % hw) * t->dim[1] + c;
}

void rig_nhwc(rig *r, int k)
{
    it_tensor from = r->in[k], *to = &r->in[k];
    to->data = it_arena_new(&r->keep, it_tensor_bytes(to) + 1);
    assert_non_null(to->data);
    for (int64_t i = 0; i < it_tensor_len(to); i++)
        it_tensor_set(to, nhwc_index(to, i), it_tensor_get(&from, i));
    to->layout = IT_NHWC;
}

double rig_at(const it_tensor *t, int64_t i)
{
    it_tensor plain = *t;
    plain.layout = IT_PLAIN;
    return it_tensor_get(&plain, t->layout == IT_NHWC ? nhwc_index(t, i) : i);
}

void rig_expect(const it_tensor *t, double rel, int rank, const int64_t *dim, const double *want)
{
    assert_int_equal(t->rank, rank);
    for (int k = 0; k < rank; k++)
        assert_int_equal(t->dim[k], dim[k]);
    for (int64_t i = 0; i < it_tensor_len(t); i++) {
        double got = rig_at(t, i);
        bool same = got == want[i] || (isnan(got) && isnan(want[i])) || fabs(got - want[i]) <= rel * (fabs(want[i]) + 1e-30);
        if (!same) fail_msg("element %lld is %.9g, expected %.9g", (long long)i, got, want[i]);
    }
}
