/* SPDX-License-Identifier: Apache-2.0 */
/* instr.h: the argument struct of every instruction; all members are 32-bit, in file order. Codes are in docs/FORMAT.md.
**
** Common: x is in[0], y is out[0]; z_* are their zero points, S_* their scales. lo, hi are codes of y (a fused clamp), within
** 0..255 for u8 and -32767..32767 for s16. mult and shift are constants (s32) with one m and one s per output channel.
** requant(v, c) = clamp(z_y + ((v * m[c] + 2^(s[c]-1)) >> s[c]), lo, hi), in 64 bits.
** acc64: 0: |acc| < 2^31 is proved for every channel and 2^30 <= m < 2^31 (or 0); 1: 64-bit accumulators and |m| < 2^15.
** Optional constants are IT_NO_CONST where there is none. Those at the end of a struct need not be in a file (docs/FORMAT.md).
**
** levels, thresholds (of conv, dwconv, dense): both or none, then instead of requant, for y of u8:
** y = levels[how many of the channel's thresholds are <= v]. mult and shift are IT_NO_CONST then, acc64 is 0, lo..hi is 0..255.
**
** fixes (of conv, dwconv, dense): s32 [n][3], rows of output channel, tap, and what the channel's weight at this tap is more than the s8
** there (it_fix; +128 is 127 and a fix of 1). Rows ascend by channel, then tap; none twice. bias is folded from the whole weights. */
#ifndef IT_INSTR_H
#define IT_INSTR_H

#include "run/program.h"

/* y(oh,ow,o) = requant(bias[o] + sum x(ih,iw,c) * w(o,kh,kw,c)), padding reads z_x. The zero-point terms -z_x * sum w are
** folded into bias. x, y: rank 4 (or 3: height 1). in: x. */
typedef struct it_conv_args {
    uint32_t group, kh, kw, stride_h, stride_w, dil_h, dil_w, pad_t, pad_l, pad_b, pad_r;
    uint32_t weight; /* s8 (O, KH, KW, I/group), or packed: O rows of these */
    uint32_t bias, mult, shift; /* s32 [O] */
    int32_t lo, hi;
    uint32_t acc64;
    uint32_t thresholds, levels; /* s32 [O][L-1], each row ascending; u8 [L], L in 2..16 */
    uint32_t fixes;              /* s32 [n][3] */
} it_conv_args;
/* In an initializer of either struct: none of its optional constants. */
#define IT_NO_LEVELS .thresholds = IT_NO_CONST, .levels = IT_NO_CONST, .fixes = IT_NO_CONST

/* Depthwise: one filter per channel, O = I; weight s8 (KH, KW, C), or packed: C rows of (KH, KW); the same struct, group unused (1). */
typedef struct it_conv_args it_dwconv_args;

/* y(o) = requant(bias[o] + sum_k x(k) * w(o,k)). x of any rank is read as (N, K); y is (N, O). */
typedef struct it_dense_args {
    uint32_t weight;            /* s8 (O, K), K in x's own (channels-last) order, or packed: O rows */
    uint32_t bias, mult, shift; /* s32 [O] */
    int32_t lo, hi;
    uint32_t acc64;
    uint32_t thresholds, levels, fixes; /* as conv; a tap is an index k */
} it_dense_args;

/* y = clamp(z_y + (((a - z_a) * m_a + (b - z_b) * m_b + 2^(s-1)) >> s), lo, hi). |m| < 2^31, either sign (subtraction).
** b has a's shape, or 1 in some of its dimensions (broadcast); y has a's shape. in: a, b. */
typedef struct it_add_args { int32_t m_a, m_b; uint32_t shift; int32_t lo, hi; } it_add_args;

/* y = clamp(z_y + (((a - z_a) * (b - z_b) * m + 2^(s-1)) >> s), lo, hi); the product is below 2^31. Broadcast as add. */
typedef struct it_mul_args { int32_t mult; uint32_t shift; int32_t lo, hi; } it_mul_args;

