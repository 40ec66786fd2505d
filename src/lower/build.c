/* SPDX-License-Identifier: Apache-2.0 */
/* build.c: walks the graph in order; each operator emits its instructions. */
#include <string.h>

#include "lower/build.h"

static intact_status lower_input(it_lower *lw, const it_value *v, const it_pixel_map *px, uint32_t *port, intact_error *err)
{
    uint32_t codes;
    IT_TRY(it_lower_tensor(lw, v, &codes, err));
    *port = codes;
    if (!px)
        return INTACT_OK;
    const it_ptensor *t = &lw->prog->tensors.items[codes];
    if (t->type != INTACT_U8 || t->rank != 4 || t->dims[3] != px->channels)
        return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "pixels feed u8 inputs of rank 4 with %u channels; this one has rank %u", px->channels, t->rank);
    uint32_t dims[INTACT_RANK_MAX];
    memcpy(dims, t->dims, sizeof dims);
    IT_TRY(it_lower_temp(lw, "pixels", INTACT_U8, 4, dims, 1.0f, 0, port, err));
    it_pixels_args args;
    IT_TRY(it_lower_const(lw, INTACT_U8, px->channels * 256u, px->table, &args.table, err));
    IT_TRY(it_lower_const(lw, INTACT_S32, px->channels, px->source, &args.source, err));
    return it_lower_emit(lw, &it_instr_pixels, v->name, port, 1, &codes, 1, &args, err);
}

static intact_status lower_node(it_lower *lw, const it_node *n, intact_error *err)
{
    if (it_lower_is_shape_arithmetic(lw->g, n))
        return INTACT_OK;
    if (!n->op->lower)
        return it_fail(err, INTACT_E_UNSUPPORTED, n->name, "%s (opset %d) has no integer form%s%s", n->op->onnx ? n->op->onnx : n->op->name, n->opset, n->op->hint ? "; " : "",
                       n->op->hint ? n->op->hint : "");
    IT_TRY(n->op->lower(lw, n, err));
    for (int k = 0; k < n->out_len; k++)
        IT_TRY(it_lower_to_levels(lw, n, n->out[k], err));
    return INTACT_OK;
}

intact_status it_lower_build(it_lower *lw, const it_graph *g, const it_pixel_map *pixels, it_prog *prog, const intact_alloc *a, intact_error *err)
{
    it_lower_init(lw, g, prog, a);
    if (!lw->tensor_of)
        return it_fail_nomem(err, g->name, g->values.len * sizeof *lw->tensor_of);
    prog->inputs = it_arena_new(&prog->arena, g->inputs.len * sizeof *prog->inputs);
    prog->outputs = it_arena_new(&prog->arena, g->outputs.len * sizeof *prog->outputs);
    if (!prog->inputs || !prog->outputs)
        return it_fail_nomem(err, g->name, (g->inputs.len + g->outputs.len) * sizeof *prog->inputs);
    for (size_t i = 0; i < g->inputs.len; i++)
        IT_TRY(lower_input(lw, g->inputs.items[i], i == 0 ? pixels : NULL, &prog->inputs[prog->inputs_len++], err));
    for (size_t i = 0; i < g->nodes.len; i++)
        IT_TRY(lower_node(lw, g->nodes.items[i], err));
    for (size_t i = 0; i < g->outputs.len; i++)
        IT_TRY(it_lower_tensor(lw, g->outputs.items[i], &prog->outputs[prog->outputs_len++], err));
    return it_lower_merge_copies(prog, err);
}

static it_node *softmax_before(const it_value *v)
{
    it_node *n = v->producer;
    return n && n->op->quant.role == IT_ROLE_SOFTMAX ? n : NULL;
}

size_t it_lower_drop_softmax(it_graph *g)
{
    size_t dropped = 0;
    for (size_t i = 0; i < g->outputs.len; i++) {
        it_value *y = g->outputs.items[i];
        it_node *n = softmax_before(y);
        if (!n || it_graph_uses(g, y, NULL) != 1 || n->in[0]->is_output || n->in[0]->is_input)
            continue;
        it_value *x = n->in[0];
        y->is_output = false;
        x->is_output = true;
        g->outputs.items[i] = x;
        it_graph_remove(g, n);
        dropped++;
    }
    return dropped;
}
