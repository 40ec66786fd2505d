/* SPDX-License-Identifier: Apache-2.0 */
/* test_layers.c: instructions that compute, exported and run in the float executor: within one code, nearly everywhere equal. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export/helpers.h"
#include "ir/ir.h"

static const x_check ONE = { .most = 1, .share = 0.01 };

/* ---- conv, dwconv, dense ---- */

typedef struct mac_case {
    const it_instr *kind;
    uint32_t n, h, w, c, o, group, k, stride, dil, pad; /* n: rank */
    intact_type x, y;
    int32_t lo, hi;
    bool acc64;
} mac_case;

static uint32_t out_len(uint32_t in, const mac_case *m) { return (in + 2 * m->pad - m->dil * (m->k - 1) - 1) / m->stride + 1; }

static uint32_t conv_layer(it_prog *p, it_rng *r, const mac_case *m, uint32_t x)
{
    const bool dw = m->kind == &it_instr_dwconv, flat = m->n == 3;
    uint32_t y = flat ? X_TENSOR(p, "y", m->y, 0.03, m->y == INTACT_U8 ? 100 : 0, 1, out_len(m->w, m), m->o)
                      : X_TENSOR(p, "y", m->y, 0.03, m->y == INTACT_U8 ? 100 : 0, 1, out_len(m->h, m), out_len(m->w, m), m->o);
    net_mac k = net_random_mac(p, r, m->x, m->y, m->o, (uint64_t)(flat ? 1 : m->k) * m->k * (dw ? 1 : m->c / m->group), dw, m->acc64);
    it_conv_args a = { .group = dw ? 1 : m->group, .kh = flat ? 1 : m->k, .kw = m->k, .stride_h = flat ? 1 : m->stride, .stride_w = m->stride,
                       .dil_h = flat ? 1 : m->dil, .dil_w = m->dil, .pad_t = flat ? 0 : m->pad, .pad_l = m->pad, .pad_b = flat ? 0 : m->pad, .pad_r = m->pad,
                       .weight = k.weight, .bias = k.bias, .mult = k.mult, .shift = k.shift, .lo = m->lo, .hi = m->hi, .acc64 = m->acc64, IT_NO_LEVELS };
    net_emit(p, m->kind, "layer", &x, 1, y, &a);
    return y;
}

static void test_conv(void **state)
{
    static const mac_case cases[] = {
        { &it_instr_conv, 4, 9, 11, 6, 10, 1, 3, 1, 1, 1, INTACT_U8, INTACT_U8, 0, 255, false },
        { &it_instr_conv, 4, 9, 11, 6, 10, 2, 3, 2, 1, 1, INTACT_U8, INTACT_U8, 100, 255, false },
        { &it_instr_conv, 4, 12, 9, 8, 5, 1, 3, 1, 2, 2, INTACT_U8, INTACT_U8, 0, 15, false },
        { &it_instr_conv, 4, 7, 7, 16, 24, 1, 1, 1, 1, 0, INTACT_U8, INTACT_U8, 30, 200, false },
        { &it_instr_conv, 3, 1, 40, 6, 10, 1, 5, 2, 1, 2, INTACT_U8, INTACT_U8, 0, 255, false },
        { &it_instr_dwconv, 4, 9, 11, 6, 6, 1, 3, 2, 1, 1, INTACT_U8, INTACT_U8, 0, 255, false },
        { &it_instr_dwconv, 3, 1, 30, 6, 6, 1, 3, 1, 1, 1, INTACT_U8, INTACT_U8, 100, 255, false },
        { &it_instr_conv, 4, 9, 11, 6, 10, 1, 3, 1, 1, 1, INTACT_U8, INTACT_S16, -32767, 32767, false },
        { &it_instr_conv, 4, 9, 11, 6, 10, 1, 3, 1, 1, 1, INTACT_S16, INTACT_U8, 0, 255, true },
        { &it_instr_conv, 4, 5, 5, 6, 10, 1, 3, 1, 1, 1, INTACT_S16, INTACT_S16, 0, 32767, false },
    };
    (void)state;
    for (size_t k = 0; k < IT_LEN(cases); k++) {
        const mac_case *m = &cases[k];
        it_prog p;
        it_rng r;
        it_rng_seed(&r, k);
        x_begin(&p);
        int32_t zero = m->x == INTACT_U8 ? 77 : 0;
        uint32_t x = m->n == 3 ? X_TENSOR(&p, "x", m->x, 0.05, zero, 1, m->w, m->c) : X_TENSOR(&p, "x", m->x, 0.05, zero, 1, m->h, m->w, m->c);
        uint32_t y = conv_layer(&p, &r, m, x);
        net_ports(&p, &x, 1, &y, 1);
        x_check c = ONE;
        c.qdq = "Conv";
        c.qop = m->x == INTACT_U8 && m->y == INTACT_U8 ? "QLinearConv" : "Conv";
        x_expect(&p, c);
        x_end(&p);
    }
}

