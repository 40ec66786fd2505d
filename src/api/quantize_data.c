/* SPDX-License-Identifier: Apache-2.0 */
/* quantize_data.c: what a quantization reads besides the network: calibration samples, or the parameters that the network came with. */
#include <string.h>

#include "api/quantize_job.h"
#include "base/file.h"

#define SAMPLES_DEFAULT 512

/* The chosen samples of the calibration set, as this network takes them. */
static intact_status open_calibration(it_quantize_job *q, intact_error *err)
{
    IT_TRY(it_source_open(&q->src, &q->m, &q->o->calib, err));
    size_t all = q->src.feed.len, want = q->recipe.samples ? q->recipe.samples : SAMPLES_DEFAULT;
    it_dataset *d = q->src.data;
    size_t len = d->len;
    d->len = all; /* limit applies before the choice */
    intact_status st = it_dataset_pick(d, want, q->recipe.seed, &q->pick, &q->pick_len, err);
    d->len = len;
    IT_TRY(st);
    q->src.feed.pick = q->pick;
    q->src.feed.len = q->pick_len;
    if (q->recipe.samples > all)
        it_log(q->c, INTACT_LOG_WARNING, "%u calibration samples were asked for, %s has %zu: all are used", q->recipe.samples, q->o->calib.path, all);
    return it_dataset_sha256(d, q->pick, q->pick_len, q->calib_sha, err);
}

/* A network that came quantized throughout needs no data, nor does a recipe with all ranges; with --preprocess it takes pixels all the same. */
static intact_status open_without_data(it_quantize_job *q, intact_error *err)
{
    uint32_t rank;
    int64_t dims[INTACT_RANK_MAX];
    it_dataset none = {0};
    it_preprocess pre;
    q->src.feed = (it_feed){.arrays = true};
    if (!q->o->calib.preprocess)
        return INTACT_OK;
    IT_TRY(it_model_input(&q->m, &rank, dims, err));
    IT_TRY(it_model_preprocess(&q->m, q->o->calib.preprocess, &pre, err));
    return it_feed_open(&q->src.feed, q->c->alloc, &none, &pre, NULL, 0, 0, rank, dims, err);
}

static void fix_input_range(void *user, it_groups *gs)
{
    it_quantize_job *q = user;
    it_ptq_know_pixels(gs, &q->m.g, &q->src.feed);
}

static intact_status run_recipe(it_quantize_job *q, intact_error *err)
{
    q->job = it_api_job(q->c);
    q->ptq = (it_ptq){.alloc = q->c->alloc, .g = &q->m.g, .recipe = &q->recipe, .feed = &q->src.feed, .job = &q->job, .know_ranges = fix_input_range, .know_user = q};
    IT_TRY(it_ptq_run(&q->ptq, err));
    const it_collect_result *cr = &q->ptq.collected;
    if (cr->skipped)
        it_log(q->c, INTACT_LOG_WARNING, "%llu unreadable samples were skipped", (unsigned long long)cr->skipped);
    q->out->samples = cr->samples;
    q->out->skipped = cr->skipped;
    return INTACT_OK;
}

/* Scales and zero points that the network came with. */
intact_status it_quantize_absorb(it_quantize_job *q, intact_error *err)
{
    const it_absorb *a = &q->absorb;
    q->absorb = (it_absorb){.g = &q->m.g, .alloc = q->c->alloc, .calibrates = q->o->calib.path != NULL};
    if (!it_absorb_wanted(&q->m.g))
        return q->o->calib.path || q->o->recipe || q->o->ranges
                   ? INTACT_OK
                   : it_fail(err, INTACT_E_ARG, "data", "%s is a float network; quantizing it needs --calib DATA, or a recipe that says all ranges", q->model_path);
    IT_TRY(it_absorb_run(&q->absorb, err));
    q->out->given = a->values + a->weights;
    if (q->recipe.methods[0] && q->out->given)
        return it_fail(err, INTACT_E_ARG, q->model_path, "came quantized; methods that change weights (--apply) work on float networks alone");
    if ((q->o->weight_bits || q->o->act_bits) && q->out->given && !a->missing_len)
        return it_fail(err, INTACT_E_ARG, q->model_path, "came quantized, and keeps the bits that it has; other bits (--weight-bits, --act-bits) are for float networks");
    if (!q->o->calib.path && a->missing_len)
        return it_fail(err, INTACT_E_UNSUPPORTED, a->missing, "has no scale; the network came quantized, but %zu weights and values did not: --calib DATA calibrates those alone",
                       a->missing_len);
    it_log(q->c, INTACT_LOG_INFO, "the network came quantized: the parameters of %zu weights and %zu values are kept%s", a->weights, a->values,
           !q->o->calib.path ? ", nothing is calibrated" : a->missing_len ? ", the others calibrated" : "; calibration has nothing to do");
    return INTACT_OK;
}

static intact_status absorb_notes(it_quantize_job *q, intact_error *err)
{
    q->ptq.alloc = q->c->alloc;
    for (size_t i = 0; i < q->absorb.notes.len; i++)
        if (it_ptq_say(&q->ptq, q->absorb.notes.items[i].where, "%s", q->absorb.notes.items[i].text) != INTACT_OK)
            return it_fail_nomem(err, "notes", sizeof(it_ptq_note));
    return INTACT_OK;
}

intact_status it_quantize_calibrate(it_quantize_job *q, intact_error *err)
{
    bool calibrates = q->o->calib.path != NULL;
    IT_TRY(calibrates ? open_calibration(q, err) : open_without_data(q, err));
    if (calibrates || !q->out->given)
        IT_TRY(run_recipe(q, err));
    return absorb_notes(q, err);
}
