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
static void check_forms(check_mac *m)
{
    static const window windows[] = { { 3, 3, 1, 1, 1, 1 }, { 3, 3, 2, 2, 1, 1 }, { 5, 5, 1, 1, 2, 2 }, { 5, 5, 2, 2, 2, 2 },
                                      { 3, 3, 2, 1, 1, 1 }, { 3, 3, 1, 2, 1, 1 }, { 5, 5, 2, 1, 2, 2 }, { 5, 5, 1, 2, 2, 2 },
                                      { 7, 7, 1, 1, 3, 3 }, { 3, 3, 3, 3, 0, 0 }, { 1, 9, 1, 1, 0, 4 }, { 9, 1, 1, 1, 4, 0 },
                                      { 3, 3, 1, 1, 2, 2 }, { 5, 5, 1, 1, 4, 4 } };
    static const uint32_t channels[] = { 16, 24, 32, 64, 72, 80, 96, 128, 144, 176 };
    for (size_t i = 0; i < IT_LEN(windows); i++)
        for (size_t c = 0; c < IT_LEN(channels); c++) {
            const bool tall = it_rng_below(m->r, 4) == 0;
            const uint32_t h = check_pick(m->r, tall ? 57 : 9, tall ? 64 : 20), w = check_pick(m->r, 9, 20);
            const it_conv_geom g = geom_of(h, w, channels[c], &windows[i]);
            check_layer(m, &g, 1);
        }
    const window widest = { 1, 60, 1, 1, 0, 20 }, wider = { 2, 61, 1, 1, 0, 20 };
    const it_conv_geom g = geom_of(3, 70, 36, &widest), beyond = geom_of(3, 70, 36, &wider);
    check_layer(m, &g, 2);
    check_layer(m, &beyond, 2);
}

int check_dwconv_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    check_mac m = check_mac_of(ref->dwconv_u8, level->dwconv_u8, CHECK_DWCONV, 1, r);
    check_sweep(&m);
    check_forms(&m);
    return check_mac_end(&m);
}
