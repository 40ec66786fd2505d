/* SPDX-License-Identifier: Apache-2.0 */
/* test_exec.c: the float executor: layouts, memory that is shared and used again, shapes that change, errors. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "exec/buffers.h"
#include "exec/helpers.h"

static it_graph g;

static int setup(void **state)
{
    (void)state;
    it_graph_init(&g, NULL);
    g.opset = 13;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    it_graph_release(&g);
    return 0;
}

static it_exec *made(const it_exec_options *opt)
{
    intact_error err = {0};
    it_exec *e;
    assert_int_equal(it_graph_verify(&g, &err), INTACT_OK);
    assert_int_equal(it_exec_new(&g, opt, &e, &err), INTACT_OK);
    return e;
}

static void ran(it_exec *e, const it_tensor *in, size_t len)
{
    intact_error err = {0};
    if (it_exec_run(e, in, len, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
}

static it_tensor floats(float *data, int rank, const int64_t *dim)
{
    it_tensor t = {.type = IT_F32, .rank = rank, .data = data};
    memcpy(t.dim, dim, (size_t)rank * sizeof *dim);
    return t;
}

/* ---- layouts ---- */

static void converts_layouts(void **state)
{
    (void)state;
    static const int64_t DIMS[][4] = {{1, 3, 7, 5},  {2, 16, 4, 4},  {3, 17, 5, 7}, {1, 1, 9, 9},
                                      {2, 40, 1, 1}, {1, 33, 16, 2}, {0, 3, 4, 4}};
    for (size_t d = 0; d < IT_LEN(DIMS); d++)
        for (int type = 0; type < IT_TYPE_COUNT; type++) {
            it_tensor a = {.type = (it_type)type, .rank = 4}, b, c;
            memcpy(a.dim, DIMS[d], sizeof DIMS[d]);
            size_t bytes = it_tensor_bytes(&a), item = it_type_bytes(a.type);
            b = c = a;
            b.layout = IT_NHWC;
            a.data = malloc(bytes + 1);
            b.data = malloc(bytes + 1);
            c.data = malloc(bytes + 1);
            for (size_t i = 0; i < bytes; i++) ((uint8_t *)a.data)[i] = (uint8_t)(i * 37 + i / 251);
            it_layout_convert(&a, &b);
            it_layout_convert(&b, &c);
            assert_memory_equal(a.data, c.data, bytes);
            const int64_t *m = a.dim;
            for (int64_t i = 0; i < it_tensor_len(&a); i++) {
                int64_t w = i % m[3], h = i / m[3] % m[2], ch = i / (m[2] * m[3]) % m[1], n = i / (m[1] * m[2] * m[3]);
                int64_t at = ((n * m[2] + h) * m[3] + w) * m[1] + ch;
                assert_memory_equal((char *)a.data + (size_t)i * item, (char *)b.data + (size_t)at * item, item);
            }
            free(a.data);
            free(b.data);
            free(c.data);
        }
}

typedef struct seen { int len; const it_value *v[32]; it_layout layout[32]; } seen;

static intact_status record(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    (void)err;
    seen *s = user;
    s->v[s->len] = v;
    s->layout[s->len++] = t->layout;
    assert_non_null(t->data);
    return INTACT_OK;
}

