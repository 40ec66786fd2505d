/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients against finite differences in double, then single precision in every layout against double. */
#ifndef BACK_HELPERS_H
#define BACK_HELPERS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op/back.h"

enum { IN_MAX = 8, OUT_MAX = 4, ATTR_MAX = 8 };

typedef enum content {
    MISSING,  /* the optional input is left out */
    RANDOM,   /* -1..1 */
    POSITIVE, /* 0.5..1.5 */
    APART,    /* -2..2, all different by at least 1e-3 and none within 0.05 of a multiple of 0.5: away from kinks and ties */
    INTS,     /* int64 as given, no gradient */
    INTS32
} content;
typedef struct input { content content; int rank; int64_t dim[5]; int64_t ints[12]; } input;

typedef struct grad_case {
    const char *onnx;
    int opset;
    input in[IN_MAX];
    int out_len;              /* 0: one */
    it_attr attrs[ATTR_MAX];
    float clamp_lo, clamp_hi; /* of the node when they differ */
    uint32_t no_dy;           /* bit k: output k has no gradient */
    bool no_nhwc;
} grad_case;

/* Fails, with the operator and the numbers, unless everything agrees; and unless a gradient times 1.01 would not. */
void check_gradient(const grad_case *c);

#define ATTR_I(n, v) { .name = (n), .kind = IT_ATTR_INT, .i = (v) }
#define ATTR_F(n, v) { .name = (n), .kind = IT_ATTR_FLOAT, .f = (v) }
#define ATTR_S(n, v) { .name = (n), .kind = IT_ATTR_STRING, .s = (v) }
#define ATTR_IS(n, l, ...) { .name = (n), .kind = IT_ATTR_INTS, .ints = (const int64_t[]){ __VA_ARGS__ }, .len = (l) }

#endif
