/* SPDX-License-Identifier: Apache-2.0 */
/* test_precision.c: rounding, gradients of rounded products against float32's, the loss's scale, and a run that goes on from a checkpoint. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "op/back.h"
#include "op/operand.h"
#include "train/checkpoint.h"
#include "train/helpers.h"

static const rig_spec SMALL = { .arch = "resnet8", .input = { 3, 12, 12 }, .classes = 4, .batch = 10, .threads = 2, .seed = 3 };
static const it_scaling_spec DYNAMIC = { .kind = IT_SCALE_DYNAMIC, .start = IT_SCALE_MOST, .patience = 3 };

/* ---- rounding ---- */

static float float_of(uint32_t b)
{
    float f;
    memcpy(&f, &b, 4);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t b;
    memcpy(&b, &f, 4);
    return b;
}

/* Of the two neighbours with 16 bits the nearer one, of two equally near the even one. */
static float near_bf16(float x)
{
    const uint32_t low = bits_of(x) & 0xffff0000u, high = low + 0x10000u;
    if (isinf(x)) return x;
    const double a = (double)float_of(low), b = isinf(float_of(high)) ? copysign(0x1p128, (double)x) : (double)float_of(high), d = (double)x;
    if (fabs(d - a) != fabs(b - d)) return fabs(d - a) < fabs(b - d) ? float_of(low) : float_of(high);
    return low >> 16 & 1 ? float_of(high) : float_of(low);
}

static void rounds_to_nearest_even(void **state)
{
    enum { LEN = 4099 };
    static float x[LEN], y[LEN], z[LEN];
    it_rng rng;
    (void)state;
    it_rng_seed(&rng, 4);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < LEN; i++) {
            uint32_t b = (uint32_t)it_rng_next(&rng);
            if (round % 3 == 1) b &= 0xfffff000u; /* ties */
            if (round % 3 == 2) b = (b & 0x80ffffffu) | (0x33000000u + (uint32_t)(i % 24) * 0x1000000u); /* where float16 ends */
            x[i] = float_of(b);
        }
        x[0] = INFINITY, x[1] = -0.0f, x[2] = 65519.996f, x[3] = 65520, x[4] = float_of(0x7fffffff), x[5] = float_of(1), x[6] = float_of(0x7f7fffff);
        it_operand_round(IT_PRODUCTS_F16, x, y, LEN);
        it_operand_round(IT_PRODUCTS_BF16, x, z, LEN);
        for (int i = 0; i < LEN; i++) {
            if (isnan(x[i])) {
                assert_true(isnan(y[i]) && isnan(z[i]));
                continue;
            }
            if (bits_of(y[i]) != bits_of(it_f16_to_f32(it_f32_to_f16(x[i])))) fail_msg("float16 of %a is %a", (double)x[i], (double)y[i]);
            if (bits_of(z[i]) != bits_of(near_bf16(x[i]))) fail_msg("bfloat16 of %a is %a", (double)x[i], (double)z[i]);
        }
        it_operand_round(IT_PRODUCTS_BF16_DOT, x, x, LEN); /* in place */
        assert_memory_equal(x, z, sizeof x);
    }
}

/* ---- gradients ---- */

static it_train_options options_of(it_products p)
{
    return (it_train_options){ .products = p, .scaling.kind = p == IT_PRODUCTS_F16 ? IT_SCALE_DYNAMIC : IT_SCALE_NONE };
}

/* All gradients of one batch, from malloc. */
static float *gradients(rig_spec s, it_products p, bool compact, size_t *len, double *loss)
{
    it_train_options o = options_of(p);
    o.compact = compact;
    size_t params;
    rig r;
    s.o = &o;
    rig_open(&r, &s);
    const it_train_result got = rig_step(&r, 0);
    assert_false(got.skipped);
    const it_train_param *q = it_train_params(r.t, &params);
    *loss = got.loss;
    *len = 0;
    for (size_t i = 0; i < params; i++) *len += q[i].len;
    float *out = malloc(*len * sizeof *out), *to = out;
    for (size_t i = 0; i < params; to += q[i++].len) memcpy(to, q[i].grad, q[i].len * sizeof *out);
    rig_close(&r);
    return out;
}

static double distance(const float *a, const float *b, size_t len)
{
    double d = 0, n = 0;
    for (size_t i = 0; i < len; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        n += (double)b[i] * (double)b[i];
    }
    return sqrt(d / n);
}

