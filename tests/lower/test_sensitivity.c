/* SPDX-License-Identifier: Apache-2.0 */
/* Sensitivity against whole simulated runs, one for each part; the same for any number of threads. The knapsack against every combination. */
#include "lower/helpers.h"
#include "ptq/knapsack.h"
#include "ptq/method.h"
#include "ptq/sensitivity.h"

#define SAMPLES 19

typedef struct source { it_dataset d; it_feed f; it_pool *pool; int32_t label[SAMPLES]; } source;

static intact_status read_sample(const it_dataset *d, size_t i, it_item *out, intact_error *err)
{
    const net *t = d->priv;
    (void)err;
    out->len = (size_t)it_tensor_len(&t->x->t);
    out->array = it_alloc_new(d->alloc, out->len * sizeof(float));
    for (size_t k = 0; k < out->len; k++)
        out->array[k] = t->x_real[(k + 7 * i) % out->len] * (1 - (float)i / SAMPLES);
    return INTACT_OK;
}

static void source_open(source *s, net *t, uint32_t threads)
{
    static const it_data_kind KIND = { .name = "memory", .read = read_sample };
    intact_error err;
    *s = (source){ .d = { .kind = &KIND, .alloc = &it_alloc_libc, .len = SAMPLES, .priv = t } };
    s->f = (it_feed){ .data = &s->d, .len = SAMPLES, .rank = (uint32_t)t->x->t.rank - 1, .elements = (size_t)it_tensor_len(&t->x->t), .arrays = true, .alloc = &it_alloc_libc };
    for (int k = 1; k < t->x->t.rank; k++)
        s->f.dim[k - 1] = (uint32_t)t->x->t.dim[k];
    assert_int_equal(it_pool_new(&it_alloc_libc, threads, &s->pool, &err), INTACT_OK);
}

#define OK(call) do { if ((call) != INTACT_OK) fail_msg("%s: %s: %s", #call, t->err.where, t->err.message); } while (0)

typedef struct part { const it_ptq *p; const it_sense_row *row; it_sense_part part; bool but; } part;

static bool simulates(void *user, const it_value *v)
{
    const part *s = user;
    bool weight = s->row->node && v == it_ptq_weight(s->row->node);
    bool value = v->id < (int)s->p->groups.of_len && s->row->group >= 0 && s->p->groups.of[v->id] == s->row->group;
    bool ours = (weight && s->part != IT_SENSE_ACTS) || (value && s->part != IT_SENSE_WEIGHTS);
    return ours != s->but;
}

/* The effect's noise with runs from end to end. */
static double whole_runs(net *t, const it_ptq *p, const it_sense_row *row, it_sense_part which, bool but)
{
    part s = { p, row, which, but };
    it_exec_options eo = { .simulates = simulates, .simulates_user = &s };
    it_exec *e, *f;
    double noise = 0;
    OK(it_exec_new(&t->g, NULL, &f, &t->err));
    OK(it_exec_new(&t->g, &eo, &e, &t->err));
    for (size_t first = 0; first < SAMPLES; first += IT_FEED_BATCH) {
        it_batch b;
        float *x = malloc(IT_FEED_BATCH * p->feed->elements * sizeof *x);
        OK(it_feed_batch(p->feed, first, NULL, x, &b, &t->err));
        it_tensor in = t->x->t;
        in.dim[0] = b.len;
        in.data = x;
        OK(it_exec_run(f, &in, 1, &t->err));
        OK(it_exec_run(e, &in, 1, &t->err));
        const it_tensor *a = it_exec_output(f, 0), *c = it_exec_output(e, 0);
        for (int64_t i = 0; i < it_tensor_len(a); i++) {
            double d = (double)((const float *)c->data)[i] - ((const float *)a->data)[i];
            noise += d * d;
        }
        free(x);
    }
    it_exec_free(e);
    it_exec_free(f);
    return noise / SAMPLES;
}

static it_value *conv(net *t, it_value *x, int64_t in, int64_t out) { return net_node(t, "Conv", IN(x, net_const(t, DIM(out, in, 1, 1), -0.5f, 0.5f)), NULL); }

/* Two branches joined by an addition, then pooling and a dense layer: values live across several layers. */
static it_value *branches(net *t)
{
    it_value *x = net_input(t, INTACT_U8, -1, 1, DIM(1, 4, 6, 6));
    it_value *a = net_node(t, "Relu", IN(conv(t, x, 4, 8)), NULL);
    it_value *b = net_node(t, "Sigmoid", IN(conv(t, a, 8, 8)), NULL);
    it_value *c = net_node(t, "Add", IN(a, conv(t, b, 8, 8)), NULL);
    it_value *p = net_node(t, "GlobalAveragePool", IN(c), NULL);
    return conv(t, p, 8, 5);
}

static void run(net *t, source *s, it_ptq *p, it_recipe *r, it_job *job, it_sensitivity *out)
{
    it_recipe_init(r, NULL);
    OK(it_recipe_set(r, NULL, "weights.bits", "4", &t->err));
    *job = (it_job){ .pool = s->pool };
    *p = (it_ptq){ .alloc = &it_alloc_libc, .g = &t->g, .recipe = r, .feed = &s->f, .job = job };
    OK(it_ptq_run(p, &t->err));
    OK(it_sensitivity_run(p, &s->f, out, &t->err));
}

