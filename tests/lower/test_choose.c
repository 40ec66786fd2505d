/* SPDX-License-Identifier: Apache-2.0 */
/* The calibrator "auto": what it finds is the recipe's afterwards, the same for any number of threads, and gives the same parameters again. Scales of groups of
** weights, and weights with zero points. */
#include <math.h>

#include "lower/helpers.h"
#include "ptq/method.h"

#define OK(call) do { if ((call) != INTACT_OK) fail_msg("%s: %s: %s", #call, t->err.where, t->err.message); } while (0)

static it_value *conv(net *t, it_value *x, int64_t in, int64_t out)
{
    return net_node(t, "Conv", IN(x, net_const(t, DIM(out, in, 3, 3), -0.5f, 0.5f)), ATTRS(A_INTS("pads", 4, ((int64_t[]){ 1, 1, 1, 1 }))));
}

/* One input in fifty is far outside: ranges that hold it are poor ones. */
static it_value *branches(net *t)
{
    it_value *x = net_input(t, INTACT_U8, -1, 1, DIM(1, 4, 6, 6));
    for (int64_t i = 0; i < it_tensor_len(&x->t); i += 50)
        t->x_real[i] *= 30;
    it_value *a = net_node(t, "Relu", IN(conv(t, x, 4, 8)), NULL);
    it_value *b = net_node(t, "Sigmoid", IN(conv(t, a, 8, 8)), NULL);
    it_value *c = net_node(t, "Add", IN(a, conv(t, b, 8, 8)), NULL);
    return conv(t, net_node(t, "MaxPool", IN(c), ATTRS(A_INTS("kernel_shape", 2, ((int64_t[]){ 2, 2 })))), 8, 5);
}

/* ---- auto ---- */

typedef struct outcome { char *recipe; float scale[64]; int32_t zero[64]; size_t len; char note[240]; } outcome;

static outcome run(const char *recipe, const char *method, size_t samples, uint32_t threads)
{
    net n, *t = &n;
    net_data s;
    it_recipe r;
    outcome out = { 0 };
    net_init(t, 5);
    net_measure(t, branches(t), INTACT_S16);
    t->x->q = NULL;
    net_data_open(&s, t, samples, threads);
    it_recipe_init(&r, NULL);
    if (recipe) {
        it_recipe_release(&r);
        OK(it_recipe_parse(&r, recipe, strlen(recipe), "recipe", &t->err));
    }
    OK(it_recipe_set(&r, NULL, "activations.bits", "4", &t->err));
    if (method)
        OK(it_recipe_set(&r, NULL, "activations.method", method, &t->err));
    it_job job = { .pool = s.pool };
    it_ptq p = { .alloc = &it_alloc_libc, .g = &t->g, .recipe = &r, .feed = &s.f, .job = &job };
    OK(it_ptq_run(&p, &t->err));
    assert_int_equal(p.collected.samples, samples);
    out.recipe = it_recipe_print(&r);
    for (size_t i = 0; i < t->g.values.len && out.len < IT_LEN(out.scale); i++)
        if (t->g.values.items[i]->q) {
            out.scale[out.len] = t->g.values.items[i]->q->scale[0];
            out.zero[out.len++] = t->g.values.items[i]->q->zero[0];
        }
    snprintf(out.note, sizeof out.note, "%s", p.chosen);
    it_ptq_release(&p);
    it_recipe_release(&r);
    net_data_close(&s);
    net_free(t);
    return out;
}

static void expect_same(const outcome *a, const outcome *b)
{
    assert_string_equal(a->recipe, b->recipe);
    assert_int_equal(a->len, b->len);
    for (size_t i = 0; i < a->len; i++)
        assert_true(a->scale[i] == b->scale[i] && a->zero[i] == b->zero[i]);
}

static void test_auto(void **state)
{
    static const size_t SAMPLES[] = { 1, 8, 9, 21, 83 };
    (void)state;
    for (size_t k = 0; k < IT_LEN(SAMPLES); k++) {
        outcome a = run(NULL, "auto", SAMPLES[k], 1), b = run(NULL, "auto", SAMPLES[k], 3), c = run(a.recipe, NULL, SAMPLES[k], 2);
        assert_null(strstr(a.recipe, "auto"));
        assert_non_null(strstr(a.note, "auto chose "));
        expect_same(&a, &b);
        expect_same(&a, &c);
        free(a.recipe);
        free(b.recipe);
        free(c.recipe);
    }
    outcome m = run(NULL, "max", 83, 1);
    assert_int_equal(m.note[0], 0); /* no search where nobody asked */
    free(m.recipe);
}

