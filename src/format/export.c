/* SPDX-License-Identifier: Apache-2.0 */
/* export.c: walks a program and lets a format's rules write its instructions as ONNX operators. */
#include <string.h>

#include "format/export.h"

const it_export_format *const it_export_format_all[] = {
#define FORMAT(name) &it_export_##name,
#include "format/export_list.h"
#undef FORMAT
    NULL
};

const char *it_export_format_name(const it_export_format *f) { return f->name; }
const char *it_export_format_summary(const it_export_format *f) { return f->summary; }

const it_export_format *it_export_format_find(const char *name)
{
    for (const it_export_format *const *f = it_export_format_all; *f; f++)
        if (strcmp((*f)->name, name) == 0)
            return *f;
    return NULL;
}

static const it_export_rule *rule_of(const it_export_format *f, const it_instr *kind)
{
    for (; f; f = f->base)
        for (size_t k = 0; k < f->rules_len; k++)
            if (f->rules[k].kind == kind)
                return &f->rules[k];
    return NULL;
}

/* ---- before: names, inputs ---- */

static bool room_for_tensors(it_exporter *e)
{
    const size_t n = e->p->tensors.len;
    it_arena *a = &e->g->arena;
    e->name = it_arena_new(a, n * sizeof *e->name);
    e->codes = it_arena_new(a, n * sizeof *e->codes);
    e->real = it_arena_new(a, n * sizeof *e->real);
    e->scale = it_arena_new(a, n * sizeof *e->scale);
    e->zero = it_arena_new(a, n * sizeof *e->zero);
    if (e->name && e->codes && e->real && e->scale && e->zero)
        return true;
    e->st = it_fail_nomem(e->err, "export", n * sizeof *e->name * 5);
    return false;
}

static void name_tensor(it_exporter *e, uint32_t t)
{
    if (!e->name[t])
        e->name[t] = it_export_name(e, e->p->tensors.items[t].name, "");
}

/* The pixels instruction that reads input t; NULL: t holds codes. */
static const it_pinstr *pixels_of(const it_prog *p, uint32_t t)
{
    for (size_t k = 0; k < p->instrs.len; k++)
        if (p->instrs.items[k].kind == &it_instr_pixels && p->instrs.items[k].in[0] == t)
            return &p->instrs.items[k];
    return NULL;
}

/* What the float network's own input is: codes that pixels become, or the program's input. */
static uint32_t float_input(const it_exporter *e, uint32_t input)
{
    const it_pinstr *px = e->opt.pixels ? NULL : pixels_of(e->p, input);
    return px ? px->out[0] : input;
}

/* Inputs and outputs keep their names, whatever else bears them. */
static void name_all(it_exporter *e)
{
    for (uint32_t k = 0; k < e->p->inputs_len; k++)
        name_tensor(e, float_input(e, e->p->inputs[k]));
    for (uint32_t k = 0; k < e->p->outputs_len; k++)
        name_tensor(e, e->p->outputs[k]);
    for (uint32_t t = 0; t < e->p->tensors.len; t++)
        name_tensor(e, t);
}

static void declare(it_value *v, it_type type, int rank, const int64_t *dim)
{
    v->t.type = type;
    v->declared_rank = rank;
    memcpy(v->declared, dim, (size_t)rank * sizeof *dim);
    v->declared[0] = -1;
}

static it_value *graph_input(it_exporter *e, uint32_t t, it_type type, int rank, const int64_t *dim)
{
    it_value *v = e->st == INTACT_OK ? it_graph_value(e->g, e->name[t]) : NULL;
    if (!v || !IT_VEC_ROOM(e->g->alloc, e->g->inputs)) {
        if (e->st == INTACT_OK)
            e->st = it_fail_nomem(e->err, e->name[t], sizeof *v);
        return NULL;
    }
    declare(v, type, rank, dim);
    v->is_input = true;
    e->g->inputs.items[e->g->inputs.len++] = v;
    return v;
}

/* scale * floor(x / scale + 1/2): the number that x's code stands for, as the program has it. */
static it_value *rounded(it_exporter *e, uint32_t t, it_value *x)
{
    it_value *scale = it_export_one(e, "_divisor", IT_F64, it_export_scale_of(&e->p->tensors.items[t])), *half = it_export_one(e, "_half", IT_F64, 0.5);
    x = it_export_node(e, "Div", IT_EX_IN(it_export_cast(e, x, IT_F64), scale), NULL);
    x = it_export_node(e, "Floor", IT_EX_IN(it_export_node(e, "Add", IT_EX_IN(x, half), NULL)), NULL);
    return it_export_node(e, "Mul", IT_EX_IN(it_export_cast(e, x, IT_F32), it_export_scale(e, t)), NULL);
}