static void dense_case(intact_type xt, intact_type yt, bool wide_x, bool no_bias)
{
    it_prog p;
    it_rng r;
    it_rng_seed(&r, xt * 2 + yt);
    x_begin(&p);
    uint32_t x = wide_x ? X_TENSOR(&p, "x", xt, 0.05, xt ? 0 : 33, 1, 3, 4, 10) : X_TENSOR(&p, "x", xt, 0.05, xt ? 0 : 33, 1, 120);
    uint32_t y = X_TENSOR(&p, "y", yt, 0.07, yt ? 0 : 90, 1, 30);
    net_mac k = net_random_mac(&p, &r, xt, yt, 30, 120, false, false);
    if (no_bias) { /* what is left when the zero point's share is taken out is 0 */
        const int8_t *w = it_const(&p, k.weight)->data;
        int32_t bias[30] = { 0 };
        for (int o = 0; o < 30; o++)
            for (int j = 0; j < 120; j++)
                bias[o] -= p.tensors.items[x].zero_point * w[o * 120 + j];
        k.bias = net_const(&p, INTACT_S32, 30, bias);
    }
    it_dense_args a = { .weight = k.weight, .bias = k.bias, .mult = k.mult, .shift = k.shift, .lo = yt ? -32767 : 0, .hi = yt ? 32767 : 255, IT_NO_LEVELS };
    net_emit(&p, &it_instr_dense, "fc", &x, 1, y, &a);
    net_ports(&p, &x, 1, &y, 1);
    x_check c = ONE;
    c.share = yt ? 0.05 : 0.01; /* of 16 bits, singles lose the last */
    c.qdq = "Gemm";
    c.qop = xt ? "Gemm" : no_bias && !yt ? "QLinearMatMul" : "QGemm";
    x_expect(&p, c);
    x_end(&p);
}

static void test_dense(void **state)
{
    (void)state;
    for (int k = 0; k < 16; k++)
        dense_case(k & 1 ? INTACT_S16 : INTACT_U8, k & 2 ? INTACT_S16 : INTACT_U8, (k & 4) != 0, (k & 8) != 0);
}

/* Codes of 2, 3 and 4 bits into tables, one for all and one a channel. */
static void test_packed(void **state)
{
    (void)state;
    for (uint32_t bits = 2; bits <= 4; bits++)
        for (uint32_t k = 0; k < 6; k++) {
            const bool by_row = k & 1;
            const uint32_t kind = k / 2, out = 6, per = kind == 0 ? 9 * 5 : kind == 1 ? 9 : 7 * 7 * 6, row = (per * bits + 7) / 8;
            it_prog p;
            it_rng r;
            uint8_t codes[6 * 7 * 7 * 6 / 2 + 64] = { 0 };
            int8_t table[6 * 16];
            it_rng_seed(&r, bits * 10 + k);
            x_begin(&p);
            for (uint32_t j = 0; j < out * row; j++)
                codes[j] = (uint8_t)it_rng_next(&r);
            for (uint32_t o = 0; per * bits % 8 && o < out; o++)
                codes[o * row + row - 1] &= (uint8_t)((1 << per * bits % 8) - 1);
            for (uint32_t j = 0; j < sizeof table; j++)
                table[j] = (int8_t)random_between(&r, -100, 100);
            uint32_t x = X_TENSOR(&p, "x", INTACT_U8, 0.1, 60, 1, 7, 7, kind == 0 ? 5 : 6);
            net_mac m = net_random_mac(&p, &r, INTACT_U8, INTACT_U8, out, per, false, false);
            uint32_t t = net_const(&p, INTACT_S8, (uint64_t)(by_row ? out : 1) << bits, table);
            m.weight = net_const(&p, INTACT_U8, out * row, codes);
            p.consts.items[m.weight] = (it_pconst){ .type = INTACT_S8, .len = out * per, .data = p.consts.items[m.weight].data, .bits = bits, .rows = out,
                                                    .table = t };
            uint32_t y = kind == 2 ? X_TENSOR(&p, "y", INTACT_U8, 0.1, 60, 1, 6) : X_TENSOR(&p, "y", INTACT_U8, 0.1, 60, 1, 7, 7, 6);
            it_conv_args a = { .group = 1, .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .pad_t = 1, .pad_l = 1, .pad_b = 1,
                               .pad_r = 1,
                               .weight = m.weight, .bias = m.bias, .mult = m.mult, .shift = m.shift, .lo = 0, .hi = 255, IT_NO_LEVELS };
            it_dense_args d = { .weight = m.weight, .bias = m.bias, .mult = m.mult, .shift = m.shift, .lo = 0, .hi = 255, IT_NO_LEVELS };
            net_emit(&p, kind == 0 ? &it_instr_conv : kind == 1 ? &it_instr_dwconv : &it_instr_dense, "layer", &x, 1, y, kind == 2 ? (const void *)&d : &a);
            net_ports(&p, &x, 1, &y, 1);
            x_check c = ONE;
            c.share = 0.06; /* 18 values of the dense layer */
            x_expect(&p, c);
            x_end(&p);
        }
}

