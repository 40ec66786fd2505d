/* SPDX-License-Identifier: Apache-2.0 */
/* pad: elements added around a tensor (a constant, the edge, a reflection or a wrap-around), or taken away by negative pads. */
#include "op/back.h"
#include "op/move.h"

#include <math.h>
#include <string.h>

typedef enum pad_mode { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT, PAD_WRAP } pad_mode;
typedef struct pad_args { pad_mode mode; const int64_t *pads; size_t pads_len; float value; } pad_args;
typedef struct pad_axis { int64_t before, after; } pad_axis;

static intact_status pad_parse(it_parse *p)
{
    static const char *const names[] = { "constant", "edge", "reflect", "wrap" };
    pad_args *a = p->n->args;
    const char *mode;
    int modes = p->n->opset >= 19 ? 4 : 3;

    IT_TRY(it_attr_str(p, "mode", "constant", &mode));
    for (int k = 0; k < modes; k++) {
        if (strcmp(mode, names[k]) == 0) {
            a->mode = (pad_mode)k;
            modes = 0;
        }
    }
    if (modes)
        return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "mode \"%s\" is unknown at opset %d; constant, edge%s are", mode,
                            p->n->opset, modes == 4 ? ", reflect and wrap" : " and reflect");
    if (p->n->opset < 11) {
        IT_TRY(it_attr_float(p, "value", 0, &a->value));
        IT_TRY(it_attr_ints(p, "pads", &a->pads, &a->pads_len));
        if (!a->pads)
            return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "attribute \"pads\" is missing");
    } else if (p->n->in_len < 2) {
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "input 1, the pads, is missing; opset %d needs it", p->n->opset);
    }
    return INTACT_OK;
}

/* Pads of every axis of in 0. */
static intact_status pad_resolve(const it_node *n, const it_tensor *const *in, pad_axis pad[IT_RANK_MAX], bool *known, intact_error *err)
{
    const pad_args *a = n->args;
    int64_t list[2 * IT_RANK_MAX], axes[IT_RANK_MAX];
    const int64_t *pads = a->pads;
    int len = a->pads_len > 2 * IT_RANK_MAX ? -1 : (int)a->pads_len, axes_len = in[0]->rank, axis;
    bool has = true;

    *known = true;
    if (!pads) {
        IT_TRY(it_move_ints(n, in, 1, "pads", list, 2 * IT_RANK_MAX, &len, known, err));
        pads = list;
    }
    for (int k = 0; k < in[0]->rank; k++)
        axes[k] = k;
    if (it_move_has(n, in, 3))
        IT_TRY(it_move_ints(n, in, 3, "axes", axes, IT_RANK_MAX, &axes_len, &has, err));
    *known = *known && has;
    if (len != 2 * axes_len)
        return it_node_fail(n, err, INTACT_E_SHAPE, "pads has %d entries; two for each of %d axes are needed", len, axes_len);
    memset(pad, 0, IT_RANK_MAX * sizeof(*pad));
    for (int k = 0; *known && k < axes_len; k++) {
        IT_TRY(it_axis(n, axes[k], in[0]->rank, &axis, err));
        pad[axis] = (pad_axis){ pads[k], pads[axes_len + k] };
    }
    return INTACT_OK;
}

static intact_status pad_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const pad_args *a = n->args;
    const it_tensor *x = in[0];
    pad_axis pad[IT_RANK_MAX];
    int64_t dim[IT_RANK_MAX], kept;
    bool known;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    if (it_move_has(n, in, 2)) {
        IT_TRY(it_move_same_type(n, in, 2, err));
        if (it_tensor_len(in[2]) != 1)
            return it_node_fail(n, err, INTACT_E_SHAPE, "the constant value has %lld elements; one is needed",
                                (long long)it_tensor_len(in[2]));
    }
    IT_TRY(pad_resolve(n, in, pad, &known, err));
    if (!known) {
        it_move_set_unknown(n, in, out);
        return INTACT_OK;
    }
    for (int k = 0; k < x->rank; k++) {
        kept = x->dim[k];
        if (pad[k].before < -x->dim[k] || pad[k].after < -x->dim[k] || __builtin_add_overflow(kept, pad[k].before, &dim[k]) ||
            __builtin_add_overflow(dim[k], pad[k].after, &dim[k]) || dim[k] < 0)
            return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d of size %lld cannot be padded by %lld and %lld", k, (long long)x->dim[k],
                                (long long)pad[k].before, (long long)pad[k].after);
        kept += (pad[k].before < 0 ? pad[k].before : 0) + (pad[k].after < 0 ? pad[k].after : 0);
        if (a->mode != PAD_CONSTANT && kept <= 0 && dim[k] > 0)
            return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d has nothing left to repeat: size %lld, pads %lld and %lld", k,
                                (long long)x->dim[k], (long long)pad[k].before, (long long)pad[k].after);
    }
    return it_move_shape(n, out, x->type, x->rank, dim, err);
}

