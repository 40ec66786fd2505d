/* SPDX-License-Identifier: Apache-2.0 */
/* test_fuse.c: what follows a layer joins it while loading: the same bytes, fewer steps, less memory; and what must not join does not. */
#include "run/helpers.h"

#include <stdlib.h>
#include <string.h>

#include "run/mac.h"
#include "run/machine.h"

enum { H = 6, W = 5, C = 64, HWC = H * W * C, PORTS = 3 };

/* ---- small programs over one shape ---- */

typedef struct net { it_prog p; it_rng r; uint32_t x; } net;

static uint32_t value(net *n, const char *name, intact_type type)
{
    return NET_TENSOR(&n->p, name, type, type == INTACT_U8 ? random_between(&n->r, 0, 255) : 0, 1, H, W, C);
}

static net net_new(uint64_t seed)
{
    net n;
    it_prog_init(&n.p, NULL);
    it_rng_seed(&n.r, seed);
    n.x = value(&n, "x", INTACT_U8);
    return n;
}

static uint32_t layer_to(net *n, const it_instr *kind, const char *name, uint32_t x, intact_type type, uint32_t k)
{
    bool dw = kind == &it_instr_dwconv;
    uint32_t y = value(n, name, type), pad = k / 2;
    net_mac m = net_random_mac(&n->p, &n->r, INTACT_U8, type, C, (uint64_t)k * k * (dw ? 1 : C), dw, false);
    it_conv_args a = { 1, k, k, 1, 1, 1, 1, pad, pad, pad, pad, m.weight, m.bias, m.mult, m.shift, type == INTACT_U8 ? 3 : -30000,
                       type == INTACT_U8 ? 250 : 30000, 0, IT_NO_LEVELS };
    net_emit(&n->p, kind, name, &x, 1, y, &a);
    return y;
}
static uint32_t conv(net *n, const char *name, uint32_t x) { return layer_to(n, &it_instr_conv, name, x, INTACT_U8, 1); }
static uint32_t conv3(net *n, const char *name, uint32_t x) { return layer_to(n, &it_instr_conv, name, x, INTACT_U8, 3); }
static uint32_t dwconv(net *n, const char *name, uint32_t x) { return layer_to(n, &it_instr_dwconv, name, x, INTACT_U8, 3); }

static uint32_t lut_as(net *n, const char *name, uint32_t x, intact_type type)
{
    int16_t t[256];
    random_codes(&n->r, type, t, 256);
    uint32_t y = type == n->p.tensors.items[x].type ? value(n, name, type) : NET_TENSOR(&n->p, name, type, 0, 1, H, W, C);
    net_emit(&n->p, &it_instr_lut, name, &x, 1, y, &(it_lut_args){ net_const(&n->p, type, 256, t) });
    return y;
}
static uint32_t lut(net *n, const char *name, uint32_t x) { return lut_as(n, name, x, INTACT_U8); }

/* Real multipliers of about a half, sometimes far from it, or negative. */
static it_add_args add_args(net *n)
{
    bool wild = it_rng_below(&n->r, 4) == 0;
    it_add_args a = { .m_a = wild ? random_between(&n->r, -INT32_MAX, INT32_MAX) : random_between(&n->r, 1 << 29, 1 << 30),
                      .m_b = random_between(&n->r, wild ? -(1 << 30) : 1 << 29, INT32_MAX),
                      .shift = wild ? (uint32_t)random_between(&n->r, 24, 34) : 30,
                      .lo = random_between(&n->r, 0, 20),
                      .hi = random_between(&n->r, 230, 255) };
    return a;
}

static uint32_t add(net *n, const char *name, uint32_t a, uint32_t b)
{
    it_add_args args = add_args(n);
    uint32_t y = value(n, name, INTACT_U8);
    net_emit(&n->p, &it_instr_add, name, (uint32_t[]){ a, b }, 2, y, &args);
    return y;
}

/* ---- both ways at every level ---- */

