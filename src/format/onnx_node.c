/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_node.c: NodeProto to it_node: operator, attributes, outputs first; inputs when every name is known. */
#include <stdio.h>
#include <string.h>

#include "format/onnx.h"
#include "op/op.h"

static const char *text(const char *s) { return s ? s : ""; }

static bool is_default(const char *domain) { return !domain[0] || !strcmp(domain, "ai.onnx"); }

/* The version of domain that the model imports; 0 when it does not. */
static int domain_opset(const it_onnx_reader *r, const char *domain)
{
    const Onnx__ModelProto *m = r->owner->model;
    if (is_default(domain)) return r->g->opset;
    for (size_t i = 0; i < m->n_opset_import; i++)
        if (!strcmp(text(m->opset_import[i]->domain), domain)) return (int)m->opset_import[i]->version;
    return 0;
}

/* Operators whose definition at opset 7 is older: from that opset on they mean the same. Those not listed changed at 7 (broadcasting,
** training flags), so that a model of an older opset means something else by them. */
static const struct { const char *name; int since; } OLD[] = {
    {"Abs", 6}, {"ArgMax", 1}, {"ArgMin", 1}, {"Cast", 6}, {"Ceil", 6}, {"Clip", 6}, {"Concat", 4}, {"Constant", 1}, {"Conv", 1},
    {"ConvTranspose", 1}, {"DepthToSpace", 1}, {"Elu", 6}, {"Exp", 6}, {"Flatten", 1}, {"Floor", 6}, {"Gather", 1},
    {"GlobalAveragePool", 1}, {"GlobalLpPool", 2}, {"GlobalMaxPool", 1}, {"HardSigmoid", 6}, {"Hardmax", 1}, {"Identity", 1},
    {"InstanceNormalization", 6}, {"LRN", 1}, {"LeakyRelu", 6}, {"Log", 6}, {"LogSoftmax", 1}, {"LpNormalization", 1}, {"LpPool", 2},
    {"MatMul", 1}, {"Max", 6}, {"MaxPool", 1}, {"Mean", 6}, {"Min", 6}, {"Neg", 6}, {"Not", 1}, {"Pad", 2}, {"Reciprocal", 6},
    {"ReduceL1", 1}, {"ReduceL2", 1}, {"ReduceLogSum", 1}, {"ReduceLogSumExp", 1}, {"ReduceMax", 1}, {"ReduceMean", 1},
    {"ReduceMin", 1}, {"ReduceProd", 1}, {"ReduceSum", 1}, {"ReduceSumSquare", 1}, {"Relu", 6}, {"Reshape", 5}, {"Selu", 6},
    {"Shape", 1}, {"Sigmoid", 6}, {"Size", 1}, {"Slice", 1}, {"Softmax", 1}, {"Softplus", 1}, {"Softsign", 1}, {"SpaceToDepth", 1},
    {"Split", 2}, {"Sqrt", 6}, {"Squeeze", 1}, {"Sum", 6}, {"Tanh", 6}, {"Tile", 6}, {"TopK", 1}, {"Transpose", 1}, {"Unsqueeze", 1},
};

/* The opset by whose rules the operator is to be read; 0: by rules older than ours. */
static int rules_of(const char *type, int opset)
{
    if (opset >= IT_OPSET_MIN) return opset;
    for (size_t i = 0; i < IT_LEN(OLD); i++)
        if (!strcmp(OLD[i].name, type)) return opset >= OLD[i].since ? IT_OPSET_MIN : 0;
    return 0;
}

/* ---- attributes ---- */

typedef Onnx__AttributeProto Attr;

static bool has_float(const Attr *p) { return p->has_f; }
static bool has_int(const Attr *p) { return p->has_i; }
static bool has_string(const Attr *p) { return p->has_s; }
static bool has_tensor(const Attr *p) { return p->t != NULL; }
static bool has_floats(const Attr *p) { return p->n_floats > 0; }
static bool has_ints(const Attr *p) { return p->n_ints > 0; }
static bool has_strings(const Attr *p) { return p->n_strings > 0; }

