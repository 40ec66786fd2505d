/* SPDX-License-Identifier: Apache-2.0 */
/* attr.c: reading a node's attributes: missing gives the default, a wrong kind fails and names node and attribute. */
#include <stdio.h>
#include <string.h>

#include "op/op.h"

static const char *const KINDS[] = {
    [IT_ATTR_INT] = "an integer", [IT_ATTR_FLOAT] = "a float", [IT_ATTR_STRING] = "a string", [IT_ATTR_TENSOR] = "a tensor",
    [IT_ATTR_INTS] = "integers", [IT_ATTR_FLOATS] = "floats", [IT_ATTR_STRINGS] = "strings", [IT_ATTR_OTHER] = "of an unsupported kind",
};

intact_status it_node_fail(const it_node *n, intact_error *err, intact_status code, const char *fmt, ...)
{
    char where[sizeof err->where], text[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *op = !n->op ? "no operator" : n->op->onnx ? n->op->onnx : n->op->name;
    snprintf(where, sizeof where, "%.120s (%.30s)", n->name, op);
    return it_fail(err, code, where, "%s", text);
}

const it_attr *it_attr_find(const it_parse *p, const char *name)
{
    for (int i = 0; i < p->n->attrs_len; i++)
        if (!strcmp(p->n->attrs[i].name, name)) return &p->n->attrs[i];
    return NULL;
}

bool it_attr_has(const it_parse *p, const char *name) { return it_attr_find(p, name) != NULL; }

static intact_status wrong(it_parse *p, const it_attr *a, it_attr_kind want)
{
    return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "attribute %s is %s; it must be %s", a->name, KINDS[a->kind], KINDS[want]);
}

intact_status it_attr_int(it_parse *p, const char *name, int64_t def, int64_t *out)
{
    const it_attr *a = it_attr_find(p, name);
    if (a && a->kind != IT_ATTR_INT) return wrong(p, a, IT_ATTR_INT);
    *out = a ? a->i : def;
    return INTACT_OK;
}

intact_status it_attr_float(it_parse *p, const char *name, float def, float *out)
{
    const it_attr *a = it_attr_find(p, name);
    if (a && a->kind != IT_ATTR_FLOAT) return wrong(p, a, IT_ATTR_FLOAT);
    *out = a ? a->f : def;
    return INTACT_OK;
}

intact_status it_attr_str(it_parse *p, const char *name, const char *def, const char **out)
{
    const it_attr *a = it_attr_find(p, name);
    if (a && a->kind != IT_ATTR_STRING) return wrong(p, a, IT_ATTR_STRING);
    *out = a ? a->s : def;
    return INTACT_OK;
}

intact_status it_attr_ints(it_parse *p, const char *name, const int64_t **out, size_t *len)
{
    const it_attr *a = it_attr_find(p, name);
    if (a && a->kind != IT_ATTR_INTS) return wrong(p, a, IT_ATTR_INTS);
    *out = a ? a->ints : NULL;
    *len = a ? a->len : 0;
    return INTACT_OK;
}

intact_status it_attr_floats(it_parse *p, const char *name, const float **out, size_t *len)
{
    const it_attr *a = it_attr_find(p, name);
    if (a && a->kind != IT_ATTR_FLOATS) return wrong(p, a, IT_ATTR_FLOATS);
    *out = a ? a->floats : NULL;
    *len = a ? a->len : 0;
    return INTACT_OK;
}