/* steps: what is left at the plain C level, which can do everything in one pass; 0: anything. Other levels may leave more. */
static void check_net(const char *what, net *n, const uint32_t *outs, uint32_t outs_len, uint32_t steps)
{
    net_ports(&n->p, &n->x, 1, outs, outs_len);
    blob b = blob_of(&n->p);
    const uint32_t all = (uint32_t)n->p.instrs.len;
    for (int cpu = INTACT_CPU_SCALAR; cpu < INTACT_CPU_COUNT; cpu++) {
        if (!has_level(cpu))
            continue;
        intact_program *fused = load_as(&b, (intact_cpu)cpu, 0), *separate = load_as(&b, (intact_cpu)cpu, 1);
        const uint32_t left = intact_program_steps(fused);
        assert_int_equal(intact_program_steps(separate), all);
        if (steps && (cpu == INTACT_CPU_SCALAR ? left != steps : left < steps || left > all))
            fail_msg("%s at %s: %u steps of %u are left, not %u", what, intact_cpu_name((intact_cpu)cpu), left, all, steps);
        expect_same_outputs(what, fused, separate);
        intact_program_free(fused);
        intact_program_free(separate);
    }
    blob_free(&b);
    it_prog_release(&n->p);
}

/* ---- what joins ---- */

static void tables_join(void **state)
{
    (void)state;
    net n = net_new(1);
    uint32_t y = lut(&n, "t", conv3(&n, "c", n.x));
    check_net("conv, lut", &n, &y, 1, 1);
    n = net_new(2);
    y = lut(&n, "t", dwconv(&n, "d", n.x));
    check_net("dwconv, lut", &n, &y, 1, 1);
    n = net_new(3);
    y = lut(&n, "t2", lut(&n, "t1", conv(&n, "c", n.x)));
    check_net("conv, lut, lut", &n, &y, 1, 2);
}

static void additions_join(void **state)
{
    (void)state;
    for (int swapped = 0; swapped < 2; swapped++) { /* what is added: x itself, the layer's own input, something older */
        net n = net_new(10);
        uint32_t c = conv3(&n, "c", n.x), y = swapped ? add(&n, "a", n.x, c) : add(&n, "a", c, n.x);
        check_net("conv, add x", &n, &y, 1, 1);
        n = net_new(11);
        uint32_t a = conv(&n, "c0", n.x);
        c = conv3(&n, "c1", a);
        y = conv(&n, "c2", swapped ? add(&n, "a", a, c) : add(&n, "a", c, a));
        check_net("conv, add its input", &n, &y, 1, 3);
        n = net_new(12);
        a = conv(&n, "c0", n.x);
        c = conv(&n, "c2", dwconv(&n, "d1", a));
        y = swapped ? add(&n, "a", a, c) : add(&n, "a", c, a);
        y = conv(&n, "c3", y);
        check_net("bottleneck", &n, &y, 1, 4);
        n = net_new(13);
        a = conv(&n, "c0", n.x);
        c = dwconv(&n, "d1", conv(&n, "c1", a));
        y = lut(&n, "t", swapped ? add(&n, "a", a, c) : add(&n, "a", c, a));
        check_net("dwconv, add, lut", &n, &y, 1, 3);
    }
}

static void projections_join_the_later_layer(void **state)
{
    (void)state;
    for (int swapped = 0; swapped < 2; swapped++) {
        net n = net_new(20);
        uint32_t c0 = conv(&n, "c0", n.x), a = conv3(&n, "left", c0), b = conv(&n, "right", c0);
        uint32_t y = lut(&n, "t", swapped ? add(&n, "sum", b, a) : add(&n, "sum", a, b));
        check_net("projection", &n, &y, 1, 3);
    }
}

