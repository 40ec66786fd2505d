/* SPDX-License-Identifier: Apache-2.0 */
/* slice: a range with a step along some axes, as Python slices; attributes before opset 10, inputs since. */
#include <string.h>

#include "op/back.h"
#include "op/move.h"

typedef struct slice_args { const int64_t *starts, *ends, *axes; size_t starts_len, ends_len, axes_len; } slice_args;
typedef struct range { int64_t start, step, len; } range;

static intact_status slice_parse(it_parse *p)
{
    slice_args *a = p->n->args;

    if (p->n->opset >= 10) {
        if (p->n->in_len < 3)
            return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "%d inputs; since opset 10 data, starts and ends are needed", p->n->in_len);
        return INTACT_OK;
    }
    IT_TRY(it_attr_ints(p, "starts", &a->starts, &a->starts_len));
    IT_TRY(it_attr_ints(p, "ends", &a->ends, &a->ends_len));
    IT_TRY(it_attr_ints(p, "axes", &a->axes, &a->axes_len));
    if (a->starts_len != a->ends_len || (a->axes && a->axes_len != a->starts_len))
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "starts, ends and axes have %zu, %zu and %zu entries; they must be equally long",
                            a->starts_len, a->ends_len, a->axes_len);
    return INTACT_OK;
}

/* One axis: bounds clamped as in Python; the elements start, start + step, ... (len of them). step is not 0. */
static range resolve(int64_t start, int64_t end, int64_t step, int64_t dim)
{
    range r = { 0, step, 0 };
    int64_t lo = step > 0 ? 0 : -1, hi = step > 0 ? dim : dim - 1; /* where the bounds may lie; walking down, -1 is past the end */

    if (start < 0)
        start += dim;
    if (end < 0)
        end += dim;
    start = start < 0 ? 0 : start;
    start = start > hi ? hi : start;
    end = end < lo ? lo : end > hi ? hi : end;
    if (step > 0 && start < end)
        r.len = (end - start - 1) / step + 1;
    else if (step < 0 && start > end)
        r.len = (start - end - 1) / -step + 1;
    r.start = r.len ? start : 0;
    return r;
}

/* The lists of starts, ends, axes and steps; *known false when one has no content yet. */
static intact_status slice_lists(const it_node *n, const it_tensor *const *in, int64_t list[4][IT_RANK_MAX], int *len, bool *known,
                                 intact_error *err)
{
    static const char *const what[4] = { "starts", "ends", "axes", "steps" };
    const slice_args *a = n->args;
    int lens[4];

    *known = true;
    if (n->opset < 10) {
        if (a->starts_len > IT_RANK_MAX)
            return it_node_fail(n, err, INTACT_E_SHAPE, "%zu starts; at most %d dimensions are supported", a->starts_len, IT_RANK_MAX);
        *len = (int)a->starts_len;
        for (int i = 0; i < *len; i++) {
            list[0][i] = a->starts[i];
            list[1][i] = a->ends[i];
            list[2][i] = a->axes ? a->axes[i] : i;
            list[3][i] = 1;
        }
        return INTACT_OK;
    }
    for (int k = 0; k < 4; k++) {
        bool has = true;
        if (k < 2 || it_move_has(n, in, k + 1))
            IT_TRY(it_move_ints(n, in, k + 1, what[k], list[k], IT_RANK_MAX, &lens[k], &has, err));
        else
            lens[k] = -1;
        *known = *known && has;
        if (lens[k] >= 0 && lens[k] != lens[0])
            return it_node_fail(n, err, INTACT_E_SHAPE, "%s has %d entries, starts has %d; they must be equally long", what[k], lens[k],
                                lens[0]);
    }
    *len = lens[0];
    for (int i = 0; i < *len; i++) {
        list[2][i] = lens[2] < 0 ? i : list[2][i];
        list[3][i] = lens[3] < 0 ? 1 : list[3][i];
    }
    return INTACT_OK;
}

