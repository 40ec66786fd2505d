/* SPDX-License-Identifier: Apache-2.0 */
/* info.c: what a network file holds: shapes, operators, sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api.h"

static void put(char *to, size_t cap, const char *from)
{
    snprintf(to, cap, "%s", from);
}

static intact_status room(intact_ctx *c, void **p, size_t len, size_t size, intact_error *err)
{
    *p = it_alloc_zero(c->alloc, len * size);
    return *p ? INTACT_OK : it_fail_nomem(err, "info", len * size);
}

static void count_op(intact_info *out, const char *op, int has_integer)
{
    uint32_t k = 0;
    while (k < out->ops_len && strcmp(out->ops[k].op, op) != 0)
        k++;
    if (k == out->ops_len) {
        put(out->ops[k].op, sizeof out->ops[k].op, op);
        out->ops[k].has_integer = has_integer;
        out->ops_len++;
    }
    out->ops[k].count++;
}

static int by_count(const void *a, const void *b)
{
    const intact_op_count *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->op, y->op);
}

static void shape_text(char *buf, size_t cap, uint32_t rank, const int64_t *dims)
{
    size_t at = 0;
    buf[0] = 0;
    for (uint32_t i = 0; i < rank && at < cap; i++)
        at += (size_t)snprintf(buf + at, cap - at, "%s%lld", i ? "x" : "", (long long)dims[i]);
}

/* ---- float networks ---- */

/* Multiply-accumulates of one sample: output elements times the weights that make one of them. */
uint64_t it_api_node_macs(const it_node *n)
{
    int w = n->op->quant.weight_in;
    if (n->op->unrolled && n->in[0]->t.rank == 3) /* both weights once a step */
        return (uint64_t)n->in[0]->t.dim[0] * (uint64_t)(it_tensor_len(&n->in[1]->t) + it_tensor_len(&n->in[2]->t));
    if (n->out_len < 1 || !n->out[0] || n->out[0]->t.rank < 1)
        return 0;
    uint64_t out = (uint64_t)it_tensor_len(&n->out[0]->t);
    if (strcmp(n->op->name, "mat_mul") == 0 && n->in[0]->t.rank > 0)
        return out * (uint64_t)n->in[0]->t.dim[n->in[0]->t.rank - 1];
    if (w == 0 || n->in_len <= w || !n->in[w] || n->in[w]->t.rank < 1)
        return 0;
    const it_tensor *t = &n->in[w]->t;
    int axis = n->op->quant.weight_axis ? n->op->quant.weight_axis(n) : 0;
    return t->dim[axis] > 0 ? out * ((uint64_t)it_tensor_len(t) / (uint64_t)t->dim[axis]) : 0;
}

static uint64_t node_parameters(const it_node *n)
{
    uint64_t sum = 0;
    for (int i = 0; i < n->in_len; i++)
        if (n->in[i] && n->in[i]->is_const && it_type_is_float(n->in[i]->t.type))
            sum += (uint64_t)it_tensor_len(&n->in[i]->t);
    return sum;
}

static void float_io(intact_io *io, const it_value *v)
{
    put(io->name, sizeof io->name, v->name);
    put(io->type, sizeof io->type, it_type_name(v->t.type));
    io->rank = v->t.rank < 0 ? 0 : (uint32_t)v->t.rank;
    for (uint32_t i = 0; i < io->rank; i++)
        io->dims[i] = v->declared_rank == v->t.rank && v->declared[i] < 0 ? -1 : v->t.dim[i];
}

/* One run on zeros: what its activations take at the most. */
static intact_status float_peak(intact_ctx *c, const intact_model *m, uint64_t *peak, intact_error *err)
{
    it_tensor in[16];
    size_t len = m->g.inputs.len;
    it_exec *e = NULL;
    if (len > IT_LEN(in))
        return INTACT_OK;
    intact_status st = it_exec_new(&m->g, NULL, &e, err);
    size_t have = 0;
    for (; st == INTACT_OK && have < len; have++) {
        in[have] = m->g.inputs.items[have]->t;
        in[have].data = it_alloc_zero(c->alloc, it_tensor_bytes(&in[have]));
        if (!in[have].data)
            st = it_fail_nomem(err, "info", it_tensor_bytes(&in[have]));
    }
    intact_error ignored; /* zeros may be no valid input; then there is no peak to tell */
    if (st == INTACT_OK && it_exec_run(e, in, len, &ignored) == INTACT_OK)
        *peak = it_exec_peak_bytes(e);
    for (size_t i = 0; i < have; i++)
        it_alloc_free(c->alloc, in[i].data, it_tensor_bytes(&in[i]));
    it_exec_free(e);
    return st;
}