static void dense_layers_join(void **state)
{
    (void)state;
    net n = net_new(30);
    net_mac m = net_random_mac(&n.p, &n.r, INTACT_U8, INTACT_U8, C, HWC, false, false), k;
    it_dense_args a = { m.weight, m.bias, m.mult, m.shift, 0, 255, 0, IT_NO_LEVELS };
    uint32_t v[5];
    for (int j = 0; j < 5; j++)
        v[j] = NET_TENSOR(&n.p, "v", INTACT_U8, 100 + j, 1, C);
    net_emit(&n.p, &it_instr_dense, "fc0", &n.x, 1, v[0], &a);
    k = net_random_mac(&n.p, &n.r, INTACT_U8, INTACT_U8, C, C, false, false);
    a = (it_dense_args){ k.weight, k.bias, k.mult, k.shift, 0, 255, 0, IT_NO_LEVELS };
    net_emit(&n.p, &it_instr_dense, "fc1", &v[0], 1, v[1], &a);
    it_add_args sum = add_args(&n);
    net_emit(&n.p, &it_instr_add, "sum", (uint32_t[]){ v[0], v[1] }, 2, v[2], &sum);
    uint8_t t[256];
    random_codes(&n.r, INTACT_U8, t, 256);
    net_emit(&n.p, &it_instr_lut, "t", &v[2], 1, v[3], &(it_lut_args){ net_const(&n.p, INTACT_U8, 256, t) });
    check_net("dense, add, lut", &n, &v[3], 1, 2);
}

/* ---- what does not ---- */

static void values_wanted_elsewhere_stay(void **state)
{
    (void)state;
    net n = net_new(40);
    uint32_t c = conv(&n, "c", n.x), outs[] = { lut(&n, "t", c), c };
    check_net("an output", &n, outs, 2, 2);
    n = net_new(41);
    c = conv(&n, "c", n.x);
    outs[0] = lut(&n, "t", c);
    outs[1] = lut(&n, "u", c);
    check_net("read twice", &n, outs, 2, 3);
    n = net_new(42);
    c = conv(&n, "c", n.x);
    outs[0] = add(&n, "twice", c, c);
    check_net("both operands", &n, outs, 1, 2);
    n = net_new(43);
    c = add(&n, "a", conv(&n, "c", n.x), n.x);
    outs[0] = lut(&n, "t", c);
    outs[1] = c;
    check_net("a sum that is an output", &n, outs, 2, 2);
}

/* A layer waits for what is only moved; it does not pass another layer. */
static void operands_that_come_later(void **state)
{
    (void)state;
    net n = net_new(50);
    uint32_t c = conv(&n, "c", n.x), t = lut(&n, "t", n.x), y = lut(&n, "u", add(&n, "a", c, t));
    check_net("later", &n, &y, 1, 2);
    n = net_new(52);
    c = conv(&n, "c", n.x);
    t = lut(&n, "t2", lut(&n, "t1", dwconv(&n, "d", n.x)));
    y = add(&n, "a", t, c);
    check_net("a layer between", &n, &y, 1, 4);
    n = net_new(53);
    c = conv(&n, "c1", conv(&n, "c0", n.x));
    t = lut(&n, "t2", lut(&n, "t1", n.x));
    y = add(&n, "a", t, c);
    y = add(&n, "b", conv(&n, "c2", y), lut(&n, "t3", y));
    check_net("twice", &n, &y, 1, 6);
    n = net_new(51);
    c = conv(&n, "c", n.x);
    t = lut(&n, "t", dwconv(&n, "d", c)); /* reads c as well */
    y = add(&n, "a", t, c);
    check_net("lut, then add", &n, &y, 1, 3);
}

