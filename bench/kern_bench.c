/* SPDX-License-Identifier: Apache-2.0 */
/* kern_bench: GMAC/s (or GB/s) of each kernel version on shapes of known networks, one thread, the fastest of many repeats.
** Usage: kern_bench [level] [text that a line must contain] [cold]. The probe is the level's peak_u8, taken between the shapes;
** percentages are of its best so far. cold: every run reads its weights from another copy, as a network larger than L2 does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "bench.h"
#include "run/kern/kern.h"

typedef struct shape {
    const char *name;
    uint32_t kind; /* 0 conv, 1 dwconv, 2 dense */
    uint32_t h, c, o, k, stride, pad;
} shape;

static const shape shapes[] = {
    {"resnet 1x1 64->64 @56", 0, 56, 64, 64, 1, 1, 0},
    {"resnet 1x1 64->256 @56", 0, 56, 64, 256, 1, 1, 0},
    {"resnet 1x1 256->64 @56", 0, 56, 256, 64, 1, 1, 0},
    {"resnet 1x1 128->512 @28", 0, 28, 128, 512, 1, 1, 0},
    {"resnet 1x1 512->128 @28", 0, 28, 512, 128, 1, 1, 0},
    {"resnet 1x1 1024->256 @14", 0, 14, 1024, 256, 1, 1, 0},
    {"resnet 1x1 512->2048 @7", 0, 7, 512, 2048, 1, 1, 0},
    {"resnet 1x1 256->512 @56/2", 0, 56, 256, 512, 1, 2, 0},
    {"resnet 3x3 64->64 @56", 0, 56, 64, 64, 3, 1, 1},
    {"resnet 3x3 128->128 @28", 0, 28, 128, 128, 3, 1, 1},
    {"resnet 3x3 256->256 @14", 0, 14, 256, 256, 3, 1, 1},
    {"resnet 3x3 512->512 @7", 0, 7, 512, 512, 3, 1, 1},
    {"resnet 3x3 128->128 @56/2", 0, 56, 128, 128, 3, 2, 1},
    {"resnet20 3x3 16->16 @32", 0, 32, 16, 16, 3, 1, 1},
    {"resnet20 3x3 32->32 @16", 0, 16, 32, 32, 3, 1, 1},
    {"stem 7x7 3->64 @224/2", 0, 224, 3, 64, 7, 2, 3},
    {"stem 3x3 3->32 @224/2", 0, 224, 3, 32, 3, 2, 1},
    {"stem 3x3 1->16 @28", 0, 28, 1, 16, 3, 1, 1},
    {"mobilenet 1x1 32->16 @112", 0, 112, 32, 16, 1, 1, 0},
    {"mobilenet 1x1 16->96 @112", 0, 112, 16, 96, 1, 1, 0},
    {"mobilenet 1x1 96->24 @56", 0, 56, 96, 24, 1, 1, 0},
    {"mobilenet 1x1 24->144 @56", 0, 56, 24, 144, 1, 1, 0},
    {"mobilenet 1x1 144->24 @56", 0, 56, 144, 24, 1, 1, 0},
    {"mobilenet 1x1 32->192 @28", 0, 28, 32, 192, 1, 1, 0},
    {"mobilenet 1x1 192->32 @28", 0, 28, 192, 32, 1, 1, 0},
    {"mobilenet 1x1 64->384 @14", 0, 14, 64, 384, 1, 1, 0},
    {"mobilenet 1x1 384->64 @14", 0, 14, 384, 64, 1, 1, 0},
    {"mobilenet 1x1 96->576 @14", 0, 14, 96, 576, 1, 1, 0},
    {"mobilenet 1x1 576->96 @14", 0, 14, 576, 96, 1, 1, 0},
    {"mobilenet 1x1 160->960 @7", 0, 7, 160, 960, 1, 1, 0},
    {"mobilenet 1x1 960->160 @7", 0, 7, 960, 160, 1, 1, 0},
    {"mobilenet 1x1 320->1280 @7", 0, 7, 320, 1280, 1, 1, 0},
    {"squeezenet 1x1 512->1000 @13", 0, 13, 512, 1000, 1, 1, 0},
    {"squeezenet 3x3 64->256 @13", 0, 13, 64, 256, 3, 1, 1},
    {"squeezenet 3x3 16->64 @55", 0, 55, 16, 64, 3, 1, 1},
    {"squeezenet 1x1 16->64 @55", 0, 55, 16, 64, 1, 1, 0},
    {"squeezenet 1x1 128->16 @55", 0, 55, 128, 16, 1, 1, 0},
    {"dw 3x3 32 @112", 1, 112, 32, 32, 3, 1, 1},
    {"dw 3x3 96 @112/2", 1, 112, 96, 96, 3, 2, 1},
    {"dw 3x3 144 @56", 1, 56, 144, 144, 3, 1, 1},
    {"dw 3x3 144 @56/2", 1, 56, 144, 144, 3, 2, 1},
    {"dw 3x3 192 @28", 1, 28, 192, 192, 3, 1, 1},
    {"dw 3x3 384 @14", 1, 14, 384, 384, 3, 1, 1},
    {"dw 3x3 576 @14/2", 1, 14, 576, 576, 3, 2, 1},
    {"dw 3x3 960 @7", 1, 7, 960, 960, 3, 1, 1},
    {"dw 5x5 240 @28", 1, 28, 240, 240, 5, 1, 2},
    {"dw 5x5 672 @14/2", 1, 14, 672, 672, 5, 2, 2},
    {"dense 512->1000", 2, 1, 512, 1000, 1, 1, 0},
    {"dense 1280->1000", 2, 1, 1280, 1000, 1, 1, 0},
    {"dense 4096->4096", 2, 1, 4096, 4096, 1, 1, 0},
};

