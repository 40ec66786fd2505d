/* SPDX-License-Identifier: Apache-2.0 */
/* Fitted levels: what fits them, and that thresholds on accumulators give what the 8-bit grid and a table give, at every level and behind every
** kind of operator. */
#include "exec/exec.h"
#include "lower/helpers.h"
#include "ptq/method.h"

#define OK(call) do { if ((call) != INTACT_OK) fail_msg("%s: %s: %s", #call, t->err.where, t->err.message); } while (0)

static const uint8_t UNEVEN[16] = { 0, 3, 8, 10, 19, 33, 34, 60, 77, 99, 128, 129, 170, 201, 230, 251 };

/* ---- fitting ---- */

static double error_of(const it_code_stats *s, const uint8_t *levels, int len)
{
    const it_quant q = { .levels = levels, .levels_len = len };
    uint8_t nearest[256];
    double e = 0;
    it_quant_nearest(&q, nearest);
    for (int c = 0; c < 256; c++)
        e += s[c].square - 2.0 * nearest[c] * s[c].sum + (double)(nearest[c] * nearest[c]) * s[c].mass;
    return e;
}

/* Half zeros, the rest like the right half of a bell: what a ReLU gives. */
static void relu_like(it_code_stats *s, it_rng *r)
{
    it_hist h;
    it_hist_init(&h);
    for (int i = 0; i < 20000; i++) {
        float x = 0;
        for (int k = 0; k < 12; k++)
            x += (float)(it_rng_next(r) >> 40) / (float)(1 << 24) - 0.5f;
        x = x < 0 ? 0 : x;
        it_hist_add(&h, &x, 1);
    }
    it_code_stats_of(&h, h.max / 255, 0, 255, s);
}

static void test_stats(void **state)
{
    static const float X[] = { 0, 0, 0, -1.25f, 2.5f, 2.5f, 100 };
    it_code_stats s[256];
    it_hist h;
    double mass = 0, sum = 0;
    (void)state;
    it_hist_init(&h);
    it_hist_add(&h, X, IT_LEN(X));
    it_code_stats_of(&h, 0.5f, 10, 63, s); /* bins of 1/16 */
    for (int c = 0; c < 256; c++) {
        mass += s[c].mass;
        sum += s[c].sum - 10 * s[c].mass;
    }
    assert_true(fabs(mass - 7) < 1e-9 && fabs(sum * 0.5 - (5 - 1.25 + 100)) < 0.2);
    assert_true(s[10].mass == 3 && s[10].sum == 30 && s[10].square == 300);
    assert_true(fabs(s[15].mass - 2) < 1e-9 && fabs(s[63].mass - 1) < 1e-9 && s[63].sum > 200 && s[64].mass == 0);
    assert_true(fabs(s[7].mass + s[8].mass - 1) < 1e-9);
}

static void test_lloyd(void **state)
{
    it_rng r;
    it_code_stats s[256];
    (void)state;
    it_rng_seed(&r, 1);
    relu_like(s, &r);
    for (int len = 2; len <= 16; len *= 2) {
        uint8_t best[16], other[16];
        assert_int_equal(it_levels_lloyd.fit(s, len, best), len);
        double least = error_of(s, best, len);
        for (int k = 0; k < len; k++)
            other[k] = (uint8_t)(k * 255 / (len - 1));
        assert_true(error_of(s, other, len) > 1.05 * least);
        for (int k = 0; k < len; k++) /* no neighbour is better */
            for (int d = -1; d <= 1; d += 2) {
                memcpy(other, best, 16);
                other[k] = (uint8_t)(other[k] + d);
                if ((k == 0 || other[k] > other[k - 1]) && (k + 1 == len || other[k] < other[k + 1]) && best[k] + d >= 0 && best[k] + d < 256)
                    assert_true(error_of(s, other, len) >= least * (1 - 1e-9));
            }
    }
    uint8_t two[2], pair[2];
    it_levels_lloyd.fit(s, 2, two);
    for (int a = 0; a < 255; a++)
        for (int b = a + 1; b < 256; b++) {
            pair[0] = (uint8_t)a, pair[1] = (uint8_t)b;
            assert_true(error_of(s, pair, 2) >= error_of(s, two, 2) * (1 - 1e-9));
        }
}