static void other_forms_stay(void **state)
{
    (void)state;
    net n = net_new(60);
    uint32_t b = NET_TENSOR(&n.p, "b", INTACT_U8, 9, 1, 1, 1, C), y = value(&n, "y", INTACT_U8), c;
    net_emit(&n.p, &it_instr_maxpool, "max", &n.x, 1, b, &(it_maxpool_args){ H, W, 1, 1, 1, 1, 0, 0, 0, 0, 0, 255 });
    n.p.tensors.items[b].zero_point = n.p.tensors.items[n.x].zero_point;
    c = conv(&n, "c", n.x);
    it_add_args sum = add_args(&n);
    net_emit(&n.p, &it_instr_add, "sum", (uint32_t[]){ c, b }, 2, y, &sum);
    check_net("broadcast", &n, &y, 1, 3);
    n = net_new(61);
    y = lut_as(&n, "t", conv(&n, "c", n.x), INTACT_S16);
    check_net("a table to s16", &n, &y, 1, 2);
    n = net_new(62);
    b = lut_as(&n, "wide", n.x, INTACT_S16);
    c = conv(&n, "c", n.x);
    y = value(&n, "y", INTACT_U8);
    sum = add_args(&n);
    net_emit(&n.p, &it_instr_add, "sum", (uint32_t[]){ c, b }, 2, y, &sum);
    check_net("an operand of s16", &n, &y, 1, 3);
    n = net_new(63);
    c = layer_to(&n, &it_instr_conv, "c", n.x, INTACT_S16, 1);
    y = value(&n, "y", INTACT_U8);
    net_emit(&n.p, &it_instr_add, "sum", (uint32_t[]){ c, n.x }, 2, y, &sum);
    check_net("a layer to s16", &n, &y, 1, 2);
    n = net_new(64);
    c = add(&n, "a1", conv(&n, "c", n.x), n.x);
    y = add(&n, "a2", c, n.x);
    check_net("two additions", &n, &y, 1, 2);
}

static void thresholds_stay(void **state)
{
    (void)state;
    net n = net_new(65);
    uint32_t c = conv(&n, "c", n.x), y;
    it_conv_args *a = n.p.instrs.items[0].args;
    int32_t rows[C * 3];
    for (int k = 0; k < C * 3; k++)
        rows[k] = (k % 3 - 1) * 20000;
    a->thresholds = net_const(&n.p, INTACT_S32, C * 3, rows);
    a->levels = net_const(&n.p, INTACT_U8, 4, (uint8_t[]){ 5, 90, 7, 255 });
    a->mult = a->shift = IT_NO_CONST;
    a->lo = 0;
    a->hi = 255;
    y = lut(&n, "t", c);
    check_net("thresholds", &n, &y, 1, 2);
}

/* ---- all kinds of graphs ---- */

static void random_graphs(void **state)
{
    (void)state;
    enum { VALUES = 14, ROUNDS = 40 };
    uint32_t fused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        net n = net_new(1000 + (uint64_t)round);
        uint32_t t[VALUES] = { n.x }, outs[PORTS];
        for (uint64_t k = 1; k < VALUES; k++) {
            const uint32_t near = t[k - 1 - it_rng_below(&n.r, k < 3 ? k : 3)], any = t[it_rng_below(&n.r, k)];
            switch (it_rng_below(&n.r, 7)) {
            case 0: case 1:
                t[k] = conv(&n, "c", near);
                break;
            case 2:
                t[k] = dwconv(&n, "d", near);
                break;
            case 3:
                t[k] = lut(&n, "t", near);
                break;
            default:
                t[k] = it_rng_below(&n.r, 2) ? add(&n, "a", near, any) : add(&n, "a", any, near);
            }
        }
        for (int k = 0; k < PORTS; k++)
            outs[k] = t[k == 0 ? VALUES - 1 : it_rng_below(&n.r, VALUES)];
        net_ports(&n.p, &n.x, 1, outs, PORTS);
        blob b = blob_of(&n.p);
        intact_program *p = load_as(&b, INTACT_CPU_SCALAR, 0);
        fused += VALUES - 1 - intact_program_steps(p);
        intact_program_free(p);
        blob_free(&b);
        check_net("random graph", &n, outs, PORTS, 0);
    }
    assert_true(fused > ROUNDS / 2);
}

/* ---- memory, names, weights to come, failures ---- */

