/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one operator on given tensors, outside any executor. */
#include "op_nn/helpers.h"

void bench_init(bench *b, const char *onnx, int opset)
{
    const it_op *op = it_op_find(onnx, "", opset);
    memset(b, 0, sizeof(*b));
    assert_non_null(op);
    it_graph_init(&b->g, &it_alloc_libc);
    it_arena_init(&b->keep, &it_alloc_libc);
    b->n = it_graph_node(&b->g, "node", op, 6, 5);
    assert_non_null(b->n);
    b->n->opset = opset;
}

void bench_free(bench *b)
{
    it_arena_release(&b->keep);
    it_graph_release(&b->g);
}

it_tensor bench_tensor(bench *b, it_type type, int rank, const int64_t *dim)
{
    it_tensor t = { .type = type, .rank = rank };
    if (rank)
        memcpy(t.dim, dim, (size_t)rank * sizeof(*dim));
    t.data = it_arena_new(&b->keep, it_tensor_bytes(&t) + 1);
    assert_non_null(t.data);
    return t;
}

it_tensor bench_random(bench *b, it_rng *r, it_type type, int rank, const int64_t *dim)
{
    it_tensor t = bench_tensor(b, type, rank, dim);
    for (int64_t i = 0; i < it_tensor_len(&t); i++) {
        double v = (double)(int64_t)it_rng_below(r, 20001) / 10000.0 - 1;
        if (!it_type_is_float(type))
            v = type == IT_U8 || type == IT_U32 || type == IT_U64 ? floor(fabs(v) * 9) : floor(v * 9);
        it_tensor_set(&t, i, v);
    }
    return t;
}

static int64_t nhwc_index(const it_tensor *t, int64_t i)
{
    int64_t hw = t->dim[2] * t->dim[3], c = i / hw % t->dim[1], n = i / (hw * t->dim[1]);
    return (n * hw + i % hw) * t->dim[1] + c;
}

it_tensor bench_nhwc(bench *b, const it_tensor *t)
{
    it_tensor y = bench_tensor(b, t->type, t->rank, t->dim);
    for (int64_t i = 0; i < it_tensor_len(t); i++)
        it_tensor_set(&y, nhwc_index(t, i), it_tensor_get(t, i));
    y.layout = IT_NHWC;
    return y;
}

double bench_at(const it_tensor *t, int64_t i)
{
    it_tensor plain = *t;
    plain.layout = IT_PLAIN;
    return it_tensor_get(&plain, t->layout == IT_NHWC ? nhwc_index(t, i) : i);
}

it_attr attr_int(const char *name, int64_t v) { return (it_attr){ .name = name, .kind = IT_ATTR_INT, .i = v }; }
it_attr attr_float(const char *name, float v) { return (it_attr){ .name = name, .kind = IT_ATTR_FLOAT, .f = v }; }
it_attr attr_str(const char *name, const char *v) { return (it_attr){ .name = name, .kind = IT_ATTR_STRING, .s = v }; }
it_attr attr_ints(const char *name, const int64_t *v, size_t len)
{
    return (it_attr){ .name = name, .kind = IT_ATTR_INTS, .ints = v, .len = len };
}

static bool image(const it_tensor *t) { return t->rank == 4 && t->type == IT_F32; }

static void add_values(bench *b, const it_tensor *in, int in_len, int out_len, bool const_weights)
{
    char name[16];
    b->n->in_len = in_len;
    b->n->out_len = out_len;
    for (int i = 0; i < in_len; i++) {
        if (in[i].rank == IT_RANK_UNKNOWN)
            continue; /* left out */
        snprintf(name, sizeof(name), "in%d", i);
        b->n->in[i] = it_graph_value(&b->g, name);
        b->n->in[i]->t = in[i];
        b->n->in[i]->is_const = const_weights && i > 0;
        b->in[i] = in[i];
        b->in_ptr[i] = &b->in[i];
    }
    for (int i = 0; i < out_len; i++) {
        snprintf(name, sizeof(name), "out%d", i);
        b->n->out[i] = it_graph_value(&b->g, name);
    }
}

intact_status bench_run(bench *b, const it_attr *attrs, int attrs_len, const it_tensor *in, int in_len, int out_len, bool nhwc, bool const_weights)
{
    it_arena scratch;
    it_op_state *state = NULL;
    const intact_alloc *alloc = it_alloc_or_libc(b->alloc);
    it_run_ctx c = { .alloc = alloc, .state = &state, .scratch = &scratch, .const_weights = const_weights };
    intact_status st = INTACT_OK;
    add_values(b, in, in_len, out_len, const_weights);
    b->n->attrs = attrs;
    b->n->attrs_len = attrs_len;
    IT_TRY(it_node_parse(&b->g, b->n, &b->err));
    IT_TRY(b->n->op->infer(b->n, b->in_ptr, b->out, &b->err));
    nhwc = nhwc && b->n->op->layout == IT_LAYOUT_NHWC;
    if (nhwc && image(&b->in[0]))
        b->in[0] = bench_nhwc(b, &b->in[0]);
    for (int i = 0; i < out_len; i++) {
        it_layout layout = nhwc && i == 0 && image(&b->out[0]) ? IT_NHWC : IT_PLAIN;
        b->out[i] = bench_tensor(b, b->out[i].type, b->out[i].rank, b->out[i].dim);
        b->out[i].layout = layout;
        b->out_ptr[i] = &b->out[i];
    }
    it_arena_init(&scratch, alloc);
    for (int k = 0; k < 2 && st == INTACT_OK; k++) {
        memset(b->out[0].data, 0x55, it_tensor_bytes(&b->out[0])); /* nothing may rely on zeros */
        st = b->n->op->forward(&c, b->n, b->in_ptr, b->out_ptr, &b->err);
        it_arena_release(&scratch);
    }
    if (state)
        state->free(state);
    return st;
}

void expect_near(const it_tensor *got, const double *want, double rel, double abs_err)
{
    for (int64_t i = 0; i < it_tensor_len(got); i++) {
        double g = bench_at(got, i);
        if (!(fabs(g - want[i]) <= abs_err + rel * fabs(want[i])) && !(isinf(g) && g == want[i])) {
            print_error("element %lld: got %.9g, expected %.9g\n", (long long)i, g, want[i]);
            fail();
        }
    }
}

typedef struct failing { long left, live; } failing;

static void *failing_grow(void *user, void *ptr, size_t old, size_t bytes)
{
    failing *f = user;
    if (bytes == 0)
        f->live -= ptr != NULL;
    else if (f->left-- <= 0)
        return NULL;
    else
        f->live += ptr == NULL;
    return it_alloc_libc.grow(it_alloc_libc.user, ptr, old, bytes);
}

void expect_survives(const bench_case *c)
{
    intact_status st = INTACT_E_NOMEM;
    for (long n = 0; st == INTACT_E_NOMEM; n++) {
        failing f = { .left = n };
        intact_alloc a = { failing_grow, &f };
        bench b;
        assert_true(n < 100);
        bench_init(&b, c->onnx, c->opset);
        b.alloc = &a;
        st = bench_run(&b, c->attrs, c->attrs_len, c->in, c->in_len, c->out_len, c->nhwc, true);
        if (st != INTACT_OK && st != INTACT_E_NOMEM)
            fail_msg("%s: %s", c->onnx, b.err.message);
        assert_int_equal(f.live, 0);
        bench_free(&b);
    }
    assert_int_equal(st, INTACT_OK);
}
