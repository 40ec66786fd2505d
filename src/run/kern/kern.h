/* SPDX-License-Identifier: Apache-2.0 */
/* kern.h: the contracts of the integer kernels. The table starts from the plain C versions in ref/, which are the definition;
** each CPU level overlays what it improves. No kernel reads or writes a byte outside the buffers that it is given. */
#ifndef IT_KERN_H
#define IT_KERN_H

#include "base/base.h"
#include "base/pool.h"
#include "run/kern/codes.h"

/* A weight that signed bytes cannot hold: what the weight of output channel `out` at tap is more than the byte there, -128..127 and not 0.
** tap: index into that channel's canonical weights, (KH,KW,I/group) or, depthwise, (KH,KW). */
typedef struct it_fix { uint32_t out, tap; int32_t add; } it_fix;

/* A convolution, depthwise convolution (group == in_c == out_c) or dense layer (all of h, w, k, stride, dil 1, pad 0) of one sample. */
typedef struct it_conv_geom {
    uint32_t in_h, in_w, in_c, out_h, out_w, out_c;
    uint32_t group, kh, kw, stride_h, stride_w, dil_h, dil_w, pad_t, pad_l;
    int32_t in_zero; /* what padding reads */
    uint32_t in_pitch, out_pitch; /* elements from a pixel of x, of y, to the next (others' lie between); 0: in_c, out_c */
    uint32_t other_pitch;         /* the same of it_conv_io.other; 0: out_c */
    const it_fix *fixes;          /* ascending by out, then by tap, none twice; outlive the packed layer and never change */
    uint32_t fixes_len;
} it_conv_geom;

static inline size_t it_conv_in_pitch(const it_conv_geom *g) { return g->in_pitch ? g->in_pitch : g->in_c; }
static inline size_t it_conv_out_pitch(const it_conv_geom *g) { return g->out_pitch ? g->out_pitch : g->out_c; }
static inline size_t it_conv_other_pitch(const it_conv_geom *g) { return g->other_pitch ? g->other_pitch : g->out_c; }