static void check_close(const rig_spec *s, double most)
{
    static const struct { it_products p; bool compact; double bits; } all[] = {
        { IT_PRODUCTS_BF16, false, 1 }, { IT_PRODUCTS_BF16_DOT, false, 1 }, { IT_PRODUCTS_F16, false, 0.35 }, { IT_PRODUCTS_BF16, true, 1.5 }, { IT_PRODUCTS_BF16_DOT, true, 1.5 },
    };
    size_t len, same;
    double loss, other;
    float *exact = gradients(*s, IT_PRODUCTS_F32, false, &len, &loss);
    for (size_t i = 0; i < IT_LEN(all); i++) {
        if (all[i].p == IT_PRODUCTS_BF16_DOT && !it_operand_has_dot()) continue;
        float *got = gradients(*s, all[i].p, all[i].compact, &same, &other);
        assert_int_equal(same, len);
        const double off = distance(got, exact, len);
        if (!(off > 0 && off < most * all[i].bits)) fail_msg("%s: products of kind %d: the gradients are off by %g", s->arch, (int)all[i].p, off);
        if (!(fabs(other - loss) < 0.02 * all[i].bits * (1 + loss))) fail_msg("%s: products of kind %d: the loss is %g, not %g", s->arch, (int)all[i].p, other, loss);
        free(got);
    }
    free(exact);
}

/* Clamps and maxima that change sides count as a whole: smooth networks show the rounding alone. */
static void gradients_are_near(void **state)
{
    rig_spec s = SMALL;
    (void)state;
    s.no_clamps = true;
    check_close(&s, 0.03);
    check_close(&(rig_spec){ .arch = "dscnn", .input = { 1, 49, 10 }, .classes = 5, .batch = 8, .threads = 1, .seed = 5, .no_clamps = true }, 0.06);
    check_close(&(rig_spec){ .arch = "lenet5", .input = { 1, 28, 28 }, .classes = 5, .batch = 9, .threads = 2, .seed = 6, .no_clamps = true }, 0.15);
    check_close(&SMALL, 0.2);
}

enum { SIDE = 9, IN_C = 16, OUT_C = 24, SAMPLES = 3 };
typedef struct conv { it_graph g; it_node *n; it_arena keep; it_tensor x, w, dy, y, dx, dw; } conv;

static it_tensor random_tensor(it_arena *a, it_rng *rng, int rank, const int64_t *dim, bool nhwc)
{
    it_tensor t = { .type = IT_F32, .rank = rank, .layout = nhwc ? IT_NHWC : IT_PLAIN };
    for (int i = 0; i < rank; i++) t.dim[i] = dim[i];
    t.data = it_arena_new(a, it_tensor_bytes(&t));
    it_arch_gauss(rng, t.data, (size_t)it_tensor_len(&t), 1);
    return t;
}

static void conv_open(conv *c, bool nhwc)
{
    static const int64_t PADS[4] = { 1, 1, 1, 1 };
    static const it_attr ATTRS[1] = { { .name = "pads", .kind = IT_ATTR_INTS, .ints = PADS, .len = 4 } };
    intact_error err = { .code = INTACT_OK };
    it_rng rng;
    it_rng_seed(&rng, 8);
    it_graph_init(&c->g, NULL);
    it_arena_init(&c->keep, NULL);
    c->n = it_graph_node(&c->g, "conv", &it_op_conv, 2, 1);
    c->n->opset = 13, c->n->attrs = ATTRS, c->n->attrs_len = 1;
    for (int k = 0; k < 2; k++) c->n->in[k] = it_graph_value(&c->g, "in");
    c->n->out[0] = it_graph_value(&c->g, "out");
    must(it_node_parse(&c->g, c->n, &err), &err);
    c->x = random_tensor(&c->keep, &rng, 4, (int64_t[]){ SAMPLES, IN_C, SIDE, SIDE }, nhwc);
    c->w = random_tensor(&c->keep, &rng, 4, (int64_t[]){ OUT_C, IN_C, 3, 3 }, false);
    c->dy = random_tensor(&c->keep, &rng, 4, (int64_t[]){ SAMPLES, OUT_C, SIDE, SIDE }, nhwc);
    c->y = random_tensor(&c->keep, &rng, 4, c->dy.dim, nhwc);
    c->dx = random_tensor(&c->keep, &rng, 4, c->x.dim, nhwc);
    c->dw = random_tensor(&c->keep, &rng, 4, c->w.dim, false);
}