/* A table of -8..7: int4 when it is asked for, in either format by way of DequantizeLinear. */
static void test_int4(void **state)
{
    it_prog p;
    it_rng r;
    uint8_t codes[64 * 64 * 9 / 2];
    int8_t table[16];
    (void)state;
    it_rng_seed(&r, 4);
    x_begin(&p);
    for (size_t k = 0; k < sizeof codes; k++)
        codes[k] = (uint8_t)it_rng_next(&r);
    for (int k = 0; k < 16; k++)
        table[k] = (int8_t)(k < 8 ? k : k - 16);
    uint32_t x = X_TENSOR(&p, "x", INTACT_U8, 0.1, 60, 1, 4, 4, 64), y = X_TENSOR(&p, "y", INTACT_U8, 0.1, 60, 1, 4, 4, 64);
    net_mac m = net_random_mac(&p, &r, INTACT_U8, INTACT_U8, 64, 64 * 9, false, false);
    uint32_t t = net_const(&p, INTACT_S8, 16, table), w = net_const(&p, INTACT_U8, sizeof codes, codes);
    p.consts.items[w] = (it_pconst){ .type = INTACT_S8, .len = 64 * 64 * 9, .data = p.consts.items[w].data, .bits = 4, .rows = 64, .table = t };
    it_conv_args a = { .group = 1, .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .pad_t = 1, .pad_l = 1, .pad_b = 1, .pad_r = 1,
                       .weight = w, .bias = m.bias, .mult = m.mult, .shift = m.shift, .lo = 0, .hi = 255, IT_NO_LEVELS };
    net_emit(&p, &it_instr_conv, "layer", &x, 1, y, &a);
    net_ports(&p, &x, 1, &y, 1);
    x_expect(&p, (x_check){ .most = 1, .share = 0.01, .qdq = "Conv", .qop = "QLinearConv" });
    x_expect(&p, (x_check){ .most = 1, .share = 0.01, .qdq = "Conv", .qop = "Conv", .int4 = true, .int4_bytes = 64 * 64 * 9 / 2 + 4096 });
    x_end(&p);
}

