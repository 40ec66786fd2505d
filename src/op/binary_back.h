/* SPDX-License-Identifier: Apache-2.0 */
/* binary_back.h: gradients of operators of broadcast tensors. IT_BINARY_BACKS makes them from one expression for each input. */
#ifndef IT_BINARY_BACK_H
#define IT_BINARY_BACK_H

#include "op/back.h"
#include "op/binary.h"
#include "op/levels.h"

/* One row: d[i * stride] = the gradient, or added to acc where the input is broadcast, which is summed in double. a, b NULL: not read. */
typedef struct it_binary_back_row {
    void *d;
    double *acc;
    const void *g, *a, *b;
    int64_t len, sa, sb; /* d and acc step as their input does */
} it_binary_back_row;
typedef void it_binary_back_fn(const it_binary_back_row *r);
typedef struct it_binary_back_fns { it_binary_back_fn *f32, *f64; } it_binary_back_fns;

/* dx for input k (0: a, 1: b). */
INTACT_MUST_USE intact_status it_binary_back(it_back_ctx *c, const it_node *n, const it_tensor *a, const it_tensor *b, const it_tensor *dy, it_tensor *dx,
                                             int k, const it_binary_back_fns *fns, intact_error *err);

/* expr of g = dy, X and Z, the elements of a and b. The strides are constants in the common cases, so that loops vectorize. */
#define X (a[i * sa])
#define Z (b[i * sb])
#define IT_BINARY_BACK_LOOP(k, name, suffix, T, expr)                                                                             \
    IT_INLINE void name##_##k##_##suffix##_row(const it_binary_back_row *r, int64_t sa, int64_t sb)                               \
    {                                                                                                                             \
        const T *restrict a = r->a, *restrict b = r->b, *restrict gy = r->g;                                                      \
        T *d = r->d;                                                                                                              \
        double *acc = r->acc, sum = 0;                                                                                            \
        const int64_t sd = (k) ? sb : sa, len = r->len;                                                                           \
        (void)a, (void)b;                                                                                                         \
        if (!acc) {                                                                                                               \
            IT_IVDEP for (int64_t i = 0; i < len; i++) { const T g = gy[i]; d[i * sd] = (expr); }                                 \
        } else if (sd == 0) {                                                                                                     \
            for (int64_t i = 0; i < len; i++) { const T g = gy[i]; sum += (double)(expr); }                                       \
            *acc += sum;                                                                                                          \
        } else {                                                                                                                  \
            IT_IVDEP for (int64_t i = 0; i < len; i++) { const T g = gy[i]; acc[i * sd] += (double)(expr); }                      \
        }                                                                                                                         \
    }                                                                                                                             \
    static void name##_##k##_##suffix(const it_binary_back_row *r)                                                                \
    {                                                                                                                             \
        if (r->sa == 1 && r->sb == 1)                                                                                             \
            name##_##k##_##suffix##_row(r, 1, 1);                                                                                 \
        else if (r->sa == 1 && r->sb == 0)                                                                                        \
            name##_##k##_##suffix##_row(r, 1, 0);                                                                                 \
        else if (r->sa == 0 && r->sb == 1)                                                                                        \
            name##_##k##_##suffix##_row(r, 0, 1);                                                                                 \
        else                                                                                                                      \
            name##_##k##_##suffix##_row(r, r->sa, r->sb);                                                                         \
    }
#define IT_BINARY_BACK(k, name, expr)                                                                                             \
    IT_BINARY_BACK_LOOP(k, name, f32, float, expr)                                                                                \
    IT_BINARY_BACK_LOOP(k, name, f64, double, expr)
/* The whole of it: <name>_back, for operators of two inputs. reads: bits of it_backward.reads_in. */
#define IT_BINARY_BACKS(name, reads, passes, expr_a, expr_b)                                                                      \
    IT_BINARY_BACK(0, name, expr_a)                                                                                               \
    IT_BINARY_BACK(1, name, expr_b)                                                                                               \
    static intact_status name##_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, \
                                         const it_tensor *const *dy, it_tensor *const *dx, intact_error *err)                     \
    {                                                                                                                             \
        static const it_binary_back_fns fns[2] = { { name##_0_f32, name##_0_f64 }, { name##_1_f32, name##_1_f64 } };              \
        (void)out;                                                                                                                \
        for (int k = 0; k < 2; k++)                                                                                               \
            if (dx[k]) IT_TRY(it_binary_back(c, n, in[0], in[1], dy[0], dx[k], k, &fns[k], err));                                 \
        return INTACT_OK;                                                                                                         \
    }                                                                                                                             \
    static const it_backward name##_back = { .reads_in = (reads), .gives = 3, .pass = (passes), .run = name##_run_back };

#endif
