/* SPDX-License-Identifier: Apache-2.0 */
/* kern.h: the contracts of the integer kernels. The table starts from the plain C versions in ref/, which are the definition;
** each CPU level overlays what it improves. No kernel reads or writes a byte outside the buffers that it is given. */
#ifndef IT_KERN_H
#define IT_KERN_H

#include "base/base.h"
#include "base/pool.h"
#include "run/kern/codes.h"

/* A convolution, depthwise convolution (group == in_c == out_c) or dense layer (all of h, w, k, stride, dil 1, pad 0) of one sample. */
typedef struct it_conv_geom {
    uint32_t in_h, in_w, in_c, out_h, out_w, out_c;
    uint32_t group, kh, kw, stride_h, stride_w, dil_h, dil_w, pad_t, pad_l;
    int32_t in_zero; /* what padding reads */
    uint32_t in_pitch, out_pitch; /* elements from a pixel of x, of y, to the next (others' lie between); 0: in_c, out_c */
} it_conv_geom;

static inline size_t it_conv_in_pitch(const it_conv_geom *g) { return g->in_pitch ? g->in_pitch : g->in_c; }
static inline size_t it_conv_out_pitch(const it_conv_geom *g) { return g->out_pitch ? g->out_pitch : g->out_c; }

/* What happens to an accumulator; docs/NUMERICS.md. Arrays have out_c entries. */
typedef struct it_epi {
    const int32_t *bias, *mult, *shift;
    int32_t zero, lo, hi;
    intact_type out; /* U8 or S16 */
    bool acc64;      /* 64-bit accumulators (only s16 inputs) */
} it_epi;

/* One version of a multiply-accumulate kernel. Work is cut into units (of rows, tiles, channel blocks: the version's own choice)
** that may run in any order and on any thread. */
typedef struct it_kern_conv {
    const char *name; /* "conv_u8_avx512vnni_6x64" */
    bool (*can)(const it_conv_geom *g, const it_epi *e);      /* false: the parent level's version serves this layer */
    size_t (*packed_bytes)(const it_conv_geom *g);            /* of weights and epilogue constants together */
    /* w: canonical s8, (O,KH,KW,I/group), for depthwise (KH,KW,C). dst: packed_bytes, aligned to 64. Everything that run
    ** needs of w and of e's arrays is copied; the arrays need not live on. */
    void (*pack)(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst);
    uint32_t (*units)(const it_conv_geom *g, uint32_t batch); /* >= 1 */
    size_t (*scratch_bytes)(const it_conv_geom *g);           /* per thread; 0 if none */
    /* x: batch NHWC samples (u8 or s16), y: the same of e->out, their pixels at the geometry's pitches. Scratch aligned to 64. */
    void (*run)(const it_conv_geom *g, const it_epi *e, const void *packed, const void *x, void *y, uint32_t batch,
                uint32_t unit_begin, uint32_t unit_end, void *scratch);
} it_kern_conv;

/* A dense layer whose weights stay codes in memory and become signed bytes in registers; as it_kern_conv but for pack. Only u8 inputs and
** 32-bit accumulators, no pitches: the caller decodes the others' weights while packing. */
typedef struct it_kern_codes {
    const char *name;
    size_t (*packed_bytes)(const it_conv_geom *g, const it_codes *w);
    void (*pack)(const it_conv_geom *g, const it_epi *e, const it_codes *w, void *dst); /* w need not live on */
    uint32_t (*units)(const it_conv_geom *g, uint32_t batch);
    size_t (*scratch_bytes)(const it_conv_geom *g);
    void (*run)(const it_conv_geom *g, const it_epi *e, const void *packed, const void *x, void *y, uint32_t batch,
                uint32_t unit_begin, uint32_t unit_end, void *scratch);
} it_kern_codes;

/* Elementwise kernels over n elements; y may be x (or a). */
typedef struct it_add_consts { int32_t z_a, z_b, m_a, m_b, shift, z_y, lo, hi; } it_add_consts;
typedef void it_fn_add_u8(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_add_consts *k);
typedef struct it_mul_consts {
    int32_t z_a, z_b, mult, shift, z_y, lo, hi;
    int32_t mult_narrow, shift_narrow; /* narrow.h, for products of two codes; mult_narrow 0: there is none */
} it_mul_consts;
typedef void it_fn_mul_u8(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_mul_consts *k);
/* Every row of n elements of a times the one of b; y may be a. */
typedef void it_fn_mul_rows_u8(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k);
typedef void it_fn_lut_u8(const uint8_t *x, uint8_t *y, size_t n, const uint8_t table[256]);
/* y[i] = max(y[i], x[i]) */
typedef void it_fn_max_u8(const uint8_t *x, uint8_t *y, size_t n);
/* acc[i] += x[i] */
typedef void it_fn_sum_u8(const uint8_t *x, int32_t *acc, size_t n);
/* acc[i] += sum over rows of x[row * pitch + i]; at most 2^23 rows */
typedef void it_fn_sum_rows_u8(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n);
/* y[o * n + i] = max over k < taps of x[o * step + k * tap_step + i] */
typedef void it_fn_max_taps_u8(const uint8_t *x, size_t step, size_t tap_step, uint32_t taps, uint8_t *y, size_t outs, size_t n);

typedef struct it_kern {
    intact_cpu cpu;
    const struct it_kern *parent; /* the table that this one inherits from; NULL for scalar */
#define KERN(name, type) type *name;
#include "run/kern/kern_list.h"
#undef KERN
} it_kern;

/* The table of a level, NULL when this build does not have it (an x86 build has no neon). */
const it_kern *it_kern_of(intact_cpu cpu);

#endif
