/* SPDX-License-Identifier: Apache-2.0 */
/* Which values share parameters and which are 16-bit, dead channels, and what calibration says about poor data. */
#include "lower/helpers.h"
#include "ptq/ptq.h"

#define SAMPLES 16

/* ---- a data set in memory: the net's one sample, ever smaller ---- */

typedef struct source { it_dataset d; it_feed f; it_pool *pool; } source;

static intact_status read_sample(const it_dataset *d, size_t i, it_item *out, intact_error *err)
{
    const net *t = d->priv;
    size_t len = (size_t)it_tensor_len(&t->x->t);
    (void)err;
    out->array = it_alloc_new(d->alloc, len * sizeof(float));
    out->len = len;
    for (size_t k = 0; k < len; k++)
        out->array[k] = t->x_real[k] * (1 - (float)i / SAMPLES);
    return INTACT_OK;
}

static void source_open(source *s, net *t, size_t samples)
{
    static const it_data_kind KIND = { .name = "memory", .read = read_sample };
    intact_error err;
    *s = (source){ .d = { .kind = &KIND, .alloc = &it_alloc_libc, .len = samples, .priv = t } };
    s->f = (it_feed){ .data = &s->d, .len = samples, .rank = (uint32_t)t->x->t.rank - 1, .elements = (size_t)it_tensor_len(&t->x->t), .arrays = true,
                      .alloc = &it_alloc_libc };
    for (int k = 1; k < t->x->t.rank; k++)
        s->f.dim[k - 1] = (uint32_t)t->x->t.dim[k];
    assert_int_equal(it_pool_new(&it_alloc_libc, 1, &s->pool, &err), INTACT_OK);
}

static intact_status collect(net *t, it_groups *gs, size_t samples, intact_error *err)
{
    source s;
    it_collect_result r;
    source_open(&s, t, samples);
    it_job job = { .pool = s.pool };
    intact_status st = it_ptq_collect(gs, &t->g, &s.f, &job, &r, err);
    it_pool_free(s.pool);
    return st;
}

#define OK(call) do { if ((call) != INTACT_OK) fail_msg("%s: %s: %s", #call, t->err.where, t->err.message); } while (0)

/* Everything that quantize does between reading and lowering. The input keeps the codes that the net has. */
static void quantize(net *t, it_groups *gs, it_value *y)
{
    it_quant q = *t->x->q;
    it_recipe r;
    net_measure(t, y, INTACT_U8);
    OK(it_groups_make(gs, &t->g, NULL, &t->err));
    it_group *in = &gs->g.items[gs->of[t->x->id]];
    in->fixed = true;
    in->range = (it_range){ (float)(q.scale[0] * (float)-q.zero[0]), q.scale[0] * (float)(255 - q.zero[0]) };
    OK(collect(t, gs, SAMPLES, &t->err));
    OK(it_graph_infer(&t->g, 1, NULL, &t->err));
    it_recipe_init(&r, NULL);
    r.plans.acts.calib = &it_calib_max;
    OK(it_ptq_plan_acts(gs, &t->g, &r, &t->err));
    OK(it_ptq_assign_acts(gs, &t->g, &t->err));
    it_ptq p = { .alloc = &it_alloc_libc, .g = &t->g, .recipe = &r };
    for (size_t i = 0; i < t->g.nodes.len; i++)
        if (it_ptq_is_mac(t->g.nodes.items[i]))
            OK(it_ptq_assign_weight(&p, t->g.nodes.items[i], &r.plans.weights, &t->err));
    it_recipe_release(&r);
    assert_true(fabsf(t->x->q->scale[0] - q.scale[0]) < 1e-6f && t->x->q->zero[0] == q.zero[0]);
}

static it_value *conv(net *t, it_value *x, int64_t in, int64_t out, float size)
{
    return net_node(t, "Conv", IN(x, net_const(t, DIM(out, in, 1, 1), -size, size)), NULL);
}

static int group_of(const it_groups *gs, const it_value *v) { return gs->of[v->id]; }