/* Conv gives channels-last, Relu and Add keep it, Reshape asks for plain: the numbers are those of plain arithmetic. */
static void mixes_layouts(void **state)
{
    (void)state;
    double w[3 * 2] = {1, 2, 3, -1, -2, -3}; /* 1x1, 2 to 3 channels */
    float x[2 * 2 * 2 * 3];
    for (int i = 0; i < 24; i++) x[i] = (float)(i % 7) - 3;
    it_value *in = add_input(&g, "x", IT_F32, 4, (int64_t[]){-1, 2, 2, 3});
    it_value *conv = add_binary(&g, "Conv", "conv", in, add_const(&g, "w", IT_F32, 4, (int64_t[]){3, 2, 1, 1}, w));
    it_value *relu = add_unary(&g, "Relu", "relu", conv);
    it_value *sum = add_binary(&g, "Add", "sum", relu, add_const(&g, "k", IT_F32, 4, (int64_t[]){1, 3, 1, 1}, (double[]){10, 20, 30}));
    it_value *flat = add_binary(&g, "Reshape", "flat", sum, add_const(&g, "s", IT_I64, 1, (int64_t[]){2}, (double[]){0, -1}));
    add_output(&g, flat);
    seen s = {0};
    it_exec *e = made(&(it_exec_options){.hook = record, .hook_user = &s});
    it_tensor t = floats(x, 4, (int64_t[]){2, 2, 2, 3});
    ran(e, &t, 1);
    const float *y = it_exec_output(e, 0)->data;
    for (int n = 0; n < 2; n++)
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 6; i++) {
                float v = (float)w[2 * c] * x[n * 12 + i] + (float)w[2 * c + 1] * x[n * 12 + 6 + i];
                assert_true(y[n * 18 + c * 6 + i] == (v > 0 ? v : 0) + 10 * (float)(c + 1));
            }
    const it_value *order[] = {in, conv, relu, sum, flat};
    assert_int_equal(s.len, 5);
    for (int i = 0; i < 5; i++)
        assert_ptr_equal(s.v[i], order[i]);
    const it_layout layouts[] = {IT_PLAIN, IT_NHWC, IT_NHWC, IT_NHWC, IT_PLAIN};
    assert_memory_equal(s.layout, layouts, sizeof layouts);
    it_exec_free(e);
}

/* ---- memory ---- */

static void keeps_what_is_still_read(void **state)
{
    (void)state;
    float x[4] = {-1, 2, -3, 4};
    it_value *in = add_input(&g, "x", IT_F32, 1, (int64_t[]){4});
    it_value *a = add_unary(&g, "Relu", "a", in); /* must not overwrite the caller's x */
    it_value *b = add_unary(&g, "Neg", "b", a);   /* must not overwrite a, which is read again */
    it_value *c = add_binary(&g, "Add", "c", a, b), *d = add_unary(&g, "Identity", "d", a), *f = add_unary(&g, "Neg", "f", d);
    add_output(&g, c);
    add_output(&g, a); /* an output that others read; d is a view of it, f must not write through */
    add_output(&g, f);
    add_output(&g, b);
    it_exec *e = made(NULL);
    it_tensor t = floats(x, 1, (int64_t[]){4});
    size_t peak = 0;
    for (int run = 0; run < 3; run++) {
        ran(e, &t, 1);
        assert_true(x[0] == -1 && x[2] == -3);
        for (int i = 0; i < 4; i++) {
            float r = x[i] > 0 ? x[i] : 0;
            assert_true(((float *)it_exec_output(e, 0)->data)[i] == 0);
            assert_true(((float *)it_exec_output(e, 1)->data)[i] == r);
            assert_true(((float *)it_exec_output(e, 2)->data)[i] == -r);
            assert_true(((float *)it_exec_output(e, 3)->data)[i] == -r);
        }
        if (run) assert_int_equal(it_exec_peak_bytes(e), peak);
        peak = it_exec_peak_bytes(e);
    }
    it_exec_free(e);
}

static void outputs_are_its_own(void **state)
{
    (void)state;
    float x[2] = {1, 2};
    it_value *in = add_input(&g, "x", IT_F32, 1, (int64_t[]){2});
    it_value *k = add_const(&g, "k", IT_F32, 1, (int64_t[]){1}, (double[]){7});
    add_output(&g, in);
    add_output(&g, add_unary(&g, "Identity", "same", in));
    add_output(&g, k);
    add_output(&g, add_unary(&g, "Identity", "k2", k));
    it_exec *e = made(NULL);
    it_tensor t = floats(x, 1, (int64_t[]){2});
    ran(e, &t, 1);
    x[0] = 9;
    for (size_t i = 0; i < 2; i++) assert_true(((float *)it_exec_output(e, i)->data)[0] == 1);
    for (size_t i = 2; i < 4; i++) assert_true(((float *)it_exec_output(e, i)->data)[0] == 7);
    it_exec_free(e);
}

