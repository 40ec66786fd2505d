/* SPDX-License-Identifier: Apache-2.0 */
/* binary.h: operators of two or more broadcast tensors. IT_BINARY makes the loops from one expression of x and z; the file adds a table. */
#ifndef IT_BINARY_H
#define IT_BINARY_H

#include "op/elem.h"
#include "op/lower.h"

/* y[i] = f(a[i * sa], b[i * sb]); y may be a. */
typedef void it_binary_fn(void *y, const void *a, const void *b, int64_t len, int64_t sa, int64_t sb);
typedef it_binary_fn *const it_binary_table[IT_TYPE_COUNT]; /* NULL: not of this type; float16 goes through float */

/* Dimensions of the output from the outermost in memory to the innermost; those of size 1 are gone, those that both inputs walk
** without a jump are one. */
typedef struct it_binary_nest {
    int rank;
    int64_t dim[IT_RANK_MAX], sa[IT_RANK_MAX], sb[IT_RANK_MAX];
} it_binary_nest;
void it_binary_nest_of(const it_tensor *a, const it_tensor *b, const it_tensor *y, it_binary_nest *l);

/* Types equal and in the set; out 0 has them and the broadcast shape. */
intact_status it_binary_infer(const it_node *n, const it_tensor *const *in, uint32_t types, it_tensor *out, intact_error *err);
/* Any layouts: strides follow each tensor's own. */
intact_status it_binary_forward(it_run_ctx *c, const it_node *n, const it_tensor *a, const it_tensor *b, it_tensor *y,
                                it_binary_table table, intact_error *err);
/* One or more inputs, folded from the left, the result divided by divisor (1, or the number of inputs for a mean). */
intact_status it_variadic_infer(const it_node *n, const it_tensor *const *in, uint32_t types, it_tensor *out, intact_error *err);
intact_status it_variadic_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *y, it_binary_table table,
                                  int divisor, intact_error *err);
/* Fails, with the place, on a zero among the integers of t, which divide. */
intact_status it_binary_no_zero(const it_node *n, const it_tensor *t, intact_error *err);

/* Integer forms (op/binary_lower.c). */
typedef float it_scalar_fn(const it_node *n, float x);
/* One operand a constant of one element: a table. with_right: f(x, in[1]); with_left: f(in[0], x) as a function of x with the constant
** at in[1]. */
INTACT_MUST_USE intact_status it_lower_const_operand(it_lower *lw, const it_node *n, it_scalar_fn *with_right, it_scalar_fn *with_left,
                                                     intact_error *err);
/* y = a + sign * b; a constant may have any shape that broadcasts to the other's. */
INTACT_MUST_USE intact_status it_lower_sum_of_two(it_lower *lw, const it_node *n, int sign, it_scalar_fn *with_right,
                                                  it_scalar_fn *with_left, intact_error *err);
/* y = a * b, or a / b for a constant b; the same. */
INTACT_MUST_USE intact_status it_lower_product(it_lower *lw, const it_node *n, bool divide, it_scalar_fn *with_right,
                                               it_scalar_fn *with_left, intact_error *err);
/* Any function of x and a constant in[1] that has one element or one a channel; per channel only from u8 to u8. */
INTACT_MUST_USE intact_status it_lower_channel_table(it_lower *lw, const it_node *n, it_scalar_fn *with_right, it_scalar_fn *with_left,
                                                     intact_error *err);

#define IT_BINARY(name, T, expr)                                                                                                  \
    static void name(void *yv, const void *av, const void *bv, int64_t len, int64_t sa, int64_t sb)                               \
    {                                                                                                                             \
        T *y = yv;                                                                                                                \
        const T *a = av, *b = bv;                                                                                                 \
        if (sa == 1 && sb == 1) {                                                                                                 \
            IT_IVDEP for (int64_t i = 0; i < len; i++) { const T x = a[i], z = b[i]; y[i] = (T)(expr); }                          \
        } else if (sa == 1 && sb == 0) {                                                                                          \
            const T z = *b;                                                                                                       \
            IT_IVDEP for (int64_t i = 0; i < len; i++) { const T x = a[i]; y[i] = (T)(expr); }                                    \
        } else if (sa == 0 && sb == 1) {                                                                                          \
            const T x = *a;                                                                                                       \
            IT_IVDEP for (int64_t i = 0; i < len; i++) { const T z = b[i]; y[i] = (T)(expr); }                                    \
        } else {                                                                                                                  \
            for (int64_t i = 0; i < len; i++) { const T x = a[i * sa], z = b[i * sb]; y[i] = (T)(expr); }                         \
        }                                                                                                                         \
    }

/* f(x, z) on doubles and f with either operand from the constant at in[1], for tables. */
#define IT_BINARY_SCALARS(name, expr)                                                                                             \
    static float name##_with_right(const it_node *n, float v)                                                                     \
    {                                                                                                                             \
        const double x = (double)v, z = it_tensor_get(&n->in[1]->t, 0);                                                           \
        return (float)(expr);                                                                                                     \
    }                                                                                                                             \
    static float name##_with_left(const it_node *n, float v)                                                                      \
    {                                                                                                                             \
        const double x = it_tensor_get(&n->in[1]->t, 0), z = (double)v;                                                           \
        return (float)(expr);                                                                                                     \
    }

#define IT_BINARY_ENTRY(id, suffix, type) [id] = BINARY_NAME(suffix),
#define IT_BINARY_QUANT { .out = IT_Q_FREE, .in_types = IT_LUT_TYPES, .out_types = IT_LUT_TYPES }
#define IT_BINARY_QUANT_CLAMPS { .clamps = true, .out = IT_Q_FREE, .in_types = IT_LUT_TYPES, .out_types = IT_LUT_TYPES }

#endif
