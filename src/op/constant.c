/* SPDX-License-Identifier: Apache-2.0 */
/* constant: y = a tensor, a number or numbers from the node's attributes. The reader turns the output into a constant value, so
** the node itself is seldom kept. args is the tensor. */
#include <string.h>

#include "op/op.h"

static intact_status numbers(it_parse *p, it_tensor *t, it_type type, int rank, size_t len, const void *data)
{
    *t = (it_tensor){.type = type, .rank = rank, .dim = {(int64_t)len}};
    t->data = it_arena_copy(&p->g->arena, data, len * it_type_bytes(type));
    return t->data ? INTACT_OK : it_fail_nomem(p->err, p->n->name, len * it_type_bytes(type));
}

static intact_status constant_parse(it_parse *p)
{
    static const struct {
        const char *name;
        it_attr_kind kind;
    } KINDS[] = {{"value", IT_ATTR_TENSOR},  {"value_float", IT_ATTR_FLOAT}, {"value_floats", IT_ATTR_FLOATS},
                 {"value_int", IT_ATTR_INT}, {"value_ints", IT_ATTR_INTS}};
    it_tensor *t = p->n->args;
    for (size_t k = 0; k < IT_LEN(KINDS); k++) {
        const it_attr *a = it_attr_find(p, KINDS[k].name);
        if (!a) continue;
        /* an empty list has no kind of its own in files without type fields */
        if (a->kind != KINDS[k].kind && !(a->len == 0 && KINDS[k].kind == IT_ATTR_FLOATS && a->kind == IT_ATTR_INTS))
            return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "attribute %s is of the wrong kind", a->name);
        switch (KINDS[k].kind) {
        case IT_ATTR_TENSOR: *t = a->tensor; return INTACT_OK;
        case IT_ATTR_FLOAT: return numbers(p, t, IT_F32, 0, 1, &a->f);
        case IT_ATTR_INT: return numbers(p, t, IT_I64, 0, 1, &a->i);
        case IT_ATTR_FLOATS: return numbers(p, t, IT_F32, 1, a->len, a->floats);
        default: return numbers(p, t, IT_I64, 1, a->len, a->ints);
        }
    }
    if (p->n->attrs_len)
        return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "attribute %s; value, value_float(s) and value_int(s) are supported",
                            p->n->attrs[0].name);
    return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "no attribute gives the value");
}

static intact_status constant_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    (void)in;
    (void)err;
    it_shape_copy(&out[0], n->args);
    return INTACT_OK;
}

static intact_status constant_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)in;
    (void)err;
    const it_tensor *t = n->args;
    memcpy(out[0]->data, t->data, it_tensor_bytes(t));
    return INTACT_OK;
}

const it_op it_op_constant = {
    .name = "constant", .onnx = "Constant", .since = 1,
    .in_min = 0, .in_max = 0, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_tensor), .parse = constant_parse, .infer = constant_infer, .forward = constant_forward,
    .hint = "constants are folded into their readers",
};