typedef struct failing { long calls, at, live; } failing;

static void *grow(void *user, void *p, size_t before, size_t after)
{
    failing *f = user;
    if (after && ++f->calls == f->at)
        return NULL;
    f->live += (!p && after) - (p && !after);
    return it_alloc_libc.grow(NULL, p, before, after);
}

/* With fitted levels, the search, and groups: any allocation may fail, and nothing is left. */
static void test_no_memory(void **state)
{
    bool done = false;
    (void)state;
    for (long at = 1; !done; at++) {
        net n, *t = &n;
        net_data s;
        it_recipe r;
        failing f = { .at = at };
        intact_alloc a = { .grow = grow, .user = &f };
        net_init(t, 5);
        net_measure(t, branches(t), INTACT_S16);
        t->x->q = NULL;
        net_data_open(&s, t, 9, 1);
        it_recipe_init(&r, NULL);
        static const char *const SET[] = { "activations.bits", "3", "activations.levels", "lloyd", "activations.method", "auto", "weights.bits", "4", "weights.per", "group:12" };
        for (size_t i = 0; i < IT_LEN(SET); i += 2)
            OK(it_recipe_set(&r, NULL, SET[i], SET[i + 1], &t->err));
        it_job job = { .pool = s.pool };
        it_ptq p = { .alloc = &a, .g = &t->g, .recipe = &r, .feed = &s.f, .job = &job };
        intact_status st = it_ptq_run(&p, &t->err);
        done = f.calls < at;
        if (st != (done ? INTACT_OK : INTACT_E_NOMEM))
            fail_msg("allocation %ld of %ld failed: %d, %s: %s", at, f.calls, (int)st, t->err.where, t->err.message);
        it_ptq_release(&p);
        assert_int_equal(f.live, 0);
        it_recipe_release(&r);
        net_data_close(&s);
        net_free(t);
    }
}

/* ---- weights ---- */

typedef struct weights { net n; it_value *y; it_ptq p; it_recipe r; net_data s; it_job job; } weights;

/* A dense layer whose weights grow along its inputs, or lie on one side of zero; quantized so. */
static intact_status weights_of(weights *w, bool one_side, const char *const *set)
{
    net *t = &w->n;
    net_init(t, 21);
    it_value *x = net_input(t, INTACT_U8, -1, 2, DIM(1, 64)), *c = net_const(t, DIM(20, 64), one_side ? 0.1f : -1, 1);
    float *data = c->t.data;
    for (int64_t i = 0; i < 20 * 64 && !one_side; i++)
        data[i] *= powf(1.12f, (float)(i % 64) - 63);
    w->y = net_node(t, "Gemm", IN(x, c), ATTRS(A_INT("transB", 1)));
    net_measure(t, w->y, INTACT_S16);
    net_data_open(&w->s, t, 24, 2);
    it_recipe_init(&w->r, NULL);
    for (; set[0]; set += 2)
        OK(it_recipe_set(&w->r, NULL, set[0], set[1], &t->err));
    w->job = (it_job){ .pool = w->s.pool };
    w->p = (it_ptq){ .alloc = &it_alloc_libc, .g = &t->g, .recipe = &w->r, .feed = &w->s.f, .job = &w->job };
    it_weight_plan plan = w->r.plans.weights;
    return it_ptq_assign_weight(&w->p, t->g.nodes.items[0], &plan, &t->err);
}

static double weight_error(const weights *w)
{
    const it_value *v = it_ptq_weight(w->n.g.nodes.items[0]);
    double sum = 0;
    for (int64_t i = 0; i < 20 * 64; i++) {
        double d = (double)v->q->scale[i / 64] * (v->q->codes[i] - v->q->zero[i / 64]) - (double)((const float *)v->t.data)[i];
        sum += d * d;
    }
    return sum;
}

