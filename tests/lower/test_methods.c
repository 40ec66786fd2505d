/* SPDX-License-Identifier: Apache-2.0 */
/* Methods that rewrite the network compute what it computed, corrected biases leave no shift, and roundings that look at data (AdaRound, GPTQ) give the same
** bits on any number of threads and survive every failing allocation. */
#include "lower/helpers.h"
#include "ptq/fit.h"
#include "ptq/method.h"
#include "ptq/patches.h"
#include "ptq/trail.h"

#define OK(call) do { if ((call) != INTACT_OK) fail_msg("%s: %s: %s", #call, t->err.where, t->err.message); } while (0)
#define INF_F ((float)INFINITY)

typedef struct setup { net n; net_data s; it_recipe r; it_job job; it_ptq p; } setup;

typedef it_value *build_fn(net *t, int variant);

static it_value *layer(net *t, it_value *x, int64_t in, int64_t out, int64_t k, int64_t pad, float hi)
{
    it_value *b = net_const(t, 1, &out, -0.3f, 0.3f);
    it_value *y = net_node(t, "Conv", IN(x, net_const(t, DIM(out, in, k, k), -0.5f, 0.5f), b), ATTRS(A_INTS("pads", 4, ((int64_t[]){ pad, pad, pad, pad }))));
    if (hi != 0) {
        it_node *n = t->g.nodes.items[t->g.nodes.len - 1];
        n->clamp_lo = 0;
        n->clamp_hi = hi;
    }
    return y;
}

static void open_net(setup *u, build_fn *build, int variant, size_t samples, uint32_t threads)
{
    net *t = &u->n;
    net_init(t, 11);
    net_measure(t, build(t, variant), INTACT_S16);
    t->x->q = NULL;
    net_data_open(&u->s, t, samples, threads);
    it_recipe_init(&u->r, NULL);
    u->job = (it_job){ .pool = u->s.pool };
    u->p = (it_ptq){ .alloc = &it_alloc_libc, .g = &t->g, .recipe = &u->r, .feed = &u->s.f, .job = &u->job };
}

static void close_net(setup *u)
{
    it_ptq_release(&u->p);
    it_recipe_release(&u->r);
    net_data_close(&u->s);
    net_free(&u->n);
}

static bool any(void *user, const it_value *v) { return v != user; }

/* The output of one sample, of the float network or, but for value without, of the simulated one; the i-th sample is the net's one times 1 - i / samples. */
static void answer(setup *u, bool simulated, const it_value *without, float by, float *y)
{
    net *t = &u->n;
    it_exec *e;
    it_tensor in = t->x->t;
    const size_t len = (size_t)it_tensor_len(&in);
    it_exec_options o = { .simulates = simulated ? any : NULL, .simulates_user = (void *)(uintptr_t)without };
    in.data = malloc(len * sizeof(float));
    for (size_t i = 0; i < len; i++)
        ((float *)in.data)[i] = by * t->x_real[i];
    OK(it_exec_new(&t->g, &o, &e, &t->err));
    OK(it_exec_run(e, &in, 1, &t->err));
    memcpy(y, it_exec_output(e, 0)->data, (size_t)t->y_len * sizeof *y);
    it_exec_free(e);
    free(in.data);
}

static double distance(const float *a, const float *b, int64_t len)
{
    double d = 0, m = 0;
    for (int64_t i = 0; i < len; i++) {
        d = fmax(d, fabs((double)a[i] - (double)b[i]));
        m = fmax(m, fabs((double)a[i]));
    }
    return d / m;
}

static bool noted(const it_ptq *p, const char *text)
{
    for (size_t i = 0; i < p->notes.len; i++)
        if (strstr(p->notes.items[i].text, text))
            return true;
    return false;
}

static const it_node *node_of(const setup *u, size_t i) { return u->n.g.nodes.items[i]; }

/* ---- equalize ---- */