static const struct {
    Onnx__AttributeProto__AttributeType type;
    it_attr_kind kind;
    bool (*has)(const Attr *p); /* for files that give no type */
} KINDS[] = {
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, IT_ATTR_FLOAT, has_float},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, IT_ATTR_INT, has_int},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, IT_ATTR_STRING, has_string},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR, IT_ATTR_TENSOR, has_tensor},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS, IT_ATTR_FLOATS, has_floats},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS, IT_ATTR_STRINGS, has_strings},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, IT_ATTR_INTS, has_ints}, /* last: also an empty list without type */
};

static it_attr_kind kind_of(const Attr *p)
{
    for (size_t i = 0; i < IT_LEN(KINDS); i++)
        if (p->has_type ? p->type == KINDS[i].type : KINDS[i].has(p)) return KINDS[i].kind;
    return p->has_type ? IT_ATTR_OTHER : IT_ATTR_INTS;
}

static const char *string_of(it_arena *a, ProtobufCBinaryData s)
{
    char *copy = it_arena_new(a, s.len + 1); /* zeroed */
    if (copy && s.len) memcpy(copy, s.data, s.len);
    return copy;
}

static intact_status read_strings(it_onnx_reader *r, const char *where, const Attr *p, it_attr *a)
{
    const char **list = it_arena_new(r->arena, (p->n_strings + 1) * sizeof *list);
    if (!list) return it_fail_nomem(r->err, where, p->n_strings);
    for (size_t i = 0; i < p->n_strings; i++)
        if (!(list[i] = string_of(r->arena, p->strings[i]))) return it_fail_nomem(r->err, where, p->strings[i].len);
    a->strings = list;
    a->len = p->n_strings;
    return INTACT_OK;
}

static intact_status read_attr(it_onnx_reader *r, const char *where, const Attr *p, it_attr *a)
{
    if (p->g || p->n_graphs)
        return it_fail(r->err, INTACT_E_UNSUPPORTED, where,
                       "attribute %s holds a subgraph; control flow is not supported: export the network with it unrolled", text(p->name));
    if (p->ref_attr_name && p->ref_attr_name[0])
        return it_fail(r->err, INTACT_E_FORMAT, where, "attribute %s refers to a function's attribute \"%s\" outside of a function",
                       text(p->name), p->ref_attr_name);
    a->name = text(p->name);
    a->kind = kind_of(p);
    a->i = p->i;
    a->f = p->f;
    switch (a->kind) {
    case IT_ATTR_STRING:
        a->s = string_of(r->arena, p->s);
        return a->s ? INTACT_OK : it_fail_nomem(r->err, where, p->s.len);
    case IT_ATTR_STRINGS: return read_strings(r, where, p, a);
    case IT_ATTR_INTS:
        a->ints = p->ints;
        a->len = p->n_ints;
        return INTACT_OK;
    case IT_ATTR_FLOATS:
        a->floats = p->floats;
        a->len = p->n_floats;
        return INTACT_OK;
    case IT_ATTR_TENSOR: {
        char what[110];
        if (!p->t) return it_fail(r->err, INTACT_E_FORMAT, where, "attribute %s should be a tensor and has none", a->name);
        snprintf(what, sizeof what, "%.80s, attribute", where);
        return it_onnx_read_tensor(r, p->t, what, a->name, &a->tensor);
    }
    default: return INTACT_OK;
    }
}

/* ---- nodes ---- */

static int used_len(size_t n, char *const *names) /* without the empty names at the end */
{
    while (n && !text(names[n - 1])[0]) n--;
    return (int)n;
}

static intact_status make_outputs(it_onnx_reader *r, const char *where, const Onnx__NodeProto *p, it_node *n)
{
    for (int k = 0; k < n->out_len; k++) {
        const char *name = text(p->output[k]);
        if (!name[0]) continue;
        if (it_onnx_names_find(&r->names, name))
            return it_fail(r->err, INTACT_E_FORMAT, where,
                           "output \"%s\" is also an input, a constant or another node's output; names must be unique", name);
        it_value *v = it_graph_value(r->g, name);
        if (!v || !it_onnx_names_add(&r->names, v)) return it_fail_nomem(r->err, where, sizeof *v);
        n->out[k] = v;
        v->producer = n;
    }
    return INTACT_OK;
}