/* The first fix of channel out or of one behind it. */
static inline uint32_t it_fix_first(const it_conv_geom *g, size_t out)
{
    uint32_t lo = 0, hi = g->fixes_len;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (g->fixes[mid].out < out)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Sum of |add| over the fixes of channel out. */
static inline uint64_t it_fix_sum(const it_conv_geom *g, size_t out)
{
    uint64_t sum = 0;
    for (uint32_t k = it_fix_first(g, out); k < g->fixes_len && g->fixes[k].out == out; k++)
        sum += (uint64_t)(g->fixes[k].add < 0 ? -g->fixes[k].add : g->fixes[k].add);
    return sum;
}

typedef struct it_add_consts { int32_t z_a, z_b, m_a, m_b, shift, z_y, lo, hi; } it_add_consts;
enum { IT_LEVELS_MAX = 16 };

/* What happens to an accumulator; docs/NUMERICS.md. bias, mult, shift have out_c entries.
** q = requant(acc) within lo..hi; with add: then q = the sum of q (as a) and other (as b) by its constants; with lut: then y = lut[q].
** add and lut need out == U8 and no thresholds. What add, lut and levels point to outlives the packed layer. */
typedef struct it_epi {
    const int32_t *bias, *mult, *shift;
    int32_t zero, lo, hi;
    intact_type out; /* U8 or S16 */
    bool acc64;      /* 64-bit accumulators (only s16 inputs) */
    const it_add_consts *add; /* NULL: no sum */
    const uint8_t *lut;       /* 256 entries; NULL: none */
    /* Instead of requant, where levels_len > 0 (2 to 16; U8): y = levels[how many of the channel's levels_len - 1 thresholds are <= acc];
    ** thresholds: out_c rows, each ascending. mult, shift, zero, lo and hi are not used then. */
    const int32_t *thresholds;
    const uint8_t *levels;
    uint32_t levels_len;
} it_epi;

/* Nothing but requantization and clamp. */
static inline bool it_epi_plain(const it_epi *e) { return !e->add && !e->lut && e->levels_len == 0; }

/* What run reads and writes. */
typedef struct it_conv_io {
    const void *x;     /* batch NHWC samples (u8 or s16), their pixels in_pitch apart */
    void *y;           /* the same of e->out, out_pitch apart. Each element is written once, */
    const void *other; /* after the element of other at its place is read: with add y may be other (u8, other_pitch apart) */
    uint32_t batch;
    const void *next;  /* weights that are needed after this layer: worth fetching towards the end; */
    size_t next_bytes; /* 0: none */
} it_conv_io;

/* One version of a multiply-accumulate kernel. Work is cut into units (of rows, tiles, channel blocks: the version's own choice)
** that may run in any order and on any thread. */
typedef struct it_kern_conv {
    const char *name; /* "conv_u8_avx512vnni_6x64" */
    bool (*can)(const it_conv_geom *g, const it_epi *e);      /* false: the parent level's version serves this layer */
    size_t (*packed_bytes)(const it_conv_geom *g, const it_epi *e); /* of weights and epilogue constants together */
    /* w: canonical s8, (O,KH,KW,I/group), for depthwise (KH,KW,C). dst: packed_bytes, aligned to 64. Everything that run
    ** needs of w and of e's bias, mult, shift and thresholds is copied; these arrays need not live on. */
    void (*pack)(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst);
    uint32_t (*units)(const it_conv_geom *g, uint32_t batch); /* >= 1 */
    size_t (*scratch_bytes)(const it_conv_geom *g);           /* per thread; 0 if none */
    void (*run)(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                uint32_t unit_end, void *scratch); /* scratch aligned to 64 */
} it_kern_conv;

/* A dense layer whose weights stay codes in memory and become signed bytes in registers; as it_kern_conv but for pack. Only u8 inputs and
** 32-bit accumulators, no pitches, no fixes, plain epilogues: the caller decodes the others' weights while packing. */
typedef struct it_kern_codes {
    const char *name;
    size_t (*packed_bytes)(const it_conv_geom *g, const it_codes *w);
    void (*pack)(const it_conv_geom *g, const it_epi *e, const it_codes *w, void *dst); /* w need not live on */
    uint32_t (*units)(const it_conv_geom *g, uint32_t batch);
    size_t (*scratch_bytes)(const it_conv_geom *g);
    void (*run)(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                uint32_t unit_end, void *scratch);
} it_kern_codes;

/* Elementwise kernels over n elements; y may be x (or a, or b). */
typedef void it_fn_add_u8(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_add_consts *k);
typedef struct it_lines it_lines;
typedef struct it_mul_consts {
    int32_t z_a, z_b, mult, shift, z_y, lo, hi;
    const it_lines *lines; /* lines.h, for mul_rows; NULL: there are none */
} it_mul_consts;
typedef void it_fn_mul_u8(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_mul_consts *k);
/* Every row of n elements of a times the one of b; y may be a. */
typedef void it_fn_mul_rows_u8(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k);
typedef void it_fn_lut_u8(const uint8_t *x, uint8_t *y, size_t n, const uint8_t table[256]);
/* acc[i] += sum over rows of x[row * pitch + i]; at most 2^23 rows */
typedef void it_fn_sum_rows_u8(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n);
/* y[o * n + i] = max over k < taps of x[o * step + k * tap_step + i] */
typedef void it_fn_max_taps_u8(const uint8_t *x, size_t step, size_t tap_step, uint32_t taps, uint8_t *y, size_t outs, size_t n);
/* Rows of n bytes, x_pitch apart in x and y_pitch in y, to y; x and y do not overlap. */
typedef void it_fn_copy_rows_u8(const uint8_t *x, ptrdiff_t x_pitch, uint8_t *y, ptrdiff_t y_pitch, size_t rows, size_t n);
/* y[r * 2 * n + 2 * i] = x[r * x_pitch + i], y[r * 2 * n + 2 * i + 1] = x[r * x_pitch + step + i] for i < n; x and y do not overlap. */
typedef void it_fn_interleave_u8(const uint8_t *x, ptrdiff_t step, ptrdiff_t x_pitch, uint8_t *y, size_t rows, size_t n);
/* y[i] = requant(x[i] - z_x); y is U8 or S16, |x[i] - z_x| < 2^31. */
typedef struct it_requant_consts { int32_t z_x, mult, shift, z_y, lo, hi; intact_type y; } it_requant_consts;
typedef void it_fn_requant_s32(const int32_t *x, void *y, size_t n, const it_requant_consts *k);
/* Steps of n channels side by side: channel c passes step k < len where x > over[k * pitch + c]. */
typedef struct it_steps {
    const int16_t *over;
    size_t pitch;
    uint32_t len; /* 1 to IT_LEVELS_MAX - 1 */
    uint8_t levels[IT_LEVELS_MAX];
} it_steps;
/* Every row of n channels: y[i] = levels[how many steps x[i] passes]; y may be x where that is u8. */
typedef void it_fn_threshold_u8(const uint8_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k);
typedef void it_fn_threshold_s16(const int16_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k);

/* For timing: multiply-accumulates on registers alone, the way the level's convolutions do them, as fast as it can. Returns how many:
** turns times what a turn of this version has. */
typedef uint64_t it_fn_peak_u8(uint32_t turns);

/* What a version of a kernel is: it_version_<kernel>. */
#define KERN(name, type) typedef type it_version_##name;
#include "run/kern/kern_list.h"
#undef KERN

typedef struct it_kern {
    intact_cpu cpu;
#define KERN(name, type) it_version_##name *name;
#include "run/kern/kern_list.h"
#undef KERN
} it_kern;

/* The table of a level, NULL when this build does not have it (an x86 build has no neon). */
const it_kern *it_kern_of(intact_cpu cpu);
/* The table that a level's inherits from; NULL for scalar. */
const it_kern *it_kern_parent(const it_kern *kern);

#endif