/* Channels of very different ranges; between the layers a ReLU, a ReLU6 that cuts, one that never does, or none. */
static it_value *uneven(net *t, int variant)
{
    static const float ENDS[] = { INF_F, 0.4f, 1e6f, 0 };
    it_value *x = net_input(t, INTACT_U8, -1, 1, DIM(1, 4, 6, 6)), *a = layer(t, x, 4, 6, 3, 1, ENDS[variant]);
    for (int c = 0; c < 6; c++)
        for (int k = 0; k < 36; k++)
            ((float *)t->g.nodes.items[0]->in[1]->t.data)[c * 36 + k] *= ldexpf(1, c - 3);
    return layer(t, a, 6, 5, 3, 1, 0);
}

static float spread(const it_node *n)
{
    float lo = INF_F, hi = 0;
    for (int c = 0; c < 6; c++) {
        float m = 0;
        for (int k = 0; k < 36; k++)
            m = fmaxf(m, fabsf(((const float *)n->in[1]->t.data)[c * 36 + k]));
        lo = fminf(lo, m);
        hi = fmaxf(hi, m);
    }
    return hi / lo;
}

static void test_equalize(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        setup u;
        float before[256], after[256];
        open_net(&u, uneven, variant, 16, 2);
        net *t = &u.n;
        answer(&u, false, NULL, 1, before);
        float was = spread(node_of(&u, 0));
        OK(it_ptq_method_equalize.prepare(&u.p, &t->err));
        OK(it_graph_infer(&t->g, 1, NULL, &t->err));
        answer(&u, false, NULL, 1, after);
        assert_true(distance(before, after, t->y_len) < 1e-4);
        assert_int_equal(noted(&u.p, "1 of 1 pairs of layers stay as they are"), variant == 1);
        assert_int_equal(noted(&u.p, "was taken away"), variant == 2);
        assert_true(variant == 1 ? spread(node_of(&u, 0)) == was : spread(node_of(&u, 0)) < was / 3);
        assert_true(node_of(&u, 0)->clamp_hi == (variant == 1 ? 0.4f : INF_F));
        close_net(&u);
    }
}

/* ---- absorb ---- */

/* Biases so high that a ReLU never acts. Variants: as it is, next layer padded, an upper end that cuts, one that does not, a bias for all channels. */
static it_value *high(net *t, int variant)
{
    static const float ENDS[] = { INF_F, INF_F, 5, 1e6f };
    it_value *x = net_input(t, INTACT_U8, -1, 1, DIM(1, 4, 6, 6)), *a = layer(t, x, 4, 6, 1, 0, ENDS[variant]);
    for (int c = 0; c < 6; c++)
        ((float *)t->g.nodes.items[0]->in[2]->t.data)[c] += c < 4 ? 10 : 0;
    return layer(t, a, 6, 5, 3, variant == 1, 0);
}

static void test_absorb(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        setup u;
        float before[256], after[256];
        open_net(&u, high, variant, 16, 2);
        net *t = &u.n;
        answer(&u, false, NULL, 1, before);
        OK(it_ptq_method_absorb.prepare(&u.p, &t->err));
        OK(it_graph_infer(&t->g, 1, NULL, &t->err));
        answer(&u, false, NULL, 1, after);
        assert_true(distance(before, after, t->y_len) < 1e-4);
        float bias = ((const float *)node_of(&u, 0)->in[2]->t.data)[0];
        assert_true(variant == 0 || variant == 3 ? bias < 5 : bias > 9);
        assert_int_equal(noted(&u.p, "4 channels gave"), variant == 0 || variant == 3);
        assert_int_equal(noted(&u.p, "stay as they are"), variant == 2);
        assert_int_equal(noted(&u.p, "no bias could be absorbed"), variant == 1);
        close_net(&u);
    }
}

/* ---- bias ---- */

