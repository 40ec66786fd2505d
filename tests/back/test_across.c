/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization over a batch that comes in blocks: against one block, and against difference quotients of a double reference. */
#include "back/helpers.h"

typedef struct bn_case {
    int rank;
    int64_t dim[4];
    bool nhwc;
    float lo, hi;    /* the clamp; the same: none */
    double mean;     /* added to the input */
    int64_t block;   /* samples a block */
} bn_case;

typedef struct bn {
    it_graph g;
    it_arena keep;
    it_node *n;
    it_tensor t[5], dy, y, dx, dscale, dbias;
    int64_t channels, len; /* values a sample and channel */
    double count, *sums, *back;
    intact_error err;
} bn;

static it_tensor tensor(bn *b, int rank, const int64_t *dim, bool nhwc)
{
    it_tensor t = { .type = IT_F32, .rank = rank, .layout = nhwc ? IT_NHWC : IT_PLAIN };
    memcpy(t.dim, dim, (size_t)rank * sizeof(*dim));
    t.data = it_arena_new(&b->keep, it_tensor_bytes(&t));
    assert_non_null(t.data);
    return t;
}

static void bn_init(bn *b, const bn_case *c)
{
    static const it_attr attr = ATTR_F("epsilon", 1e-3f);
    it_rng rng;
    it_rng_seed(&rng, 3);
    memset(b, 0, sizeof(*b));
    it_graph_init(&b->g, &it_alloc_libc);
    it_arena_init(&b->keep, &it_alloc_libc);
    b->n = it_graph_node(&b->g, "bn", &it_op_batch_normalization, 5, 1);
    assert_non_null(b->n);
    b->n->opset = 15;
    b->n->attrs = &attr;
    b->n->attrs_len = 1;
    b->channels = c->rank > 1 ? c->dim[1] : 1;
    b->t[0] = tensor(b, c->rank, c->dim, c->nhwc);
    b->len = it_tensor_len(&b->t[0]) / c->dim[0] / b->channels;
    b->count = (double)(c->dim[0] * b->len);
    for (int i = 0; i < 5; i++) {
        if (i)
            b->t[i] = tensor(b, 1, &b->channels, false);
        b->n->in[i] = it_graph_value(&b->g, "v");
        for (int64_t j = 0; j < it_tensor_len(&b->t[i]); j++)
            it_tensor_set(&b->t[i], j, (double)it_rng_below(&rng, 20001) / 10000 - (i == 1 || i == 4 ? -0.5 : 1) + (i ? 0 : c->mean));
    }
    b->n->out[0] = it_graph_value(&b->g, "y");
    b->dy = tensor(b, c->rank, c->dim, c->nhwc);
    b->y = tensor(b, c->rank, c->dim, c->nhwc);
    b->dx = tensor(b, c->rank, c->dim, c->nhwc);
    b->dscale = tensor(b, 1, &b->channels, false);
    b->dbias = tensor(b, 1, &b->channels, false);
    for (int64_t j = 0; j < it_tensor_len(&b->dy); j++)
        it_tensor_set(&b->dy, j, (double)it_rng_below(&rng, 20001) / 10000 - 1);
    if (c->lo < c->hi) {
        b->n->clamp_lo = c->lo;
        b->n->clamp_hi = c->hi;
    }
    if (it_node_parse(&b->g, b->n, &b->err) != INTACT_OK)
        fail_msg("%s", b->err.message);
    b->sums = it_arena_new(&b->keep, (size_t)b->channels * 2 * sizeof(double));
    b->back = it_arena_new(&b->keep, (size_t)b->channels * 2 * sizeof(double));
}

static void bn_free(bn *b)
{
    it_arena_release(&b->keep);
    it_graph_release(&b->g);
}

static it_tensor part(const it_tensor *t, int64_t from, int64_t len)
{
    it_tensor p = *t;
    p.dim[0] = len;
    p.data = (char *)t->data + it_tensor_bytes(t) / (size_t)t->dim[0] * (size_t)from;
    return p;
}

