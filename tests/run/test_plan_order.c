/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan_order.c: branches are done in the order that needs the least memory; programs that gain nothing keep theirs. */
#include "run/helpers.h"

#include <stdlib.h>
#include <string.h>

#include "run/machine.h"

enum { NODES = 7, C = 64 };

/* A value is 2 rows of w columns of 64 bytes. Kinds: every second column of x, x twice, x pooled, a * b in the place of either. */
typedef enum node_kind { HALVE, DOUBLE, POOL, MUL } node_kind;
typedef struct node { node_kind kind; uint32_t in[2]; uint32_t w; } node; /* values: 0 is the input, k + 1 what node k gives */
typedef struct graph { node nodes[NODES]; uint32_t len, w; } graph;

static uint32_t columns(const graph *g, uint32_t v) { return v == 0 ? g->w : g->nodes[v - 1].w; }

static void emit(it_prog *p, const graph *g, uint32_t k, const uint32_t *values)
{
    const node *n = &g->nodes[k];
    const uint32_t x = values[n->in[0]], y = values[k + 1], w = columns(g, n->in[0]);
    switch (n->kind) {
    case HALVE:
        net_emit(p, &it_instr_copy, "halve", &x, 1, y,
                 &(it_copy_args){ 1, 1, 1, 2, n->w, C, 0, 0, 0, (int32_t)(w * C), (int32_t)(2 * C), 1, 0 });
        break;
    case DOUBLE: /* along the columns of two rows: no view */
        net_emit(p, &it_instr_concat, "double", (uint32_t[]){ x, x }, 2, y, &(it_concat_args){ 2 });
        break;
    case POOL:
        net_emit(p, &it_instr_maxpool, "pool", &x, 1, y, &(it_maxpool_args){ 1, 3, 1, 1, 1, 1, 0, 1, 0, 1, 0, 255 });
        break;
    default:
        net_emit(p, &it_instr_mul, "mul", (uint32_t[]){ x, values[n->in[1]] }, 2, y, &(it_mul_args){ 1 << 30, 36, 0, 255 });
    }
}

/* The instructions in the given order. */
static blob build(const graph *g, const uint32_t *order)
{
    it_prog p;
    uint32_t values[NODES + 1];
    it_prog_init(&p, NULL);
    for (uint32_t v = 0; v <= g->len; v++)
        values[v] = NET_TENSOR(&p, "v", INTACT_U8, 7, 1, 2, columns(g, v), C);
    for (uint32_t k = 0; k < g->len; k++)
        emit(&p, g, order[k], values);
    net_ports(&p, &values[0], 1, &values[g->len], 1);
    blob b = blob_of(&p);
    it_prog_release(&p);
    return b;
}

static size_t peak_of(const graph *g, const uint32_t *order, int separate)
{
    blob b = build(g, order);
    intact_program *p = load_as(&b, INTACT_CPU_SCALAR, separate);
    const size_t peak = p->peak_bytes;
    intact_program_free(p);
    blob_free(&b);
    return peak;
}

/* The least peak over all orders. */
static size_t least_peak(const graph *g, uint32_t *order, uint32_t len, uint32_t done)
{
    if (len == g->len)
        return peak_of(g, order, 1);
    size_t least = SIZE_MAX;
    for (uint32_t k = 0; k < g->len; k++) {
        bool ready = !(done >> (k + 1) & 1);
        for (uint32_t j = 0; j < 2; j++)
            ready = ready && (g->nodes[k].in[j] == 0 || done >> g->nodes[k].in[j] & 1);
        if (!ready)
            continue;
        order[len] = k;
        const size_t peak = least_peak(g, order, len + 1, done | 1u << (k + 1));
        least = peak < least ? peak : least;
    }
    return least;
}

static graph random_graph(it_rng *r)
{
    graph g = { .len = NODES, .w = 4 };
    bool used[NODES + 1] = { true };
    for (uint32_t k = 0; k < NODES; k++) {
        node *n = &g.nodes[k];
        uint32_t unused = 0;
        for (uint32_t v = 1; v <= k; v++)
            unused += !used[v];
        n->in[0] = (uint32_t)it_rng_below(r, k + 1);
        for (uint32_t v = 1; v <= k && NODES - k <= unused + 1; v++) /* all must come together in the end */
            if (!used[v])
                n->in[0] = v;
        n->in[1] = n->in[0];
        n->w = columns(&g, n->in[0]);
        n->kind = (node_kind)it_rng_below(r, 3);
        for (uint32_t v = 1; v <= k; v++)
            if (v != n->in[0] && columns(&g, v) == n->w && it_rng_below(r, 2)) {
                n->kind = MUL;
                n->in[1] = v;
            }
        n->kind = (n->kind == HALVE && n->w < 2) || (n->kind == DOUBLE && n->w > 16) ? POOL : n->kind;
        n->w = n->kind == HALVE ? n->w / 2 : n->kind == DOUBLE ? n->w * 2 : n->w;
        used[n->in[0]] = used[n->in[1]] = true;
    }
    return g;
}