/* A chain of 50 nodes needs two blocks, not 50; and no allocation when it runs again. */
static void uses_blocks_again(void **state)
{
    (void)state;
    enum { LEN = 4096 };
    static float x[LEN];
    it_graph_release(&g);
    counting c = {0};
    intact_alloc alloc = counting_alloc(&c);
    it_graph_init(&g, &alloc);
    it_value *v = add_input(&g, "x", IT_F32, 1, (int64_t[]){LEN});
    for (int i = 0; i < 50; i++) {
        char name[8] = {'v', (char)('0' + i / 10), (char)('0' + i % 10)};
        it_attr axis = {.name = "axis", .kind = IT_ATTR_INT, .i = 0};
        v = i & 1 ? add_unary(&g, "Relu", name, v) : add_node(&g, "Concat", name, (it_value *[]){v, v}, 2, &axis, 1);
        if (!(i & 1)) { /* doubled: halve it again */
            char half[8] = {'h', name[1], name[2]};
            it_value *a = add_const(&g, half, IT_I64, 1, (int64_t[]){1}, (double[]){0});
            half[0] = 'e';
            it_value *b = add_const(&g, half, IT_I64, 1, (int64_t[]){1}, (double[]){LEN});
            half[0] = 's';
            v = add_node(&g, "Slice", half, (it_value *[]){v, a, b}, 3, NULL, 0);
        }
    }
    add_output(&g, v);
    it_exec *e = made(NULL);
    it_tensor t = floats(x, 1, (int64_t[]){LEN});
    ran(e, &t, 1);
    assert_in_range(it_exec_peak_bytes(e), 1, 4 * LEN * 4);
    size_t peak = it_exec_peak_bytes(e);
    long live = c.live;
    ran(e, &t, 1);
    ran(e, &t, 1);
    assert_int_equal(it_exec_peak_bytes(e), peak);
    assert_int_equal(c.live, live);
    it_exec_free(e);
    it_graph_release(&g);
    assert_int_equal(c.live, 0);
    it_graph_init(&g, NULL);
}

/* ---- shapes ---- */

static void batch_may_change(void **state)
{
    (void)state;
    float x[12];
    it_value *in = add_input(&g, "x", IT_F32, 2, (int64_t[]){-1, 2});
    it_value *w = add_const(&g, "w", IT_F32, 2, (int64_t[]){2, 2}, (double[]){1, 2, 3, 4});
    add_output(&g, add_binary(&g, "MatMul", "y", in, w));
    it_exec *e = made(NULL);
    for (int i = 0; i < 12; i++) x[i] = (float)i;
    for (int run = 0; run < 4; run++) {
        int64_t n = (const int64_t[]){1, 6, 3, 1}[run];
        it_tensor t = floats(x, 2, (int64_t[]){n, 2});
        ran(e, &t, 1);
        const it_tensor *y = it_exec_output(e, 0);
        assert_int_equal(y->dim[0], n);
        for (int64_t i = 0; i < n; i++) {
            assert_true(((float *)y->data)[2 * i] == x[2 * i] + 3 * x[2 * i + 1]);
            assert_true(((float *)y->data)[2 * i + 1] == 2 * x[2 * i] + 4 * x[2 * i + 1]);
        }
    }
    it_exec_free(e);
}