/* Weights beyond a byte: stored as words; those that a fix leads back into one stay bytes. */
static void test_fixes(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < 6; k++) {
        const bool out_of_byte = k >= 3;
        const uint32_t kind = k % 3, per = kind == 0 ? 9 * 5 : kind == 1 ? 9 : 7 * 7 * 6;
        int32_t fixes[] = { 0, 3, out_of_byte ? 127 : 5, 0, 8, -1, 5, 2, 1 };
        it_prog p;
        it_rng r;
        it_rng_seed(&r, k);
        x_begin(&p);
        uint32_t x = X_TENSOR(&p, "x", INTACT_U8, 0.1, 60, 1, 7, 7, kind == 0 ? 5 : 6), y = kind == 2 ? X_TENSOR(&p, "y", INTACT_U8, 0.1, 60, 1,
                                                                                                    6) : X_TENSOR(&p, "y", INTACT_U8, 0.1, 60, 1, 7, 7, 6);
        net_mac m = net_random_mac(&p, &r, INTACT_U8, INTACT_U8, 6, per, kind == 1, false);
        int8_t *w = (int8_t *)(uintptr_t)it_const(&p, m.weight)->data;
        w[kind == 1 ? 3 * 6 : 3] = out_of_byte ? 60 : -60;
        w[kind == 1 ? 8 * 6 : 8] = 7;
        w[kind == 1 ? 2 * 6 + 5 : 5 * per + 2] = 9;
        it_conv_args a = { .group = 1, .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .pad_t = 1, .pad_l = 1, .pad_b = 1, .pad_r = 1,
                           .weight = m.weight, .bias = m.bias, .mult = m.mult, .shift = m.shift, .lo = 0, .hi = 255, IT_NO_LEVELS };
        it_dense_args d = { .weight = m.weight, .bias = m.bias, .mult = m.mult, .shift = m.shift, .lo = 0, .hi = 255, IT_NO_LEVELS };
        a.fixes = d.fixes = net_const(&p, INTACT_S32, 9, fixes);
        net_emit(&p, kind == 0 ? &it_instr_conv : kind == 1 ? &it_instr_dwconv : &it_instr_dense, "layer", &x, 1, y, kind == 2 ? (const void *)&d : &a);
        net_ports(&p, &x, 1, &y, 1);
        x_check c = ONE;
        c.share = 0.06;
        c.qdq = kind == 2 ? "Gemm" : "Conv";
        c.qop = out_of_byte ? c.qdq : kind == 2 ? "QGemm" : "QLinearConv";
        x_expect(&p, c);
        x_end(&p);
    }
}

/* ---- thresholds: integers throughout, so equal ---- */

static void threshold_case(int kind, uint32_t levels_len, bool plain)
{
    it_prog p;
    it_rng r;
    uint8_t levels[16];
    int32_t thresholds[8 * 15];
    const uint32_t out = 8, steps = levels_len - 1;
    it_rng_seed(&r, levels_len);
    x_begin(&p);
    for (uint32_t k = 0; k < levels_len; k++)
        levels[k] = (uint8_t)(plain ? k : 3 + k * 11);
    for (uint32_t k = 0; k < out * steps; k++)
        thresholds[k] = k % steps == 0 ? random_between(&r, -90000, 0) : thresholds[k - 1] + random_between(&r, 0, 30000);
    uint32_t x = X_TENSOR(&p, "x", INTACT_U8, 0.1, 60, 1, 6, 7, 8), y;
    net_mac m = net_random_mac(&p, &r, INTACT_U8, INTACT_U8, out, kind == 0 ? 72 : kind == 1 ? 9 : 336, kind == 1, false);
    const uint32_t none = IT_NO_CONST, t = net_const(&p, INTACT_S32, out * steps, thresholds), l = net_const(&p, INTACT_U8, levels_len, levels);
    if (kind == 2) {
        y = X_TENSOR(&p, "y", INTACT_U8, 0.1, 0, 1, 8);
        it_dense_args d = { .weight = m.weight, .bias = m.bias, .mult = none, .shift = none, .lo = 0, .hi = 255, .thresholds = t, .levels = l, .fixes = none };
        net_emit(&p, &it_instr_dense, "fc", &x, 1, y, &d);
    } else {
        y = X_TENSOR(&p, "y", INTACT_U8, 0.1, 0, 1, 6, 7, 8);
        it_conv_args a = { .group = 1, .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .pad_t = 1, .pad_l = 1, .pad_b = 1, .pad_r = 1,
                           .weight = m.weight, .bias = m.bias, .mult = none, .shift = none, .lo = 0, .hi = 255, .thresholds = t, .levels = l, .fixes = none };
        net_emit(&p, kind ? &it_instr_dwconv : &it_instr_conv, "layer", &x, 1, y, &a);
    }
    net_ports(&p, &x, 1, &y, 1);
    x_expect(&p, (x_check){ .qdq = "GreaterOrEqual", .qop = "GreaterOrEqual", .never = plain ? "Gather" : NULL });
    x_end(&p);
}

static void test_thresholds(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        threshold_case(kind, 2, true);
        threshold_case(kind, 16, true);
        threshold_case(kind, 5, false);
    }
}