/* GMAC/s of the level's probe: the best of all calls. */
static double peak_best;
static void peak_probe(const it_kern *k)
{
    double t = now(), macs = (double)k->peak_u8(k->cpu == INTACT_CPU_SCALAR ? 300000 : 100000);
    double rate = macs / (now() - t) * 1e-9;
    peak_best = rate > peak_best ? rate : peak_best;
}

static double seconds_of(const it_kern_conv *k, const it_conv_geom *g, uint32_t elem, const it_kern *table, bool cold)
{
    size_t weights = (size_t)g->kh * g->kw * (g->in_c / g->group) * g->out_c;
    int8_t *w = fresh(weights);
    int32_t *c = fresh(g->out_c * 12), shift = 37; /* such that codes spread over their range: ReLU behind, zero point 0 */
    for (size_t taps = weights / g->out_c; taps > 1; taps /= 4)
        shift++;
    for (uint32_t i = 0; i < g->out_c; i++)
        c[i] = (int32_t)i * 100, c[g->out_c + i] = (1 << 30) + (int32_t)i * 1000, c[2 * g->out_c + i] = shift;
    it_epi e = {.bias = c, .mult = c + g->out_c, .shift = c + 2 * g->out_c, .hi = 255, .out = INTACT_U8};
    if (elem == 2)
        for (size_t i = 0; i < weights; i++)
            w[i] /= 32;
    void *x = fresh((size_t)g->in_h * g->in_w * g->in_c * elem), *y = fresh((size_t)g->out_h * g->out_w * g->out_c);
    size_t one = it_round_up(k->packed_bytes(g, &e), 64), copies = cold ? ((size_t)16 << 20) / one + 2 : 1;
    uint8_t *packed = fresh(one * copies), *scratch = fresh(k->scratch_bytes(g));
    const it_conv_io io = {.x = x, .y = y, .batch = 1};
    double best = 1e9;
    if (k->can(g, &e)) {
        for (size_t i = 0; i < copies; i++)
            k->pack(g, &e, w, packed + i * one);
        double stop = now() + 0.12;
        for (size_t i = 0; i < 5 || now() < stop; i++) {
            double t = now();
            k->run(g, &e, packed + i % copies * one, &io, 0, k->units(g, 1), scratch);
            t = now() - t;
            best = t < best ? t : best;
            if (i % 16 == 0)
                peak_probe(table);
        }
    }
    free(w), free(c), free(x), free(y), free(packed), free(scratch);
    return best;
}