/* The program computes with the codes: its answer is that of the dequantized weights. */
static void expect_exact(weights *w)
{
    net *t = &w->n;
    const it_value *v = it_ptq_weight(t->g.nodes.items[0]), *b = it_ptq_bias(t->g.nodes.items[0]);
    double steps = 0.51;
    for (int64_t o = 0; o < 20; o++) {
        double sum = b && b->tuned ? (double)b->tuned[o] : 0, unit = (double)t->x->q->scale[0] * (double)v->q->scale[o] / (double)t->y->q->scale[0];
        steps = fmax(steps, b && b->tuned ? 0.51 + unit / 2 : 0); /* AdaRound fits a bias, which is rounded to steps of the sum */
        for (int64_t k = 0; k < 64; k++)
            sum += (double)t->x_real[k] * (double)v->q->scale[o] * (v->q->codes[o * 64 + k] - v->q->zero[o]);
        t->y_float[o] = (float)sum;
    }
    net_check(t, steps);
}

static void weights_free(weights *w)
{
    it_ptq_release(&w->p);
    it_recipe_release(&w->r);
    net_data_close(&w->s);
    net_free(&w->n);
}

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_groups(void **state)
{
    static const char *const ROUND[] = { "nearest", "gptq", "adaround" }, *const RANGE[] = { "max", "mse" };
    weights w;
    (void)state;
    assert_int_equal(weights_of(&w, false, FIELDS("weights.bits", "4")), INTACT_OK);
    const double channel = weight_error(&w);
    weights_free(&w);
    for (size_t k = 0; k < 4; k++) {
        assert_int_equal(weights_of(&w, false, FIELDS("weights.bits", "4", "weights.per", "group:10", "weights.round", ROUND[k % 3], "weights.range", RANGE[k / 3])), INTACT_OK);
        const it_quant *q = it_ptq_weight(w.n.g.nodes.items[0])->q;
        for (int64_t o = 0; o < 20; o++)
            for (int64_t g = 0; g < 64; g += 10) { /* some whole number up to 18 makes 4-bit codes of a group */
                bool found = false;
                for (int m = 1; m <= 18 && !found; m++) {
                    found = true;
                    for (int64_t i = g; i < g + 10 && i < 64; i++)
                        found = found && q->codes[o * 64 + i] % m == 0 && abs(q->codes[o * 64 + i]) <= 7 * m;
                }
                assert_true(found);
            }
        assert_true(weight_error(&w) < (k % 3 ? 0.6 : 0.3) * channel);
        expect_exact(&w);
        weights_free(&w);
    }
}

static void test_group_limits(void **state)
{
    weights w;
    (void)state;
    assert_int_equal(weights_of(&w, false, FIELDS("weights.bits", "6", "weights.per", "group:8")), INTACT_E_UNSUPPORTED);
    assert_non_null(strstr(w.n.err.message, "2 to 4 bits"));
    weights_free(&w);
    assert_int_equal(weights_of(&w, false, FIELDS("weights.bits", "4", "weights.per", "group:8", "weights.scheme", "affine")), INTACT_E_UNSUPPORTED);
    weights_free(&w);
    assert_int_equal(weights_of(&w, false, FIELDS("weights.bits", "8", "weights.per", "group:8")), INTACT_OK); /* a scale per channel */
    expect_exact(&w);
    weights_free(&w);
    assert_int_equal(weights_of(&w, false, FIELDS("weights.bits", "2", "weights.per", "group:1000")), INTACT_OK); /* one group */
    expect_exact(&w);
    weights_free(&w);
}

static void test_affine(void **state)
{
    static const char *const ROUND[] = { "nearest", "gptq", "adaround" }, *const BITS[] = { "4", "7", "8" };
    (void)state;
    for (size_t k = 0; k < 9; k++) {
        weights w;
        assert_int_equal(weights_of(&w, true, FIELDS("weights.bits", BITS[k % 3], "weights.scheme", "affine", "weights.round", ROUND[k / 3])), INTACT_OK);
        expect_exact(&w);
        assert_int_equal(w.n.note[0] != 0, k % 3 == 2); /* at 8 bits it is said that weights become sums of two */
        weights_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_auto), cmocka_unit_test(test_no_memory), cmocka_unit_test(test_groups), cmocka_unit_test(test_group_limits), cmocka_unit_test(test_affine) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
