/* SPDX-License-Identifier: Apache-2.0 */
/* check.h: the sentences that the check functions of the instructions share; each fails with the instruction's name and kind. */
#ifndef IT_CHECK_H
#define IT_CHECK_H

#include "run/instr.h"

#define IT_ON_U8 (1u << INTACT_U8)
#define IT_ON_S16 (1u << INTACT_S16)
#define IT_ON_CODES (IT_ON_U8 | IT_ON_S16)

/* Ranges of 32-bit fields that several instructions share. */
#define IT_CODE_LO (-32767)
#define IT_CODE_HI 32767
#define IT_EXTENT_MAX (1 << 24) /* of a kernel, stride, dilation or pad; with it_check_window no index leaves 32 bits */

INTACT_MUST_USE intact_status it_check_fail(const it_pinstr *i, intact_status code, intact_error *err, const char *fmt, ...)
    IT_PRINTF(4, 5);

/* Type of t is one of the mask's; what is "x", "y". */
INTACT_MUST_USE intact_status it_check_type(const it_pinstr *i, const char *what, const it_ptensor *t, uint32_t mask, intact_error *err);
INTACT_MUST_USE intact_status it_check_same_shape(const it_pinstr *i, const it_ptensor *x, const it_ptensor *y, intact_error *err);
/* Type, scale and zero point: bytes may be copied from x to y. */
INTACT_MUST_USE intact_status it_check_same_codes(const it_pinstr *i, const it_ptensor *x, const it_ptensor *y, intact_error *err);
/* lo <= hi, both codes of y. */
INTACT_MUST_USE intact_status it_check_clamp(const it_pinstr *i, const it_ptensor *y, int32_t lo, int32_t hi, intact_error *err);
/* c may be IT_NO_CONST: refused like any other that is wrong. */
INTACT_MUST_USE intact_status it_check_const(const it_prog *p, const it_pinstr *i, const char *what, uint32_t c, intact_type type,
                                             uint64_t len, intact_error *err);
/* mult and shift of len entries: m = 0 or 2^30 <= m < 2^31 (acc64: |m| < 2^15), 1 <= s <= 62. */
INTACT_MUST_USE intact_status it_check_scales(const it_prog *p, const it_pinstr *i, uint32_t mult, uint32_t shift, uint64_t len, bool acc64,
                                              intact_error *err);
/* levels: u8, 2 to 16 of them; thresholds: s32, `rows` rows of one fewer, each ascending (equal ones allowed). */
INTACT_MUST_USE intact_status it_check_levels(const it_prog *p, const it_pinstr *i, uint32_t thresholds, uint32_t levels, uint64_t rows,
                                              intact_error *err);

/* Windows sliding over one axis: out = (in + before + after - reach) / stride + 1, reach = dil * (k - 1) + 1. */
typedef struct it_window { uint32_t in, out, k, stride, dil, before, after; } it_window;
/* what: "height", "width". Also proves in + before + after < 2^30. */
INTACT_MUST_USE intact_status it_check_window(const it_pinstr *i, const char *what, const it_window *w, intact_error *err);

#endif