/* The answer and both gradients. Twice with one state: what it keeps of the weights must be right the second time, too. */
static void conv_run(conv *c, it_products p)
{
    it_op_state *state[2] = { NULL, NULL };
    intact_error err = { .code = INTACT_OK };
    it_arena scratch;
    it_arena_init(&scratch, NULL);
    const it_tensor *in[2] = { &c->x, &c->w }, *out[1] = { &c->y }, *dy[1] = { &c->dy };
    it_tensor *to[1] = { &c->y }, *d[2] = { &c->dx, &c->dw };
    for (int i = 0; i < 2; i++) {
        it_run_ctx f = { .alloc = &it_alloc_libc, .state = &state[0], .scratch = &scratch, .weights_at = 5, .products = p };
        it_back_ctx b = { .alloc = &it_alloc_libc, .state = &state[1], .scratch = &scratch, .weights_at = 5, .products = p };
        must(it_op_conv.forward(&f, c->n, in, to, &err), &err);
        must(it_op_conv.back->run(&b, c->n, in, out, dy, d, &err), &err);
    }
    for (int i = 0; i < 2; i++) state[i]->free(state[i]);
    it_arena_release(&scratch);
}

/* Operands rounded by hand and multiplied as float32 give what each kind of product gives, but for the order of sums. */
static void products_are_of_rounded_operands(void **state)
{
    (void)state;
    for (int p = 1; p < IT_PRODUCTS_COUNT; p++)
        for (int nhwc = 0; nhwc < 2; nhwc++) {
            conv a, b;
            if (p == IT_PRODUCTS_BF16_DOT && !it_operand_has_dot()) continue;
            conv_open(&a, nhwc);
            conv_open(&b, nhwc);
            conv_run(&a, (it_products)p);
            it_tensor *const operands[] = { &b.x, &b.w, &b.dy };
            for (size_t i = 0; i < IT_LEN(operands); i++) it_operand_round((it_products)p, operands[i]->data, operands[i]->data, it_tensor_len(operands[i]));
            conv_run(&b, IT_PRODUCTS_F32);
            const it_tensor *got[] = { &a.y, &a.dx, &a.dw }, *want[] = { &b.y, &b.dx, &b.dw };
            for (size_t i = 0; i < IT_LEN(got); i++) {
                const double off = distance(got[i]->data, want[i]->data, (size_t)it_tensor_len(got[i]));
                if (!(off < 1e-6)) fail_msg("products of kind %d: result %zu is off by %g", p, i, off);
            }
            it_arena_release(&a.keep), it_arena_release(&b.keep);
            it_graph_release(&a.g), it_graph_release(&b.g);
        }
}

static void needs_the_instructions_only_when_asked(void **state)
{
    const it_train_options o = { .products = IT_PRODUCTS_BF16_DOT, .batch = 4, .loss.loss = &it_loss_cross_entropy, .optimizer.optimizer = &it_optimizer_sgd };
    it_train_options with = o;
    intact_error err = { .code = INTACT_OK };
    it_products p = IT_PRODUCTS_COUNT;
    it_train *t = NULL;
    it_graph g;
    (void)state;
    assert_true(it_products_find("bf16", &p) && (p == IT_PRODUCTS_BF16_DOT) == it_operand_dot_is_faster());
    assert_false(it_products_find("f64", &p));
    must(rig_graph(&g, &SMALL, &err), &err);
    must(it_pool_new(NULL, 1, &with.pool, &err), &err);
    const intact_status st = it_train_new(&g, &with, &t, &err);
    assert_int_equal(st, it_operand_has_dot() ? INTACT_OK : INTACT_E_UNSUPPORTED);
    it_train_free(t);
    with.products = IT_PRODUCTS_F16;
    with.scaling = (it_scaling_spec){ .kind = IT_SCALE_STATIC, .start = 1e30 };
    assert_int_equal(it_train_new(&g, &with, &t, &err), INTACT_E_ARG);
    assert_non_null(strstr(err.message, "loss scale"));
    it_pool_free(with.pool);
    it_graph_release(&g);
}

