/* SPDX-License-Identifier: Apache-2.0 */
/* test_training.c: whole trainings with each method: what is written is what was trained, runs that stop go on to the same program, and what is asked
** wrongly is said. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ptq/ptq.h"
#include "qat/helpers.h"
#include "qat/state.h"
#include "train/restat.h"

static void train(rig *r)
{
    it_loop_state s;
    OK(r, it_loop_run(&r->loop, &s, &r->err));
}

static const it_qat_weight *weight_named(const it_qat *q, const char *node)
{
    for (size_t i = 0; i < q->g->nodes.len; i++)
        if (it_ptq_is_mac(q->g->nodes.items[i]) && strcmp(q->g->nodes.items[i]->name, node) == 0) return &q->weights.items[q->weight_of[it_ptq_weight(q->g->nodes.items[i])->id]];
    return NULL;
}

/* Codes in the folded network are those that the trained one used, but for a sign a channel; scales carry the normalization. */
static void check_weights(const rig *r, const it_graph *f)
{
    size_t seen = 0;
    for (size_t i = 0; i < f->nodes.len; i++) {
        const it_node *n = f->nodes.items[i];
        if (!it_ptq_is_mac(n)) continue;
        const it_value *v = it_ptq_weight(n);
        const it_qat_weight *w = weight_named(r->q, n->name);
        assert_non_null(w);
        assert_true(w->channels <= 4096);
        const float *used = it_train_param_of(r->t, w->v)->used, *content = v->t.data;
        int sign[4096] = { 0 };
        for (int64_t k = 0, len = it_tensor_len(&v->t); k < len; k++) {
            const int64_t c = k / w->inner % w->channels;
            const float code = used[k] / w->step[c];
            assert_true(fabsf(fabsf(code) - (float)abs(v->q->codes[k])) < 1e-3f);
            assert_true(abs(v->q->codes[k]) <= w->top);
            const int now = v->q->codes[k] == 0 ? 0 : (code < 0) == (v->q->codes[k] < 0) ? 1 : -1;
            assert_true(!now || !sign[c] || sign[c] == now);
            sign[c] = now ? now : sign[c];
            assert_true(content[k] == v->q->scale[v->q->len == 1 ? 0 : c] * (float)v->q->codes[k]);
        }
        seen++;
    }
    assert_int_equal(seen, r->q->weights.len);
}

static void check_values(const it_graph *f, int act_bits)
{
    size_t low = 0;
    for (size_t i = 0; i < f->nodes.len; i++)
        for (int k = 0; k < f->nodes.items[i]->out_len; k++) {
            const it_value *v = f->nodes.items[i]->out[k];
            assert_non_null(v->q);
            low += v->q->type == INTACT_U8 && v->q->bits == act_bits;
        }
    assert_true(low > 0);
}

static void exports_what_it_trained(void **state)
{
    static const rig_spec SPECS[] = {
        { .arch = "resnet8", .method = "lsq", .weight_bits = 4, .act_bits = 4 },  { .arch = "resnet8", .method = "lsq", .weight_bits = 2, .act_bits = 3, .keep = "none" },
        { .arch = "resnet8", .method = "pact", .weight_bits = 3, .act_bits = 4 }, { .arch = "resnet8", .method = "ste", .weight_bits = 8, .act_bits = 8 },
        { .arch = "resnet8", .method = "ste", .weight_bits = 5, .act_bits = 6, .from = "mse", .per_tensor = true },
        { .arch = "dscnn", .method = "lsq", .weight_bits = 4, .act_bits = 8, .per_tensor = true },
    };
    (void)state;
    for (size_t i = 0; i < IT_LEN(SPECS); i++) {
        rig r;
        it_graph f;
        char hex[65];
        rig_open(&r, &SPECS[i]);
        r.loop.epochs = 1;
        /* channels that normalization turns round, as in trained networks */
        size_t len;
        const it_train_param *p = it_train_params(r.t, &len);
        for (size_t k = 0; k < len; k++)
            if (p[k].v && p[k].v->t.rank == 1 && p[k].len > 4) p[k].w[3] = -p[k].w[3];
        it_train_touch(r.t);
        train(&r);
        OK(&r, it_qat_finish(r.q, r.t, &f, &r.err));
        check_weights(&r, &f);
        check_values(&f, SPECS[i].act_bits);
        it_graph_release(&f);
        rig_program_hash(&r, hex); /* lowers without a complaint */
        rig_close(&r);
    }
}