static bool is_function(const it_onnx_reader *r, const Onnx__NodeProto *p)
{
    const Onnx__ModelProto *m = r->owner->model;
    for (size_t i = 0; i < m->n_functions; i++)
        if (!strcmp(text(m->functions[i]->name), text(p->op_type)) && !strcmp(text(m->functions[i]->domain), text(p->domain))) return true;
    return false;
}

intact_status it_onnx_read_node(it_onnx_reader *r, const Onnx__NodeProto *p, size_t index)
{
    const char *type = text(p->op_type), *domain = text(p->domain), *name = text(p->name);
    char made[96], where[160];
    if (p->n_input > INT32_MAX / 2 || p->n_output > INT32_MAX / 2 || p->n_attribute > INT32_MAX / 2)
        return it_fail(r->err, INTACT_E_FORMAT, name, "the node has too many inputs, outputs or attributes");
    int out_len = used_len(p->n_output, p->output);
    snprintf(made, sizeof made, "%.60s_%zu", type, index);
    for (int k = 0; k < out_len && !name[0]; k++) name = text(p->output[k]);
    if (!name[0]) name = made;
    snprintf(where, sizeof where, "%.120s (%.30s)", name, type);
    if (!type[0]) return it_fail(r->err, INTACT_E_FORMAT, where, "the node names no operator");

    it_attr *attrs = it_arena_new(r->arena, (p->n_attribute + 1) * sizeof *attrs);
    if (!attrs) return it_fail_nomem(r->err, where, p->n_attribute * sizeof *attrs);
    for (size_t i = 0; i < p->n_attribute; i++) IT_TRY(read_attr(r, where, p->attribute[i], &attrs[i]));

    int opset = domain_opset(r, domain), rules = is_default(domain) ? rules_of(type, opset) : opset;
    if (is_function(r, p)) return it_fail(r->err, INTACT_E_UNSUPPORTED, where,
                                          "the model defines this operator as a function; export it inlined");
    if (!rules && is_default(domain) && it_op_find(type, domain, IT_OPSET_MIN))
        return it_fail(r->err, INTACT_E_UNSUPPORTED, where,
                       "at opset %d, the model's, operator %s has older rules; convert the model to opset %d to %d",
                       opset, type, IT_OPSET_MIN, IT_OPSET_MAX);
    const it_op *op = it_op_find(type, domain, rules);
    if (!op) return it_op_unknown(name, type, domain, opset, r->err);
    it_node *n = it_graph_node(r->g, name, op, used_len(p->n_input, p->input), out_len);
    if (!n) return it_fail_nomem(r->err, where, sizeof *n);
    n->opset = rules;
    n->attrs = attrs;
    n->attrs_len = (int)p->n_attribute;
    return make_outputs(r, where, p, n);
}

intact_status it_onnx_join_node(it_onnx_reader *r, const Onnx__NodeProto *p, it_node *n)
{
    const Onnx__GraphProto *graph = r->owner->model->graph;
    for (int k = 0; k < n->in_len; k++) {
        const char *name = text(p->input[k]);
        if (!name[0]) continue;
        n->in[k] = it_onnx_names_find(&r->names, name);
        if (n->in[k]) continue;
        for (size_t i = 0; i < graph->n_sparse_initializer; i++)
            if (graph->sparse_initializer[i]->values && !strcmp(text(graph->sparse_initializer[i]->values->name), name))
                return it_node_fail(n, r->err, INTACT_E_UNSUPPORTED, "input %d, \"%s\", is a sparse initializer; store it dense", k, name);
        return it_node_fail(n, r->err, INTACT_E_FORMAT,
                            "input %d, \"%s\", is neither a graph input, nor an initializer, nor any node's output", k,
                            name);
    }
    return it_node_parse(r->g, n, r->err);
}