/* ---- 16 bits ---- */

/* A softmax that is the answer has all 16 bits, and so have its logits. */
static void test_softmax_answer(void **state)
{
    (void)state;
    for (int shape = 0; shape < 2; shape++) {
        net t;
        it_groups gs;
        net_init(&t, 3);
        net_input(&t, INTACT_U8, -1, 2, DIM(1, 12));
        it_value *logits = net_node(&t, "Gemm", IN(t.x, net_const(&t, DIM(12, 6), -1, 1)), NULL), *y = net_node(&t, "Softmax", IN(logits), NULL);
        if (shape)
            y = net_node(&t, "Reshape", IN(y, net_shape(&t, DIM(1, 2, 3))), NULL);
        quantize(&t, &gs, y);
        assert_int_equal(y->q->type, INTACT_S16);
        assert_true(y->q->scale[0] == 1.0f / 32767);
        assert_int_equal(logits->q->type, INTACT_S16);
        net_check(&t, 300); /* the 8-bit weights' share: 300 / 32767 is below 0.01 */
        assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
        for (size_t i = 0; i < t.prog.instrs.len; i++)
            if (t.prog.instrs.items[i].kind == &it_instr_softmax)
                assert_int_equal(((const it_softmax_args *)t.prog.instrs.items[i].args)->y_one, 32767);
        assert_int_equal(net_count(&t, &it_instr_softmax), 1);
        assert_int_equal(net_count(&t, &it_instr_requantize), 0);
        it_groups_release(&gs);
        net_free(&t);
    }
}

/* A known range is used in full; an answer found by calibration has room for twice as much. Inside the network both are 8-bit. */
static void test_fixed_answer(void **state)
{
    static const char *const OPS[] = { "Sigmoid", "Tanh", "HardSigmoid", "LeakyRelu" };
    (void)state;
    for (int i = 0; i < 4; i++)
        for (int inside = 0; inside < 2; inside++) {
            net t;
            it_groups gs;
            net_init(&t, 5);
            net_input(&t, INTACT_U8, -1, 2, DIM(1, 4, 5, 3));
            it_value *v = net_node(&t, OPS[i], IN(conv(&t, t.x, 4, 3, 1)), NULL);
            quantize(&t, &gs, inside ? conv(&t, v, 3, 2, 1) : v);
            assert_int_equal(v->q->type, inside ? INTACT_U8 : INTACT_S16);
            if (!inside && i < 3)
                assert_true(v->q->scale[0] == 1.0f / 32767);
            if (!inside && i == 3)
                assert_true(v->q->scale[0] * 32767 > 1.9f * fmaxf(gs.g.items[group_of(&gs, v)].range.hi, -gs.g.items[group_of(&gs, v)].range.lo));
            it_groups_release(&gs);
            net_free(&t);
        }
}

/* ---- concat ---- */

static it_value *concat(net *t, it_value *a, it_value *b) { return net_node(t, "Concat", IN(a, b), ATTRS(A_INT("axis", 1))); }

/* Inputs that only the concat reads give its codes at once, movers in between or not: no instruction more. */
static void test_concat_shares(void **state)
{
    net t;
    it_groups gs;
    (void)state;
    net_init(&t, 7);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 4, 6, 6));
    it_value *a = conv(&t, t.x, 4, 3, 1), *b = conv(&t, t.x, 4, 5, 0.1f);
    it_value *pool_a = net_node(&t, "MaxPool", IN(a), ATTRS(A_INTS("kernel_shape", 2, ((const int64_t[]){ 1, 1 }))));
    it_value *c = concat(&t, pool_a, b), *d = concat(&t, c, conv(&t, t.x, 4, 2, 3));
    quantize(&t, &gs, conv(&t, d, 10, 2, 1));
    assert_int_equal(group_of(&gs, a), group_of(&gs, c));
    assert_int_equal(group_of(&gs, b), group_of(&gs, c));
    assert_int_equal(group_of(&gs, c), group_of(&gs, d));
    net_check(&t, 2 * 32767.0 / 255);
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
    assert_int_equal(net_count(&t, &it_instr_requantize), 0);
    it_groups_release(&gs);
    net_free(&t);
}

