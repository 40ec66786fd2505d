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
    uint32_t other_pitch;         /* the same of it_conv_io.other; 0: out_c */
} it_conv_geom;

static inline size_t it_conv_in_pitch(const it_conv_geom *g) { return g->in_pitch ? g->in_pitch : g->in_c; }
static inline size_t it_conv_out_pitch(const it_conv_geom *g) { return g->out_pitch ? g->out_pitch : g->out_c; }
static inline size_t it_conv_other_pitch(const it_conv_geom *g) { return g->other_pitch ? g->other_pitch : g->out_c; }

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
** 32-bit accumulators, no pitches, plain epilogues: the caller decodes the others' weights while packing. */
typedef struct it_kern_codes {
    const char *name;
    size_t (*packed_bytes)(const it_conv_geom *g, const it_codes *w);
    void (*pack)(const it_conv_geom *g, const it_epi *e, const it_codes *w, void *dst); /* w need not live on */
    uint32_t (*units)(const it_conv_geom *g, uint32_t batch);
    size_t (*scratch_bytes)(const it_conv_geom *g);
    void (*run)(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                uint32_t unit_end, void *scratch);
} it_kern_codes;

/* Elementwise kernels over n elements; y may be x (or a). */
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

/* For timing: multiply-accumulates on registers alone, the way the level's convolutions do them, as fast as it can. Returns how many:
** turns times what a turn of this version has. */
typedef uint64_t it_fn_peak_u8(uint32_t turns);

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
