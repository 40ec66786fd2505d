/* SPDX-License-Identifier: Apache-2.0 */
/* What rules of a recipe come to: for values that share parameters, at the network's borders, where they cannot be obeyed, and without calibration data. */
#include "lower/helpers.h"
#include "ptq/method.h"
#include "ptq/sensitivity.h"

#define OK(call) do { if ((call) != INTACT_OK) fail_msg("%s: %s: %s", #call, t->err.where, t->err.message); } while (0)

typedef struct plan { net n; net_data s; it_value *c, *v, *pooled, *y; it_recipe r; it_groups gs; } plan;

static it_value *conv(net *t, it_value *x, int64_t in, int64_t out) { return net_node(t, "Conv", IN(x, net_const(t, DIM(out, in, 1, 1), -0.5f, 0.5f)), NULL); }

/* x, c = conv(x), v = relu(c), pooled = max pool of v (the same parameters), y = conv(pooled). */
static void make(plan *p, const char *rules)
{
    net *t = &p->n;
    char text[1200];
    net_init(t, 3);
    it_value *x = net_input(t, INTACT_U8, -1, 1, DIM(1, 4, 6, 6));
    p->c = conv(t, x, 4, 8);
    p->v = net_node(t, "Relu", IN(p->c), NULL);
    p->pooled = net_node(t, "MaxPool", IN(p->v), ATTRS(A_INTS("kernel_shape", 2, ((int64_t[]){ 2, 2 }))));
    p->y = conv(t, p->pooled, 8, 5);
    net_measure(t, p->y, INTACT_S16);
    for (size_t i = 0; i < t->g.values.len; i++)
        t->g.values.items[i]->q = NULL;
    net_data_open(&p->s, t, 8, 1);
    it_recipe_init(&p->r, NULL);
    snprintf(text, sizeof text, rules, p->v->name, p->pooled->name, p->y->name, t->x->name, p->c->name);
    it_recipe_release(&p->r);
    OK(it_recipe_parse(&p->r, text, strlen(text), "r", &t->err));
    OK(it_groups_make(&p->gs, &t->g, NULL, &t->err));
}

static void release(plan *p)
{
    it_groups_release(&p->gs);
    it_recipe_release(&p->r);
    net_data_close(&p->s);
    net_free(&p->n);
}

static const it_group *group_of(const plan *p, const it_value *v) { return &p->gs.g.items[p->gs.of[v->id]]; }

static bool noted(const plan *p, const char *layer, const char *text)
{
    for (size_t i = 0; i < p->gs.notes.len; i++)
        if (strcmp(p->gs.notes.items[i].layer, layer) == 0 && strstr(p->gs.notes.items[i].text, text))
            return true;
    return false;
}

#define RULES(...) "{\"intact_recipe\": 1, \"values\": [" __VA_ARGS__ "]}"
#define V "{\"name\": \"%1$s\", \"activations\": "
#define POOLED "{\"name\": \"%2$s\", \"activations\": "
#define Y "{\"name\": \"%3$s\", \"activations\": "
#define X "{\"name\": \"%4$s\", \"activations\": "
#define C "{\"name\": \"%5$s\", \"activations\": {\"range\": [-3, 3]}}, "

/* Of rules for values that share parameters the later wins, whichever value each names, and field by field. */
static void later_rules_win(void **state)
{
    static const struct { const char *rules; int bits; float hi; } CASES[] = {
        { RULES(V "{\"bits\": 4}}, " POOLED "{\"bits\": 6}}"), 6, 0 },
        { RULES(POOLED "{\"bits\": 6}}, " V "{\"bits\": 4}}"), 4, 0 },
        { RULES(POOLED "{\"bits\": 6}}, " V "{\"bits\": 8}}"), 8, 0 }, /* 8 is the default, and yet said */
        { RULES(POOLED "{\"bits\": 6}}, " V "{\"range\": [0, 3]}}"), 6, 3 },
        { RULES(V "{\"range\": [0, 2]}}, " POOLED "{\"range\": [0, 5]}}"), 8, 5 },
        { RULES("{\"name\": \"*\", \"activations\": {\"bits\": 5}}, " V "{\"bits\": 3}}, " POOLED "{\"method\": \"max\"}}"), 3, 0 },
    };
    (void)state;
    for (size_t i = 0; i < IT_LEN(CASES); i++) {
        plan p;
        net *t = &p.n;
        make(&p, CASES[i].rules);
        OK(it_ptq_plan_acts(&p.gs, &t->g, &p.r, &t->err));
        assert_true(group_of(&p, p.v) == group_of(&p, p.pooled));
        assert_int_equal(group_of(&p, p.v)->plan.bits, CASES[i].bits);
        assert_int_equal(group_of(&p, p.v)->plan.given, CASES[i].hi > 0);
        assert_true(group_of(&p, p.v)->plan.range.hi == CASES[i].hi);
        release(&p);
    }
}

