/* SPDX-License-Identifier: Apache-2.0 */
/* lower_shapes.c: which nodes compute shapes rather than activations: they leave no instruction behind. */
#include "op/lower.h"

/* Inference computed all that n gives: shape arithmetic, at the batch of 1 that a program is made for. */
static bool is_known(const it_node *n)
{
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && (!n->out[k]->t.data || n->out[k]->is_output))
            return false;
    return true;
}

/* Nobody takes v, which is known, for an activation. */
static bool serves_shapes(const it_graph *g, const it_value *v)
{
    if (!it_type_is_float(v->t.type))
        return true;
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k] == v && !is_known(n) && !(n->op->quant.shape_inputs && k > 0))
                return false;
    }
    return true;
}

bool it_lower_is_shape_arithmetic(const it_graph *g, const it_node *n)
{
    if (!is_known(n))
        return false;
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && !serves_shapes(g, n->out[k]))
            return false;
    return true;
}
