/* SPDX-License-Identifier: Apache-2.0 */
/* walk.h: walking an output and up to three broadcast inputs row by row, over as few and as long rows as their shapes allow. */
#ifndef IT_WALK_H
#define IT_WALK_H

#include "op/elem.h"

typedef struct it_walk {
    int len, rank;                    /* inputs; dimensions outside the row */
    int64_t row, step[3];             /* elements of a row; the inputs' steps in it (0 or 1, or more for a column) */
    int64_t y, at[3];                 /* where this row begins, in elements */
    int64_t rows;                     /* left */
    int64_t dim[IT_RANK_MAX], index[IT_RANK_MAX], stride[3][IT_RANK_MAX];
} it_walk;

/* for (it_walk_begin(&r, out, in, 2); r.rows; it_walk_next(&r)) ... Everything plain; in broadcasts to out. */
void it_walk_begin(it_walk *r, const it_tensor *out, const it_tensor *const *in, int len);
void it_walk_next(it_walk *r);

/* Two inputs of one type, of types, and a bool for each pair. */
typedef void it_compare_row(it_type type, const void *a, const void *b, uint8_t *y, int64_t len, int64_t step_a, int64_t step_b);
intact_status it_compare_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err); /* any type */
intact_status it_logic_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err);   /* bool only */
void it_compare_run(const it_tensor *const *in, const it_tensor *out, it_compare_row *row);

#define IT_COMPARE_CASE(tag, suffix, T)                                                                                           \
    case tag:                                                                                                                     \
        for (int64_t i = 0; i < len; i++) {                                                                                       \
            const T a = ((const T *)it_a)[i * step_a], b = ((const T *)it_b)[i * step_b];                                         \
            y[i] = IT_COMPARE_EXPR;                                                                                               \
        }                                                                                                                         \
        return;

#define IT_COMPARE_FORWARD(name)                                                                                                  \
    static intact_status name##_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,       \
                                        intact_error *err)                                                                        \
    {                                                                                                                             \
        (void)c;                                                                                                                  \
        (void)n;                                                                                                                  \
        (void)err;                                                                                                                \
        it_compare_run(in, out[0], name##_row);                                                                                   \
        return INTACT_OK;                                                                                                         \
    }

/* All forms of y = IT_COMPARE_EXPR (of a and b, in every type); the file adds a descriptor. */
#define IT_COMPARE(name)                                                                                                          \
    static void name##_row(it_type type, const void *it_a, const void *it_b, uint8_t *y, int64_t len, int64_t step_a,             \
                           int64_t step_b)                                                                                        \
    {                                                                                                                             \
        switch (type) {                                                                                                           \
            IT_EACH_REAL(IT_COMPARE_CASE)                                                                                         \
            IT_EACH_SIGNED(IT_COMPARE_CASE)                                                                                       \
            IT_EACH_UNSIGNED(IT_COMPARE_CASE)                                                                                     \
            IT_COMPARE_CASE(IT_BOOL, b8, uint8_t)                                                                                 \
        case IT_F16:                                                                                                              \
            for (int64_t i = 0; i < len; i++) {                                                                                   \
                const float a = it_f16_to_f32(((const uint16_t *)it_a)[i * step_a]);                                              \
                const float b = it_f16_to_f32(((const uint16_t *)it_b)[i * step_b]);                                              \
                y[i] = IT_COMPARE_EXPR;                                                                                           \
            }                                                                                                                     \
            return;                                                                                                               \
        default: return;                                                                                                          \
        }                                                                                                                         \
    }                                                                                                                             \
    IT_COMPARE_FORWARD(name)

#endif