static intact_status float_info(intact_ctx *c, const intact_model *m, intact_info *out, intact_error *err)
{
    const it_graph *g = &m->g;
    out->opset = g->opset;
    out->file_bytes = g->file_bytes;
    IT_TRY(room(c, (void **)&out->inputs, g->inputs.len, sizeof *out->inputs, err));
    for (; out->inputs_len < g->inputs.len; out->inputs_len++)
        float_io(&out->inputs[out->inputs_len], g->inputs.items[out->inputs_len]);
    IT_TRY(room(c, (void **)&out->outputs, g->outputs.len, sizeof *out->outputs, err));
    for (; out->outputs_len < g->outputs.len; out->outputs_len++)
        float_io(&out->outputs[out->outputs_len], g->outputs.items[out->outputs_len]);
    IT_TRY(room(c, (void **)&out->ops, g->nodes.len, sizeof *out->ops, err));
    IT_TRY(room(c, (void **)&out->layers, g->nodes.len, sizeof *out->layers, err));
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        intact_layer_info *l = &out->layers[out->layers_len++];
        const char *op = n->op->onnx ? n->op->onnx : n->op->name;
        put(l->name, sizeof l->name, n->name);
        put(l->op, sizeof l->op, op);
        if (n->out_len && n->out[0] && n->out[0]->t.rank >= 0)
            shape_text(l->shape, sizeof l->shape, (uint32_t)n->out[0]->t.rank, n->out[0]->t.dim);
        l->macs = it_api_node_macs(n);
        l->parameters = node_parameters(n);
        out->macs += l->macs;
        count_op(out, op, it_op_has_integer(n->op));
    }
    for (size_t i = 0; i < g->values.len; i++)
        if (g->values.items[i]->is_const && it_type_is_float(g->values.items[i]->t.type))
            out->parameters += (uint64_t)it_tensor_len(&g->values.items[i]->t);
    return float_peak(c, m, &out->peak_bytes, err);
}

/* ---- integer programs ---- */

static void integer_io(intact_io *io, const intact_port *p)
{
    static const char *const types[] = {"u8", "s8", "s16", "s32"};
    put(io->name, sizeof io->name, p->name);
    put(io->type, sizeof io->type, types[p->type]);
    io->rank = p->rank;
    for (uint32_t i = 0; i < p->rank; i++)
        io->dims[i] = i == 0 ? -1 : (int64_t)p->dims[i];
    io->scale = p->scale;
    io->zero_point = p->zero_point;
    io->is_pixels = p->is_pixels;
}

static intact_status integer_ports(intact_ctx *c, const intact_model *m, const intact_program_info *pi, intact_info *out, intact_error *err)
{
    intact_port p;
    IT_TRY(room(c, (void **)&out->inputs, pi->inputs_len, sizeof *out->inputs, err));
    for (; out->inputs_len < pi->inputs_len; out->inputs_len++) {
        IT_TRY(intact_program_input(m->program, out->inputs_len, &p));
        integer_io(&out->inputs[out->inputs_len], &p);
    }
    IT_TRY(room(c, (void **)&out->outputs, pi->outputs_len, sizeof *out->outputs, err));
    for (; out->outputs_len < pi->outputs_len; out->outputs_len++) {
        IT_TRY(intact_program_output(m->program, out->outputs_len, &p));
        integer_io(&out->outputs[out->outputs_len], &p);
    }
    return INTACT_OK;
}

static intact_status integer_info(intact_ctx *c, const intact_model *m, intact_info *out, intact_error *err)
{
    intact_program_info pi;
    intact_program_get_info(m->program, &pi);
    out->macs = pi.macs;
    out->parameters = pi.parameters;
    out->file_bytes = pi.file_bytes;
    out->peak_bytes = pi.peak_bytes;
    out->bound_bytes = pi.bound_bytes;
    out->packed_bytes = pi.packed_bytes;
    put(out->cpu, sizeof out->cpu, intact_cpu_name(pi.cpu));
    IT_TRY(integer_ports(c, m, &pi, out, err));
    IT_TRY(room(c, (void **)&out->ops, pi.instructions_len, sizeof *out->ops, err));
    IT_TRY(room(c, (void **)&out->layers, pi.instructions_len, sizeof *out->layers, err));
    for (uint32_t i = 0; i < pi.instructions_len; i++) {
        intact_step s;
        IT_TRY(intact_program_step(m->program, i, &s));
        intact_layer_info *l = &out->layers[out->layers_len++];
        int64_t dims[INTACT_RANK_MAX];
        for (uint32_t k = 0; k < s.out_rank; k++)
            dims[k] = s.out_dims[k];
        put(l->name, sizeof l->name, s.name);
        put(l->op, sizeof l->op, s.kind);
        put(l->kernel, sizeof l->kernel, s.kernel);
        shape_text(l->shape, sizeof l->shape, s.out_rank, dims);
        l->macs = s.macs;
        l->weight_bits = s.weight_bits;
        count_op(out, s.kind, 1);
    }
    const char *meta = intact_program_meta(m->program);
    out->meta = it_alloc_new(c->alloc, strlen(meta) + 1);
    if (!out->meta)
        return it_fail_nomem(err, "info", strlen(meta) + 1);
    memcpy(out->meta, meta, strlen(meta) + 1);
    return INTACT_OK;
}

intact_status intact_model_info(intact_ctx *c, const intact_model *m, intact_info *out, intact_error *err)
{
    *out = (intact_info){.kind = m->kind};
    intact_status st = m->kind == INTACT_MODEL_FLOAT ? float_info(c, m, out, err) : integer_info(c, m, out, err);
    if (st != INTACT_OK)
        intact_info_release(c, out);
    else
        qsort(out->ops, out->ops_len, sizeof *out->ops, by_count);
    return st;
}

void intact_info_release(intact_ctx *c, intact_info *i)
{
    uint32_t rows = i->layers_len; /* ops has room for as many */
    it_alloc_free(c->alloc, i->inputs, i->inputs_len * sizeof *i->inputs);
    it_alloc_free(c->alloc, i->outputs, i->outputs_len * sizeof *i->outputs);
    it_alloc_free(c->alloc, i->ops, rows * sizeof *i->ops);
    it_alloc_free(c->alloc, i->layers, rows * sizeof *i->layers);
    if (i->meta)
        it_alloc_free(c->alloc, i->meta, strlen(i->meta) + 1);
    *i = (intact_info){0};
}