static void test_threshold_alone(void **state)
{
    static const uint8_t levels[4] = { 0, 9, 10, 200 };
    (void)state;
    for (int k = 0; k < 4; k++) {
        const intact_type type = k & 1 ? INTACT_S16 : INTACT_U8;
        it_prog p;
        int32_t t[15];
        for (int j = 0; j < 15; j++)
            t[j] = (j % 3 * 60 + j) * (k & 1 ? 100 : 1) + (k & 1 ? -8000 : 0);
        x_begin(&p);
        uint32_t x = X_TENSOR(&p, "x", type, 0.1, k & 1 ? 0 : 60, 1, 6, 7, 5), y = X_TENSOR(&p, "y", INTACT_U8, 0.1, 0, 1, 6, 7, 5);
        it_threshold_args a = { net_const(&p, INTACT_S32, k & 2 ? 15 : 3, t), net_const(&p, INTACT_U8, 4, levels) };
        net_emit(&p, &it_instr_threshold, "t", &x, 1, y, &a);
        net_ports(&p, &x, 1, &y, 1);
        x_expect(&p, (x_check){ .qdq = "GreaterOrEqual", .qop = "GreaterOrEqual" });
        x_end(&p);
    }
}

/* ---- add, mul ---- */

/* 30 bits: near what the scales say, or something else. */
static void pair_case(intact_type at, intact_type bt, intact_type yt, bool broadcast, const it_add_args *add, const it_mul_args *mul, x_check c)
{
    it_prog p;
    x_begin(&p);
    uint32_t in[2] = { X_TENSOR(&p, "a", at, 0.05, at ? 0 : 40, 1, 5, 6, 7), broadcast ? X_TENSOR(&p, "b", bt, 0.03, bt ? 0 : 128, 1, 1, 1, 7)
                                                                                        : X_TENSOR(&p, "b", bt, 0.03, bt ? 0 : 128, 1, 5, 6, 7) };
    uint32_t y = X_TENSOR(&p, "y", yt, 0.06, yt ? 0 : 77, 1, 5, 6, 7);
    if (add)
        net_emit(&p, &it_instr_add, "sum", in, 2, y, add);
    else
        net_emit(&p, &it_instr_mul, "product", in, 2, y, mul);
    net_ports(&p, in, 2, &y, 1);
    x_expect(&p, c);
    x_end(&p);
}

static void test_add(void **state)
{
    const int32_t a = (int32_t)lrint(0.05 / 0.06 * 0x1p30), b = (int32_t)lrint(0.03 / 0.06 * 0x1p30);
    x_check c = ONE;
    (void)state;
    c.qdq = "Add";
    c.qop = "QLinearAdd";
    c.share = 0.2; /* 0.03 / 0.06 is a half: ties round up here, to even there */
    pair_case(INTACT_U8, INTACT_U8, INTACT_U8, false, &(it_add_args){ a, b, 30, 0, 255 }, NULL, c);
    pair_case(INTACT_U8, INTACT_U8, INTACT_U8, true, &(it_add_args){ a, b, 30, 77, 255 }, NULL, c);
    c.share = 0.02;
    pair_case(INTACT_U8, INTACT_U8, INTACT_U8, false, &(it_add_args){ 700000001, 300000007, 30, 0, 255 }, NULL, c);
    c.qop = "Sub";
    c.qdq = "Sub";
    pair_case(INTACT_U8, INTACT_U8, INTACT_U8, false, &(it_add_args){ 700000001, -300000007, 30, 0, 255 }, NULL, c);
    pair_case(INTACT_U8, INTACT_U8, INTACT_U8, true, &(it_add_args){ -700000001, -300000007, 30, 0, 255 }, NULL, c);
    c.qop = c.qdq = "Add";
    pair_case(INTACT_U8, INTACT_U8, INTACT_U8, true, &(it_add_args){ -700000001, 300000007, 30, 20, 200 }, NULL, c);
    pair_case(INTACT_U8, INTACT_U8, INTACT_U8, false, &(it_add_args){ 700000001, 0, 30, 0, 255 }, NULL, c);
    pair_case(INTACT_S16, INTACT_U8, INTACT_S16, true, &(it_add_args){ 700000001, 300000007, 30, -20000, 32767 }, NULL, c);
    pair_case(INTACT_S16, INTACT_S16, INTACT_U8, false, &(it_add_args){ 7001, 30007, 21, 0, 255 }, NULL, c);
}

