/* SPDX-License-Identifier: Apache-2.0 */
/* test_simulation.c: the simulation on integer codes gives what the integer program gives, on every value: small networks after training with few bits, and,
** where they are, real ones. How often the rounding of the training form differs is counted. */
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

#include "exec/exec.h"
#include "format/format.h"
#include "lower/simulate.h"
#include "pass/pass.h"
#include "ptq/ptq.h"
#include "qat/helpers.h"
#include "qat/state.h"

enum { SAMPLES = 3 };

/* ---- every value of a program against the simulation ---- */

typedef struct watch { const it_graph *g; const it_sim *sim; const intact_program *p; size_t values, different; char name[128]; } watch;

static void on_value(void *user, uint32_t step, const void *data, size_t bytes, uint64_t nanoseconds)
{
    watch *w = user;
    intact_step s;
    (void)nanoseconds;
    assert_int_equal(intact_program_step(w->p, step, &s), INTACT_OK);
    const it_value *v = it_graph_find(w->g, s.out_name);
    if (!v || v->is_const || !v->q || bytes != (size_t)it_tensor_len(&v->t) * (v->q->type == INTACT_S16 ? 2 : 1)) return;
    w->values++;
    if (memcmp(data, it_sim_codes(w->sim, v), bytes) == 0) return;
    if (!w->different++) snprintf(w->name, sizeof w->name, "%s", v->name);
}