/* Shapes that come as numbers at run time, the same in length and another in meaning. */
static void shape_from_content(void **state)
{
    (void)state;
    float x[6] = {0, 1, 2, 3, 4, 5};
    int64_t shape[2];
    it_value *in = add_input(&g, "x", IT_F32, 1, (int64_t[]){6}), *s = add_input(&g, "s", IT_I64, 1, (int64_t[]){2});
    it_value *y = add_binary(&g, "Reshape", "y", in, s), *k = add_unary(&g, "ConstantOfShape", "k", s);
    add_output(&g, add_binary(&g, "Add", "z", y, k));
    it_exec *e = made(NULL);
    for (int run = 0; run < 4; run++) {
        shape[0] = run & 1 ? 2 : 3;
        shape[1] = run & 1 ? 3 : 2;
        it_tensor t[2] = {floats(x, 1, (int64_t[]){6}), {.type = IT_I64, .rank = 1, .dim = {2}, .data = shape}};
        ran(e, t, 2);
        assert_int_equal(it_exec_output(e, 0)->dim[0], shape[0]);
        assert_int_equal(it_exec_output(e, 0)->dim[1], shape[1]);
        assert_memory_equal(it_exec_output(e, 0)->data, x, sizeof x);
    }
    intact_error err = {0};
    shape[0] = 5;
    it_tensor t[2] = {floats(x, 1, (int64_t[]){6}), {.type = IT_I64, .rank = 1, .dim = {2}, .data = shape}};
    assert_int_equal(it_exec_run(e, t, 2, &err), INTACT_E_SHAPE);
    shape[0] = 2; /* after a failure it works again */
    shape[1] = 3;
    ran(e, t, 2);
    it_exec_free(e);
}

/* ---- the fused clamp ---- */

static void clamps(void **state)
{
    (void)state;
    float x[5] = {-5, 0.5f, 5, NAN, -0.0f};
    it_value *in = add_input(&g, "x", IT_F32, 1, (int64_t[]){5}), *y = add_unary(&g, "Identity", "y", in);
    it_value *z = add_unary(&g, "Neg", "z", in);
    y->producer->clamp_lo = z->producer->clamp_lo = 0;
    y->producer->clamp_hi = 1;
    add_output(&g, y);
    add_output(&g, z);
    it_exec *e = made(NULL);
    it_tensor t = floats(x, 1, (int64_t[]){5});
    ran(e, &t, 1);
    const float *v = it_exec_output(e, 0)->data, *u = it_exec_output(e, 1)->data;
    assert_true(v[0] == 0 && v[1] == 0.5f && v[2] == 1 && isnan(v[3]) && v[4] == 0);
    assert_true(u[0] == 5 && u[1] == 0 && u[2] == 0 && isnan(u[3]));
    assert_true(x[0] == -5 && x[2] == 5);
    it_exec_free(e);
}

/* ---- errors ---- */

static intact_status refuse(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    (void)t;
    return v == user ? it_fail(err, INTACT_E_CANCELLED, v->name, "the hook said stop") : INTACT_OK;
}

static void reports_errors(void **state)
{
    (void)state;
    float x[6] = {0};
    intact_error err = {0};
    it_value *in = add_input(&g, "x", IT_F32, 2, (int64_t[]){-1, 2}), *y = add_unary(&g, "Relu", "y", in);
    add_output(&g, y);
    it_exec *e = made(&(it_exec_options){.hook = refuse, .hook_user = y});
    it_tensor t = floats(x, 2, (int64_t[]){3, 2});
    assert_int_equal(it_exec_run(e, &t, 1, &err), INTACT_E_CANCELLED);
    assert_int_equal(it_exec_run(e, &t, 0, &err), INTACT_E_ARG);
    t.dim[1] = 3;
    assert_int_equal(it_exec_run(e, &t, 1, &err), INTACT_E_SHAPE);
    assert_non_null(strstr(err.message, "dimension 1"));
    t.dim[1] = 2;
    t.rank = 1;
    assert_int_equal(it_exec_run(e, &t, 1, &err), INTACT_E_SHAPE);
    t.rank = 2;
    t.type = IT_F64;
    assert_int_equal(it_exec_run(e, &t, 1, &err), INTACT_E_SHAPE);
    t.type = IT_F32;
    t.dim[0] = -1;
    assert_int_equal(it_exec_run(e, &t, 1, &err), INTACT_E_SHAPE);
    t.dim[0] = 1;
    t.data = NULL;
    assert_int_equal(it_exec_run(e, &t, 1, &err), INTACT_E_ARG);
    it_exec_free(e);
    it_exec_free(NULL);
}