static void test_entropy(void **state)
{
    it_rng r;
    it_code_stats s[256];
    uint8_t levels[16], nearest[256];
    double mass[16] = { 0 }, all = 0;
    (void)state;
    it_rng_seed(&r, 2);
    relu_like(s, &r);
    int len = it_levels_entropy.fit(s, 8, levels);
    assert_int_equal(len, 8);
    assert_int_equal(levels[0], 0); /* half of the values */
    const it_quant q = { .levels = levels, .levels_len = len };
    it_quant_nearest(&q, nearest);
    for (int c = 0; c < 256; c++)
        for (int k = 0; k < len; k++)
            if (nearest[c] == levels[k])
                mass[k] += s[c].mass, all += s[c].mass;
    for (int k = 1; k < len; k++)
        assert_true(mass[k] > 0.02 * all && mass[k] < 0.16 * all); /* a fourteenth each, by means instead of borders */
    memset(s, 0, sizeof s);
    s[9].mass = 5, s[9].sum = 45, s[9].square = 405; /* a value that never changes */
    assert_true(it_levels_entropy.fit(s, 4, levels) == 2 && levels[0] == 9 && levels[1] == 255);
    assert_int_equal(it_levels_lloyd.fit(s, 4, levels), 4);
    assert_true(error_of(s, levels, 4) == 0);
}

/* ---- lowering ---- */

typedef enum kind { CONV, DEPTHWISE, DENSE, ROWS, WIDE, ADD, SIGMOID, AVERAGE, CONCAT, POOLED, KINDS } kind;

static it_value *conv(net *t, it_value *x, int64_t in, int64_t out, float top)
{
    it_value *y = net_node(t, "Conv", IN(x, net_weight(t, DIM(out, in, 3, 3), 0)), ATTRS(A_INTS("pads", 4, ((int64_t[]){ 1, 1, 1, 1 }))));
    if (top > 0) {
        y->producer->clamp_lo = 0;
        y->producer->clamp_hi = top;
    }
    return y;
}

static it_value *build(net *t, kind k)
{
    it_value *x = k == DENSE || k == WIDE ? net_input(t, k == WIDE ? INTACT_S16 : INTACT_U8, -1, 2, DIM(1, k == WIDE ? 4096 : 300))
                  : k == ROWS ? net_input(t, INTACT_U8, -1, 2, DIM(1, 7, 40)) : net_input(t, INTACT_U8, -1, 2, DIM(1, 12, 9, 9));
    switch (k) {
    case CONV: return conv(t, x, 12, 40, 6);
    case DEPTHWISE: return net_node(t, "Conv", IN(x, net_weight(t, DIM(12, 1, 3, 3), 0)), ATTRS(A_INT("group", 12)));
    case DENSE: return net_node(t, "Gemm", IN(x, net_weight(t, DIM(50, 300), 0)), ATTRS(A_INT("transB", 1)));
    case WIDE: return net_node(t, "Gemm", IN(x, net_weight(t, DIM(50, 4096), 0)), ATTRS(A_INT("transB", 1)));
    case ROWS: return net_node(t, "MatMul", IN(x, net_weight(t, DIM(40, 30), 1)), NULL);
    case ADD: return net_node(t, "Add", IN(conv(t, x, 12, 16, 0), conv(t, x, 12, 16, 5)), NULL);
    case SIGMOID: return net_node(t, "Sigmoid", IN(conv(t, x, 12, 16, 0)), NULL);
    case AVERAGE: return net_node(t, "GlobalAveragePool", IN(conv(t, x, 12, 16, 0)), NULL);
    case CONCAT: return net_node(t, "Concat", IN(conv(t, x, 12, 16, 0), conv(t, x, 12, 16, 5)), ATTRS(A_INT("axis", 1)));
    default: return net_node(t, "MaxPool", IN(conv(t, x, 12, 40, 6)), ATTRS(A_INTS("kernel_shape", 2, ((int64_t[]){ 2, 2 }))));
    }
}

