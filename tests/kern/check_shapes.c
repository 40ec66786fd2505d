/* SPDX-License-Identifier: Apache-2.0 */
/* check_shapes.c: the layers that matrix kernels are checked on, listed and random. */
#include "check.h"

/* Sizes, kernel and padding in one line; outputs as padding on both sides gives them. */
static it_conv_geom geom(uint32_t h, uint32_t w, uint32_t c, uint32_t o, uint32_t k, uint32_t stride, uint32_t pad)
{
    return (it_conv_geom){.in_h = h,
                          .in_w = w,
                          .in_c = c,
                          .out_h = (h + 2 * pad - k) / stride + 1,
                          .out_w = (w + 2 * pad - k) / stride + 1,
                          .out_c = o,
                          .group = 1,
                          .kh = k,
                          .kw = k,
                          .stride_h = stride,
                          .stride_w = stride,
                          .dil_h = 1,
                          .dil_w = 1,
                          .pad_t = pad,
                          .pad_l = pad};
}

static it_conv_geom geom_random(check_kind kind, it_rng *r)
{
    static const uint32_t channels[] = {1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 24, 31, 32, 33, 40, 48, 58, 63, 64, 65, 80, 96, 100, 127, 130};
    it_conv_geom g = {.kh = check_pick(r, 1, 5),
                      .kw = check_pick(r, 1, 5),
                      .stride_h = check_pick(r, 1, 3),
                      .stride_w = check_pick(r, 1, 3),
                      .dil_h = it_rng_below(r, 4) ? 1 : check_pick(r, 1, 3),
                      .dil_w = it_rng_below(r, 4) ? 1 : check_pick(r, 1, 3)};
    uint32_t span_h = (g.kh - 1) * g.dil_h + 1, span_w = (g.kw - 1) * g.dil_w + 1;
    g.pad_t = it_rng_below(r, 3) ? check_pick(r, 0, span_h - 1) : 0;
    g.pad_l = it_rng_below(r, 3) ? check_pick(r, 0, span_w - 1) : 0;
    uint32_t pad_b = check_pick(r, 0, span_h - 1), pad_r = check_pick(r, 0, span_w - 1);
    uint32_t least_h = span_h > g.pad_t + pad_b ? span_h - g.pad_t - pad_b : 1,
             least_w = span_w > g.pad_l + pad_r ? span_w - g.pad_l - pad_r : 1;
    g.in_h = check_pick(r, least_h, least_h + 9);
    g.in_w = check_pick(r, least_w, least_w + 17);
    g.out_h = (g.in_h + g.pad_t + pad_b - span_h) / g.stride_h + 1;
    g.out_w = (g.in_w + g.pad_l + pad_r - span_w) / g.stride_w + 1;
    uint32_t c = channels[it_rng_below(r, IT_LEN(channels))], o = channels[it_rng_below(r, IT_LEN(channels))];
    g.group = kind == CHECK_DWCONV ? c : it_rng_below(r, 4) ? 1 : check_pick(r, 1, 4);
    g.in_c = kind == CHECK_DWCONV ? c : c * g.group;
    g.out_c = kind == CHECK_DWCONV ? c : o * g.group;
    return g;
}

void check_sweep(check_mac *m)
{
    const bool dw = m->kind == CHECK_DWCONV;
    const it_conv_geom listed[] = {
        geom(28, 28, 3, 32, 3, 2, 1),  geom(30, 30, 1, 8, 5, 1, 2),     geom(33, 31, 3, 64, 7, 2, 3),  geom(7, 7, 160, 320, 1, 1, 0),
        geom(14, 14, 64, 64, 3, 1, 1), geom(56, 5, 24, 144, 1, 1, 0),   geom(20, 20, 16, 24, 1, 2, 0), geom(9, 9, 58, 58, 1, 1, 0),
        geom(1, 1, 512, 100, 1, 1, 0), geom(13, 13, 16, 1000, 1, 1, 0), geom(2, 2, 8, 8, 5, 1, 2),     geom(1, 1, 16, 16, 3, 1, 1),
        geom(40, 17, 32, 48, 3, 2, 1), geom(3, 200, 20, 16, 3, 1, 1),   geom(112, 4, 96, 96, 3, 2, 1), geom(7, 7, 960, 64, 3, 1, 1),
        geom(14, 14, 64, 48, 3, 1, 1), geom(7, 7, 192, 160, 3, 1, 1),   geom(13, 13, 68, 16, 3, 1, 1), geom(9, 10, 64, 40, 3, 2, 1),
        geom(1, 1, 64, 20, 3, 1, 1),   geom(2, 3, 68, 80, 2, 1, 1),     geom(15, 15, 72, 64, 3, 2, 1), geom(1, 26, 64, 24, 3, 1, 1),
        geom(19, 2, 64, 130, 3, 1, 1), geom(11, 12, 128, 64, 4, 2, 1),  geom(31, 9, 16, 96, 1, 1, 0),  geom(17, 23, 12, 112, 1, 1, 0),
        geom(40, 25, 8, 12, 1, 1, 0),  geom(25, 40, 16, 80, 1, 1, 0),   geom(28, 28, 3, 144, 3, 1, 1), geom(16, 16, 24, 40, 3, 1, 1),
        geom(17, 17, 128, 704, 3, 1, 1), /* more weights than a cache near the core holds */
    };
    for (size_t i = 0; i < IT_LEN(listed); i++) {
        it_conv_geom g = listed[i];
        if (dw) g.out_c = g.group = g.in_c;
        for (uint32_t batch = 1; batch <= 3; batch += 2)
            check_layer(m, &g, batch);
    }
    for (int i = 0; i < 400 && m->bad < 10; i++) {
        it_conv_geom g = geom_random(m->kind, m->r);
        check_layer(m, &g, check_pick(m->r, 1, 3));
    }
}

void check_dense(check_mac *m)
{
    static const uint32_t inputs[] = { 1, 2, 3, 4, 5, 8, 31, 32, 63, 64, 65, 127, 128, 130, 257, 512, 1000, 1280 };
    static const uint32_t outputs[] = { 1, 7, 10, 15, 16, 17, 33, 48, 64, 65, 80, 100, 128, 129 };
    for (size_t i = 0; i < IT_LEN(inputs); i++)
        for (size_t o = 0; o < IT_LEN(outputs) && m->bad < 10; o++) {
            it_conv_geom g = { .in_h = 1, .in_w = 1, .in_c = inputs[i], .out_h = 1, .out_w = 1, .out_c = outputs[o], .group = 1, .kh = 1,
                               .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1 };
            check_layer(m, &g, 1);
            check_layer(m, &g, check_pick(m->r, 2, 40));
        }
}