/* Few bits learn: the loss of noise with four means falls. */
static void learns(void **state)
{
    static const char *const METHODS[] = { "ste", "pact", "lsq" };
    (void)state;
    for (size_t i = 0; i < IT_LEN(METHODS); i++) {
        rig r;
        it_loop_state first, last;
        rig_open(&r, &(rig_spec){ .arch = "resnet8", .method = METHODS[i], .weight_bits = i ? 3 : 8, .act_bits = i ? 3 : 8 });
        r.loop.epochs = 1;
        OK(&r, it_loop_run(&r.loop, &first, &r.err));
        r.loop.epochs = 6;
        OK(&r, it_loop_run(&r.loop, &last, &r.err));
        if (!(last.loss < 0.8 * first.loss)) fail_msg("%s: loss %g, then %g", METHODS[i], first.loss, last.loss);
        rig_close(&r);
    }
}

/* Statistics frozen within a run: the very steps of a run that has them fixed from the start. */
static void frozen_statistics(void **state)
{
    const rig_spec spec = { .arch = "resnet8", .method = "lsq", .weight_bits = 4, .act_bits = 4 };
    rig r;
    float x[32 * 3 * 16 * 16];
    int32_t label[32];
    it_train_result a, b;
    it_batch batch;
    (void)state;
    rig_open(&r, &spec);
    for (size_t i = 0; i < 32; i += IT_FEED_BATCH) {
        OK(&r, it_feed_batch(&r.f, i, NULL, x + i * 768, &batch, &r.err));
        memcpy(label + i, batch.label, sizeof batch.label);
    }
    const void *in[] = { x };
    const it_train_batch all = { .len = 32, .in = in, .label = label };
    for (int i = 0; i < 3; i++) OK(&r, it_train_step(r.t, &all, 0.01, &a, &r.err));
    OK(&r, it_train_store(r.t, &r.err));
    const it_train_options o = { .batch = 32, .block = 8, .pool = r.pool, .loss.loss = &it_loss_cross_entropy, .decay = 1e-4, .hooks = it_qat_hooks(r.q), .fixed_statistics = true,
                                 .optimizer = { .optimizer = &it_optimizer_sgd, .momentum = 0.9 } };
    it_train *fixed;
    OK(&r, it_train_new(&r.g, &o, &fixed, &r.err));
    const it_train_state from = it_train_state_of(r.t), to = it_train_state_of(fixed);
    assert_int_equal(from.array[0].len, to.array[0].len);
    memcpy(to.array[0].data, from.array[0].data, to.array[0].len * sizeof(float)); /* weights, steps */
    memcpy(to.array[2].data, from.array[2].data, to.array[2].len * sizeof(float)); /* momentum */
    float *before = malloc((from.array[1].len + 1) * sizeof *before);
    memcpy(before, from.array[1].data, from.array[1].len * sizeof *before);
    it_train_freeze(r.t, true);
    OK(&r, it_train_step(r.t, &all, 0.01, &a, &r.err));
    OK(&r, it_train_step(fixed, &all, 0.01, &b, &r.err));
    assert_true(fabs(a.loss - b.loss) < 1e-3 * fabs(a.loss)); /* a value near the edge of two codes may take the other one */
    assert_true(fabs(a.norm - b.norm) < 2e-2 * fabs(a.norm));
    assert_memory_equal(before, from.array[1].data, from.array[1].len * sizeof *before);
    it_train_freeze(r.t, false);
    OK(&r, it_train_step(r.t, &all, 0.01, &a, &r.err));
    assert_true(memcmp(before, from.array[1].data, from.array[1].len * sizeof *before) != 0);
    free(before);
    it_train_free(fixed);
    rig_close(&r);
}