static void test_mul(void **state)
{
    const it_mult m = { (int32_t)lrint(0.05 * 0.03 / 0.06 * 0x1p35), 35 };
    x_check c = ONE;
    (void)state;
    c.qdq = "Mul";
    c.qop = "QLinearMul";
    c.share = 0.03;
    pair_case(INTACT_U8, INTACT_U8, INTACT_U8, false, NULL, &(it_mul_args){ m.m, (uint32_t)m.s, 0, 255 }, c);
    pair_case(INTACT_U8, INTACT_U8, INTACT_U8, true, NULL, &(it_mul_args){ 1234567891, 36, 10, 180 }, c);
    c.qop = "Mul";
    pair_case(INTACT_S16, INTACT_U8, INTACT_S16, true, NULL, &(it_mul_args){ 1234567891, 37, -32767, 32767 }, c);
}

/* ---- pooling ---- */

static void pool_case(bool average, intact_type xt, intact_type yt, uint32_t k, uint32_t stride, uint32_t pad, bool by_count, bool flat, x_check c)
{
    it_prog p;
    const uint32_t h = 9, w = 8, oh = (h + 2 * pad - k) / stride + 1, ow = (w + 2 * pad - k) / stride + 1, kh = flat ? 1 : k;
    const double s_y = average ? 0.043 : 0.05;
    const int32_t z = xt ? 0 : 77;
    x_begin(&p);
    uint32_t x = flat ? X_TENSOR(&p, "x", xt, 0.05, z, 1, w, 6) : X_TENSOR(&p, "x", xt, 0.05, z, 1, h, w, 6);
    uint32_t y = flat ? X_TENSOR(&p, "y", yt, s_y, yt ? 0 : z, 1, ow, 6) : X_TENSOR(&p, "y", yt, s_y, yt ? 0 : z, 1, oh, ow, 6);
    if (average) {
        int32_t mult[64], shift[64];
        const uint32_t len = by_count ? kh * k : 1;
        for (uint32_t n = 1; n <= len; n++) {
            it_mult v;
            assert_int_equal(it_mult_of((double)0.05f / (double)0.043f / (by_count ? n : kh * k), 31, &v, "", NULL), INTACT_OK);
            mult[n - 1] = v.m;
            shift[n - 1] = v.s;
        }
        it_avgpool_args a = { .kh = kh, .kw = k, .stride_h = flat ? 1 : stride, .stride_w = stride, .pad_t = flat ? 0 : pad, .pad_l = pad,
                              .pad_b = flat ? 0 : pad, .pad_r = pad,
                              .mult = net_const(&p, INTACT_S32, len, mult), .shift = net_const(&p, INTACT_S32, len, shift), .lo = yt ? -32767 : 3,
                                  .hi = yt ? 32767 : 255 };
        net_emit(&p, &it_instr_avgpool, "pool", &x, 1, y, &a);
    } else {
        it_maxpool_args a = { .kh = kh, .kw = k, .stride_h = flat ? 1 : stride, .stride_w = stride, .dil_h = 1, .dil_w = 1, .pad_t = flat ? 0 : pad,
                              .pad_l = pad,
                              .pad_b = flat ? 0 : pad, .pad_r = pad, .lo = xt ? -9000 : 50, .hi = xt ? 32767 : 250 };
        net_emit(&p, &it_instr_maxpool, "pool", &x, 1, y, &a);
    }
    net_ports(&p, &x, 1, &y, 1);
    x_expect(&p, c);
    x_end(&p);
}

static void test_pool(void **state)
{
    const x_check max = { .qdq = "MaxPool", .qop = "MaxPool" };
    x_check mean = { .most = 1, .share = 0.01, .qdq = "AveragePool", .qop = "AveragePool" }, one = mean;
    (void)state;
    one.qop = "QLinearAveragePool";
    pool_case(false, INTACT_U8, INTACT_U8, 3, 2, 1, false, false, max);
    pool_case(false, INTACT_U8, INTACT_U8, 2, 2, 0, false, true, max);
    pool_case(false, INTACT_S16, INTACT_S16, 3, 1, 1, false, false, max);
    pool_case(true, INTACT_U8, INTACT_U8, 3, 2, 1, true, false, mean);
    pool_case(true, INTACT_U8, INTACT_U8, 3, 2, 1, false, false, one);
    pool_case(true, INTACT_U8, INTACT_U8, 2, 2, 0, false, true, one);
    pool_case(true, INTACT_S16, INTACT_U8, 3, 1, 1, true, false, mean);
    mean.share = 0.05;
    pool_case(true, INTACT_U8, INTACT_S16, 2, 2, 0, false, false, mean);
}

