/* SPDX-License-Identifier: Apache-2.0 */
/* test_instr_mac.c: conv, dwconv and dense against their formulas, at every level, batch and thread count. */
#include "run/helpers.h"

#include <stdlib.h>

typedef struct layer {
    uint32_t n, h, w, c, o, group, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr;
    bool depthwise, dense, acc64;
    intact_type x, y;
} layer;

static uint32_t out_len(uint32_t in, uint32_t k, uint32_t s, uint32_t d, uint32_t before, uint32_t after)
{
    return (in + before + after - (d * (k - 1) + 1)) / s + 1;
}

static void put_code(intact_type t, void *to, size_t at, int32_t v)
{
    if (t == INTACT_U8)
        ((uint8_t *)to)[at] = (uint8_t)v;
    else
        ((int16_t *)to)[at] = (int16_t)v;
}

/* One output value by the formula of instr.h. */
static int32_t expected(const layer *l, const it_prog *p, const net_mac *k, int32_t zx, int32_t zy, const it_conv_args *a, const void *x,
                        uint32_t n, uint32_t oh, uint32_t ow, uint32_t o)
{
    const int8_t *w = p->consts.items[k->weight].data;
    const int32_t *bias = p->consts.items[k->bias].data, *m = p->consts.items[k->mult].data, *s = p->consts.items[k->shift].data;
    uint32_t per = l->c / l->group, first = o / (l->o / l->group) * per;
    int64_t acc = bias[o];
    for (uint32_t i = 0; i < l->kh; i++)
        for (uint32_t j = 0; j < l->kw; j++)
            for (uint32_t c = 0; c < per; c++) {
                int64_t h = (int64_t)oh * l->sh + i * l->dh - l->pt, v = (int64_t)ow * l->sw + j * l->dw - l->pl;
                bool in = h >= 0 && h < l->h && v >= 0 && v < l->w;
                int32_t xv = in ? code_at(l->x, x, ((size_t)(n * l->h + h) * l->w + v) * l->c + first + c) : zx;
                size_t wi = l->depthwise ? ((size_t)i * l->kw + j) * l->c + o : (((size_t)o * l->kh + i) * l->kw + j) * per + c;
                acc += (int64_t)xv * w[wi];
            }
    return requant_exact(acc, m[o], s[o], zy, a->lo, a->hi);
}

static void check_layer(const layer *l, it_rng *r)
{
    it_prog p;
    it_prog_init(&p, NULL);
    int32_t zx = l->x == INTACT_U8 ? random_between(r, 0, 255) : 0, zy = l->y == INTACT_U8 ? random_between(r, 0, 255) : 0;
    uint32_t oh = out_len(l->h, l->kh, l->sh, l->dh, l->pt, l->pb), ow = out_len(l->w, l->kw, l->sw, l->dw, l->pl, l->pr);
    uint32_t x = NET_TENSOR(&p, "x", l->x, zx, 1, l->h, l->w, l->c);
    uint32_t y = l->dense ? NET_TENSOR(&p, "y", l->y, zy, 1, l->o) : NET_TENSOR(&p, "y", l->y, zy, 1, oh, ow, l->o);
    net_mac k = net_random_mac(&p, r, l->x, l->y, l->o, (uint64_t)l->kh * l->kw * (l->c / l->group), l->depthwise, l->acc64);
    it_conv_args a = { l->depthwise ? 1 : l->group,
                       l->kh,
                       l->kw,
                       l->sh,
                       l->sw,
                       l->dh,
                       l->dw,
                       l->pt,
                       l->pl,
                       l->pb,
                       l->pr,
                       k.weight,
                       k.bias,
                       k.mult,
                       k.shift,
                       l->y == INTACT_U8 ? random_between(r, 0, 40) : -30000,
                       l->y == INTACT_U8 ? random_between(r, 200, 255) : 32767,
                       l->acc64,
                       IT_NO_LEVELS };
    it_dense_args d = { k.weight, k.bias, k.mult, k.shift, a.lo, a.hi, a.acc64, IT_NO_LEVELS };
    net_emit(&p,
             l->dense       ? &it_instr_dense
             : l->depthwise ? &it_instr_dwconv
                            : &it_instr_conv,
             "layer", &x, 1, y, l->dense ? (void *)&d : (void *)&a);
    net_ports(&p, &x, 1, &y, 1);

    size_t x_len = (size_t)l->n * l->h * l->w * l->c, y_len = (size_t)l->n * oh * ow * l->o;
    void *in = malloc(x_len * 2), *want = malloc(y_len * 2);
    random_codes(r, l->x, in, x_len);
    size_t at = 0;
    for (uint32_t n = 0; n < l->n; n++)
        for (uint32_t i = 0; i < oh; i++)
            for (uint32_t j = 0; j < ow; j++)
                for (uint32_t o = 0; o < l->o; o++)
                    put_code(l->y, want, at++, expected(l, &p, &k, zx, zy, &a, in, n, i, j, o));
    expect_output(&p, l->n, (const void *const[]){ in }, want, y_len * intact_type_bytes(l->y));
    free(in);
    free(want);
    it_prog_release(&p);
}