static net bottleneck(uint32_t *y)
{
    net n = net_new(70);
    uint32_t a = conv(&n, "c0", n.x);
    *y = conv(&n, "c3", lut(&n, "t", add(&n, "sum", a, conv(&n, "c2", conv(&n, "c1", a)))));
    net_ports(&n.p, &n.x, 1, y, 1);
    return n;
}

static void residual_blocks_need_less(void **state)
{
    (void)state;
    uint32_t y;
    net n = bottleneck(&y);
    blob b = blob_of(&n.p);
    intact_program *fused = load_as(&b, INTACT_CPU_SCALAR, 0), *separate = load_as(&b, INTACT_CPU_SCALAR, 1);
    intact_program_info f, s;
    intact_program_get_info(fused, &f);
    intact_program_get_info(separate, &s);
    assert_int_equal(f.peak_bytes, 2 * HWC); /* the sum takes the place of what is added */
    assert_int_equal(s.peak_bytes, 3 * HWC);
    assert_int_equal(f.macs, s.macs);
    assert_int_equal(f.parameters, s.parameters);
    intact_program_free(fused);
    intact_program_free(separate);
    blob_free(&b);
    it_prog_release(&n.p);
}

static void steps_tell_what_they_do(void **state)
{
    (void)state;
    uint32_t y;
    net n = bottleneck(&y);
    blob b = blob_of(&n.p);
    intact_program *p = load_as(&b, INTACT_CPU_SCALAR, 0);
    intact_step s;
    assert_int_equal(intact_program_steps(p), 4);
    assert_int_equal(intact_program_step(p, 2, &s), INTACT_OK);
    assert_string_equal(s.kind, "conv");
    assert_string_equal(s.name, "c2");
    assert_string_equal(s.kernel, "conv_u8_ref +add +lut");
    assert_string_equal(s.out_name, "t");
    for (uint32_t k = 0; k < 4; k++) {
        const it_mac *m = p->steps[k].state, *next = k < 3 ? p->steps[k + 1].state : NULL;
        assert_ptr_equal(m->next, next ? next->packed : NULL);
        assert_true(next ? m->next_bytes > 0 && m->next_bytes <= 65536 : m->next_bytes == 0);
    }
    intact_program_free(p);
    blob_free(&b);
    it_prog_release(&n.p);
}

/* The caller keeps a program that could not be packed, as it was. */
static void every_allocation_fails_once(void **state)
{
    (void)state;
    uint32_t y;
    net n = bottleneck(&y);
    const uint32_t all = (uint32_t)n.p.instrs.len;
    intact_status st = INTACT_E_NOMEM;
    intact_program *p = NULL;
    for (long left = 0; st == INTACT_E_NOMEM; left++) {
        fail_at f = { .left = left };
        intact_alloc a = { fail_grow, &f };
        st = it_program_pack(&n.p, &(it_pack_options){ .alloc = &a, .cpu = INTACT_CPU_SCALAR, .threads = 1 }, &p, NULL);
        if (st == INTACT_OK) {
            assert_true(left > 5);
            assert_int_equal(intact_program_steps(p), 4);
            intact_program_free(p);
        } else {
            assert_int_equal(n.p.instrs.len, all);
            for (uint32_t k = 0; k < all; k++)
                assert_true(n.p.instrs.items[k].kind && !n.p.instrs.items[k].then[0]);
        }
        assert_int_equal(f.live, 0);
    }
    assert_int_equal(st, INTACT_OK);
    it_prog_release(&n.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_join),
        cmocka_unit_test(additions_join),
        cmocka_unit_test(projections_join_the_later_layer),
        cmocka_unit_test(dense_layers_join),
        cmocka_unit_test(values_wanted_elsewhere_stay),
        cmocka_unit_test(operands_that_come_later),
        cmocka_unit_test(other_forms_stay),
        cmocka_unit_test(thresholds_stay),
        cmocka_unit_test(random_graphs),
        cmocka_unit_test(residual_blocks_need_less),
        cmocka_unit_test(steps_tell_what_they_do),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
