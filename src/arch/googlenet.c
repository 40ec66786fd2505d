/* SPDX-License-Identifier: Apache-2.0 */
/* googlenet: Szegedy and others 2014 with BatchNormalization, without the auxiliary classifiers; the widest branch has 3x3 kernels, as
** in the versions that are in use. */
#include "arch/build.h"

static it_value *conv(it_build *b, it_value *x, int64_t out, int64_t k)
{
    return it_build_conv(b, x, (it_conv_spec){.out = out, .k = k, .bn = true, .act = IT_ACT_RELU});
}

/* Widths: 1x1; 3x3 and its reduction before; 5x5 likewise; behind the pooling. pool: the kernel of a pooling by 2 before it, 0: none. */
static const struct { int pool, one, reduce3, three, reduce5, five, pooled; } MODULES[] = {
    {0, 64, 96, 128, 16, 32, 32},    {0, 128, 128, 192, 32, 96, 64},  {3, 192, 96, 208, 16, 48, 64},
    {0, 160, 112, 224, 24, 64, 64},  {0, 128, 128, 256, 24, 64, 64},  {0, 112, 144, 288, 32, 64, 64},
    {0, 256, 160, 320, 32, 128, 128}, {2, 256, 160, 320, 32, 128, 128}, {0, 384, 192, 384, 48, 128, 128},
};

static it_value *module(it_build *b, it_value *x, size_t i)
{
    it_value *parts[4];
    if (MODULES[i].pool) x = it_build_max_pool(b, x, MODULES[i].pool, 2, 0, true);
    parts[0] = conv(b, x, MODULES[i].one, 1);
    parts[1] = conv(b, conv(b, x, MODULES[i].reduce3, 1), MODULES[i].three, 3);
    parts[2] = conv(b, conv(b, x, MODULES[i].reduce5, 1), MODULES[i].five, 3);
    parts[3] = conv(b, it_build_max_pool(b, x, 3, 1, 1, true), MODULES[i].pooled, 1);
    return it_build_concat(b, parts, 4);
}

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    (void)a;
    x = it_build_conv(b, x, (it_conv_spec){.out = 64, .k = 7, .stride = 2, .bn = true, .act = IT_ACT_RELU});
    x = conv(b, it_build_max_pool(b, x, 3, 2, 0, true), 64, 1);
    x = it_build_max_pool(b, conv(b, x, 192, 3), 3, 2, 0, true);
    for (size_t i = 0; i < IT_LEN(MODULES); i++) x = module(b, x, i);
    return it_build_head(b, x);
}

const it_arch it_arch_googlenet = {
    .name = "googlenet", .summary = "inception modules",
    .input = {3, 224, 224}, .classes = 1000, .make = make,
};