/* What is measured is the network as others will run it. */
static void evaluation_is_exact(void **state)
{
    size_t per_sample;
    float *kept = NULL;
    (void)state;
    for (int p = 0; p < IT_PRODUCTS_COUNT; p++) {
        const it_train_options o = options_of((it_products)p);
        intact_error err = { .code = INTACT_OK };
        it_train_result got;
        rig_spec s = SMALL;
        rig r;
        if (p == IT_PRODUCTS_BF16_DOT && !it_operand_has_dot()) continue;
        s.o = &o;
        rig_open(&r, &s);
        must(it_train_eval(r.t, &r.b, &got, &err), &err);
        const float *y = it_train_answers(r.t, &per_sample);
        if (!kept) {
            kept = malloc(per_sample * 10 * sizeof *kept);
            memcpy(kept, y, per_sample * 10 * sizeof *kept);
        }
        assert_memory_equal(y, kept, per_sample * 10 * sizeof *kept);
        rig_close(&r);
    }
    free(kept);
}

/* Back and forth: what one kind of product keeps is not the other's. */
static void evaluation_between_steps_changes_nothing(void **state)
{
    (void)state;
    for (int p = 1; p < IT_PRODUCTS_COUNT; p++) {
        const it_train_options o = options_of((it_products)p);
        double loss[2] = { 0, 0 };
        if (p == IT_PRODUCTS_BF16_DOT && !it_operand_has_dot()) continue;
        for (int with = 0; with < 2; with++) {
            intact_error err = { .code = INTACT_OK };
            it_train_result got;
            rig_spec s = SMALL;
            rig r;
            s.o = &o;
            rig_open(&r, &s);
            for (int i = 0; i < 4; i++) {
                loss[with] = rig_step(&r, 0.05).loss;
                if (with) must(it_train_eval(r.t, &r.b, &got, &err), &err);
            }
            rig_close(&r);
        }
        assert_true(loss[0] == loss[1]);
    }
}

/* ---- what waits for another pass, in 16 bits ---- */

static void compact_halves_the_memory(void **state)
{
    size_t bytes[2];
    (void)state;
    for (int k = 0; k < 2; k++) {
        const it_train_options o = { .products = IT_PRODUCTS_BF16, .compact = k };
        rig r;
        rig_open(&r, &(rig_spec){ .arch = "resnet20", .input = { 3, 16, 16 }, .classes = 10, .batch = 128, .threads = 1, .seed = 1, .o = &o });
        bytes[k] = it_train_bytes(r.t);
        rig_close(&r);
    }
    assert_true((double)bytes[1] < 0.7 * (double)bytes[0]);
}

static void compact_learns_as_well(void **state)
{
    static const struct { it_train_options o; const char *arch; int64_t input[3]; } all[] = {
        { { .products = IT_PRODUCTS_BF16, .compact = true }, "resnet8", { 3, 12, 12 } },
        { { .products = IT_PRODUCTS_BF16_DOT, .compact = true }, "resnet8", { 3, 12, 12 } },
        { { .products = IT_PRODUCTS_BF16, .compact = true, .fixed_statistics = true }, "resnet8", { 3, 12, 12 } },
        { { .products = IT_PRODUCTS_BF16, .compact = true }, "squeezenet1_1", { 3, 32, 32 } },
        { { .products = IT_PRODUCTS_BF16, .compact = true }, "mobilenet_v3_small", { 3, 32, 32 } },
        { { .products = IT_PRODUCTS_BF16, .compact = true }, "shufflenet_v2", { 3, 32, 32 } },
    };
    (void)state;
    for (size_t i = 0; i < IT_LEN(all); i++) {
        double first[2], last[2];
        if (all[i].o.products == IT_PRODUCTS_BF16_DOT && !it_operand_has_dot()) continue;
        for (int k = 0; k < 2; k++) {
            const it_train_options o = { .fixed_statistics = all[i].o.fixed_statistics };
            rig r;
            rig_open(&r, &(rig_spec){ .arch = all[i].arch, .input = { all[i].input[0], all[i].input[1], all[i].input[2] }, .classes = 4, .batch = 20, .threads = 2, .seed = 3,
                                      .o = k ? &all[i].o : &o });
            first[k] = rig_step(&r, 0.01).loss;
            for (int n = 0; n < 12; n++) last[k] = rig_step(&r, 0.01).loss;
            rig_close(&r);
        }
        if (!(fabs(first[1] - first[0]) < 0.03 * first[0])) fail_msg("%s begins with a loss of %g instead of %g", all[i].arch, first[1], first[0]);
        if (!(fabs(last[1] - last[0]) < 0.15 * first[0])) fail_msg("%s comes from %g to a loss of %g instead of %g", all[i].arch, first[0], last[1], last[0]);
    }
}

