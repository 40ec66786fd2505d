/* SPDX-License-Identifier: Apache-2.0 */
/* group_scales.c: a scale for each group of a channel's weights, as the channel's scale times a whole number: what is multiplied is one 8-bit weight,
** code times number, so that the accumulator and its one rounding stay as they are. */
#include <math.h>

#include "ptq/method.h"

enum { WEIGHT_TOP = 127 };

static int64_t index_of(const it_weight_view *v, int64_t c, int64_t k) { return (k / v->inner * v->dim + c) * v->inner + k % v->inner; }

/* Squared error of n weights at a step, to the nearest of -top..top. */
static double error_at(const float *w, size_t n, double step, double top)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double q = nearbyint((double)w[i] / step);
        q = q < -top ? -top : q > top ? top : q;
        sum += ((double)w[i] - step * q) * ((double)w[i] - step * q);
    }
    return sum;
}

static size_t gather(const it_weight_view *v, int64_t c, int64_t group, int64_t len, float *to)
{
    const int64_t all = v->outer * v->inner;
    size_t n = 0;
    for (int64_t k = group * len; k < all && k < (group + 1) * len; k++)
        to[n++] = v->w[index_of(v, c, k)];
    return n;
}

/* The whole number whose multiple of the channel's step serves the group: next to wanted, the better of the two. */
static uint8_t multiplier(const float *w, size_t n, double step, double wanted, int top)
{
    const int most = WEIGHT_TOP / top;
    int low = (int)fmin(fmax(floor(wanted), 1), most), high = low < most ? low + 1 : most;
    return (uint8_t)(error_at(w, n, step * low, top) < error_at(w, n, step * high, top) ? low : high);
}

intact_status it_ptq_group_scales(it_ptq *p, const it_node *n, const it_weight_view *v, const it_weight_plan *plan, it_quant *q, intact_error *err)
{
    const int64_t all = v->outer * v->inner, len = plan->group_len < all ? plan->group_len : all, groups = (all + len - 1) / len;
    const int top = (1 << (plan->bits - 1)) - 1;
    const size_t bytes = (size_t)(len + q->len * groups) * sizeof(float);
    uint8_t *k = it_arena_new(&p->g->arena, (size_t)(q->len * groups));
    float *room = it_alloc_new(p->alloc, bytes);
    if (!k || !room) {
        it_alloc_free(p->alloc, room, bytes);
        return it_fail_nomem(err, n->name, bytes);
    }
    float *wanted = room + len;
    for (int64_t c = 0; c < q->len; c++) {
        q->scale[c] = 0;
        for (int64_t g = 0; g < groups; g++) {
            it_range r = plan->range->range(room, gather(v, c, g, len, room), plan->bits, false);
            wanted[c * groups + g] = fmaxf(r.hi, -r.lo);
            q->scale[c] = fmaxf(q->scale[c], wanted[c * groups + g] / (float)(WEIGHT_TOP / top));
        }
    }
    it_ptq_spread_scales(q, top);
    for (int64_t c = 0; c < q->len; c++)
        for (int64_t g = 0; g < groups; g++) {
            double step = (double)q->scale[c], want = (double)wanted[c * groups + g] / top;
            k[c * groups + g] = multiplier(room, gather(v, c, g, len, room), step, want / step, top);
        }
    q->group = k;
    q->group_len = len;
    q->groups = groups;
    it_alloc_free(p->alloc, room, bytes);
    return INTACT_OK;
}

void it_ptq_group_codes(const it_weight_view *v, it_quant *q, int8_t *codes)
{
    for (int64_t c = 0; c < q->len; c++)
        for (int64_t k = 0; k < v->outer * v->inner; k++) {
            int8_t *code = &codes[index_of(v, c, k)];
            *code = (int8_t)(*code * q->group[c * q->groups + k / q->group_len]); /* |code| <= top, the multiplier at most 127 / top */
        }
    q->group = NULL;
    q->bits = 8;
}
