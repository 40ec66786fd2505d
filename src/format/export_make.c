/* SPDX-License-Identifier: Apache-2.0 */
/* export_make.c: nodes, constants and names of an exported network. */
#include <stdio.h>
#include <string.h>

#include "format/export.h"

/* An operator of ONNX, or one that ONNX does not have but ONNX Runtime does. */
static const it_op *find_op(const it_exporter *e, const char *onnx)
{
    const it_op *op = it_op_find(onnx, "", e->g->opset);
    return op ? op : it_op_find(onnx, "com.microsoft", 1);
}

void it_export_fail(it_exporter *e, const char *fmt, ...)
{
    char where[160], message[400];
    if (e->st != INTACT_OK)
        return;
    if (e->i)
        snprintf(where, sizeof where, "%.120s (%s)", e->i->name, e->i->kind->name);
    else
        snprintf(where, sizeof where, "program");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    e->st = it_fail(e->err, INTACT_E_UNSUPPORTED, where, "%s", message);
}

static void no_memory(it_exporter *e, size_t bytes)
{
    if (e->st == INTACT_OK)
        e->st = it_fail_nomem(e->err, e->i ? e->i->name : "export", bytes);
}

void *it_export_room(it_exporter *e, size_t len, size_t size)
{
    size_t bytes;
    if (e->st != INTACT_OK)
        return NULL;
    void *p = it_mul_size(len, size, &bytes) ? it_arena_new(&e->scratch, bytes ? bytes : 1) : NULL;
    if (!p)
        no_memory(e, len * size);
    return p;
}

/* ---- names ---- */

static size_t slot_of(const char *const *slots, size_t cap, const char *name)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (const char *c = name; *c; c++)
        h = (h ^ (uint8_t)*c) * 1099511628211u;
    size_t at = (size_t)(h ^ h >> 32) & (cap - 1);
    while (slots[at] && strcmp(slots[at], name) != 0)
        at = (at + 1) & (cap - 1);
    return at;
}

static bool grow_names(it_exporter *e)
{
    size_t cap = e->taken.cap ? e->taken.cap * 2 : 256;
    if (e->taken.len * 2 < e->taken.cap)
        return true;
    const char **slots = it_alloc_zero(e->g->alloc, cap * sizeof *slots);
    if (!slots)
        return no_memory(e, cap * sizeof *slots), false;
    for (size_t k = 0; k < e->taken.cap; k++)
        if (e->taken.slots[k])
            slots[slot_of(slots, cap, e->taken.slots[k])] = e->taken.slots[k];
    it_alloc_free(e->g->alloc, e->taken.slots, e->taken.cap * sizeof *slots);
    e->taken.slots = slots;
    e->taken.cap = cap;
    return true;
}

const char *it_export_name(it_exporter *e, const char *base, const char *end)
{
    if (e->st != INTACT_OK || !grow_names(e))
        return NULL;
    if (*base == 0)
        base = "value";
    for (size_t k = 0;; k++) {
        char *name = k ? it_arena_printf(&e->g->arena, "%s%s_%zu", base, end, k) : it_arena_printf(&e->g->arena, "%s%s", base, end);
        if (!name)
            return no_memory(e, strlen(base) + strlen(end)), NULL;
        size_t at = slot_of(e->taken.slots, e->taken.cap, name);
        if (e->taken.slots[at])
            continue;
        e->taken.len++;
        return e->taken.slots[at] = name;
    }
}

static const char *base_of(const it_exporter *e)
{
    return e->about ? e->about : e->name[e->i->out[0]];
}

/* ---- constants ---- */

it_value *it_export_const(it_exporter *e, const char *end, it_type type, int rank, const int64_t *dim, const void *data)
{
    const char *name = it_export_name(e, base_of(e), end);
    if (!name || !data)
        return NULL;
    it_tensor t = { .type = type, .rank = rank, .data = (void *)(uintptr_t)data };
    if (rank > 0)
        memcpy(t.dim, dim, (size_t)rank * sizeof *dim);
    it_value *v = it_graph_const(e->g, name, &t);
    if (!v)
        no_memory(e, it_tensor_bytes(&t));
    return v;
}

it_value *it_export_one(it_exporter *e, const char *end, it_type type, double v)
{
    int64_t room = 0;
    it_tensor t = { .type = type, .rank = 0, .data = &room };
    it_tensor_set(&t, 0, v);
    return it_export_const(e, end, type, 0, NULL, &room);
}

it_value *it_export_dims(it_exporter *e, const char *end, const int64_t *v, int64_t len)
{
    return it_export_const(e, end, IT_I64, 1, &len, v);
}

/* ---- nodes ---- */

static bool copy_attrs(it_exporter *e, it_node *n, const it_attr *attrs)
{
    while (attrs && attrs[n->attrs_len].name)
        n->attrs_len++;
    if (!n->attrs_len)
        return true;
    it_attr *copy = it_arena_copy(&e->g->arena, attrs, (size_t)n->attrs_len * sizeof *copy);
    for (int k = 0; copy && k < n->attrs_len; k++)
        if (copy[k].kind == IT_ATTR_INTS && !(copy[k].ints = it_arena_copy(&e->g->arena, copy[k].ints, copy[k].len * sizeof *copy[k].ints)))
            return false;
    n->attrs = copy;
    return copy != NULL;
}

it_value *it_export_node(it_exporter *e, const char *op, it_value *const *in, int in_len, const it_attr *attrs)
{
    if (e->st != INTACT_OK)
        return NULL;
    const it_op *kind = find_op(e, op);
    char end[64];
    snprintf(end, sizeof end, "_%s", op);
    if (!kind)
        return it_export_fail(e, "operator %s is not known at opset %d", op, e->g->opset), NULL;
    const char *name = it_export_name(e, base_of(e), end);
    if (!name)
        return NULL;
    it_node *n = it_graph_node(e->g, name, kind, in_len, 1);
    it_value *y = n && copy_attrs(e, n, attrs) ? it_graph_value(e->g, name) : NULL;
    if (!y)
        return no_memory(e, sizeof *n), NULL;
    if (kind->domain)
        n->opset = 1;
    memcpy(n->in, in, (size_t)in_len * sizeof *in);
    n->out[0] = y;
    y->producer = n;
    return y;
}

it_value *it_export_cast(it_exporter *e, it_value *x, it_type to)
{
    return it_export_node(e, "Cast", IT_EX_IN(x), IT_EX_ATTRS(IT_EX_INT("to", it_type_to_onnx(to))));
}

it_value *it_export_reshape(it_exporter *e, it_value *x, int rank, const int64_t *dim)
{
    int64_t to[IT_RANK_MAX];
    memcpy(to, dim, (size_t)rank * sizeof *dim);
    to[0] = 0; /* as x has it */
    it_value *shape = it_export_dims(e, "_shape", to, rank);
    return it_export_node(e, "Reshape", IT_EX_IN(x, shape), NULL);
}