/* ---- the loss's scale ---- */

typedef struct copy { float *data; size_t len; it_optimizer_state optimizer; } copy;

/* All that a step changes; the scale's array is the last one, and left out. */
static copy copy_of(it_train *t)
{
    const it_train_state s = it_train_state_of(t);
    copy c = { .optimizer = *s.optimizer };
    for (size_t i = 0; i + 1 < s.arrays; i++) c.len += s.array[i].data ? s.array[i].len : 0;
    c.data = malloc(c.len * sizeof *c.data);
    for (size_t i = 0, at = 0; i + 1 < s.arrays; i++)
        if (s.array[i].data) {
            memcpy(c.data + at, s.array[i].data, s.array[i].len * sizeof *c.data);
            at += s.array[i].len;
        }
    return c;
}

static bool same_as(it_train *t, const copy *a)
{
    const copy b = copy_of(t);
    const bool same = a->len == b.len && memcmp(a->data, b.data, a->len * sizeof *a->data) == 0 && memcmp(&a->optimizer, &b.optimizer, sizeof b.optimizer) == 0;
    free(b.data);
    return same;
}

static void overflow_skips_and_the_scale_comes_back(void **state)
{
    const it_train_options o = { .products = IT_PRODUCTS_F16, .scaling = DYNAMIC, .average = 0.9, .decay = 0.01, .optimizer.optimizer = &it_optimizer_adamw };
    rig_spec s = SMALL;
    rig r;
    int skips = 0, doubled = 0;
    double scale = IT_SCALE_MOST;
    (void)state;
    s.o = &o;
    rig_open(&r, &s);
    for (int i = 0; i < 40; i++) {
        const copy before = copy_of(r.t);
        const it_train_result got = rig_step(&r, 1e-3);
        assert_true(got.scale == scale || got.scale == 2 * scale);
        doubled += got.scale == 2 * scale;
        assert_int_equal(got.skipped, !isfinite(got.norm));
        assert_int_equal(got.skipped, same_as(r.t, &before));
        skips += got.skipped;
        scale = got.skipped ? got.scale / 2 : got.scale;
        free(before.data);
    }
    assert_true(skips >= 3 && skips < 30 && doubled >= 2); /* 2^24 overflows; every third good step asks for more */
    assert_int_equal(it_train_state_of(r.t).optimizer->steps, 40 - skips);
    rig_close(&r);
}

static void a_static_scale_stays(void **state)
{
    it_train_options o = { .products = IT_PRODUCTS_F16, .scaling = { .kind = IT_SCALE_STATIC, .start = 1024 } };
    intact_error err = { .code = INTACT_OK };
    rig_spec s = SMALL;
    it_train_result got;
    rig r;
    (void)state;
    s.o = &o;
    rig_open(&r, &s);
    for (int i = 0; i < 5; i++) {
        got = rig_step(&r, 0.01);
        assert_true(!got.skipped && got.scale == 1024);
    }
    rig_close(&r);
    o.scaling.start = IT_SCALE_MOST;
    rig_open(&r, &s);
    for (int i = 0; i < IT_SCALE_SKIPS - 1; i++) assert_true(rig_step(&r, 0.01).skipped);
    assert_int_equal(it_train_step(r.t, &r.b, 0.01, &got, &err), INTACT_E_DATA);
    assert_non_null(strstr(err.message, "loss scale"));
    rig_close(&r);
}

/* A power of two moves exponents only: in float32 the scaled run is the plain one, bit for bit. */
static void a_scale_changes_no_bit_of_float32(void **state)
{
    copy c[2];
    (void)state;
    for (int k = 0; k < 2; k++) {
        const it_train_options o = { .scaling = { .kind = k ? IT_SCALE_STATIC : IT_SCALE_NONE, .start = 64 } };
        rig_spec s = SMALL;
        rig r;
        s.o = &o;
        rig_open(&r, &s);
        for (int i = 0; i < 3; i++) rig_step(&r, 0.05);
        size_t len;
        const it_train_param *p = it_train_params(r.t, &len);
        c[k].len = len;
        c[k].data = malloc(len * sizeof(float));
        for (size_t i = 0; i < len; i++) c[k].data[i] = p[i].w[p[i].len / 2];
        rig_close(&r);
    }
    assert_memory_equal(c[0].data, c[1].data, c[0].len * sizeof(float));
    free(c[0].data), free(c[1].data);
}