/* The codes with levels are those without, each replaced by its nearest level. */
static void check_kind(kind k, int len)
{
    net n, *t = &n;
    net_init(t, 40 + (uint64_t)k);
    it_value *y = build(t, k);
    if (k == CONV)
        y->q = net_quant(t, INTACT_U8, -3, 9); /* the clamp to 0..6 cuts off levels at both ends */
    net_measure(t, y, INTACT_U8);
    uint8_t *grid = malloc((size_t)t->y_len), *got = malloc((size_t)t->y_len), nearest[256];
    net_codes(t, INTACT_CPU_SCALAR, 1, grid);
    it_quant fitted = *y->q;
    fitted.levels = UNEVEN;
    fitted.levels_len = len;
    it_quant_nearest(&fitted, nearest);
    *y->q = fitted; /* a max pool's input shares it */
    for (int cpu = INTACT_CPU_SCALAR; cpu < INTACT_CPU_COUNT; cpu++)
        for (uint32_t threads = 1; intact_cpu_has((intact_cpu)cpu) && it_kern_of((intact_cpu)cpu) && threads <= 2; threads++) {
            net_codes(t, (intact_cpu)cpu, threads, got);
            for (int64_t i = 0; i < t->y_len; i++)
                assert_int_equal(got[i], nearest[grid[i]]);
        }
    bool table = k == ADD || k == AVERAGE || k == CONCAT || k == WIDE || k == SIGMOID;
    assert_int_equal(net_count(t, &it_instr_lut), table);
    free(grid);
    free(got);
    net_free(t);
}

static void test_kinds(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++)
        for (int len = 2; len <= 16; len += k == CONV ? 1 : 7)
            check_kind((kind)k, len);
}

/* One accumulator less and the level before is the nearest to the code; the threshold itself, and it is the next. */
static void test_both_sides(void **state)
{
    net n, *t = &n;
    (void)state;
    net_init(t, 9);
    it_value *y = build(t, CONV);
    net_measure(t, y, INTACT_U8);
    int32_t mult[40], shift[40], lo, hi;
    OK(net_lower(t, &it_alloc_libc)); /* what a multiplier would do */
    const it_conv_args *a = t->prog.instrs.items[0].args;
    memcpy(mult, t->prog.consts.items[a->mult].data, sizeof mult);
    memcpy(shift, t->prog.consts.items[a->shift].data, sizeof shift);
    y->q->levels = UNEVEN;
    y->q->levels_len = 16;
    OK(net_lower(t, &it_alloc_libc));
    a = t->prog.instrs.items[0].args;
    const it_pconst *c = &t->prog.consts.items[a->thresholds];
    uint8_t nearest[256];
    it_clamp_codes(y->q, 0, 6, &lo, &hi);
    it_quant_nearest(y->q, nearest);
    assert_int_equal(c->len, 40 * 15);
    for (int i = 0; i < 40 * 15; i++)
        for (int side = 0; side < 2; side++) {
            int64_t acc = (int64_t)((const int32_t *)c->data)[i] - 1 + side, half = (int64_t)1 << (shift[i / 15] - 1);
            int64_t code = y->q->zero[0] + ((acc * mult[i / 15] + half) >> shift[i / 15]);
            code = code < lo ? lo : code > hi ? hi : code;
            if (side ? code == hi && nearest[hi] < UNEVEN[i % 15 + 1] : acc < INT32_MIN)
                continue; /* never, or always passed */
            assert_true(side ? nearest[code] >= UNEVEN[i % 15 + 1] : nearest[code] <= UNEVEN[i % 15]);
        }
    net_free(t);
}

static bool simulates(void *user, const it_value *v) { return v == user; }

/* The executor's numbers are those of the program's codes, but for what float sums leave on the other side of a threshold. */
static void test_simulation(void **state)
{
    net n, *t = &n;
    it_exec *e;
    (void)state;
    net_init(t, 11);
    it_value *y = build(t, DENSE);
    net_measure(t, y, INTACT_U8);
    y->q->levels = UNEVEN;
    y->q->levels_len = 16;
    it_exec_options eo = { .simulates = simulates, .simulates_user = y };
    it_tensor in = t->x->t;
    in.data = t->x_real;
    OK(it_exec_new(&t->g, &eo, &e, &t->err));
    OK(it_exec_run(e, &in, 1, &t->err));
    uint8_t codes[50];
    net_codes(t, INTACT_CPU_SCALAR, 1, codes);
    int other = 0;
    for (int i = 0; i < 50; i++)
        other += fabsf(((const float *)it_exec_output(e, 0)->data)[i] - y->q->scale[0] * (float)(codes[i] - y->q->zero[0])) > 1e-5f;
    assert_true(other <= 1);
    it_exec_free(e);
    net_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_stats), cmocka_unit_test(test_lloyd), cmocka_unit_test(test_entropy), cmocka_unit_test(test_kinds),
                                        cmocka_unit_test(test_both_sides), cmocka_unit_test(test_simulation) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