static void borders(void **state)
{
    plan p;
    net *t = &p.n;
    (void)state;
    make(&p, RULES(V "{\"bits\": 8}}"));
    OK(it_ptq_plan_acts(&p.gs, &t->g, &p.r, &t->err));
    assert_int_equal(group_of(&p, p.y)->type, INTACT_S16); /* nobody said a thing */
    assert_int_equal(p.gs.notes.len, 0);
    release(&p);
    make(&p, RULES(Y "{\"bits\": 8}}, " X "{\"bits\": 4}}"));
    OK(it_ptq_plan_acts(&p.gs, &t->g, &p.r, &t->err));
    assert_int_equal(group_of(&p, p.y)->type, INTACT_U8);
    assert_int_equal(group_of(&p, t->x)->plan.bits, 8);
    assert_true(noted(&p, t->x->name, "4 bits were asked for; what a network reads and answers has 8 at least"));
    release(&p);
    make(&p, RULES(Y "{\"bits\": 3}}, " X "{\"bits\": 16}}"));
    OK(it_ptq_plan_acts(&p.gs, &t->g, &p.r, &t->err));
    assert_true(group_of(&p, p.y)->type == INTACT_U8 && group_of(&p, p.y)->plan.bits == 8);
    assert_true(noted(&p, p.y->name, "3 bits were asked for"));
    assert_true(noted(&p, t->x->name, "16 bits were asked for; an operator that writes or reads it takes 8 only"));
    release(&p);
}

/* Rules that change nothing are told. */
static void unheard_rules(void **state)
{
    plan p;
    net *t = &p.n;
    (void)state;
    make(&p, RULES(Y "{\"method\": \"entropy\"}}, " V "{\"levels\": \"lloyd\"}}, " POOLED "{\"range\": [0, 1], \"method\": \"max\"}}"));
    OK(it_ptq_plan_acts(&p.gs, &t->g, &p.r, &t->err));
    assert_true(noted(&p, p.y->name, "activations.method changes nothing here: 16 bits hold all"));
    assert_true(noted(&p, p.v->name, "activations.levels changes nothing here: with 8 bits"));
    assert_true(noted(&p, p.pooled->name, "activations.method changes nothing here: a rule gives the range"));
    release(&p);
    make(&p, "{\"intact_recipe\": 1, \"layers\": [{\"name\": \"last\", \"activations\": {\"bits\": 8}}], \"values\": [" V "{\"bits\": 4}}]}");
    OK(it_ptq_plan_acts(&p.gs, &t->g, &p.r, &t->err));
    assert_int_equal(group_of(&p, p.v)->plan.bits, 8);
    assert_true(noted(&p, p.v->name, "4 bits were asked for, and 8 for the input of a layer that reads it: it has 8"));
    release(&p);
    make(&p, "{\"intact_recipe\": 1, \"layers\": [{\"name\": \"last\", \"activations\": {\"bits\": 4}}], \"values\": [" V "{\"bits\": 8}}]}");
    OK(it_ptq_plan_acts(&p.gs, &t->g, &p.r, &t->err));
    assert_int_equal(group_of(&p, p.v)->plan.bits, 8);
    release(&p);
}

static void ranges_in_recipes(void **state)
{
    static const char *const BAD[] = { "[0, 0]", "[-0.0, 0]", "[1, 2]", "[-3e38, 3e38]", "[-2, -1]" };
    (void)state;
    for (size_t i = 0; i < IT_LEN(BAD); i++) {
        char text[200];
        intact_error err;
        it_recipe r;
        it_recipe_init(&r, NULL);
        snprintf(text, sizeof text, "{\"intact_recipe\": 1, \"values\": [{\"name\": \"a\", \"activations\": {\"range\": %s}}]}", BAD[i]);
        assert_int_equal(it_recipe_parse(&r, text, strlen(text), "r", &err), INTACT_E_ARG);
        assert_non_null(strstr(err.message, "lo <= 0 <= hi and not both 0"));
        assert_non_null(strstr(err.where, "values[0].activations.range"));
        it_recipe_release(&r);
    }
}

/* Twice the largest float is none; a step of it is. */
static void large_16_bits(void **state)
{
    plan p;
    net *t = &p.n;
    (void)state;
    make(&p, RULES(""));
    it_group *gr = &p.gs.g.items[p.gs.of[p.y->id]];
    OK(it_ptq_plan_acts(&p.gs, &t->g, &p.r, &t->err));
    for (size_t i = 0; i < p.gs.g.len; i++)
        p.gs.g.items[i].plan.given = true, p.gs.g.items[i].plan.range = (it_range){ -1, 1 };
    gr->plan.given = false;
    it_hist *h = gr->hist = it_alloc_new(p.gs.alloc, sizeof *h);
    it_hist_init(h);
    it_hist_add(h, (const float[]){ -3e38f, 1, 2 }, 3);
    OK(it_ptq_assign_acts(&p.gs, &t->g, &t->err));
    assert_int_equal(p.y->q->type, INTACT_S16);
    assert_true(fabsf(p.y->q->scale[0] / (float)(6e38 / 32767) - 1) < 1e-6f);
    release(&p);
}

