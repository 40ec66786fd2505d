/* SPDX-License-Identifier: Apache-2.0 */
/* unary_back.h: gradients of operators of one real number. IT_UNARY_BACK makes them from one expression for dx of x, y = f(x) and g = dy. */
#ifndef IT_UNARY_BACK_H
#define IT_UNARY_BACK_H

#include "op/back.h"
#include "op/unary.h"

typedef void it_unary_back_f32(const it_node *n, const float *x, const float *y, const float *g, float *d, int64_t len);
typedef void it_unary_back_f64(const it_node *n, const double *x, const double *y, const double *g, double *d, int64_t len);

/* Elements in the order of the bytes; x or y without content is not read. */
INTACT_MUST_USE intact_status it_unary_back(const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                            it_tensor *const *dx, it_unary_back_f32 *f32, it_unary_back_f64 *f64, intact_error *err);

#define IT_UNARY_BACK_LOOP(name, suffix, T, args, expr)                                                                           \
    static void name##_back_##suffix(const it_node *n, const T *it_x, const T *it_y, const T *it_g, T *it_d, int64_t len)         \
    {                                                                                                                             \
        args;                                                                                                                     \
        IT_IVDEP for (int64_t i = 0; i < len; i++)                                                                                \
        {                                                                                                                         \
            const T x = it_x[i], y = it_y[i], g = it_g[i];                                                                        \
            (void)x, (void)y;                                                                                                     \
            it_d[i] = (expr);                                                                                                     \
        }                                                                                                                         \
    }
/* has_x, has_y: 1 when the expression has x, y. IT_PICK and R as in unary.h. */
#define IT_UNARY_BACK_FORMS(name, has_x, has_y, args, expr)                                                                       \
    IT_UNARY_BACK_LOOP(name, f32, float, args, expr)                                                                              \
    IT_UNARY_BACK_LOOP(name, f64, double, args, expr)                                                                             \
    static intact_status name##_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, \
                                         const it_tensor *const *dy, it_tensor *const *dx, intact_error *err)                     \
    {                                                                                                                             \
        (void)c;                                                                                                                  \
        return it_unary_back(n, in, out, dy, dx, name##_back_f32, name##_back_f64, err);                                          \
    }                                                                                                                             \
    static const it_backward name##_back = {                                                                                      \
        .reads_in = (has_x), .reads_out = (has_y), .gives = 1, .inplace = 1, .run = name##_run_back,                              \
    };
#define IT_UNARY_BACK(name, has_x, has_y, expr) IT_UNARY_BACK_FORMS(name, has_x, has_y, (void)n, expr)
#define IT_UNARY_BACK_ARGS(name, has_x, has_y, type, expr) IT_UNARY_BACK_FORMS(name, has_x, has_y, const type a = *(const type *)n->args, expr)

#endif