/* The whole of a step in blocks. Each pass may only begin when the one before is done with every block. */
static void step(bn *b, int64_t block)
{
    const it_across *a = b->n->op->across;
    const it_tensor *in[5];
    it_tensor *dp[5] = { NULL, &b->dscale, &b->dbias, NULL, NULL };
    int64_t samples = b->t[0].dim[0];
    assert_int_equal(a->running, 1 << 3 | 1 << 4);
    for (int pass = 0; pass < 4; pass++)
        for (int64_t s = 0; s < samples; s += block) {
            int64_t len = samples - s < block ? samples - s : block;
            it_tensor x = part(&b->t[0], s, len), y = part(&b->y, s, len), dy = part(&b->dy, s, len), dx = part(&b->dx, s, len);
            const it_tensor *out[1] = { &(it_tensor){ .type = IT_F32, .rank = y.rank, .layout = y.layout } };
            it_tensor *to[1] = { &y };
            for (int i = 0; i < 5; i++)
                in[i] = i ? &b->t[i] : &x;
            assert_int_equal(a->sums(b->n, in), 2 * b->channels);
            if (pass == 0)
                a->gather(b->n, in, b->sums);
            else if (pass == 1)
                a->forward(b->n, in, b->sums, b->count, to);
            else if (pass == 2)
                a->gather_back(b->n, in, out, &dy, b->sums, b->count, b->back);
            else
                a->backward(b->n, in, out, &dy, b->sums, b->back, b->count, &dx);
        }
    in[0] = &b->t[0];
    a->finish(b->n, in, b->sums, b->back, b->count, dp);
}

/* ---- the reference ---- */

static int64_t channel_of(const bn *b, int64_t i) { return b->t[0].layout == IT_NHWC ? i % b->channels : i / b->len % b->channels; }

/* y in double from parameters p = (x, scale, bias); stat: mean and variance of each channel. */
static void reference(const bn *b, const double *x, const double *scale, const double *bias, double *y, double *stat)
{
    int64_t all = it_tensor_len(&b->t[0]);
    memset(stat, 0, (size_t)b->channels * 2 * sizeof(double));
    for (int64_t i = 0; i < all; i++)
        stat[channel_of(b, i)] += x[i] / b->count;
    for (int64_t i = 0; i < all; i++) {
        double u = x[i] - stat[channel_of(b, i)];
        stat[b->channels + channel_of(b, i)] += u * u / b->count;
    }
    for (int64_t i = 0; i < all; i++) {
        int64_t c = channel_of(b, i);
        y[i] = (x[i] - stat[c]) / sqrt(stat[b->channels + c] + (double)1e-3f) * scale[c] + bias[c];
        y[i] = y[i] < (double)b->n->clamp_lo ? (double)b->n->clamp_lo : y[i] > (double)b->n->clamp_hi ? (double)b->n->clamp_hi : y[i];
    }
}

static double *wide(bn *b, const it_tensor *t)
{
    double *d = it_arena_new(&b->keep, (size_t)it_tensor_len(t) * sizeof(double));
    for (int64_t i = 0; i < it_tensor_len(t); i++)
        d[i] = (double)((const float *)t->data)[i];
    return d;
}

static void expect_close(const char *what, double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol))
        fail_msg("%s: %.9g instead of %.9g", what, got, want);
}

