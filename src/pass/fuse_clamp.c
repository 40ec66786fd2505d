/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_clamp: Relu and Clip with constant bounds become the clamp of the node before them, where its integer form has one. */
#include "pass/edit.h"

#include "op/lower.h"
#include "op/unary.h"

static bool can_clamp(const it_node *n) { return n->op->quant.clamps && (n->out_len == 1 || !n->out[1]); }

static bool bounds(const it_node *n, float *lo, float *hi)
{
    if (it_edit_is(n, "Relu")) {
        *lo = 0.0f;
        *hi = INFINITY;
        return true;
    }
    if (!it_edit_is(n, "Clip")) return false;
    for (int k = 1; k < n->in_len; k++)
        if (n->in[k] && !n->in[k]->is_const) return false;
    return it_clip_range(n, lo, hi) && *lo <= *hi;
}

static float clamp(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }

static bool try_fuse(it_graph *g, it_node *n)
{
    float lo, hi;
    it_value *x = n->in_len > 0 ? n->in[0] : NULL;
    if (!x || !x->producer || x->producer->out[0] != x || x->t.type != IT_F32) return false;
    if (x->q && !it_lower_same_quant(x->q, n->out[0]->q)) return false; /* equal codes: cut in any order, they are the same */
    if (!can_clamp(x->producer) || !bounds(n, &lo, &hi)) return false;
    it_node *p = x->producer;
    if (!it_edit_reads_once(g, x, n)) return false;
    /* One clamp after another is a clamp, even where the two do not overlap. */
    p->clamp_lo = clamp(clamp(p->clamp_lo, lo, hi), n->clamp_lo, n->clamp_hi);
    p->clamp_hi = clamp(clamp(p->clamp_hi, lo, hi), n->clamp_lo, n->clamp_hi);
    it_edit_take(g, p, n);
    return true;
}

static intact_status fuse_clamp_run(it_graph *g, size_t *changes, intact_error *err)
{
    (void)err;
    for (size_t i = 0; i < g->nodes.len;) {
        bool fused = try_fuse(g, g->nodes.items[i]);
        *changes += fused;
        i += !fused;
    }
    return INTACT_OK;
}

const it_pass it_pass_fuse_clamp = {
    .name = "fuse_clamp", .what = "makes Relu and Clip part of the layer before them", .run = fuse_clamp_run,
};