/* Dense reuse: a value with readers of its own keeps its fine scale beside a concat a hundred times as wide; a copy is requantized. */
static void test_concat_keeps_others(void **state)
{
    net t;
    it_groups gs;
    (void)state;
    net_init(&t, 8);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 4, 6, 6));
    it_value *a = conv(&t, t.x, 4, 3, 0.01f), *b = conv(&t, t.x, 4, 5, 5), *own = conv(&t, a, 3, 4, 1);
    it_value *c = concat(&t, a, b), *y = net_node(&t, "Add", IN(own, conv(&t, c, 8, 4, 0.01f)), NULL);
    quantize(&t, &gs, y);
    assert_int_not_equal(group_of(&gs, a), group_of(&gs, c));
    assert_int_equal(group_of(&gs, b), group_of(&gs, c));
    assert_true(a->q->scale[0] * 20 < c->q->scale[0]);
    assert_true(gs.g.items[group_of(&gs, c)].range.hi >= gs.g.items[group_of(&gs, a)].range.hi);
    net_check(&t, 0.01 / (double)y->q->scale[0]);
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
    assert_int_equal(net_count(&t, &it_instr_requantize), 1);
    it_groups_release(&gs);
    net_free(&t);
}

/* A mover in front of the concat hides no other reader; an answer keeps its own 16 bits; a sigmoid's known range is not the concat's. */
static void test_concat_sources(void **state)
{
    net t;
    it_groups gs;
    (void)state;
    net_init(&t, 9);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 4, 6, 6));
    it_value *a = conv(&t, t.x, 4, 3, 0.05f), *own = conv(&t, a, 3, 4, 1), *s = net_node(&t, "Sigmoid", IN(own), NULL);
    it_value *pool = net_node(&t, "MaxPool", IN(a), ATTRS(A_INTS("kernel_shape", 2, ((const int64_t[]){ 1, 1 }))));
    it_value *c = concat(&t, pool, s), *y = conv(&t, c, 7, 2, 1);
    quantize(&t, &gs, y);
    assert_int_equal(group_of(&gs, a), group_of(&gs, pool));
    assert_int_not_equal(group_of(&gs, a), group_of(&gs, c));
    assert_int_equal(group_of(&gs, s), group_of(&gs, c));
    assert_false(gs.g.items[group_of(&gs, c)].fixed);
    assert_true(gs.g.items[group_of(&gs, c)].range.lo < 0); /* what a brings */
    net_check(&t, 2 * 32767.0 / 255);
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
    assert_int_equal(net_count(&t, &it_instr_requantize), 1);
    it_groups_release(&gs);
    net_free(&t);
}

static void test_concat_of_an_output(void **state)
{
    net t;
    it_groups gs;
    intact_error err;
    (void)state;
    net_init(&t, 10);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 4, 6, 6));
    it_value *a = conv(&t, t.x, 4, 3, 1), *c = concat(&t, a, conv(&t, t.x, 4, 3, 1)), *y = conv(&t, c, 6, 2, 1);
    a->is_output = true;
    assert_true(IT_VEC_ROOM(t.g.alloc, t.g.outputs));
    t.g.outputs.items[t.g.outputs.len++] = a;
    net_measure(&t, y, INTACT_U8);
    assert_int_equal(it_groups_make(&gs, &t.g, NULL, &err), INTACT_OK);
    assert_int_not_equal(group_of(&gs, a), group_of(&gs, c));
    assert_int_equal(gs.g.items[group_of(&gs, a)].type, INTACT_S16);
    assert_int_equal(gs.g.items[group_of(&gs, c)].type, INTACT_U8);
    it_groups_release(&gs);
    net_free(&t);
}

/* ---- weights ---- */