static void near_equal(double a, double b) { assert_true(fabs(a - b) <= 1e-9 + 1e-6 * fabs(b)); }

static void sensitivity_is_that_of_whole_runs(void **state)
{
    net n, *t = &n;
    source s;
    it_ptq p;
    it_recipe r;
    it_job job;
    it_sensitivity got;
    (void)state;
    net_init(t, 5);
    net_measure(t, branches(t), INTACT_S16);
    t->x->q = NULL;
    source_open(&s, t, 2);
    run(t, &s, &p, &r, &job, &got);
    assert_int_equal(got.samples, SAMPLES);
    assert_true(got.rows.len >= 6 && got.all.noise > 0);
    size_t layers = 0, seen = 0;
    for (size_t i = 0; i < got.rows.len; i++) {
        it_sense_row *row = &got.rows.items[i];
        layers += row->node != NULL;
        assert_true(row->cause[0] && row->remedy);
        assert_null(strstr(row->remedy, "\"method\": \"mse\"")); /* what the recipe says already is no remedy */
        for (int k = 0; k < IT_SENSE_PARTS; k++) {
            if (!row->has[k])
                continue;
            seen += row->only[k].noise > 0;
            near_equal(row->only[k].noise, whole_runs(t, &p, row, (it_sense_part)k, false));
            near_equal(row->but[k].noise, whole_runs(t, &p, row, (it_sense_part)k, true));
        }
    }
    assert_int_equal(layers, 4);
    assert_true(seen >= 10);
    double e8, e2;
    OK(it_sensitivity_weight_error(&p, got.rows.items[0].node, 0, 4, 8, &e8, &t->err));
    OK(it_sensitivity_weight_error(&p, got.rows.items[0].node, 0, 4, 2, &e2, &t->err));
    assert_true(e8 < got.rows.items[0].weight_error && got.rows.items[0].weight_error < e2);
    it_sensitivity_release(&got);
    it_ptq_release(&p);
    it_recipe_release(&r);
    it_pool_free(s.pool);
    net_free(t);
}

static void threads_leave_no_trace(void **state)
{
    it_effect first[64][2 * IT_SENSE_PARTS];
    (void)state;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        net n, *t = &n;
        source s;
        it_ptq p;
        it_recipe r;
        it_job job;
        it_sensitivity got;
        net_init(t, 6);
        net_measure(t, branches(t), INTACT_S16);
        t->x->q = NULL;
        source_open(&s, t, threads);
        run(t, &s, &p, &r, &job, &got);
        assert_true(got.rows.len <= 64);
        for (size_t i = 0; i < got.rows.len; i++)
            for (int k = 0; k < 2 * IT_SENSE_PARTS; k++) {
                const it_effect *e = k < IT_SENSE_PARTS ? &got.rows.items[i].only[k] : &got.rows.items[i].but[k - IT_SENSE_PARTS];
                if (threads == 1)
                    first[i][k] = *e;
                else
                    assert_memory_equal(&first[i][k], e, sizeof *e);
            }
        it_sensitivity_release(&got);
        it_ptq_release(&p);
        it_recipe_release(&r);
        it_pool_free(s.pool);
        net_free(t);
    }
}

/* ---- knapsack ---- */

static double least_cost(const it_knapsack_item *items, size_t len, uint64_t budget)
{
    double best = INFINITY;
    for (size_t code = 0; code < 1u << (2 * len); code++) {
        uint64_t bytes = 0;
        double cost = 0;
        for (size_t i = 0; i < len; i++) {
            size_t k = code >> (2 * i) & 3;
            bytes += items[i].size[k];
            cost += items[i].cost[k];
        }
        best = bytes <= budget && cost < best ? cost : best;
    }
    return best;
}

static void knapsack_finds_the_least(void **state)
{
    it_rng rng;
    (void)state;
    it_rng_seed(&rng, 3);
    for (int round = 0; round < 50; round++) {
        it_knapsack_item items[5];
        uint8_t pick[5];
        uint64_t bytes = 0, budget;
        double cost = 0;
        intact_error err;
        for (int i = 0; i < 5; i++) {
            uint64_t weights = 100 + it_rng_below(&rng, 2000);
            items[i] = (it_knapsack_item){ .len = 4, .size = { weights, weights / 2, weights * 3 / 8, weights / 4 } };
            for (int k = 0; k < 4; k++)
                items[i].cost[k] = (double)((uint64_t)(k * k * k) * it_rng_below(&rng, 1000));
        }
        budget = it_knapsack_least(items, 5) + it_rng_below(&rng, 4000);
        assert_int_equal(it_knapsack(items, 5, budget, &it_alloc_libc, pick, &err), INTACT_OK);
        for (int i = 0; i < 5; i++) {
            bytes += items[i].size[pick[i]];
            cost += items[i].cost[pick[i]];
        }
        assert_true(bytes <= budget);
        assert_true(cost == least_cost(items, 5, budget));
        assert_int_equal(it_knapsack(items, 5, it_knapsack_least(items, 5) - 1, &it_alloc_libc, pick, &err), INTACT_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "smallest"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sensitivity_is_that_of_whole_runs),
        cmocka_unit_test(threads_leave_no_trace),
        cmocka_unit_test(knapsack_finds_the_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