static void load(const it_graph *g, intact_program **out)
{
    intact_error err = { .code = INTACT_OK };
    it_lower lw = { 0 };
    it_prog prog;
    void *bytes;
    size_t len;
    it_prog_init(&prog, NULL);
    if (it_lower_build(&lw, g, NULL, &prog, NULL, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
    prog.meta = "{}";
    assert_int_equal(it_itm_write_memory(&prog, NULL, &bytes, &len, &err), INTACT_OK);
    const intact_load_options o = { .separate = 1, .threads = 1 };
    if (intact_program_load_memory(bytes, len, &o, out, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
    it_alloc_free(&it_alloc_libc, bytes, len);
    it_lower_release(&lw);
    it_prog_release(&prog);
}

static void compare(const it_graph *g, const char *what, int samples)
{
    intact_error err = { .code = INTACT_OK };
    watch w = { .g = g };
    intact_program *p;
    intact_session *s;
    it_sim *sim;
    it_rng r;
    const it_value *x = g->inputs.items[0], *y = g->outputs.items[0];
    const size_t in_len = (size_t)it_tensor_len(&x->t), out_len = (size_t)it_tensor_len(&y->t) * 2;
    uint8_t *in = aligned_alloc(64, it_round_up(in_len, 64));
    void *out = aligned_alloc(64, it_round_up(out_len, 64));
    load(g, &p);
    if (it_sim_new(g, NULL, &sim, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
    w.sim = sim;
    w.p = p;
    assert_int_equal(intact_session_new(p, &(intact_session_options){ .threads = 2, .probe = on_value, .probe_user = &w }, &s, &err), INTACT_OK);
    it_rng_seed(&r, 17);
    for (int k = 0; k < samples; k++) {
        for (size_t i = 0; i < in_len; i++) in[i] = (uint8_t)it_rng_below(&r, 256);
        const void *ins[] = { in };
        if (it_sim_run(sim, ins, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
        assert_int_equal(intact_session_run(s, ins, 1, &out, 1, &err), INTACT_OK);
    }
    print_message("%s: %zu values of %d samples, %zu layers by their own arithmetic: %zu differ\n", what, w.values, samples, it_sim_layers(sim), w.different);
    if (w.different) fail_msg("%s: %zu of %zu values differ; first: %s", what, w.different, w.values, w.name);
    assert_true(w.values >= g->nodes.len / 2 * (size_t)samples);
    assert_true(it_sim_layers(sim) > 0);
    intact_session_free(s);
    intact_program_free(p);
    it_sim_free(sim);
    free(in);
    free(out);
}

/* ---- the training form against the simulation ---- */

typedef struct forms { rig *r; it_train_hooks real, spy; const it_graph *f; const it_sim *sim; size_t all, off; double worst; } forms;

static uint32_t spy_wants(void *user, const it_value *v) { return ((forms *)user)->real.wants(((forms *)user)->r->q, v); }
static intact_status spy_weights(void *user, it_train *t, intact_error *err) { return ((forms *)user)->real.weights(((forms *)user)->r->q, t, err); }

/* Element i of a (1, C, H, W) or (1, C) tensor in the runtime's order. */
static int64_t runtime_at(const it_tensor *t, int64_t i)
{
    if (t->rank != 4 || t->layout == IT_NHWC) return i;
    const int64_t hw = t->dim[2] * t->dim[3];
    return i % hw * t->dim[1] + i / hw;
}

static intact_status spy_forward(void *user, const it_value *v, const it_train_block *b, const it_tensor *x, it_tensor *y, intact_error *err)
{
    forms *s = user;
    IT_TRY(s->real.forward(s->r->q, v, b, x, y, err));
    const it_value *u = it_graph_find(s->f, v->name);
    if (!u || !u->q || u->q->type != INTACT_U8 || b->len != 1) return INTACT_OK;
    const uint8_t *codes = it_sim_codes(s->sim, u);
    float *real = y->data;
    for (int64_t i = 0, len = it_tensor_len(y); i < len; i++) {
        const int code = codes[runtime_at(y, i)];
        const double off = fabs(floor((double)real[i] / (double)u->q->scale[0] + 0.5) + u->q->zero[0] - code);
        real[i] = u->q->scale[0] * (float)(code - u->q->zero[0]); /* what follows is counted by itself */
        s->all++;
        s->off += off > 0;
        s->worst = off > s->worst ? off : s->worst;
    }
    return INTACT_OK;
}

/* One sample through a trainer in evaluation; every rounding is watched, and right before the next. */
static void count_forms(rig *r, const it_graph *f, const char *what)
{
    forms s = { .r = r, .f = f, .real = *it_qat_hooks(r->q) };
    const it_value *x = f->inputs.items[0];
    const size_t len = (size_t)it_tensor_len(&x->t);
    float *real = malloc(len * sizeof *real);
    uint8_t *codes = aligned_alloc(64, it_round_up(len, 64));
    it_train_result res;
    it_sim *sim;
    it_train *t;
    it_rng rng;
    OK(r, it_sim_new(f, NULL, &sim, &r->err));
    s.sim = sim;
    s.spy = s.real;
    s.spy.user = &s;
    s.spy.wants = spy_wants;
    s.spy.weights = spy_weights;
    s.spy.forward = spy_forward;
    s.spy.backward = NULL;
    const it_train_options o = { .batch = 1, .pool = r->pool, .loss.loss = &it_loss_cross_entropy, .hooks = &s.spy, .optimizer.optimizer = &it_optimizer_sgd };
    OK(r, it_train_new(&r->g, &o, &t, &r->err));
    for (size_t i = 0; i < r->q->own_len; i++) memcpy(it_train_own_param(t, i)->w, it_train_own_param(r->t, i)->w, it_train_own_param(t, i)->len * sizeof(float));
    it_rng_seed(&rng, 23);
    for (int64_t i = 0; i < (int64_t)len; i++) {
        const int64_t at = runtime_at(&x->t, i);
        codes[at] = (uint8_t)it_rng_below(&rng, 256);
        real[i] = x->q->scale[0] * (float)(codes[at] - x->q->zero[0]);
    }
    const void *ins[] = { codes }, *xs[] = { real };
    OK(r, it_sim_run(sim, ins, &r->err));
    OK(r, it_train_eval(t, &(it_train_batch){ .len = 1, .in = xs }, &res, &r->err));
    print_message("%s: the training form differs at %zu of %zu codes (%.3f %%), by %g at most\n", what, s.off, s.all, 100 * (double)s.off / (double)s.all, s.worst);
    assert_true(s.all > 1000);
    assert_true(s.worst <= 1);
    assert_true((double)s.off < 0.05 * (double)s.all); /* biases are codes of S_x S_w in integers: coarse where both have few bits */
    it_train_free(t);
    it_sim_free(sim);
    free(real);
    free(codes);
}

static void after_training(void **state)
{
    static const rig_spec SPECS[] = {
        { .arch = "resnet8", .method = "lsq", .weight_bits = 4, .act_bits = 4 }, { .arch = "resnet20", .method = "lsq", .weight_bits = 2, .act_bits = 2 },
        { .arch = "resnet20", .method = "pact", .weight_bits = 3, .act_bits = 3 }, { .arch = "dscnn", .method = "ste", .weight_bits = 8, .act_bits = 8 },
    };
    (void)state;
    for (size_t i = 0; i < IT_LEN(SPECS); i++) {
        rig r;
        it_graph f;
        it_loop_state s;
        char what[64];
        rig_open(&r, &SPECS[i]);
        r.loop.epochs = 1;
        OK(&r, it_loop_run(&r.loop, &s, &r.err));
        OK(&r, it_qat_finish(r.q, r.t, &f, &r.err));
        snprintf(what, sizeof what, "%s %s W%dA%d", SPECS[i].arch, SPECS[i].method, SPECS[i].weight_bits, SPECS[i].act_bits);
        compare(&f, what, SAMPLES);
        if (i < 3) count_forms(&r, &f, what);
        it_graph_release(&f);
        rig_close(&r);
    }
}

/* ---- real networks ---- */

static char folder[1024];

static bool find_models(void)
{
    const char *data = getenv("INTACT_DATA"), *source = getenv("INTACT_SOURCE");
    const struct { const char *root, *below; } places[] = { { data, "models" }, { data, "data/models" }, { source ? source : ".", "../shared/data/models" } };
    for (size_t i = 0; i < IT_LEN(places); i++) {
        if (!places[i].root) continue;
        snprintf(folder, sizeof folder, "%s/%s", places[i].root, places[i].below);
        if (access(folder, R_OK) == 0) return true;
    }
    return false;
}

static intact_status read_noise(const it_dataset *d, size_t i, it_item *out, intact_error *err)
{
    it_rng r;
    (void)err;
    out->len = *(const size_t *)d->priv;
    out->array = it_alloc_new(d->alloc, out->len * sizeof(float));
    it_rng_seed(&r, i);
    for (size_t k = 0; k < out->len; k++) out->array[k] = (float)it_rng_below(&r, 2001) / 1000 - 1;
    return INTACT_OK;
}

static void quantize_and_compare(const char *file, int samples)
{
    static const it_data_kind KIND = { .name = "memory", .read = read_noise };
    intact_error err = { .code = INTACT_OK };
    char path[1200];
    it_graph g;
    it_recipe recipe;
    it_dataset d = { .kind = &KIND, .alloc = &it_alloc_libc, .len = 8 };
    snprintf(path, sizeof path, "%s/%s", folder, file);
    it_graph_init(&g, NULL);
    if (it_onnx_read(path, &g, &err) != INTACT_OK || it_graph_infer(&g, 1, NULL, &err) != INTACT_OK || it_pass_all_run(&g, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
    it_lower_drop_softmax(&g);
    assert_int_equal(it_graph_infer(&g, 1, NULL, &err), INTACT_OK);
    const it_tensor *x = &g.inputs.items[0]->t;
    it_feed f = { .data = &d, .len = d.len, .rank = (uint32_t)x->rank - 1, .elements = (size_t)it_tensor_len(x), .arrays = true, .alloc = &it_alloc_libc };
    d.priv = &f.elements;
    for (int k = 1; k < x->rank; k++) f.dim[k - 1] = (uint32_t)x->dim[k];
    it_pool *pool;
    assert_int_equal(it_pool_new(NULL, 2, &pool, &err), INTACT_OK);
    const it_job job = { .pool = pool };
    it_recipe_init(&recipe, NULL);
    it_ptq p = { .alloc = &it_alloc_libc, .g = &g, .recipe = &recipe, .feed = &f, .job = &job };
    if (it_ptq_run(&p, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
    compare(&g, file, samples);
    it_ptq_release(&p);
    it_recipe_release(&recipe);
    it_pool_free(pool);
    it_graph_release(&g);
}

static void real_networks(void **state)
{
    (void)state;
    if (!find_models()) {
        print_message("skipped: the real networks (INTACT_DATA, ../shared/data/models) are not here\n");
        skip();
    }
    quantize_and_compare("cifar10_resnet20.onnx", 2);
    quantize_and_compare("imagenet_mobilenet_v2.onnx", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(after_training), cmocka_unit_test(real_networks) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
