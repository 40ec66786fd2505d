/* SPDX-License-Identifier: Apache-2.0 */
/* check_dwconv_u8: every geometry of the sweep against the reference, and those where a version changes its form. */
#include "check.h"

/* Kernel, stride and padding of both directions. */
typedef struct window { uint32_t kh, kw, stride_h, stride_w, pad_t, pad_l; } window;

static it_conv_geom geom_of(uint32_t h, uint32_t w, uint32_t c, const window *k)
{
    it_conv_geom g = { .in_h = h, .in_w = w, .in_c = c, .out_c = c, .group = c, .kh = k->kh, .kw = k->kw, .stride_h = k->stride_h,
                       .stride_w = k->stride_w, .dil_h = 1, .dil_w = 1, .pad_t = k->pad_t, .pad_l = k->pad_l };
    g.out_h = (h + 2 * k->pad_t - k->kh) / k->stride_h + 1;
    g.out_w = (w + 2 * k->pad_l - k->kw) / k->stride_w + 1;
    return g;
}

/* Blocks that are whole, folded in two and in four, and none of these; maps of one band and of several; wide kernels. */
static int check_forms(const it_kern_conv *ref, const it_kern_conv *got, it_rng *r)
{
    static const window windows[] = { { 3, 3, 1, 1, 1, 1 }, { 3, 3, 2, 2, 1, 1 }, { 5, 5, 1, 1, 2, 2 }, { 5, 5, 2, 2, 2, 2 },
                                      { 3, 3, 2, 1, 1, 1 }, { 3, 3, 1, 2, 1, 1 }, { 5, 5, 2, 1, 2, 2 }, { 5, 5, 1, 2, 2, 2 },
                                      { 7, 7, 1, 1, 3, 3 }, { 3, 3, 3, 3, 0, 0 }, { 1, 9, 1, 1, 0, 4 }, { 9, 1, 1, 1, 4, 0 },
                                      { 3, 3, 1, 1, 2, 2 }, { 5, 5, 1, 1, 4, 4 } };
    static const uint32_t channels[] = { 16, 24, 32, 64, 72, 80, 96, 128, 144, 176 };
    int bad = 0;
    for (size_t i = 0; i < IT_LEN(windows); i++)
        for (size_t c = 0; c < IT_LEN(channels); c++) {
            const uint32_t tall = it_rng_below(r, 4) == 0, h = check_pick(r, tall ? 57 : 9, tall ? 64 : 20), w = check_pick(r, 9, 20);
            const it_conv_geom g = geom_of(h, w, channels[c], &windows[i]);
            bad += check_layer(ref, got, CHECK_DWCONV, &g, 1, 1, r);
        }
    const window widest = { 1, 60, 1, 1, 0, 20 }, wider = { 2, 61, 1, 1, 0, 20 };
    const it_conv_geom g = geom_of(3, 70, 36, &widest), beyond = geom_of(3, 70, 36, &wider);
    bad += check_layer(ref, got, CHECK_DWCONV, &g, 1, 2, r);
    return bad + check_layer(ref, got, CHECK_DWCONV, &beyond, 1, 2, r);
}

/* What networks need is not left to another level in silence. */
static int check_takes(const it_kern_conv *k)
{
    static const uint8_t table[256], levels[3] = { 0, 1, 2 };
    const it_add_consts sum = { .z_a = 3, .z_b = 128, .m_a = 1 << 30, .m_b = 1 << 30, .shift = 31, .z_y = 5, .hi = 255 };
    const window three = { 3, 3, 1, 1, 1, 1 };
    const it_conv_geom g = geom_of(14, 14, 96, &three);
    static const int32_t bias[96], mult[96], shift[96];
    const it_epi plain = { .bias = bias, .mult = mult, .shift = shift, .hi = 255, .out = INTACT_U8 };
    it_epi e[4] = { plain, plain, plain, plain };
    e[1].lut = table;
    e[2].add = &sum;
    e[3].levels = levels;
    e[3].levels_len = 3;
    int bad = 0;
    for (size_t i = 0; i < IT_LEN(e); i++)
        if (!k->can(&g, &e[i])) {
            fprintf(stderr, "%s refuses epilogue %zu\n", k->name, i);
            bad++;
        }
    return bad;
}

int check_dwconv_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    return check_sweep(ref->dwconv_u8, level->dwconv_u8, CHECK_DWCONV, 1, r) + check_forms(ref->dwconv_u8, level->dwconv_u8, r) +
           check_takes(level->dwconv_u8);
}