/* y = max over the window, padding ignored; same scale and zero point as x. Clamp as usual. */
typedef struct it_maxpool_args { uint32_t kh, kw, stride_h, stride_w, dil_h, dil_w, pad_t, pad_l, pad_b, pad_r; int32_t lo, hi; } it_maxpool_args;

/* y = requant(sum (x - z_x)) with m and s by the number of valid elements n: mult[n-1], shift[n-1]; constants of length 1 serve every n
** (no padding, or count_include_pad, where padding adds zero). kh = H and kw = W without padding is global pooling. */
typedef struct it_avgpool_args {
    uint32_t kh, kw, stride_h, stride_w, pad_t, pad_l, pad_b, pad_r;
    uint32_t mult, shift; /* s32 [1] or [kh*kw] */
    int32_t lo, hi;
} it_avgpool_args;

/* Inputs one after another along an axis (of the runtime's own order, batch 0 excluded); all share scale and zero point. */
typedef struct it_concat_args { uint32_t axis; } it_concat_args;

/* x surrounded: mode 0 constant (value, a code), 1 edge, 2 reflect. pads in elements along runtime dimensions 1..3; rank <= 4. */
typedef struct it_pad_args { uint32_t before_1, before_2, before_3, after_1, after_2, after_3; uint32_t mode; int32_t value; } it_pad_args;

/* Strided copy inside a sample: slices, transposes, reshapes. y's elements in order are read from x at
** offset + sum index[k] * stride[k], over dims d0..d5 (product = elements of y); strides in elements, may be negative or 0. */
typedef struct it_copy_args { uint32_t d0, d1, d2, d3, d4, d5; int32_t s0, s1, s2, s3, s4, s5; uint32_t offset; } it_copy_args;

/* y(i,j) from x by tables: for output row i source rows h0[i], h1[i] with integer weight wh[i] (0..2048, of h1), columns alike.
** y = (sum of the four with weights (2048-wh)*(2048-ww)... + 2^21) >> 22. Nearest has all weights 0. Same scale as x. */
typedef struct it_resize_args { uint32_t h0, h1, wh; uint32_t w0, w1, ww; /* s32 consts, lengths OH and OW */ } it_resize_args;

/* y = table[x] for u8 x: 256 entries, u8 or s16 as y. For s16 x: 513 points at -32768, -32640, ... , 32768 (every 128), s16, with
** integer linear interpolation (t[i] * (128 - f) + t[i+1] * f + 64) >> 7. */
typedef struct it_lut_args { uint32_t table; } it_lut_args;

/* Raw pixels (u8, interleaved, channels last) to codes: y(h,w,c) = table[c][x(h,w,source[c])]. table: u8 [C*256], source: s32 [C]. */
typedef struct it_pixels_args { uint32_t table, source; } it_pixels_args;

/* y = clamp(z_y + (((x - z_x) * m + 2^(s-1)) >> s), lo, hi), any of u8, s16 to any of u8, s16. */
typedef struct it_requantize_args { int32_t mult; uint32_t shift; int32_t lo, hi; } it_requantize_args;

/* Over the last runtime dimension (channels). e[d] = exp(-S_x*d) in Q31 as u32 bits in s32, d = max - x in 0..255 for u8 x; for s16 x
** d = min((max - x) >> d_shift, len - 1) into a table of len entries. y = (e * y_one + sum/2) / sum: y_one = 32767 for s16, 255 for u8. */
typedef struct it_softmax_args { uint32_t table; uint32_t d_shift; int32_t y_one; } it_softmax_args;

/* Index of the largest (or smallest) value over the last runtime dimension; ties to the lower index (or the higher). y: s32. */
typedef struct it_argmax_args { uint32_t smallest, last; } it_argmax_args;

/* y = levels[how many thresholds of its channel (last dimension) are <= x]. x: u8 or s16, y: u8 of x's shape. */
typedef struct it_threshold_args {
    uint32_t thresholds; /* s32 [C][L-1], or [1][L-1] for all channels; each row ascending, in codes of x */
    uint32_t levels;     /* u8 [L], L in 2..16 */
} it_threshold_args;

#define INSTR(name, code) extern const it_instr it_instr_##name;
#include "run/instr_list.h"
#undef INSTR

#endif