/* Every allocation of making and running fails once; nothing is left, and the executor can be freed at any point. */
static intact_status scenario(const intact_alloc *alloc)
{
    it_graph h;
    it_exec *e = NULL;
    intact_error err = {0};
    float x[2 * 2 * 4 * 4] = {1};
    it_graph_init(&h, alloc);
    h.opset = 13;
    double w[36];
    for (int i = 0; i < 36; i++) w[i] = i;
    it_value *in = add_input(&h, "x", IT_F32, 4, (int64_t[]){-1, 2, 4, 4});
    it_value *k = in ? add_const(&h, "w", IT_F32, 4, (int64_t[]){2, 2, 3, 3}, w) : NULL;
    it_value *c = k ? add_binary(&h, "Conv", "c", in, k) : NULL, *r = c ? add_unary(&h, "Sigmoid", "r", c) : NULL;
    it_value *f = r ? add_unary(&h, "Flatten", "f", r) : NULL, *s = f ? add_unary(&h, "Softmax", "s", f) : NULL;
    add_output(&h, s);
    intact_status st = s && h.outputs.len ? it_graph_infer(&h, 1, NULL, &err) : INTACT_E_NOMEM;
    if (st == INTACT_OK) st = it_exec_new(&h, NULL, &e, &err);
    it_tensor t = floats(x, 4, (int64_t[]){2, 2, 4, 4});
    for (int run = 0; run < 2 && st == INTACT_OK; run++) st = it_exec_run(e, &t, 1, &err);
    it_exec_free(e);
    it_graph_release(&h);
    if (st != INTACT_OK && st != INTACT_E_NOMEM) fail_msg("%s: %s", err.where, err.message);
    return st;
}

static void allocation_failures(void **state)
{
    (void)state;
    intact_status st = INTACT_E_NOMEM;
    long k = 1;
    for (; st == INTACT_E_NOMEM; k++) {
        counting c = {.fail_at = k};
        intact_alloc alloc = counting_alloc(&c);
        st = scenario(&alloc);
        if (c.live) fail_msg("%ld blocks left after failing allocation %ld", c.live, k);
    }
    assert_int_equal(st, INTACT_OK);
    assert_true(k > 10);
}

/* ---- threads ---- */

static void *worker(void *arg)
{
    const it_graph *shared = arg;
    it_exec *e;
    static const int64_t DIM[4] = {2, 3, 8, 8};
    float x[2 * 3 * 8 * 8];
    for (int i = 0; i < 384; i++) x[i] = (float)(i % 11) * 0.25f;
    if (it_exec_new(shared, NULL, &e, NULL) != INTACT_OK) return NULL;
    float *y = NULL;
    it_tensor t = floats(x, 4, DIM);
    for (int run = 0; run < 5; run++)
        if (it_exec_run(e, &t, 1, NULL) == INTACT_OK && !y) {
            y = malloc(it_tensor_bytes(it_exec_output(e, 0)));
            memcpy(y, it_exec_output(e, 0)->data, it_tensor_bytes(it_exec_output(e, 0)));
        }
    it_exec_free(e);
    return y;
}

static void threads_share_a_graph(void **state)
{
    (void)state;
    double w[4 * 27];
    for (int i = 0; i < 108; i++) w[i] = (i % 5 - 2) * 0.1;
    it_value *in = add_input(&g, "x", IT_F32, 4, (int64_t[]){-1, 3, 8, 8});
    it_value *c = add_binary(&g, "Conv", "c", in, add_const(&g, "w", IT_F32, 4, (int64_t[]){4, 3, 3, 3}, w));
    add_output(&g, add_unary(&g, "Tanh", "y", c));
    pthread_t thread[4];
    void *y[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&thread[i], NULL, worker, &g), 0);
    for (int i = 0; i < 4; i++) pthread_join(thread[i], &y[i]);
    for (int i = 0; i < 4; i++) assert_non_null(y[i]);
    for (int i = 1; i < 4; i++) assert_memory_equal(y[0], y[i], 2 * 4 * 36 * 4);
    for (int i = 0; i < 4; i++) free(y[i]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(converts_layouts),  T(mixes_layouts),    T(keeps_what_is_still_read), T(outputs_are_its_own),
        T(uses_blocks_again), T(batch_may_change), T(shape_from_content),       T(clamps),
        T(reports_errors),    T(allocation_failures), T(threads_share_a_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