static it_value *two(net *t, int variant)
{
    (void)variant;
    it_value *x = net_input(t, INTACT_U8, -1, 1, DIM(1, 4, 6, 6));
    return layer(t, layer(t, x, 4, 8, 3, 1, INF_F), 8, 5, 3, 1, 0);
}

/* The largest shift of a channel's mean over the samples, with or without correction. */
static double shift_of(const char *method)
{
    setup u;
    enum { SAMPLES = 16 };
    double most = 0;
    open_net(&u, two, 0, SAMPLES, 2);
    net *t = &u.n;
    OK(it_recipe_set(&u.r, NULL, "weights.bits", "3", &t->err));
    if (method)
        OK(it_recipe_method(&u.r, method, &t->err));
    OK(it_ptq_run(&u.p, &t->err));
    double sum[5] = { 0 };
    const int64_t area = t->y_len / 5;
    for (size_t i = 0; i < SAMPLES; i++) {
        float a[256], b[256];
        it_batch batch;
        uint8_t pixels[8 * 144];
        float x[8 * 144], *real = t->x_real;
        OK(it_feed_batch(&u.s.f, i / 8 * 8, pixels, x, &batch, &t->err));
        t->x_real = x + i % 8 * 144;
        answer(&u, false, NULL, 1, a);
        answer(&u, true, t->y, 1, b);
        t->x_real = real;
        for (int64_t k = 0; k < t->y_len; k++)
            sum[k / area] += ((double)a[k] - (double)b[k]) / (double)(area * SAMPLES);
    }
    for (int c = 0; c < 5; c++)
        most = fmax(most, fabs(sum[c]));
    close_net(&u);
    return most;
}

static void test_bias(void **state)
{
    (void)state;
    double plain = shift_of(NULL), corrected = shift_of("bias");
    assert_true(plain > 1e-3);
    assert_true(corrected < 1e-5);
}

/* One number for all channels, in any shape, is the same as that many numbers. */
static it_value *dense(net *t, int variant)
{
    static const int64_t DIMS[][2] = { { 1, 6 }, { 6, 0 }, { 0, 0 }, { 1, 0 }, { 1, 1 } };
    static const int RANK[] = { 2, 1, 0, 1, 2 };
    it_value *x = net_input(t, INTACT_U8, -1, 1, DIM(1, 20));
    it_value *w = net_const(t, DIM(20, 6), -1, 1), *b = net_const(t, RANK[variant], DIMS[variant], 1, 1);
    for (int64_t i = 0; i < it_tensor_len(&b->t); i++)
        ((float *)b->t.data)[i] = 0.7f;
    it_value *y = net_node(t, "Gemm", IN(x, w, b), NULL);
    t->g.nodes.items[0]->clamp_lo = 0;
    return y;
}

static void test_bias_shapes(void **state)
{
    (void)state;
    for (int rounding = 0; rounding < 2; rounding++) {
        int8_t codes[120];
        float bias[6];
        for (int variant = 0; variant < 5; variant++) {
            setup u;
            open_net(&u, dense, variant, 40, 1);
            net *t = &u.n;
            OK(it_recipe_set(&u.r, NULL, "weights.bits", "3", &t->err));
            OK(it_recipe_set(&u.r, NULL, "weights.round", rounding ? "adaround" : "nearest", &t->err));
            OK(it_recipe_method(&u.r, "bias", &t->err));
            OK(it_ptq_run(&u.p, &t->err));
            const it_value *b = node_of(&u, 0)->in[2];
            assert_non_null(b->tuned);
            assert_int_equal(it_tensor_len(&b->t), 6);
            assert_true(((const float *)b->t.data)[5] == 0.7f);
            if (variant == 0) {
                memcpy(codes, node_of(&u, 0)->in[1]->q->codes, sizeof codes);
                memcpy(bias, b->tuned, sizeof bias);
            }
            assert_memory_equal(codes, node_of(&u, 0)->in[1]->q->codes, sizeof codes);
            assert_memory_equal(bias, b->tuned, sizeof bias);
            assert_int_equal(net_lower(t, &it_alloc_libc), INTACT_OK);
            close_net(&u);
        }
    }
}