/* The gradient with respect to each of p's elements, by difference quotients, beside dp; at least one is so large that 1 % would be seen. */
static void check_elements(bn *b, const char *what, double *const p[3], int k, const it_tensor *dp, double tol)
{
    int64_t all = it_tensor_len(&b->t[0]), len = it_tensor_len(dp), step_by = len > 400 ? len / 200 : 1;
    double *y = it_arena_new(&b->keep, (size_t)all * sizeof(double)), *stat = it_arena_new(&b->keep, (size_t)b->channels * 2 * sizeof(double)), most = 0;
    for (int64_t i = 0; i < len; i += step_by) {
        double keep = p[k][i], at[2] = { 0 }, h = 1e-5, got = (double)((const float *)dp->data)[i];
        for (int s = 0; s < 2; s++) {
            p[k][i] = keep + (s ? -h : h);
            reference(b, p[0], p[1], p[2], y, stat);
            for (int64_t j = 0; j < all; j++)
                at[s] += y[j] * (double)((const float *)b->dy.data)[j];
        }
        p[k][i] = keep;
        expect_close(what, got, (at[0] - at[1]) / (2 * h), tol);
        most = fmax(most, fabs(got));
    }
    assert_true(most * 0.01 > tol);
}

static void check(const bn_case *c)
{
    bn one, b;
    double *p[3], *y, *stat, size = 0;
    bn_init(&one, c);
    bn_init(&b, c);
    step(&one, c->dim[0]);
    for (int i = 0; i < 3; i++)
        p[i] = wide(&b, &b.t[i]);
    double *run_mean = wide(&b, &b.t[3]), *run_var = wide(&b, &b.t[4]);
    step(&b, c->block);
    for (int64_t i = 0; i < it_tensor_len(&b.y); i++) {
        expect_close("y in blocks", (double)((float *)b.y.data)[i], (double)((float *)one.y.data)[i], 1e-6);
        expect_close("dx in blocks", (double)((float *)b.dx.data)[i], (double)((float *)one.dx.data)[i], 2e-6);
    }
    y = wide(&b, &b.y);
    stat = it_arena_new(&b.keep, (size_t)b.channels * 2 * sizeof(double));
    reference(&b, p[0], p[1], p[2], y, stat);
    for (int64_t i = 0; i < it_tensor_len(&b.y); i++)
        expect_close("y", (double)((float *)b.y.data)[i], y[i], 2e-6);
    for (int64_t i = 0; i < b.channels; i++) {
        expect_close("running mean", (double)((float *)b.t[3].data)[i], 0.9 * run_mean[i] + 0.1 * stat[i], 1e-6 * (1 + fabs(c->mean)));
        expect_close("running variance", (double)((float *)b.t[4].data)[i], 0.9 * run_var[i] + 0.1 * stat[b.channels + i], 2e-6);
        size = fmax(size, fabs((double)((float *)b.dscale.data)[i]));
    }
    check_elements(&b, "dx", p, 0, &b.dx, 1e-5);
    check_elements(&b, "dscale", p, 1, &b.dscale, 1e-5 * (1 + size));
    check_elements(&b, "dbias", p, 2, &b.dbias, 1e-5 * (1 + size));
    bn_free(&one);
    bn_free(&b);
}

static void blocks(void **state)
{
    const bn_case table[] = {
        { 4, { 7, 5, 4, 3 }, true, 0, 0, 0, 3 },
        { 4, { 7, 5, 4, 3 }, true, 0, INFINITY, 0, 2 },
        { 4, { 6, 16, 3, 3 }, true, -0.4f, 0.6f, 0, 4 },
        { 4, { 3, 300, 2, 1 }, true, 0, INFINITY, 0, 1 }, /* more channels than are taken at a time */
        { 4, { 7, 5, 4, 3 }, false, 0, 0, 0, 3 },
        { 4, { 7, 5, 5, 5 }, false, -0.4f, 0.6f, 0, 2 },
        { 3, { 5, 3, 19 }, false, 0, INFINITY, 0, 2 },
        { 2, { 9, 13 }, false, 0, 0, 0, 4 },
        { 4, { 7, 5, 4, 3 }, true, 0, INFINITY, 1000, 3 }, /* a mean that would eat the variance in single precision */
        { 4, { 7, 5, 4, 3 }, false, 0, 0, 1000, 3 },
    };
    (void)state;
    for (size_t i = 0; i < IT_LEN(table); i++)
        check(&table[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(blocks) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