/* ---- checkpoints ---- */

static void goes_on_to_the_same_bits(void **state)
{
    const it_train_options o = { .products = IT_PRODUCTS_F16, .scaling = DYNAMIC, .optimizer = { .optimizer = &it_optimizer_sgd, .momentum = 0.9 } };
    intact_error err = { .code = INTACT_OK };
    char path[] = "/tmp/intact-precision-XXXXXX";
    rig_spec s = SMALL;
    rig a, b;
    (void)state;
    s.o = &o;
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    rig_open(&a, &s);
    for (int i = 0; i < 14; i++) rig_step(&a, 0.02);
    it_checkpoint c = { .step = 14, .batch = 10 };
    must(it_checkpoint_write(a.t, &c, path, &err), &err);
    rig_open(&b, &s);
    must(it_checkpoint_read(b.t, &c, path, &err), &err);
    assert_int_equal(c.step, 14);
    for (int i = 0; i < 12; i++) {
        const it_train_result x = rig_step(&a, 0.02), y = rig_step(&b, 0.02);
        assert_true(x.scale == y.scale && x.skipped == y.skipped && x.loss == y.loss);
    }
    const copy end = copy_of(a.t);
    assert_true(same_as(b.t, &end));
    free(end.data);
    rig_close(&a);
    rig_close(&b);
    unlink(path);
}

/* ---- memory ---- */

static void every_allocation_fails_once(void **state)
{
    counting c = { 0 };
    const intact_alloc alloc = { .grow = count_grow, .user = &c };
    it_pool *pool;
    intact_error err = { .code = INTACT_OK };
    const rig_spec nets[2] = { { .arch = "lenet5", .input = { 1, 28, 28 }, .classes = 4, .alloc = &alloc }, { .arch = "resnet8", .input = { 3, 8, 8 }, .classes = 4, .alloc = &alloc } };
    static float x[3 * 28 * 28];
    static const int32_t label[3];
    const void *in[] = { x };
    const it_train_batch b = { .len = 3, .in = in, .label = label };
    (void)state;
    must(it_pool_new(NULL, 1, &pool, &err), &err);
    for (long at = 0, net = 0; net < 2; at++) {
        it_train_options o = options_of(net ? IT_PRODUCTS_BF16 : IT_PRODUCTS_F16);
        it_train_result got;
        it_train *t = NULL;
        it_graph g;
        c = (counting){ 0 };
        o.batch = 3, o.pool = pool, o.loss.loss = &it_loss_cross_entropy, o.optimizer.optimizer = &it_optimizer_sgd, o.compact = net;
        must(rig_graph(&g, &nets[net], &err), &err);
        c.fail_at = c.calls + 1 + at;
        intact_status st = it_train_new(&g, &o, &t, &err);
        if (st == INTACT_OK) st = it_train_step(t, &b, 0.01, &got, &err);
        const bool done = st == INTACT_OK && c.calls < c.fail_at;
        if (!done) assert_int_equal(st, INTACT_E_NOMEM);
        it_train_free(t);
        it_graph_release(&g);
        assert_int_equal(c.live, 0);
        at = done ? -1 : at > 60 ? at + at / 16 : at;
        net += done;
    }
    it_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_to_nearest_even), cmocka_unit_test(gradients_are_near), cmocka_unit_test(products_are_of_rounded_operands),
        cmocka_unit_test(needs_the_instructions_only_when_asked), cmocka_unit_test(evaluation_is_exact), cmocka_unit_test(evaluation_between_steps_changes_nothing),
        cmocka_unit_test(overflow_skips_and_the_scale_comes_back), cmocka_unit_test(a_static_scale_stays), cmocka_unit_test(a_scale_changes_no_bit_of_float32),
        cmocka_unit_test(goes_on_to_the_same_bits), cmocka_unit_test(every_allocation_fails_once), cmocka_unit_test(compact_halves_the_memory), cmocka_unit_test(compact_learns_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