static int stop_at(void *user, const it_loop_state *s) { return s->step == *(const uint64_t *)user; }

static void goes_on_after_a_stop(void **state)
{
    static const char *const METHODS[] = { "ste", "pact", "lsq" };
    char path[] = "/tmp/intact-qat-XXXXXX";
    const int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < IT_LEN(METHODS); i++) {
        const rig_spec s = { .arch = "resnet8", .method = METHODS[i], .weight_bits = 4, .act_bits = 4, .threads = 2, .delay = i ? 0 : 2 };
        char whole[65], parts[65];
        uint64_t stop = 4;
        it_loop_state at;
        rig r;
        rig_open(&r, &s);
        train(&r);
        rig_program_hash(&r, whole);
        rig_close(&r);
        rig_open(&r, &s);
        r.loop.checkpoint = path;
        r.loop.user = &stop;
        r.loop.on_step = stop_at;
        assert_int_equal(it_loop_run(&r.loop, &at, &r.err), INTACT_E_CANCELLED);
        rig_close(&r);
        rig_open(&r, &s);
        r.loop.checkpoint = path;
        r.loop.resume = true;
        train(&r);
        rig_program_hash(&r, parts);
        rig_close(&r);
        assert_string_equal(whole, parts);
    }
    unlink(path);
}

/* Statistics measured anew leave nothing behind that the next step would count: a run resumed there knows nothing of them. */
static void measuring_statistics_is_no_step(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, &(rig_spec){ .arch = "resnet8", .method = "ste", .weight_bits = 4, .act_bits = 4 });
    train(&r);
    OK(&r, it_restat_run(r.t, &r.f, 32, 96, 3, 1, &r.err));
    for (size_t i = 0; i < r.q->acts.len; i++) assert_true(r.q->acts.items[i].seen[0].lo == INFINITY && r.q->acts.items[i].seen[0].hi == -INFINITY);
    rig_close(&r);
}

static void refuses(void **state)
{
    static const struct { rig_spec s; const char *says; } BAD[] = {
        { { .arch = "resnet8", .method = "lsk", .weight_bits = 4, .act_bits = 4 }, "nearest: lsq" },
        { { .arch = "resnet8", .method = "lsq", .weight_bits = 1, .act_bits = 4 }, "1 bits for weights; 2 to 8" },
        { { .arch = "resnet8", .method = "lsq", .weight_bits = 4, .act_bits = 0 }, "0 bits for activations; 2 to 8" },
        { { .arch = "resnet8", .method = "lsq", .weight_bits = 4, .act_bits = 9 }, "9 bits for activations; 2 to 8" },
        { { .arch = "resnet8", .method = "lsq", .weight_bits = 4, .act_bits = 4, .from = "mean" }, "mean" },
        { { .arch = "resnet8", .method = "lsq", .weight_bits = 4, .act_bits = 4, .keep = "first,lost" }, "lost" },
    };
    (void)state;
    for (size_t i = 0; i < IT_LEN(BAD); i++) {
        rig r;
        assert_int_equal(rig_try(&r, &BAD[i].s), INTACT_E_ARG);
        if (!strstr(r.err.message, BAD[i].says) && !strstr(r.err.where, BAD[i].says)) fail_msg("%zu: %s: %s", i, r.err.where, r.err.message);
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(exports_what_it_trained), cmocka_unit_test(learns), cmocka_unit_test(frozen_statistics), cmocka_unit_test(goes_on_after_a_stop), cmocka_unit_test(measuring_statistics_is_no_step), cmocka_unit_test(refuses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