static void no_order_is_better(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 1);
    uint32_t improved = 0;
    for (int round = 0; round < 150; round++) {
        const graph g = random_graph(&r);
        uint32_t order[NODES] = { 0, 1, 2, 3, 4, 5, 6 }, any[NODES];
        const size_t present = peak_of(&g, order, 1), found = peak_of(&g, order, 0), least = least_peak(&g, any, 0, 0);
        if (found != least)
            fail_msg("graph %d: %zu bytes; %zu are possible, %zu in the order of the file", round, found, least, present);
        improved += found < present;
    }
    assert_true(improved > 10);
}

/* Two branches that are wide inside: one after the other, not in step. */
static void branches_one_by_one(void **state)
{
    (void)state;
    const graph g = { { { DOUBLE, { 0, 0 }, 8 }, { DOUBLE, { 0, 0 }, 8 }, { DOUBLE, { 1, 1 }, 16 }, { DOUBLE, { 2, 2 }, 16 },
                        { HALVE, { 3, 3 }, 8 }, { HALVE, { 4, 4 }, 8 }, { MUL, { 5, 6 }, 8 } }, NODES, 4 };
    const uint32_t order[NODES] = { 0, 1, 2, 3, 4, 5, 6 };
    const size_t row = 2 * C;
    assert_int_equal(peak_of(&g, order, 1), 40 * row);
    assert_int_equal(peak_of(&g, order, 0), 32 * row);
    blob b = build(&g, order);
    intact_program *p = load_as(&b, INTACT_CPU_SCALAR, 0), *q = load_as(&b, INTACT_CPU_SCALAR, 1);
    assert_int_equal(p->info.bound_bytes, 32 * row);
    uint8_t x[2][2 * 4 * C], y[2][2 * 8 * C];
    it_rng r;
    it_rng_seed(&r, 2);
    random_codes(&r, INTACT_U8, x, sizeof x[0]);
    const intact_program *both[] = { p, q };
    for (int k = 0; k < 2; k++) {
        intact_session *s;
        assert_int_equal(intact_session_new(both[k], NULL, &s, NULL), INTACT_OK);
        assert_int_equal(intact_session_run(s, (const void *const[]){ x[0] }, 1, (void *const[]){ y[k] }, 1, NULL), INTACT_OK);
        intact_session_free(s);
    }
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    intact_program_free(p);
    intact_program_free(q);
    blob_free(&b);
}

/* The order of the file, where no other needs less. */
static void equal_orders_stay(void **state)
{
    (void)state;
    const graph g = { { { POOL, { 0, 0 }, 4 }, { POOL, { 0, 0 }, 4 }, { POOL, { 2, 2 }, 4 }, { POOL, { 1, 1 }, 4 }, { MUL, { 3, 4 }, 4 } },
                      5, 4 };
    const uint32_t order[] = { 1, 0, 2, 3, 4 };
    blob b = build(&g, order);
    intact_program *p = load_as(&b, INTACT_CPU_SCALAR, 0), *q = load_as(&b, INTACT_CPU_SCALAR, 1);
    for (uint32_t k = 0; k < g.len; k++)
        assert_int_equal(p->prog.instrs.items[k].out[0], q->prog.instrs.items[k].out[0]);
    intact_program_free(p);
    intact_program_free(q);
    blob_free(&b);
}

/* More than a search can look at, and nowhere narrow: ladders of branches that come together only at the end. */
static void long_programs(void **state)
{
    (void)state;
    enum { BRANCHES = 40, LENGTH = 30, N = BRANCHES * LENGTH };
    it_prog p;
    it_prog_init(&p, NULL);
    uint32_t x = NET_TENSOR(&p, "x", INTACT_U8, 7, 1, 1, 1, C), ends[BRANCHES], y;
    for (uint32_t k = 0; k < BRANCHES; k++)
        ends[k] = x;
    for (uint32_t k = 0; k < N; k++) {
        y = NET_TENSOR(&p, "v", INTACT_U8, 7, 1, 1, 1, C);
        net_emit(&p, &it_instr_maxpool, "pool", &ends[k % BRANCHES], 1, y, &(it_maxpool_args){ 1, 3, 1, 1, 1, 1, 0, 1, 0, 1, 0, 255 });
        ends[k % BRANCHES] = y;
    }
    y = NET_TENSOR(&p, "y", INTACT_U8, 7, 1, 1, BRANCHES, C);
    net_emit(&p, &it_instr_concat, "join", ends, BRANCHES, y, &(it_concat_args){ 2 });
    net_ports(&p, &x, 1, &y, 1);
    blob b = blob_of(&p);
    intact_program *q = load_as(&b, INTACT_CPU_SCALAR, 0);
    assert_true(q->peak_bytes <= (BRANCHES + 1) * C);
    intact_program_free(q);
    blob_free(&b);
    it_prog_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_order_is_better),
        cmocka_unit_test(branches_one_by_one),
        cmocka_unit_test(equal_orders_stay),
        cmocka_unit_test(long_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
