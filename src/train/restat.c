/* SPDX-License-Identifier: Apache-2.0 */
/* restat.c: batches through the network with the weights as they stand; their sums over all batches make the statistics. */
#include "train/restat.h"

static intact_status gather(it_train *t, it_pipe *p, uint64_t batches, intact_error *err)
{
    it_train_restat_begin(t);
    for (uint64_t i = 0; i < batches; i++) {
        it_pipe_batch b;
        IT_TRY(it_pipe_next(p, &b, err));
        const void *in[] = { b.x };
        const it_train_batch batch = { .len = b.len, .in = in };
        IT_TRY(it_train_restat_add(t, &batch, err));
    }
    it_train_restat_end(t);
    return INTACT_OK;
}

intact_status it_restat_run(it_train *t, const it_feed *feed, size_t batch, uint64_t samples, uint64_t seed, uint32_t feeders, intact_error *err)
{
    const it_comm *c = it_train_comm(t);
    it_pipe_spec s = { .feed = feed, .batch = batch, .seed = seed, .threads = feeders, .part = c ? c->rank : 0, .parts = c ? c->size : 0 };
    it_pipe *p;
    const uint64_t all = it_pipe_steps(&s), wanted = (samples + batch - 1) / batch;
    if (samples == 0 || batch == 0)
        return it_fail(err, INTACT_E_ARG, "statistics", "%llu samples in batches of %zu; both must be 1 or more", (unsigned long long)samples, batch);
    s.end = wanted < all ? wanted : all;
    IT_TRY(it_pipe_open(feed->alloc, &s, &p, err));
    intact_status st = gather(t, p, s.end, err);
    it_pipe_close(p);
    return st == INTACT_OK ? it_train_share_statistics(t, err) : st;
}