/* ---- without calibration data ---- */

static intact_status run_without(plan *p)
{
    net *t = &p->n;
    it_feed none = { .arrays = true };
    it_job job = { .pool = p->s.pool };
    it_ptq q = { .alloc = &it_alloc_libc, .g = &t->g, .recipe = &p->r, .feed = &none, .job = &job };
    intact_status st = it_ptq_run(&q, &t->err);
    it_ptq_release(&q);
    return st;
}

static void no_data(void **state)
{
    static const char ALL[] = RULES(C V "{\"range\": [0, 2]}}, " Y "{\"range\": [-4, 4]}}, " X "{\"range\": [-1, 1]}}");
    static const struct { const char *rules, *text; } BAD[] = {
        { RULES(C V "{\"range\": [0, 2]}}, " X "{\"range\": [-1, 1]}}"), "the first value without a range" },
        { "{\"intact_recipe\": 1, \"methods\": [\"bias\"]}", "bias works on calibration data" },
        { "{\"intact_recipe\": 1, \"weights\": {\"round\": \"gptq\"}, \"values\": [" C V "{\"range\": [0, 2]}}, " Y
          "{\"range\": [-4, 4]}}, " X "{\"range\": [-1, 1]}}]}", "gptq, which works on calibration data" },
        { RULES(C V "{\"range\": [0, 2], \"bits\": 4, \"levels\": \"lloyd\"}}, " Y "{\"range\": [-4, 4]}}, " X "{\"range\": [-1, 1]}}"),
          "(lloyd) are fitted to calibration data" },
    };
    plan p;
    net *t = &p.n;
    (void)state;
    make(&p, ALL);
    OK(run_without(&p));
    assert_true(fabsf(p.v->q->scale[0] - 2.0f / 255) < 1e-9f && fabsf(p.y->q->scale[0] - 4.0f / 32767) < 1e-9f); /* a given range is not widened */
    assert_non_null(it_ptq_weight(t->g.nodes.items[0])->q);
    release(&p);
    for (size_t i = 0; i < IT_LEN(BAD); i++) {
        make(&p, BAD[i].rules);
        assert_int_equal(run_without(&p), INTACT_E_ARG);
        if (!strstr(t->err.message, BAD[i].text) || (i == 0 && strcmp(t->err.where, p.y->name) != 0))
            fail_msg("%s: %s", t->err.where, t->err.message);
        release(&p);
    }
}

/* A layer of 8 bits whose plan is groups and zero points, which go together at 8 bits alone, is measured at 4 bits all the same. */
static void sensitivity_of_groups(void **state)
{
    plan p;
    net *t = &p.n;
    it_sensitivity s;
    (void)state;
    make(&p, "{\"intact_recipe\": 1, \"weights\": {\"per\": \"group:4\", \"scheme\": \"affine\"}}");
    it_job job = { .pool = p.s.pool };
    it_ptq q = { .alloc = &it_alloc_libc, .g = &t->g, .recipe = &p.r, .feed = &p.s.f, .job = &job };
    OK(it_ptq_run(&q, &t->err));
    OK(it_sensitivity_run(&q, &p.s.f, &s, &t->err));
    for (size_t i = 0; i < s.rows.len; i++)
        assert_true(!s.rows.items[i].node || s.rows.items[i].low_error > s.rows.items[i].weight_error);
    it_sensitivity_release(&s);
    it_ptq_release(&q);
    release(&p);
}

static void *grow_failing(void *user, void *p, size_t before, size_t after)
{
    long *left = user;
    if (after && (*left)-- == 0)
        return NULL;
    return it_alloc_libc.grow(NULL, p, before, after);
}

static void no_memory(void **state)
{
    bool done = false;
    (void)state;
    for (long at = 0; !done; at++) {
        long left = at;
        intact_alloc a = { .grow = grow_failing, .user = &left };
        plan p;
        net *t = &p.n;
        make(&p, RULES(Y "{\"bits\": 3, \"method\": \"max\"}}, " X "{\"bits\": 16}}, " V "{\"levels\": \"lloyd\"}}"));
        size_t notes = p.gs.notes.len;
        p.gs.alloc = &a; /* nothing of gs was made with it: notes are, and what planning needs */
        intact_status st = it_ptq_plan_acts(&p.gs, &t->g, &p.r, &t->err);
        done = left >= 0;
        assert_int_equal(st, done ? INTACT_OK : INTACT_E_NOMEM);
        assert_true(!done || p.gs.notes.len > notes);
        p.gs.alloc = &it_alloc_libc;
        release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_rules_win), cmocka_unit_test(borders), cmocka_unit_test(unheard_rules), cmocka_unit_test(ranges_in_recipes),
        cmocka_unit_test(large_16_bits), cmocka_unit_test(no_data), cmocka_unit_test(sensitivity_of_groups), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
