/* SPDX-License-Identifier: Apache-2.0 */
/* unary.h: operators of one real number. IT_UNARY makes all forms of y = f(x) from one expression; the file adds attributes and a
** descriptor. */
#ifndef IT_UNARY_H
#define IT_UNARY_H

#include <math.h>
#include <tgmath.h>

#include "op/elem.h"
#include "op/fast_math.h"
#include "op/lower.h"

typedef void it_unary_f32(const it_node *n, const float *x, float *y, int64_t len);
typedef double it_unary_f64(const it_node *n, double x);

/* Any float type in, the same out. */
intact_status it_unary_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err);
/* Elements in the order of the bytes, so any layout will do. */
intact_status it_unary_forward(const it_node *n, const it_tensor *x, it_tensor *y, it_unary_f32 *f32, it_unary_f64 *f64);
/* The constant bounds of a Clip node, whatever its opset; false when they are computed in the network. */
bool it_clip_range(const it_node *n, float *lo, float *hi);

/* The forms of y = expr, where x is the input and a the typed arguments: a loop over floats, a function of one double, one of one
** float for tables, and forward. expr is compiled for float and for double: R(c) is the constant c in the right one, tgmath picks
** the function. IT_PICK instead of ?: where a side is computed: loops with branches do not vectorize. */
#define IT_UNARY_FORMS(name, args, expr)                                                                                          \
    static void name##_f32(const it_node *n, const float *it_x, float *it_y, int64_t len)                                         \
    {                                                                                                                             \
        args;                                                                                                                     \
        IT_IVDEP for (int64_t i = 0; i < len; i++)                                                                                \
        {                                                                                                                         \
            const float x = it_x[i];                                                                                              \
            it_y[i] = (expr);                                                                                                     \
        }                                                                                                                         \
    }                                                                                                                             \
    static double name##_f64(const it_node *n, double x)                                                                          \
    {                                                                                                                             \
        args;                                                                                                                     \
        return (expr);                                                                                                            \
    }                                                                                                                             \
    static float name##_scalar(const it_node *n, float x) { return (float)name##_f64(n, (double)x); }                             \
    static intact_status name##_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,       \
                                        intact_error *err)                                                                        \
    {                                                                                                                             \
        (void)c;                                                                                                                  \
        (void)err;                                                                                                                \
        return it_unary_forward(n, in[0], out[0], name##_f32, name##_f64);                                                        \
    }
#define IT_UNARY(name, expr) IT_UNARY_FORMS(name, (void)n, expr)
/* The arguments are copied: a store of the loop cannot change them then. */
#define IT_UNARY_ARGS(name, type, expr) IT_UNARY_FORMS(name, const type a = *(const type *)n->args, expr)

static inline float it_pick_f32(bool yes, float a, float b) { return yes ? a : b; }
static inline double it_pick_f64(bool yes, double a, double b) { return yes ? a : b; }
static inline float it_clamp_01_f32(float v) { return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v; }
static inline double it_clamp_01_f64(double v) { return v < 0.0 ? 0.0 : v > 1.0 ? 1.0 : v; }
#define IT_CLAMP_01(v) _Generic((x), float: it_clamp_01_f32, double: it_clamp_01_f64)(v)
#define IT_PICK(yes, u, v) _Generic((x), float: it_pick_f32, double: it_pick_f64)((yes), (u), (v))
#define R(constant) ((__typeof__(+x))(constant))

/* What the descriptors of IT_UNARY operators have in common. */
#define IT_UNARY_FIELDS(id)                                                                                                       \
    .name = #id, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .infer = it_unary_infer, .forward = id##_forward,          \
    .lower = it_lower_scalar, .scalar = id##_scalar, .layout = IT_LAYOUT_ANY, .inplace = true

#endif
