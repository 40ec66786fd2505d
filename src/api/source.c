/* SPDX-License-Identifier: Apache-2.0 */
/* source.c: a data set opened for a model. */
#include "api/api.h"

#define SKIPS_TOLD 20

/* Every unreadable sample is named, up to a point; the count follows at the end. */
static void tell_skip(void *user, const char *place, const char *why)
{
    it_source *s = user;
    uint32_t told = __atomic_fetch_add(&s->skips_told, 1, __ATOMIC_RELAXED);
    if (told < SKIPS_TOLD)
        it_log(s->ctx, INTACT_LOG_WARNING, "skipped %s: %s", place, why);
    else if (told == SKIPS_TOLD)
        it_log(s->ctx, INTACT_LOG_WARNING, "further unreadable samples are counted, not named");
}

intact_status it_source_open(it_source *s, const intact_model *m, const intact_data_options *d, intact_error *err)
{
    *s = (it_source){.ctx = m->ctx};
    const intact_alloc *a = m->ctx->alloc;
    uint32_t rank;
    int64_t dims[INTACT_RANK_MAX];
    it_preprocess pre;
    if (!d->path)
        return it_fail(err, INTACT_E_ARG, "data", "no data set was given");
    IT_TRY(it_model_input(m, &rank, dims, err));
    IT_TRY(it_model_preprocess(m, d->preprocess, &pre, err));
    uint32_t channels = rank == 4 && dims[1] == 1 ? 1 : 3;
    IT_TRY(it_dataset_open(a, d->path, d->labels, channels, &s->data, err));
    size_t len = s->data->len;
    if (d->limit && d->limit < len)
        len = (size_t)d->limit;
    intact_status st = it_feed_open(&s->feed, a, s->data, &pre, NULL, len, d->label_offset, rank, dims, err);
    s->feed.on_skip = tell_skip;
    s->feed.on_skip_user = s;
    if (st == INTACT_OK && !s->feed.arrays && !pre.given)
        it_log(m->ctx, INTACT_LOG_INFO, "no preprocessing was given: pixels are fed as 0..1 (--preprocess changes that)");
    if (st == INTACT_OK && m->kind == INTACT_MODEL_INTEGER && s->feed.arrays) {
        intact_port in;
        st = intact_program_input(m->program, 0, &in);
        if (st == INTACT_OK && in.is_pixels)
            st = it_fail(err, INTACT_E_DATA, d->path, "the program takes raw pixels (it was calibrated with images), and this is an array; give it images, or quantize with --calib FILE.npy");
    }
    if (st != INTACT_OK)
        it_source_close(s);
    return st;
}

void it_source_close(it_source *s)
{
    it_feed_close(&s->feed);
    it_dataset_close(s->data);
    *s = (it_source){0};
}