/* ---- fitting ---- */

/* Codes, scale and bias that answers were made with are found again, through a ReLU. */
static void test_fit(void **state)
{
    enum { ROWS = 333, K = 9 };
    static float x[K * ROWS], z[ROWS], want[ROWS];
    float w[K], codes[K], q[K];
    it_rng r;
    (void)state;
    it_rng_seed(&r, 3);
    for (int k = 0; k < K; k++)
        w[k] = (float)((k * 5) % 13 - 6) * 0.04f;
    for (int i = 0; i < K * ROWS; i++)
        x[i] = (float)it_rng_below(&r, 1000) / 500 - 1;
    for (int i = 0; i < ROWS; i++) {
        float sum = 0.1f;
        for (int k = 0; k < K; k++)
            sum += w[k] * x[k * ROWS + i];
        want[i] = sum > 0 ? sum : 0;
    }
    it_fit_rows f = { .want = want, .rows = ROWS, .lo = 0, .hi = INF_F, .scales = true, .shifts = true };
    it_fit_codes c = { .w = w, .x = x, .k = K, .scale = 0.036f, .low = -7, .top = 7, .z = z, .q = q };
    it_fitted at = { c.scale, 0 };
    double loss = it_fit_search(&f, &c, codes, &at);
    assert_true(loss < 1e-6);
    assert_true(fabsf(at.gain - 0.04f) < 1e-4f && fabsf(at.shift - 0.1f) < 1e-4f);
    for (int k = 0; k < K; k++)
        assert_true(codes[k] == (float)((k * 5) % 13 - 6));
}

/* ---- threads and memory ---- */

/* Windows that are learned and some that are searched, groups, a dense layer. */
static it_value *mixed(net *t, int variant)
{
    it_value *x = net_input(t, INTACT_U8, -1, 1, DIM(1, 4, 5, 5)), *a = layer(t, x, 4, 6, 3, 1, INF_F);
    (void)variant;
    int64_t six = 6;
    a = net_node(t, "Conv", IN(a, net_const(t, DIM(6, 1, 3, 3), -0.5f, 0.5f), net_const(t, 1, &six, -0.1f, 0.1f)), ATTRS(A_INT("group", 6), A_INTS("pads", 4, ((int64_t[]){ 0, 0, 0, 0 }))));
    t->g.nodes.items[1]->clamp_lo = 0;
    t->g.nodes.items[1]->clamp_hi = 2;
    a = net_node(t, "Reshape", IN(a, net_shape(t, DIM(1, 54))), NULL);
    return net_node(t, "Gemm", IN(a, net_const(t, DIM(54, 5), -0.5f, 0.5f)), NULL);
}

static void configure(setup *u, const char *rounding, const char *per)
{
    net *t = &u->n;
    OK(it_recipe_set(&u->r, NULL, "weights.bits", "4", &t->err));
    OK(it_recipe_set(&u->r, NULL, "weights.round", rounding, &t->err));
    OK(it_recipe_set(&u->r, NULL, "weights.per", per, &t->err));
    OK(it_recipe_method(&u->r, "equalize", &t->err));
    OK(it_recipe_method(&u->r, "absorb", &t->err));
    OK(it_recipe_method(&u->r, "bias", &t->err));
}

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ ((const uint8_t *)data)[i]) * 1099511628211u;
    return h;
}