static void make_input(it_exporter *e, uint32_t input)
{
    const uint32_t t = float_input(e, input);
    const it_ptensor *pt = &e->p->tensors.items[t];
    int64_t dim[IT_RANK_MAX];
    if (e->codes[t])
        return; /* one tensor given twice */
    if (e->opt.pixels && pixels_of(e->p, t)) {
        for (uint32_t k = 0; k < pt->rank; k++)
            dim[k] = pt->dims[k];
        it_export_set_all(e, t, graph_input(e, t, IT_U8, (int)pt->rank, dim));
        return;
    }
    int rank = it_export_shape(pt, dim);
    if (pt->type == INTACT_S32) {
        it_export_set_all(e, t, graph_input(e, t, IT_I64, rank, dim));
        return;
    }
    it_value *x = graph_input(e, t, IT_F32, rank, dim), *scale = it_export_scale(e, t), *zero = it_export_zero(e, t);
    e->about = e->name[t];
    if (e->opt.exact_input)
        x = rounded(e, t, x);
    it_export_set_all(e, t, it_export_node(e, "QuantizeLinear", IT_EX_IN(x, scale, zero), NULL));
    e->name[t] = it_export_name(e, e->name[t], "_rounded"); /* what comes out of codes is not what came in */
    e->about = NULL;
}

/* ---- after: outputs ---- */

static void make_output(it_exporter *e, uint32_t t)
{
    const it_ptensor *pt = &e->p->tensors.items[t];
    const bool indexes = pt->type == INTACT_S32;
    int64_t dim[IT_RANK_MAX];
    int rank = it_export_shape(pt, dim);
    it_value *v = indexes ? it_export_codes(e, t) : it_export_real(e, t);
    if (v && (v->is_output || v->is_input)) {
        e->about = e->name[t];
        v = it_export_node(e, "Identity", IT_EX_IN(v), NULL);
        e->about = NULL;
    } else if (v && indexes) {
        v->name = e->name[t];
    }
    if (!v)
        return;
    if (!IT_VEC_ROOM(e->g->alloc, e->g->outputs)) {
        e->st = it_fail_nomem(e->err, e->name[t], sizeof v);
        return;
    }
    declare(v, indexes ? IT_I64 : IT_F32, rank, dim);
    v->is_output = true;
    e->g->outputs.items[e->g->outputs.len++] = v;
}

/* ---- the walk ---- */

static void export_instr(it_exporter *e, const it_pinstr *i)
{
    const it_export_rule *rule = rule_of(e->format, i->kind);
    e->i = i;
    if (rule)
        rule->emit(e, i);
    else
        it_export_fail(e, "%s has no rule for this instruction; eval and run take the program as it is", e->format->name);
    it_arena_release(&e->scratch);
    e->i = NULL;
}

static bool takes_pixels(const it_prog *p)
{
    for (uint32_t k = 0; k < p->inputs_len; k++)
        if (pixels_of(p, p->inputs[k]))
            return true;
    return false;
}

static void walk(it_exporter *e)
{
    if (e->opt.pixels && !takes_pixels(e->p))
        it_export_fail(e, "it takes no raw pixels (no image preprocessing is stored in it); export it with float inputs");
    if (e->st != INTACT_OK || !room_for_tensors(e))
        return;
    name_all(e);
    for (uint32_t k = 0; k < e->p->inputs_len && e->st == INTACT_OK; k++)
        make_input(e, e->p->inputs[k]);
    for (size_t k = 0; k < e->p->instrs.len && e->st == INTACT_OK; k++)
        export_instr(e, &e->p->instrs.items[k]);
    for (uint32_t k = 0; k < e->p->outputs_len && e->st == INTACT_OK; k++)
        make_output(e, e->p->outputs[k]);
}

/* 13 has scales along an axis and Softmax as it is meant; 21 is the first with int16, as activations or as weights
** with fixes, and with int4. */
static int least_opset(const it_prog *p, bool int4)
{
    for (size_t t = 0; t < p->tensors.len; t++)
        if (p->tensors.items[t].type == INTACT_S16)
            return 21;
    for (size_t k = 0; k < p->consts.len && int4; k++)
        if (p->consts.items[k].bits)
            return 21;
    for (size_t k = 0; k < p->instrs.len; k++) {
        const it_pinstr *i = &p->instrs.items[k];
        for (uint32_t n = 0; n < i->kind->fields_len; n++) {
            uint32_t c;
            memcpy(&c, (const char *)i->args + i->kind->fields[n].offset, sizeof c);
            if (strcmp(i->kind->fields[n].name, "fixes") == 0 && c != IT_NO_CONST)
                return 21;
        }
    }
    return 13;
}

intact_status it_export_graph(const it_prog *p, const it_export_format *f, it_export_options opt, it_graph *g, intact_error *err)
{
    it_exporter e = { .p = p, .format = f, .opt = opt, .g = g, .err = err };
    it_arena_init(&e.scratch, g->alloc);
    g->opset = least_opset(p, opt.int4);
    walk(&e);
    it_arena_release(&e.scratch);
    it_alloc_free(g->alloc, e.taken.slots, e.taken.cap * sizeof *e.taken.slots);
    return e.st == INTACT_OK ? it_graph_verify(g, err) : e.st;
}
