/* SPDX-License-Identifier: Apache-2.0 */
/* pixels.c: images: what the network's input can hold is known without data. */
#include <math.h>

#include "ptq/ptq.h"

/* Squared distance of all pixels from their codes, in steps as large as the whole range is wide. */
static double pixel_error(const it_feed *feed, it_range r)
{
    double scale = ((double)r.hi - (double)r.lo) / 255, zero = floor(-(double)r.lo / scale + 0.5), sum = 0;
    for (uint32_t i = 0; i < feed->dim[0] * 256; i++) {
        double code = fmin(fmax(floor((double)feed->table[i] / scale + 0.5) + zero, 0), 255), off = (double)feed->table[i] - scale * (code - zero);
        sum += off * off;
    }
    return sum;
}

/* The least range around r of which zero is this code. */
static it_range around(it_range r, double zero)
{
    double scale = fmax(-(double)r.lo / zero, (double)r.hi / (255 - zero));
    return (it_range){ (float)(-scale * zero), (float)(scale * (255 - zero)) };
}

/* -1..1 in 255 steps has its zero between two codes, and every pixel with it: a slightly wider range has the pixels near codes again. */
static it_range off_ties(const it_feed *feed, it_range r)
{
    if (!(r.lo < 0 && r.hi > 0))
        return r;
    double zero = floor(-255 * (double)r.lo / ((double)r.hi - (double)r.lo)), worst = pixel_error(feed, r) / 2;
    for (int k = 0; k < 2; k++)
        if (zero + k > 0 && zero + k < 255 && pixel_error(feed, around(r, zero + k)) < worst)
            return around(r, zero + k);
    return r;
}

void it_ptq_know_pixels(it_groups *gs, const it_graph *g, const it_feed *feed)
{
    int group = gs->of[g->inputs.items[0]->id];
    if (group < 0 || feed->arrays)
        return;
    it_range r = { 0, 0 };
    for (uint32_t i = 0; i < feed->dim[0] * 256; i++) {
        float v = feed->table[i];
        r.lo = v < r.lo ? v : r.lo;
        r.hi = v > r.hi ? v : r.hi;
    }
    for (size_t i = 0; i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        if (gs->of[v->id] == group && v->producer && v->producer->op->quant.out != IT_Q_SAME)
            return; /* a group with other sources keeps its histogram */
    }
    gs->g.items[group].fixed = true;
    gs->g.items[group].range = off_ties(feed, r);
}
