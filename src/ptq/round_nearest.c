/* SPDX-License-Identifier: Apache-2.0 */
/* round_nearest.c: each weight to the nearest code, ties to even. */
#include <math.h>

#include "ptq/method.h"

static intact_status nearest_round(it_ptq *p, it_node *n, it_quant *q, int8_t *codes, intact_error *err)
{
    it_weight_view v = it_weight_view_of(&it_ptq_weight(n)->t, n->op->quant.weight_axis(n));
    (void)p, (void)err;
    for (int64_t c = 0; c < v.dim; c++) {
        int64_t k = q->len == 1 ? 0 : c;
        double inv = 1.0 / (double)q->scale[k], zero = q->zero[k], top = (1 << (q->bits - 1)) - 1, low = zero != 0 ? -top - 1 : -top;
        for (int64_t i = 0; i < v.outer; i++)
            for (int64_t j = 0; j < v.inner; j++) {
                int64_t at = (i * v.dim + c) * v.inner + j;
                double x = nearbyint(q->group ? (double)v.w[at] / it_weight_step(q, k, i * v.inner + j) : (double)v.w[at] * inv) + zero;
                codes[at] = (int8_t)(x > top ? top : x < low ? low : x);
            }
    }
    return INTACT_OK;
}

const it_rounding it_rounding_nearest = { .name = "nearest", .summary = "each weight to the nearest code", .round = nearest_round };
