/* SPDX-License-Identifier: Apache-2.0 */
/* doubts.c: what calibration data leave doubtful, said before somebody wonders about the accuracy. */
#include <math.h>
#include <stdio.h>

#include "ptq/ptq.h"

#define SAMPLES_FEW 8
#define OUTLIER 1000.0    /* times the 99.99th percentile */
#define NOTES_A_KIND 8    /* named; the rest is counted */

static double largest(const it_hist *h) { return fmax((double)h->max, -(double)h->min); }

/* Upper edge of the bin that the 99.99th percentile of the nonzero |x| falls into. */
static double common(const it_hist *h)
{
    uint64_t len = h->count - h->zeros, want = len - len / 10000, seen = 0;
    for (int i = 0; i < IT_HIST_BINS; i++) {
        seen += h->pos[i] + h->neg[i] - (i == 0 ? h->zeros : 0);
        if (seen >= want)
            return ldexp(i + 1.0, h->k);
    }
    return largest(h);
}

static bool is_constant(const it_hist *h) { return h->count > 1 && h->min == h->max; }
static bool has_outlier(const it_hist *h) { return h->count > h->zeros && largest(h) > OUTLIER * common(h); }

static intact_status note_constant(it_groups *gs, const it_group *gr)
{
    return it_groups_note(gs, gr->first->name, "is %g everywhere on all calibration samples: its range is a guess; are the samples like the real ones?",
                (double)gr->hist->max);
}

static intact_status note_outlier(it_groups *gs, const it_group *gr)
{
    return it_groups_note(gs, gr->first->name, "reaches %g, but 99.99 %% of its values stay below %.3g: a lone outlier stretches or leaves the range; "
                "look at the calibration samples, or try another --method", largest(gr->hist), common(gr->hist));
}

static intact_status notes_of(it_groups *gs, bool (*is)(const it_hist *h), intact_status (*say)(it_groups *gs, const it_group *gr), const char *what)
{
    size_t found = 0;
    for (size_t i = 0; i < gs->g.len; i++) {
        const it_group *gr = &gs->g.items[i];
        if (gr->fixed || !gr->hist || gr->first->t.data || !is(gr->hist)) /* t.data: shape arithmetic */
            continue;
        if (found++ < NOTES_A_KIND && say(gs, gr) != INTACT_OK)
            return INTACT_E_NOMEM;
    }
    return found > NOTES_A_KIND ? it_groups_note(gs, "calibration", "%zu more values %s", found - NOTES_A_KIND, what) : INTACT_OK;
}

intact_status it_ptq_doubts(it_groups *gs, uint64_t samples, intact_error *err)
{
    intact_status st = INTACT_OK;
    if (samples < SAMPLES_FEW)
        st = it_groups_note(gs, "calibration", "%llu sample%s: ranges found on fewer than %d are guesses; a few hundred give good ones",
                  (unsigned long long)samples, samples == 1 ? "" : "s", SAMPLES_FEW);
    if (st == INTACT_OK)
        st = notes_of(gs, is_constant, note_constant, "never change");
    if (st == INTACT_OK)
        st = notes_of(gs, has_outlier, note_outlier, "have a lone outlier");
    return st == INTACT_OK ? st : it_fail_nomem(err, "calibration", sizeof(it_ptq_note));
}