/* Position i relative to the kept elements 0..len-1, brought inside. */
static int64_t inside(pad_mode mode, int64_t i, int64_t len)
{
    int64_t period = 2 * (len - 1);

    switch (mode) {
    case PAD_REFLECT:
        if (period == 0)
            return 0;
        i = (i % period + period) % period;
        return i < len ? i : period - i;
    case PAD_WRAP:
        return (i % len + len) % len;
    default:
        return i < 0 ? 0 : i >= len ? len - 1 : i;
    }
}

/* Edge, reflect and wrap: a table of source offsets for each axis, in the order of memory. */
static intact_status pad_repeat(it_run_ctx *c, const it_node *n, const it_tensor *x, const it_tensor *y, const pad_axis *pad,
                                intact_error *err)
{
    const pad_args *a = n->args;
    int64_t stride[IT_RANK_MAX], dim[IT_RANK_MAX], *at[IT_RANK_MAX];
    int order[IT_RANK_MAX];

    it_move_order(y, order);
    it_move_strides(x, stride);
    for (int j = 0; j < x->rank; j++) {
        int k = order[j];
        int64_t cut = pad[k].before < 0 ? -pad[k].before : 0, kept = x->dim[k] - cut + (pad[k].after < 0 ? pad[k].after : 0);
        dim[j] = y->dim[k];
        at[j] = it_arena_new(c->scratch, (size_t)dim[j] * sizeof(*at[j]));
        if (!at[j])
            return it_fail_nomem(err, n->name, (size_t)dim[j] * sizeof(*at[j]));
        for (int64_t i = 0; i < dim[j]; i++)
            at[j][i] = (cut + inside(a->mode, i - (pad[k].before > 0 ? pad[k].before : 0), kept)) * stride[k];
    }
    it_move_lookup(y->data, x->data, it_type_bytes(x->type), x->rank, dim, at);
    return INTACT_OK;
}

/* What stays of x inside y: its dims, and the first element of it in either; false when nothing does. */
typedef struct pad_kept { int64_t dim[IT_RANK_MAX], in_x[IT_RANK_MAX], in_y[IT_RANK_MAX], at_x, at_y; } pad_kept;

static bool kept_of(const it_tensor *x, const it_tensor *y, const pad_axis *pad, pad_kept *k)
{
    k->at_x = k->at_y = 0;
    it_move_strides(x, k->in_x);
    it_move_strides(y, k->in_y);
    for (int i = 0; i < x->rank; i++) {
        k->at_x += pad[i].before < 0 ? -pad[i].before * k->in_x[i] : 0;
        k->at_y += pad[i].before > 0 ? pad[i].before * k->in_y[i] : 0;
        k->dim[i] = x->dim[i] + (pad[i].before < 0 ? pad[i].before : 0) + (pad[i].after < 0 ? pad[i].after : 0);
        if (k->dim[i] <= 0)
            return false;
    }
    return true;
}

static void pad_constant(const it_node *n, const it_tensor *const *in, const it_tensor *y, const pad_axis *pad)
{
    const pad_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t item = (int64_t)it_type_bytes(x->type);
    uint64_t value = 0;
    it_tensor one = { .type = x->type, .rank = 0, .data = &value };
    pad_kept k;

    if (it_move_has(n, in, 2))
        memcpy(&value, in[2]->data, (size_t)item);
    else if (a->value != 0)
        it_tensor_set(&one, 0, a->value);
    it_move_fill(y->data, &value, (size_t)item, it_tensor_len(y));
    if (kept_of(x, y, pad, &k))
        it_move_items((uint8_t *)y->data + k.at_y * item, (const uint8_t *)x->data + k.at_x * item, (size_t)item, x->rank, k.dim, k.in_y, k.in_x);
}

static intact_status pad_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const pad_args *a = n->args;
    pad_axis pad[IT_RANK_MAX];
    bool known;

    IT_TRY(it_move_verify(c, n, in, out, err));
    IT_TRY(pad_resolve(n, in, pad, &known, err));
    if (it_tensor_len(out[0]) == 0)
        return INTACT_OK;
    if (a->mode != PAD_CONSTANT)
        return pad_repeat(c, n, in[0], out[0], pad, err);
    pad_constant(n, in, out[0], pad);
    return INTACT_OK;
}