static uint64_t outcome(const char *rounding, const char *per, uint32_t threads)
{
    setup u;
    uint64_t h = 14695981039346656037u;
    open_net(&u, mixed, 0, 21, threads);
    net *t = &u.n;
    configure(&u, rounding, per);
    OK(it_ptq_run(&u.p, &t->err));
    for (size_t i = 0; i < t->g.nodes.len; i++) {
        const it_node *n = node_of(&u, i);
        if (!it_ptq_is_mac(n))
            continue;
        const it_value *w = it_ptq_weight(n), *b = it_ptq_bias(n);
        h = mix(h, w->q->codes, (size_t)it_tensor_len(&w->t));
        h = mix(h, w->q->scale, (size_t)w->q->len * sizeof(float));
        h = mix(h, w->t.data, it_tensor_bytes(&w->t));
        if (b)
            h = mix(h, b->tuned ? b->tuned : b->t.data, it_tensor_bytes(&b->t));
    }
    close_net(&u);
    return h;
}

static void test_threads(void **state)
{
    static const char *const ROUNDINGS[] = { "nearest", "adaround", "gptq" };
    (void)state;
    for (int i = 0; i < 3; i++)
        for (int per = 0; per < 3; per++) {
            static const char *const PER[] = { "channel", "tensor", "group:4" };
            uint64_t one = outcome(ROUNDINGS[i], PER[per], 1), four = outcome(ROUNDINGS[i], PER[per], 4);
            assert_true(one == four);
        }
}

/* Runs that go on where those of the layer before ended see what runs from the beginning see. */
static void test_trail(void **state)
{
    setup u;
    it_patches at[2];
    (void)state;
    open_net(&u, mixed, 0, 21, 2);
    net *t = &u.n;
    OK(it_ptq_run(&u.p, &t->err));
    for (int on = 0; on < 2; on++) {
        for (size_t i = 0; i < t->g.nodes.len; i++) {
            if (!it_ptq_is_mac(node_of(&u, i)))
                continue;
            if (i)
                it_patches_release(&at[on]);
            if (!on)
                it_trail_free(&u.p);
            OK(it_patches_make(&u.p, node_of(&u, i), 64, 0, &at[on], &t->err));
        }
        it_trail_free(&u.p);
    }
    assert_int_equal(at[0].bytes, at[1].bytes);
    assert_int_equal(at[0].rows, 21);
    assert_memory_equal(at[0].x, at[1].x, at[0].bytes);
    it_patches_release(&at[0]);
    it_patches_release(&at[1]);
    close_net(&u);
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

/* Each allocation fails in turn; a rounding that learns is slow, so there every 13th. */
static void no_memory(const char *rounding, long step)
{
    bool done = false;
    for (long at = 1; !done; at += step) {
        failing f = { 0 };
        const intact_alloc alloc = { grow, &f };
        setup u;
        net *t = &u.n;
        net_init(t, 11);
        it_graph_release(&t->g);
        it_graph_init(&t->g, &alloc);
        t->g.name = "net";
        t->g.opset = t->opset;
        net_measure(t, mixed(t, 0), INTACT_S16);
        t->x->q = NULL;
        net_data_open(&u.s, t, 9, 1);
        it_recipe_init(&u.r, NULL);
        u.job = (it_job){ .pool = u.s.pool };
        u.p = (it_ptq){ .alloc = &alloc, .g = &t->g, .recipe = &u.r, .feed = &u.s.f, .job = &u.job };
        configure(&u, rounding, "channel");
        f.at = f.calls + at;
        intact_status st = it_ptq_run(&u.p, &t->err);
        done = st == INTACT_OK && f.calls < f.at;
        assert_true(st == INTACT_OK || st == INTACT_E_NOMEM);
        f.at = 0;
        close_net(&u);
        assert_int_equal(f.live, 0);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    no_memory("nearest", 1);
    no_memory("gptq", 5);
    no_memory("adaround", 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equalize), cmocka_unit_test(test_absorb), cmocka_unit_test(test_bias),
        cmocka_unit_test(test_bias_shapes), cmocka_unit_test(test_fit), cmocka_unit_test(test_threads), cmocka_unit_test(test_trail), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
