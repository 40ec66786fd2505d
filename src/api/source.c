/* SPDX-License-Identifier: Apache-2.0 */
/* source.c: a data set opened for a model. */
#include <string.h>

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

/* Verbs open a set several times; what is to be said of it is said once. */
static bool tell_once(const intact_ctx *ctx, const char *path)
{
    intact_ctx *c = (intact_ctx *)(uintptr_t)ctx;
    uint32_t now = it_crc32(path, strlen(path));
    bool told = false;
    pthread_mutex_lock(&c->log_lock);
    for (uint32_t i = 0; i < c->told_len && i < IT_LEN(c->told); i++)
        told = told || c->told[i] == now;
    if (!told)
        c->told[c->told_len++ % IT_LEN(c->told)] = now;
    pthread_mutex_unlock(&c->log_lock);
    return !told;
}

intact_status it_source_open(it_source *s, const intact_model *m, const intact_data_options *d, intact_error *err)
{
    *s = (it_source){.ctx = m->ctx};
    const intact_alloc *a = m->ctx->alloc;
    uint32_t rank;
    int64_t dims[INTACT_RANK_MAX];
    it_preprocess pre;
    if (!d->path || !*d->path)
        return it_fail(err, INTACT_E_ARG, "data", d->path ? "the path of the data set is empty" : "no data set was given");
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
    if (st == INTACT_OK && s->feed.arrays && d->preprocess && tell_once(m->ctx, d->path))
        it_log(m->ctx, INTACT_LOG_WARNING, "%s: arrays are taken as they are; the preprocessing that was given is not used", d->path);
    if (st == INTACT_OK && !s->feed.arrays && !pre.given && tell_once(m->ctx, d->path))
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

/* Elements of the first output of one sample; 0: not known. */
static uint64_t answers_of(const intact_model *m)
{
    intact_port p;
    if (m->kind == INTACT_MODEL_FLOAT) {
        const it_tensor *y = &m->g.outputs.items[0]->t;
        return y->rank == 2 && y->dim[1] > 0 ? (uint64_t)y->dim[1] : 0;
    }
    return intact_program_output(m->program, 0, &p) == INTACT_OK ? p.bytes / intact_type_bytes(p.type) : 0;
}

void it_source_hint(const it_source *s, const intact_model *m, const intact_data_options *d)
{
    uint64_t answers = answers_of(m);
    int32_t largest = -1;
    for (size_t i = 0; s->data->label && i < s->data->len; i++)
        largest = s->data->label[i] > largest ? s->data->label[i] : largest;
    bool one_more = answers == 1001 || (s->data->classes > 100 && answers == (uint64_t)s->data->classes + 1); /* 1001: ImageNet's classes and a background */
    if (d->label_offset == 0 && one_more && largest >= 0 && (uint64_t)largest + 1 < answers)
        it_log(m->ctx, INTACT_LOG_WARNING, "%s: the network has %llu outputs, the largest label is %d; if class 0 is a background class, use --label-offset 1", m->path,
               (unsigned long long)answers, largest);
}

void it_source_close(it_source *s)
{
    it_feed_close(&s->feed);
    it_dataset_close(s->data);
    *s = (it_source){0};
}