/* Channels without weights, or with next to none, keep their bias, and nothing was raised. */
static void test_dead_channels(void **state)
{
    int64_t c = 5;
    (void)state;
    for (int i = 0; i < 3; i++) {
        static const float TINY[] = { 0, 1e-30f, 1e-42f };
        net t;
        it_groups gs;
        net_init(&t, 11);
        net_input(&t, INTACT_U8, -1, 2, DIM(1, 8, 4, 4));
        it_value *w = net_const(&t, DIM(5, 8, 1, 1), -1, 1), *y = net_node(&t, "Conv", IN(t.x, w, net_const(&t, 1, &c, -2, 2)), NULL);
        for (int k = 0; k < 8; k++)
            ((float *)w->t.data)[16 + k] = ((float *)w->t.data)[32 + k] = TINY[i];
        quantize(&t, &gs, y);
        float most = 0;
        for (int k = 0; k < 4; k++)
            most = fmaxf(most, w->q->scale[k]);
        assert_true(w->q->scale[2] == most && w->q->scale[4] == most);
        net_check(&t, 2 * 32767.0 / 255);
        assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
        assert_int_equal(t.lw.notes.len, 0);
        it_groups_release(&gs);
        net_free(&t);
    }
}

/* Layer and weight are named before any sample is read. */
static void test_bad_weights(void **state)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };
    int64_t c = 3;
    (void)state;
    for (int i = 0; i < 9; i++) {
        net t;
        it_groups gs;
        intact_error err;
        net_init(&t, 12);
        net_input(&t, INTACT_U8, -1, 2, DIM(1, 4, 3, 3));
        it_value *w = net_const(&t, DIM(3, 4, 1, 1), -1, 1), *b = net_const(&t, 1, &c, -1, 1), *k = net_const(&t, 1, &c, 0.5f, 1);
        it_value *y = net_node(&t, "Conv", IN(t.x, w, b), NULL);
        y = net_node(&t, "BatchNormalization", IN(y, net_const(&t, 1, &c, -1, 1), net_const(&t, 1, &c, -1, 1), net_const(&t, 1, &c, -1, 1), k), NULL);
        net_measure(&t, y, INTACT_U8);
        assert_int_equal(it_groups_make(&gs, &t.g, NULL, &err), INTACT_OK);
        it_value *bad = i < 3 ? w : i < 6 ? b : k;
        ((float *)bad->t.data)[2] = BAD[i % 3];
        assert_int_equal(collect(&t, &gs, SAMPLES, &err), INTACT_E_DATA);
        if (!strstr(err.message, bad->name) || !strstr(err.message, "element 2") || !strstr(err.where, i < 6 ? "conv" : "batch_normalization"))
            fail_msg("%s: %s", err.where, err.message);
        it_groups_release(&gs);
        net_free(&t);
    }
}

/* ---- calibration ---- */

static void test_overflow_counts(void **state)
{
    net t;
    it_groups gs;
    intact_error err;
    (void)state;
    net_init(&t, 13);
    net_input(&t, INTACT_U8, 1, 2, DIM(1, 6));
    it_value *y = net_node(&t, "Exp", IN(t.x), NULL);
    net_measure(&t, y, INTACT_U8);
    assert_int_equal(it_groups_make(&gs, &t.g, NULL, &err), INTACT_OK);
    for (int k = 0; k < 6; k++)
        t.x_real[k] = 1000; /* of samples 0 to 14 the exponential overflows; that of 62.5 does not */
    assert_int_equal(collect(&t, &gs, SAMPLES, &err), INTACT_E_DATA);
    if (!strstr(err.message, "90 of 96 values"))
        fail_msg("%s", err.message);
    it_groups_release(&gs);
    net_free(&t);
}

static const char *note_with(const it_groups *gs, const char *layer, const char *text)
{
    for (size_t i = 0; i < gs->notes.len; i++)
        if (strcmp(gs->notes.items[i].layer, layer) == 0 && strstr(gs->notes.items[i].text, text))
            return gs->notes.items[i].text;
    return NULL;
}