static intact_status slice_ranges(const it_node *n, const it_tensor *const *in, range r[IT_RANK_MAX], bool *known, intact_error *err)
{
    int64_t list[4][IT_RANK_MAX];
    bool seen[IT_RANK_MAX] = { false };
    int len = 0, axis;

    IT_TRY(slice_lists(n, in, list, &len, known, err));
    for (int k = 0; k < in[0]->rank; k++)
        r[k] = (range){ 0, 1, in[0]->dim[k] };
    for (int i = 0; *known && i < len; i++) {
        int64_t step = list[3][i];
        IT_TRY(it_axis(n, list[2][i], in[0]->rank, &axis, err));
        if (seen[axis])
            return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d appears twice in axes", axis);
        if (step == 0)
            return it_node_fail(n, err, INTACT_E_SHAPE, "the step of axis %d is 0; a positive or negative number is needed", axis);
        seen[axis] = true;
        /* no dimension reaches 2^40, so larger steps all take one element; this also keeps -step defined */
        step = step > ((int64_t)1 << 40) ? (int64_t)1 << 40 : step < -((int64_t)1 << 40) ? -((int64_t)1 << 40) : step;
        r[axis] = resolve(list[0][i], list[1][i], step, in[0]->dim[axis]);
    }
    return INTACT_OK;
}

static intact_status slice_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    range r[IT_RANK_MAX];
    int64_t dim[IT_RANK_MAX];
    bool known;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(slice_ranges(n, in, r, &known, err));
    if (!known) {
        it_move_set_unknown(n, in, out);
        return INTACT_OK;
    }
    for (int k = 0; k < in[0]->rank; k++)
        dim[k] = r[k].len;
    return it_move_shape(n, out, in[0]->type, in[0]->rank, dim, err);
}

/* Turns strides of the input into strides of its slice, and gives the first element's offset. */
static int64_t slice_strides(const range *r, int rank, int64_t *stride)
{
    int64_t offset = 0;

    for (int k = 0; k < rank; k++) {
        offset += r[k].start * stride[k];
        stride[k] *= r[k].len > 1 ? r[k].step : 1;
    }
    return offset;
}

static intact_status slice_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    range r[IT_RANK_MAX];
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX], offset;
    size_t item = it_type_bytes(in[0]->type);
    bool known;

    IT_TRY(it_move_verify(c, n, in, out, err));
    IT_TRY(slice_ranges(n, in, r, &known, err));
    if (it_tensor_len(out[0]) == 0)
        return INTACT_OK;
    it_move_strides(out[0], to);
    it_move_strides(in[0], from);
    offset = slice_strides(r, in[0]->rank, from);
    it_move_items(out[0]->data, (const uint8_t *)in[0]->data + offset * (int64_t)item, item, in[0]->rank, out[0]->dim, to, from);
    return INTACT_OK;
}

static intact_status slice_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_tensor *in[5] = { NULL };
    range r[IT_RANK_MAX];
    int64_t stride[IT_RANK_MAX], offset;
    bool known;

    for (int k = 0; k < n->in_len && k < 5; k++)
        in[k] = n->in[k] ? &n->in[k]->t : NULL;
    IT_TRY(slice_ranges(n, in, r, &known, err));
    if (!known)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "starts, ends, axes or steps are computed while running; the integer form needs constants");
    if (r[0].start != 0 || r[0].step != 1 || r[0].len != in[0]->dim[0])
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the batch axis is sliced; the integer form slices inside a sample only");
    it_move_runtime_strides(in[0], stride);
    offset = slice_strides(r, in[0]->rank, stride);
    return it_move_emit(lw, n, 0, stride, offset, err);
}

static intact_status slice_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                      it_tensor *const *dx, intact_error *err)
{
    range r[IT_RANK_MAX];
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX], offset;
    size_t item = it_type_bytes(dy[0]->type);
    bool known;

    (void)c, (void)out;
    if (!dx[0])
        return INTACT_OK;
    memset(dx[0]->data, 0, it_tensor_bytes(dx[0]));
    IT_TRY(slice_ranges(n, in, r, &known, err));
    if (!known)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the gradient needs starts, ends, axes and steps");
    if (it_tensor_len(dy[0]) == 0)
        return INTACT_OK;
    it_move_strides(dy[0], from);
    it_move_strides(dx[0], to);
    offset = slice_strides(r, in[0]->rank, to);
    it_move_items((uint8_t *)dx[0]->data + offset * (int64_t)item, dy[0]->data, item, in[0]->rank, dy[0]->dim, to, from);
    return INTACT_OK;
}

static const it_backward slice_back = { .reads_in = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4, .gives = 1, .run = slice_run_back };

const it_op it_op_slice = {
    .name = "slice", .onnx = "Slice", .since = 1,
    .in_min = 1, .in_max = 5, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(slice_args),
    .parse = slice_parse, .infer = slice_infer, .forward = slice_forward, .lower = slice_lower,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .back = &slice_back,
};
