/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.h: what the Reduce* operators share. Each file supplies a step over doubles (float tensors) and, where the result
** of integers must be exact, one over int64; the walk over the tensor is common. */
#ifndef IT_REDUCE_H
#define IT_REDUCE_H

#include <math.h>

#include "op/back.h"
#include "op/elem.h"
#include "op/lower.h"

typedef struct it_reduce_args {
    bool keepdims, noop_if_empty;
    const int64_t *axes; /* the attribute; NULL when missing or when axes are an input */
    size_t axes_len;
    int axes_input_since; /* the opset at which axes became input 1 */
} it_reduce_args;

/* Accumulators start at init; fold takes len values into one of them; each takes one value into each of len. */
typedef struct it_reduce_real it_reduce_real;
struct it_reduce_real {
    double init;
    double (*fold)(double acc, const double *x, int64_t len);
    void (*each)(double *acc, const double *x, int64_t len);
    double (*finish)(double acc, int64_t count); /* NULL: as it is. count: elements reduced */
    const it_reduce_real *first; /* a pass of its own before: its finite results are subtracted from the values, and added at the end */
};

typedef struct it_reduce_int { /* NULL functions: integers go through doubles */
    int64_t init;
    int64_t (*fold)(int64_t acc, const int64_t *x, int64_t len);
    void (*each)(int64_t *acc, const int64_t *x, int64_t len);
    int64_t (*finish)(int64_t acc, int64_t count);
    bool ordered; /* the result is one of the values: uint64 is compared as such, and init is clamped into the type */
} it_reduce_int;

intact_status it_reduce_parse_since(it_parse *p, int axes_input_since);
intact_status it_reduce_parse(it_parse *p); /* axes an input since opset 18 */
/* numbers of 32 and more bits, floats */
intact_status it_reduce_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err);
intact_status it_reduce_infer_types(const it_node *n, const it_tensor *const *in, uint32_t types, it_tensor *out, intact_error *err);
intact_status it_reduce_forward(it_run_ctx *c, const it_node *n, const it_tensor *x, const it_tensor *axes, it_tensor *y,
                                const it_reduce_real *real, const it_reduce_int *whole, intact_error *err);
/* dx of a sum, or with mean of a mean: dy spread over what was reduced. */
intact_status it_reduce_back(const it_node *n, const it_tensor *x, const it_tensor *axes, const it_tensor *dy, it_tensor *dx, bool mean, intact_error *err);
/* Which axes of rank a constant-axes node reduces; false when the axes are not known. */
bool it_reduce_axes_known(const it_node *n, bool reduced[IT_RANK_MAX]);
/* Exactly the axes behind batch and channel. */
bool it_reduce_is_spatial(const it_node *n);

#define IT_REDUCE_FORWARD(name, real, whole)                                                                                      \
    static intact_status name##_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,       \
                                        intact_error *err)                                                                        \
    {                                                                                                                             \
        return it_reduce_forward(c, n, in[0], it_elem_in(n, in, 1), out[0], real, whole, err);                                    \
    }

#define IT_REDUCE_BACK(name, mean)                                                                                                \
    static intact_status name##_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, \
                                         const it_tensor *const *dy, it_tensor *const *dx, intact_error *err)                     \
    {                                                                                                                             \
        (void)c, (void)out;                                                                                                       \
        return dx[0] ? it_reduce_back(n, in[0], it_elem_in(n, in, 1), dy[0], dx[0], mean, err) : INTACT_OK;                       \
    }                                                                                                                             \
    static const it_backward name##_back = { .reads_in = 1u << 1, .gives = 1, .run = name##_run_back };

#define IT_REDUCE_FIELDS(id)                                                                                                      \
    .name = #id, .since = 1, .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1, .args_bytes = sizeof(it_reduce_args),          \
    .forward = id##_forward

/* The loops of a step: f(a, v) is the accumulator a after value v. Four accumulators side by side let the folds run at full speed;
** f must be associative up to rounding and join(a, b) unites two accumulators. */
#define IT_REDUCE_STEPS(name, T, f, join)                                                                                         \
    static T name##_fold(T acc, const T *x, int64_t len)                                                                          \
    {                                                                                                                             \
        int64_t i = 0;                                                                                                            \
        if (len >= 8) {                                                                                                           \
            T p0 = acc, p1 = name##_INIT, p2 = p1, p3 = p1;                                                                       \
            for (; i + 4 <= len; i += 4) {                                                                                        \
                p0 = f(p0, x[i]);                                                                                                 \
                p1 = f(p1, x[i + 1]);                                                                                             \
                p2 = f(p2, x[i + 2]);                                                                                             \
                p3 = f(p3, x[i + 3]);                                                                                             \
            }                                                                                                                     \
            acc = join(join(p0, p1), join(p2, p3));                                                                               \
        }                                                                                                                         \
        for (; i < len; i++) acc = f(acc, x[i]);                                                                                  \
        return acc;                                                                                                               \
    }                                                                                                                             \
    static void name##_each(T *acc, const T *x, int64_t len)                                                                      \
    {                                                                                                                             \
        IT_IVDEP for (int64_t i = 0; i < len; i++) acc[i] = f(acc[i], x[i]);                                                      \
    }

#endif