static intact_status pad_value(const it_node *n, const it_quant *q, int32_t *code, intact_error *err)
{
    const pad_args *a = n->args;
    const it_value *v = n->in_len > 2 ? n->in[2] : NULL;
    int32_t lo = q->type == INTACT_S16 ? -32767 : 0, hi = q->type == INTACT_S16 ? 32767 : q->bits < 8 ? (1 << q->bits) - 1 : 255;
    double value = v && v->t.data ? it_tensor_get(&v->t, 0) : (double)a->value, at;

    if (v && !v->t.data)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the padding value is computed while running; the integer form needs a constant");
    at = rint(value / (double)q->scale[0]) + q->zero[0];
    *code = at >= hi ? hi : at > lo ? (int32_t)at : lo; /* not-a-number gives lo */
    return INTACT_OK;
}

static intact_status pad_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const pad_args *a = n->args;
    const it_tensor *in[4] = { NULL };
    pad_axis pad[IT_RANK_MAX];
    uint32_t x, y, before[IT_RANK_MAX] = { 0 }, after[IT_RANK_MAX] = { 0 };
    int32_t value = 0;
    int rank = n->in[0]->t.rank;
    bool known;

    for (int k = 0; k < n->in_len && k < 4; k++)
        in[k] = n->in[k] ? &n->in[k]->t : NULL;
    IT_TRY(pad_resolve(n, in, pad, &known, err));
    if (!known)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the pads are computed while running; the integer form needs constants");
    if (a->mode == PAD_WRAP || rank > 4)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "%s; the integer form pads up to 4 dimensions with a constant, the edge or a reflection",
                            a->mode == PAD_WRAP ? "mode is wrap" : "the input has more than 4 dimensions");
    for (int k = 0; k < rank; k++) {
        int64_t most = a->mode == PAD_REFLECT ? in[0]->dim[k] - 1 : INT32_MAX;
        if (pad[k].before < 0 || pad[k].after < 0 || pad[k].before > most || pad[k].after > most ||
            (k == 0 && (pad[k].before || pad[k].after)))
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                                "axis %d is padded by %lld and %lld; the integer form takes 0 to %lld, and none on the batch", k,
                                (long long)pad[k].before, (long long)pad[k].after, (long long)most);
        before[it_runtime_axis(rank, k)] = (uint32_t)pad[k].before;
        after[it_runtime_axis(rank, k)] = (uint32_t)pad[k].after;
    }
    IT_TRY(it_move_source_as(lw, n, 0, n->out[0], &x, err));
    IT_TRY(it_lower_tensor(lw, n->out[0], &y, err));
    if (a->mode == PAD_CONSTANT)
        IT_TRY(pad_value(n, n->out[0]->q, &value, err));
    return it_lower_emit(lw, &it_instr_pad, n->name, &x, 1, &y, 1,
                         &(it_pad_args){ .before_1 = before[1],
                                         .before_2 = before[2],
                                         .before_3 = before[3],
                                         .after_1 = after[1],
                                         .after_2 = after[2],
                                         .after_3 = after[3],
                                         .mode = (uint32_t)a->mode,
                                         .value = value },
                         err);
}

static intact_status pad_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                      it_tensor *const *dx, intact_error *err)
{
    const pad_args *a = n->args;
    int64_t item = (int64_t)it_type_bytes(dy[0]->type);
    pad_axis pad[IT_RANK_MAX];
    pad_kept k;
    bool known;

    (void)c, (void)out;
    if (!dx[0])
        return INTACT_OK;
    IT_TRY(pad_resolve(n, in, pad, &known, err));
    if (!known || a->mode != PAD_CONSTANT)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "%s; the gradient is that of a constant around the tensor",
                            known ? "the mode repeats elements" : "the pads are not known");
    memset(dx[0]->data, 0, it_tensor_bytes(dx[0]));
    if (kept_of(dx[0], dy[0], pad, &k))
        it_move_items((uint8_t *)dx[0]->data + k.at_x * item, (const uint8_t *)dy[0]->data + k.at_y * item, (size_t)item, dx[0]->rank, k.dim, k.in_x, k.in_y);
    return INTACT_OK;
}

static const it_backward pad_back = { .reads_in = 1u << 1 | 1u << 3, .gives = 1, .run = pad_run_back };

const it_op it_op_pad = {
    .name = "pad", .onnx = "Pad", .since = 2,
    .in_min = 1, .in_max = 4, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(pad_args),
    .parse = pad_parse, .infer = pad_infer, .forward = pad_forward, .lower = pad_lower,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .layout = IT_LAYOUT_NHWC,
    .back = &pad_back,
};