static void test_doubts(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        net t;
        it_groups gs;
        intact_error err;
        net_init(&t, 14);
        net_input(&t, INTACT_U8, -1, 2, DIM(1, 4, 100, 100));
        it_value *v = net_node(&t, "Relu", IN(conv(&t, t.x, 4, 3, 1)), NULL), *y = conv(&t, v, 3, 2, 1);
        net_measure(&t, y, INTACT_U8);
        assert_int_equal(it_groups_make(&gs, &t.g, NULL, &err), INTACT_OK);
        size_t len = (size_t)it_tensor_len(&t.x->t);
        for (size_t k = 0; i == 1 && k < len; k++)
            t.x_real[k] = 0;
        if (i == 2)
            t.x_real[17] = 1e6f;
        assert_int_equal(collect(&t, &gs, i == 3 ? 7 : 8, &err), INTACT_OK);
        assert_int_equal(note_with(&gs, "calibration", "7 samples") != NULL, i == 3);
        assert_int_equal(note_with(&gs, v->name, "is 0 everywhere") != NULL, i == 1);
        assert_int_equal(note_with(&gs, t.x->name, "1e+06") != NULL, i == 2);
        assert_int_equal(gs.notes.len > 0, i > 0);
        it_groups_release(&gs);
        assert_int_equal(gs.notes.len, 0);
        net_free(&t);
    }
}

/* Many doubtful values are counted, not listed. */
static void test_many_doubts(void **state)
{
    net t;
    it_groups gs;
    intact_error err;
    (void)state;
    net_init(&t, 15);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 4, 3, 3));
    it_value *y = t.x;
    for (int i = 0; i < 20; i++)
        y = conv(&t, y, 4, 4, 1);
    net_measure(&t, y, INTACT_U8);
    assert_int_equal(it_groups_make(&gs, &t.g, NULL, &err), INTACT_OK);
    for (int k = 0; k < 36; k++)
        t.x_real[k] = 0;
    assert_int_equal(collect(&t, &gs, 8, &err), INTACT_OK);
    assert_int_equal(gs.notes.len, 9);
    assert_non_null(note_with(&gs, "calibration", "13 more values never change"));
    it_groups_release(&gs);
    net_free(&t);
}

/* ---- memory ---- */

typedef struct failing { long left, live; } failing;

static void *grow_failing(void *user, void *p, size_t bytes_old, size_t bytes_new)
{
    failing *f = user;
    if (bytes_new == 0) {
        f->live -= p != NULL;
        return it_alloc_libc.grow(NULL, p, bytes_old, 0);
    }
    if (f->left-- == 0)
        return NULL;
    f->live += p == NULL;
    return it_alloc_libc.grow(NULL, p, bytes_old, bytes_new);
}

static void test_no_memory(void **state)
{
    net t;
    intact_status st = INTACT_E_NOMEM;
    (void)state;
    net_init(&t, 16);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 4, 3, 3));
    it_value *a = conv(&t, t.x, 4, 3, 1), *c = concat(&t, a, conv(&t, a, 3, 3, 1));
    net_measure(&t, c, INTACT_U8);
    for (long n = 0; st != INTACT_OK; n++) {
        failing f = { .left = n };
        intact_alloc alloc = { grow_failing, &f };
        it_groups gs;
        st = it_groups_make(&gs, &t.g, &alloc, &t.err);
        if (st == INTACT_OK && (st = it_ptq_doubts(&gs, 1, &t.err)) == INTACT_OK)
            assert_true(n >= 5);
        it_groups_release(&gs);
        assert_int_equal(f.live, 0);
        assert_true(st == INTACT_OK || st == INTACT_E_NOMEM);
    }
    net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax_answer), cmocka_unit_test(test_fixed_answer), cmocka_unit_test(test_concat_shares),
        cmocka_unit_test(test_concat_keeps_others), cmocka_unit_test(test_concat_sources), cmocka_unit_test(test_concat_of_an_output),
        cmocka_unit_test(test_dead_channels), cmocka_unit_test(test_bad_weights), cmocka_unit_test(test_overflow_counts),
        cmocka_unit_test(test_doubts), cmocka_unit_test(test_many_doubts), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
