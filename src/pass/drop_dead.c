/* SPDX-License-Identifier: Apache-2.0 */
/* drop_dead: nodes whose outputs nobody reads go, and so do the contents of constants without readers. */
#include "pass/pass.h"

static bool wanted(const it_node *n, const uint8_t *read)
{
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && (n->out[k]->is_output || read[n->out[k]->id])) return true;
    return false;
}

/* From the last node back: when a node is met, all that could read it have been. Survivors keep their order. */
static size_t drop(it_graph *g, uint8_t *read)
{
    size_t dropped = 0, to = 0;
    for (size_t i = g->nodes.len; i-- > 0;) {
        it_node *n = g->nodes.items[i];
        if (!wanted(n, read)) {
            for (int k = 0; k < n->out_len; k++)
                if (n->out[k] && n->out[k]->producer == n) n->out[k]->producer = NULL;
            g->nodes.items[i] = NULL;
            dropped++;
            continue;
        }
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k]) read[n->in[k]->id] = 1;
    }
    for (size_t i = 0; i < g->nodes.len; i++)
        if (g->nodes.items[i]) g->nodes.items[to++] = g->nodes.items[i];
    g->nodes.len = to;
    for (size_t i = 0; i < g->values.len; i++) {
        it_value *v = g->values.items[i];
        if (!v->is_const || v->is_output || read[i]) continue;
        v->is_const = false;
        v->t.data = NULL;
        v->q = NULL;
        dropped++;
    }
    return dropped;
}

static intact_status drop_dead_run(it_graph *g, size_t *changes, intact_error *err)
{
    uint8_t *read = it_alloc_zero(g->alloc, g->values.len);
    if (!read) return it_fail_nomem(err, g->name, g->values.len);
    *changes += drop(g, read);
    it_alloc_free(g->alloc, read, g->values.len);
    return INTACT_OK;
}

const it_pass it_pass_drop_dead = {
    .name = "drop_dead", .what = "removes nodes and constants that nothing reads", .run = drop_dead_run,
};