static void test_global(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        const intact_type yt = k & 1 ? INTACT_S16 : INTACT_U8;
        it_mult v;
        it_prog p;
        x_begin(&p);
        uint32_t x = X_TENSOR(&p, "x", INTACT_U8, 0.05, 77, 1, 7, 5, 40);
        uint32_t y = k & 2 ? X_TENSOR(&p, "y", yt, 0.021, yt ? 0 : 50, 1, 40) : X_TENSOR(&p, "y", yt, 0.021, yt ? 0 : 50, 1, 1, 1, 40);
        assert_int_equal(it_mult_of((double)0.05f / (double)0.021f / 35, 31, &v, "", NULL), INTACT_OK);
        it_avgpool_args a = { .kh = 7, .kw = 5, .stride_h = 1, .stride_w = 1, .mult = net_const(&p, INTACT_S32, 1, &v.m), .shift = net_const(&p, INTACT_S32,
                                                                                                    1, &v.s),
                              .lo = yt ? -32767 : 0, .hi = yt ? 32767 : 255 };
        net_emit(&p, &it_instr_avgpool, "pool", &x, 1, y, &a);
        net_ports(&p, &x, 1, &y, 1);
        x_expect(&p, (x_check){ .most = 1, .share = 0.03, .qdq = "GlobalAveragePool", .qop = yt ? "GlobalAveragePool" : "QLinearGlobalAveragePool" });
        x_end(&p);
    }
}

/* ---- softmax ---- */

static void test_softmax(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        const intact_type xt = k & 1 ? INTACT_S16 : INTACT_U8, yt = k & 2 ? INTACT_U8 : INTACT_S16;
        const double s_x = xt ? 0.0005 : 0.05;
        const uint32_t len = xt ? 4096 : 256;
        int32_t *e = malloc(len * sizeof *e);
        it_prog p;
        x_begin(&p);
        for (uint32_t d = 0; d < len; d++) {
            uint32_t v = (uint32_t)lrint(exp(-(double)(float)s_x * d * (xt ? 2 : 1)) * 0x1p31);
            memcpy(&e[d], &v, sizeof v);
        }
        uint32_t x = X_TENSOR(&p, "x", xt, s_x, xt ? 0 : 99, 1, 3, 2, 11), y = X_TENSOR(&p, "y", yt, 1.0 / (yt == INTACT_U8 ? 255 : 32767), 0, 1, 3, 2, 11);
        it_softmax_args a = { .table = net_const(&p, INTACT_S32, len, e), .d_shift = xt ? 1 : 0, .y_one = yt == INTACT_U8 ? 255 : 32767 };
        net_emit(&p, &it_instr_softmax, "softmax", &x, 1, y, &a);
        net_ports(&p, &x, 1, &y, 1);
        x_check c = { .most = 1, .share = 0.1, .qdq = "Softmax", .qop = yt == INTACT_U8 ? "QLinearSoftmax" : "Softmax" };
        x_expect(&p, xt ? (x_check){ .qdq = "ReduceMax", .qop = "ReduceMax", .never = "Softmax" } : c); /* s16: in steps of two codes, so by its table */
        x_end(&p);
        free(e);
    }
}

/* ---- whole: layers behind one another, raw pixels in front ---- */

static void test_network(void **state)
{
    it_prog p;
    (void)state;
    x_begin(&p);
    net_small(&p, 5);
    x_expect(&p, (x_check){ .most = 40, .share = 1, .qdq = "GlobalAveragePool", .qop = "QLinearConv" }); /* single codes of the first layers, further on */
    p.instrs.len--; /* its softmax falls by powers of two */
    uint32_t y = p.instrs.items[p.instrs.len - 1].out[0];
    net_ports(&p, p.inputs, 1, &y, 1);
    x_expect(&p, (x_check){ .most = 400, .share = 1, .qdq = "GlobalAveragePool", .qop = "QLinearConv" });
    x_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv), cmocka_unit_test(test_dense), cmocka_unit_test(test_packed), cmocka_unit_test(test_int4), cmocka_unit_test(test_fixes),
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_threshold_alone), cmocka_unit_test(test_add), cmocka_unit_test(test_mul), cmocka_unit_test(test_pool),
        cmocka_unit_test(test_global), cmocka_unit_test(test_softmax), cmocka_unit_test(test_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
