/* SPDX-License-Identifier: Apache-2.0 */
/* elem.h: what elementwise, reducing and recurrent operators share: type sets, half precision by way of float, loops without
** dependencies. */
#ifndef IT_ELEM_H
#define IT_ELEM_H

#include "op/op.h"

/* Floating-point exceptions are not looked at. Without this gcc keeps branches for values that a select would compute, and such loops
** do not vectorize; no result changes. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math")
#endif

/* Iterations do not depend on each other, even when the output is the very memory of an input. */
#if defined(__GNUC__) && !defined(__clang__) /* clang's like would also warn about each loop that cannot be vectorized */
#define IT_IVDEP _Pragma("GCC ivdep")
#else
#define IT_IVDEP
#endif

#define IT_T(t) (1u << (t))
#define IT_T_FLOAT (IT_T(IT_F16) | IT_T(IT_F32) | IT_T(IT_F64))
#define IT_T_SIGNED (IT_T(IT_I8) | IT_T(IT_I16) | IT_T(IT_I32) | IT_T(IT_I64))
#define IT_T_UNSIGNED (IT_T(IT_U8) | IT_T(IT_U16) | IT_T(IT_U32) | IT_T(IT_U64))
#define IT_T_NUMBER (IT_T_FLOAT | IT_T_SIGNED | IT_T_UNSIGNED)
#define IT_T_WIDE (IT_T_FLOAT | IT_T(IT_I32) | IT_T(IT_I64) | IT_T(IT_U32) | IT_T(IT_U64)) /* the numbers of the older opsets */

#define IT_LUT_TYPES (1u << INTACT_U8 | 1u << INTACT_S16)
#define IT_LUT_QUANT(how, lo, hi) \
    { .out = (how), .fixed_lo = (lo), .fixed_hi = (hi), .in_types = IT_LUT_TYPES, .out_types = IT_LUT_TYPES }

/* X(type, suffix, C type) for each. */
#define IT_EACH_SIGNED(X) X(IT_I8, i8, int8_t) X(IT_I16, i16, int16_t) X(IT_I32, i32, int32_t) X(IT_I64, i64, int64_t)
#define IT_EACH_UNSIGNED(X) X(IT_U8, u8, uint8_t) X(IT_U16, u16, uint16_t) X(IT_U32, u32, uint32_t) X(IT_U64, u64, uint64_t)
#define IT_EACH_REAL(X) X(IT_F32, f32, float) X(IT_F64, f64, double)

/* Input k, NULL when left out. */
const it_tensor *it_elem_in(const it_node *n, const it_tensor *const *in, int k);
/* Input k is there and of one of the types. */
INTACT_MUST_USE intact_status it_elem_check(const it_node *n, const it_tensor *const *in, int k, uint32_t types, intact_error *err);
/* Inputs 0..len-1 are there, of one of the types, and all of the same one. */
INTACT_MUST_USE intact_status it_elem_check_same(const it_node *n, const it_tensor *const *in, int len, uint32_t types, intact_error *err);
/* len elements of scratch memory. */
INTACT_MUST_USE intact_status it_elem_scratch(it_run_ctx *c, const it_node *n, size_t len, size_t size, void **out, intact_error *err);
/* t's content as another type, in scratch memory: shape and layout stay. The same t when it has that type already. */
INTACT_MUST_USE intact_status it_elem_cast(it_run_ctx *c, const it_node *n, const it_tensor *t, it_type type, it_tensor *out,
                                           intact_error *err);
void it_elem_narrow(const float *from, uint16_t *to, int64_t len); /* to half precision */
/* Strides in elements of t's bytes (any layout) seen as out's shape: 0 where t is broadcast. */
void it_elem_strides(const it_tensor *t, const it_tensor *out, int64_t stride[IT_RANK_MAX]);

#endif
