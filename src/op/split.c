/* SPDX-License-Identifier: Apache-2.0 */
/* split: a tensor cut along one axis, into equal parts or the lengths given. */
#include <string.h>

#include "op/back.h"
#include "op/move.h"

typedef struct split_args { int64_t axis, parts; const int64_t *split; size_t split_len; } split_args;

static intact_status split_parse(it_parse *p)
{
    split_args *a = p->n->args;

    IT_TRY(it_attr_int(p, "axis", 0, &a->axis));
    if (p->n->opset < 13)
        return it_attr_ints(p, "split", &a->split, &a->split_len);
    if (p->n->opset < 18 || !it_attr_has(p, "num_outputs"))
        return INTACT_OK;
    IT_TRY(it_attr_int(p, "num_outputs", p->n->out_len, &a->parts));
    if (a->parts != p->n->out_len)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "num_outputs is %lld, but the node has %d outputs", (long long)a->parts,
                            p->n->out_len);
    return INTACT_OK;
}

/* Length of part k; split: the lengths given, or NULL. */
static int64_t part_len(const it_node *n, const int64_t *split, int64_t dim, int k)
{
    int64_t part = (dim + n->out_len - 1) / n->out_len; /* the last one is shorter where it does not divide */

    if (split)
        return split[k];
    return k < n->out_len - 1 ? part : dim - part * (n->out_len - 1);
}

/* The parts cover the axis exactly. split NULL: equal parts, which only num_outputs of opset 18 lets end in a shorter one. */
static intact_status split_check(const it_node *n, const int64_t *split, int64_t dim, intact_error *err)
{
    const split_args *a = n->args;
    int64_t sum = 0;

    if (!split && dim % n->out_len != 0 && !(n->opset >= 18 && a->parts))
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld elements cannot be cut into %d equal parts; give their lengths", (long long)dim,
                            n->out_len);
    for (int k = 0; k < n->out_len; k++) {
        int64_t len = part_len(n, split, dim, k);
        if (len < 0 || len > dim)
            return it_node_fail(n, err, INTACT_E_SHAPE, "part %d would have %lld of %lld elements", k, (long long)len, (long long)dim);
        sum += len;
        if (sum > dim)
            break;
    }
    if (sum != dim)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the parts do not add up to the axis, %lld", (long long)dim);
    return INTACT_OK;
}

/* The lengths from attribute or input; *known false when they have no content yet; *split NULL for equal parts. */
static intact_status split_lengths(const it_node *n, const it_tensor *const *in, const int64_t **split, bool *known, intact_error *err)
{
    const split_args *a = n->args;
    int64_t len = (int64_t)a->split_len;

    *known = true;
    *split = a->split;
    if (it_move_has(n, in, 1)) {
        if (in[1]->type != IT_I64 || in[1]->rank > 1)
            return it_node_fail(n, err, INTACT_E_SHAPE, "split has type %s and %d dimensions; a list of int64 is needed",
                                it_type_name(in[1]->type), in[1]->rank);
        *split = in[1]->data;
        *known = *split != NULL;
        len = it_tensor_len(in[1]);
    } else if (!a->split) {
        return INTACT_OK;
    }
    if (len != n->out_len)
        return it_node_fail(n, err, INTACT_E_SHAPE, "split has %lld lengths, but the node has %d outputs", (long long)len, n->out_len);
    return INTACT_OK;
}

static intact_status split_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const split_args *a = n->args;
    const int64_t *split;
    int64_t dim[IT_RANK_MAX];
    int axis;
    bool known;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_axis(n, a->axis, in[0]->rank, &axis, err));
    IT_TRY(split_lengths(n, in, &split, &known, err));
    if (!known) {
        it_move_set_unknown(n, in, out);
        return INTACT_OK;
    }
    IT_TRY(split_check(n, split, in[0]->dim[axis], err));
    for (int k = 0; k < n->out_len; k++) {
        for (int j = 0; j < in[0]->rank; j++)
            dim[j] = j == axis ? part_len(n, split, in[0]->dim[axis], k) : in[0]->dim[j];
        IT_TRY(it_move_shape(n, &out[k], in[0]->type, in[0]->rank, dim, err));
    }
    return INTACT_OK;
}

static intact_status split_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const split_args *a = n->args;
    const int64_t *split;
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX], at = 0;
    size_t item = it_type_bytes(in[0]->type);
    int axis;
    bool known;

    IT_TRY(it_move_verify(c, n, in, out, err));
    IT_TRY(it_axis(n, a->axis, in[0]->rank, &axis, err));
    IT_TRY(split_lengths(n, in, &split, &known, err));
    it_move_strides(in[0], from);
    for (int k = 0; k < n->out_len; k++) {
        if (out[k]) {
            it_move_strides(out[k], to);
            it_move_items(out[k]->data, (const uint8_t *)in[0]->data + at * from[axis] * (int64_t)item, item, in[0]->rank, out[k]->dim, to,
                          from);
        }
        at += part_len(n, split, in[0]->dim[axis], k);
    }
    return INTACT_OK;
}

static intact_status split_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const split_args *a = n->args;
    const it_tensor *x = &n->in[0]->t, *in[2] = { x, n->in_len > 1 && n->in[1] ? &n->in[1]->t : NULL };
    const int64_t *split;
    int64_t stride[IT_RANK_MAX], at = 0;
    int axis;
    bool known;

    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    IT_TRY(split_lengths(n, in, &split, &known, err));
    if (!known)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the lengths are computed while running; the integer form needs a constant split");
    if (axis == 0)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the batch axis is split; the integer form splits inside a sample only");
    it_move_runtime_strides(x, stride);
    for (int k = 0; k < n->out_len; k++) {
        if (n->out[k] && n->out[k]->q)
            IT_TRY(it_move_emit(lw, n, k, stride, at * stride[axis], err));
        at += part_len(n, split, x->dim[axis], k);
    }
    return INTACT_OK;
}

static intact_status split_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                      it_tensor *const *dx, intact_error *err)
{
    const split_args *a = n->args;
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX], at = 0;
    size_t item = it_type_bytes(in[0]->type);
    int axis;

    (void)c;
    if (!dx[0])
        return INTACT_OK;
    IT_TRY(it_axis(n, a->axis, in[0]->rank, &axis, err));
    it_move_strides(dx[0], to);
    for (int k = 0; k < n->out_len; k++) {
        if (!out[k] || !dy[k]) { /* nobody reads this part */
            memset(dx[0]->data, 0, it_tensor_bytes(dx[0]));
            break;
        }
    }
    for (int k = 0; k < n->out_len; k++) {
        if (!out[k])
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "output %d is left out; its part of the gradient has no place", k);
        if (dy[k]) {
            it_move_strides(dy[k], from);
            it_move_items((uint8_t *)dx[0]->data + at * to[axis] * (int64_t)item, dy[k]->data, item, in[0]->rank, dy[k]->dim, to, from);
        }
        at += out[k]->dim[axis];
    }
    return INTACT_OK;
}

static const it_backward split_back = { .gives = 1, .run = split_run_back };

const it_op it_op_split = {
    .name = "split", .onnx = "Split", .since = 2,
    .in_min = 1, .in_max = 2, .out_min = 1, .out_max = -1,
    .args_bytes = sizeof(split_args),
    .parse = split_parse, .infer = split_infer, .forward = split_forward, .lower = split_lower,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .back = &split_back,
};