static const layer conv_layers[] = {
    { 1, 7, 7, 3, 16, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, false, false, false, INTACT_U8, INTACT_U8 },
    { 3, 9, 6, 5, 7, 1, 3, 2, 2, 1, 1, 2, 0, 1, 2, 1, false, false, false, INTACT_U8, INTACT_U8 },
    { 2, 8, 8, 64, 70, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, false, false, false, INTACT_U8, INTACT_U8 },
    { 1, 5, 5, 32, 64, 2, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, false, false, false, INTACT_U8, INTACT_S16 },
    { 2, 11, 13, 12, 12, 4, 5, 3, 1, 1, 2, 2, 4, 2, 4, 2, false, false, false, INTACT_U8, INTACT_U8 },
    { 1, 1, 20, 9, 33, 1, 1, 5, 1, 2, 1, 1, 0, 2, 0, 2, false, false, false, INTACT_U8, INTACT_U8 },
    { 2, 6, 6, 8, 12, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, false, false, false, INTACT_S16, INTACT_S16 },
    { 1, 6, 6, 64, 8, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, false, false, true, INTACT_S16, INTACT_S16 },
    { 1, 4, 4, 10, 6, 2, 2, 2, 1, 1, 1, 1, 0, 0, 1, 1, false, false, false, INTACT_S16, INTACT_U8 },
    { 1, 14, 14, 130, 130, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, false, false, false, INTACT_U8, INTACT_U8 },
    { 1, 3, 3, 4, 4, 1, 3, 3, 1, 1, 1, 1, 5, 5, 5, 5, false, false, false, INTACT_U8, INTACT_U8 },
};

static const layer dwconv_layers[] = {
    { 2, 8, 8, 32, 32, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, true, false, false, INTACT_U8, INTACT_U8 },
    { 3, 9, 7, 19, 19, 19, 3, 3, 2, 2, 1, 1, 0, 1, 1, 0, true, false, false, INTACT_U8, INTACT_U8 },
    { 1, 10, 10, 80, 80, 80, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, true, false, false, INTACT_U8, INTACT_U8 },
    { 1, 12, 12, 3, 3, 3, 3, 3, 1, 1, 2, 2, 2, 2, 2, 2, true, false, false, INTACT_U8, INTACT_S16 },
    { 2, 6, 6, 17, 17, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, true, false, false, INTACT_S16, INTACT_S16 },
    { 1, 6, 6, 8, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, true, false, true, INTACT_S16, INTACT_U8 },
};

static const layer dense_layers[] = {
    { 1, 1, 1, 100, 10, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, false, true, false, INTACT_U8, INTACT_U8 },
    { 5, 1, 1, 515, 67, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, false, true, false, INTACT_U8, INTACT_S16 },
    { 3, 1, 1, 64, 1000, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, false, true, false, INTACT_S16, INTACT_S16 },
    { 2, 1, 1, 2000, 9, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, false, true, true, INTACT_S16, INTACT_S16 },
    { 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, false, true, false, INTACT_U8, INTACT_U8 },
};

static void check_all(const layer *l, size_t len, uint64_t seed)
{
    it_rng r;
    it_rng_seed(&r, seed);
    for (size_t k = 0; k < len; k++)
        for (int again = 0; again < 2; again++)
            check_layer(&l[k], &r);
}

static void conv_layers_agree(void **state) { (void)state; check_all(conv_layers, IT_LEN(conv_layers), 1); }
static void dwconv_layers_agree(void **state) { (void)state; check_all(dwconv_layers, IT_LEN(dwconv_layers), 2); }
static void dense_layers_agree(void **state) { (void)state; check_all(dense_layers, IT_LEN(dense_layers), 3); }

/* 255 * |w| summed to just below 2^31 and just above: the proof has no slack and no gap. */
static void accumulators_are_proved(void **state)
{
    (void)state;
    enum { K = 65793 }; /* 255 * 128 * 65793 = 2147483520 + ... */
    int8_t *w = malloc(K);
    for (int k = 0; k < K; k++)
        w[k] = -128;
    for (int over = 0; over < 2; over++) {
        it_prog p;
        it_prog_init(&p, NULL);
        int64_t sum = (int64_t)255 * 128 * K;
        int32_t bias = -(int32_t)((INT64_C(1) << 31) - 1 - sum) - over, m = 1 << 30, s = 54;
        uint32_t x = NET_TENSOR(&p, "x", INTACT_U8, 0, 1, K), y = NET_TENSOR(&p, "y", INTACT_U8, 200, 1, 1);
        it_dense_args d = { net_const(&p, INTACT_S8, K, w), net_const(&p, INTACT_S32, 1, &bias), net_const(&p, INTACT_S32, 1, &m),
                            net_const(&p, INTACT_S32, 1, &s), 0, 255, 0, IT_NO_LEVELS };
        net_emit(&p, &it_instr_dense, "edge", &x, 1, y, &d);
        net_ports(&p, &x, 1, &y, 1);
        intact_error e;
        assert_int_equal(it_prog_check(&p, &e), over ? INTACT_E_FORMAT : INTACT_OK);
        if (!over) {
            uint8_t *in = malloc(K), want = (uint8_t)requant_exact(-INT64_C(2147483647), m, s, 200, 0, 255);
            for (int k = 0; k < K; k++)
                in[k] = 255;
            expect_output(&p, 1, (const void *const[]){ in }, &want, 1);
            free(in);
        }
        it_prog_release(&p);
    }
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_layers_agree),
        cmocka_unit_test(dwconv_layers_agree),
        cmocka_unit_test(dense_layers_agree),
        cmocka_unit_test(accumulators_are_proved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