static const it_kern_conv *version(const it_kern *k, uint32_t kind, uint32_t elem)
{
    if (elem == 2) return kind == 0 ? k->conv_s16 : kind == 1 ? k->dwconv_s16 : k->dense_s16;
    return kind == 0 ? k->conv_u8 : kind == 1 ? k->dwconv_u8 : k->dense_u8;
}

static void bench_elementwise(const it_kern *k)
{
    enum { N = 100352 };
    uint8_t *a = fresh(N), *b = fresh(N), *y = fresh(N), *table = fresh(256);
    it_add_consts ka = {12, 130, 1500000000, 1200000000, 31, 3, 0, 255};
    it_mul_consts km = {12, 130, 1500000000, 38, 3, 0, 255, NULL};
    const char *names[] = {"add_u8", "mul_u8", "lut_u8"};
    for (size_t f = 0; f < IT_LEN(names); f++) {
        double best = 1e9;
        for (int i = 0; i < 300; i++) {
            double t = now();
            if (f == 0)
                k->add_u8(a, b, y, N, &ka);
            else if (f == 1)
                k->mul_u8(a, b, y, N, &km);
            else
                k->lut_u8(a, y, N, table);
            t = now() - t;
            best = t < best ? t : best;
        }
        printf("%-12s %-34s %8.2f us %7.2f G/s\n", intact_cpu_name(k->cpu), names[f], best * 1e6, N / best * 1e-9);
    }
    free(a), free(b), free(y), free(table);
}

int main(int argc, char **argv)
{
    for (int c = INTACT_CPU_SCALAR; c < INTACT_CPU_COUNT; c++) {
        const it_kern *k = it_kern_of((intact_cpu)c);
        if (!k || !intact_cpu_has((intact_cpu)c) || (argc > 1 && strcmp(argv[1], intact_cpu_name((intact_cpu)c)))) continue;
        for (uint32_t elem = 1; elem <= 2; elem++)
            for (size_t i = 0; i < IT_LEN(shapes); i++) {
                const shape *s = &shapes[i];
                const it_kern_conv *v = version(k, s->kind, elem);
                if ((argc > 2 && !strstr(s->name, argv[2])) || (elem == 2 && i % 3)) continue;
                uint32_t out = (s->h + 2 * s->pad - s->k) / s->stride + 1;
                it_conv_geom g = {.in_h = s->h, .in_w = s->h, .in_c = s->c, .out_h = out, .out_w = out, .out_c = s->o,
                                  .group = s->kind == 1 ? s->c : 1, .kh = s->k, .kw = s->k, .stride_h = s->stride, .stride_w = s->stride,
                                  .dil_h = 1, .dil_w = 1, .pad_t = s->pad, .pad_l = s->pad, .in_zero = 7};
                double t = seconds_of(v, &g, elem, k, argc > 3);
                double macs = (double)out * out * s->o * s->k * s->k * (s->kind == 1 ? 1 : s->c);
                printf("%-12s %-34s %8.2f us %7.1f GMAC/s %s %s", intact_cpu_name((intact_cpu)c), s->name, t * 1e6, macs / t * 1e-9,
                       elem == 1 ? "u8 " : "s16", v->name);
                printf(peak_best > 0 ? " %.0f%%\n" : "\n", macs / t * 1e-7 / (peak_best > 0 ? peak_best : 1));
            }
        if (peak_best > 0) printf("%-12s the probe: %.1f GMAC/s\n", intact_cpu_name((intact_cpu)c), peak_best);
        peak_best = 0;
        if (argc < 3) bench_elementwise(k);
    }
    return 0;
}
