/* SPDX-License-Identifier: Apache-2.0 */
/* fold_pad: zeros padded around an image become the padding of the convolution or average that reads them. */
#include "pass/edit.h"

#include <string.h>

/* Spatial pads, begins then ends; false when it pads anything but zeros, or batch or channels, or takes away. */
static bool zeros_around(const it_node *n, int64_t pads[2 * IT_RANK_MAX], int *spatial)
{
    int rank = n->in[0]->t.rank, axes[IT_RANK_MAX], axes_len = rank;
    const it_value *given = it_edit_in(n, 1), *value = it_edit_in(n, 2), *picked = it_edit_in(n, 3);
    const it_attr *old = it_edit_attr(n, "pads");
    double zero = n->opset < 11 ? (double)it_edit_attr_float(n, "value", 0.0f) : 0.0;
    if (rank < 3 || rank > 5 || !it_edit_attr_str_is(n, "mode", "constant", "constant") || it_edit_clamped(n)) return false;
    if ((value && !it_edit_scalar(value, &zero)) || zero != 0.0) return false;
    for (int k = 0; k < rank; k++) axes[k] = k;
    if (picked) {
        if (!picked->is_const || it_tensor_len(&picked->t) > rank) return false;
        axes_len = (int)it_tensor_len(&picked->t);
        for (int k = 0; k < axes_len; k++) {
            int64_t axis = it_tensor_get_int(&picked->t, k);
            if (axis < -rank || axis >= rank) return false;
            axes[k] = (int)(axis < 0 ? axis + rank : axis);
        }
    }
    if (n->opset < 11 ? !old || old->kind != IT_ATTR_INTS || old->len != (size_t)(2 * rank)
                      : !given || !given->is_const || it_tensor_len(&given->t) != 2 * axes_len)
        return false;
    *spatial = rank - 2;
    memset(pads, 0, sizeof(int64_t) * 2 * IT_RANK_MAX);
    for (int k = 0; k < 2 * axes_len; k++) {
        int64_t by = n->opset < 11 ? old->ints[k] : it_tensor_get_int(&given->t, k);
        int axis = axes[k % axes_len];
        if (by < 0 || by > INT32_MAX || (by > 0 && axis < 2)) return false;
        if (axis >= 2) pads[axis - 2 + (k < axes_len ? 0 : *spatial)] += by;
    }
    return true;
}

/* The reader's own pads added in; auto_pad SAME depends on the padded size, so it stays alone. */
static bool add_own_pads(const it_node *n, int spatial, int64_t pads[2 * IT_RANK_MAX], bool must_be_none)
{
    const it_attr *own = it_edit_attr(n, "pads");
    bool explicit = it_edit_attr_str_is(n, "auto_pad", "NOTSET", "NOTSET");
    if (!explicit && !it_edit_attr_str_is(n, "auto_pad", "NOTSET", "VALID")) return false;
    if (!own || !explicit) return true;
    if (own->kind != IT_ATTR_INTS || own->len != (size_t)(2 * spatial)) return false;
    for (size_t k = 0; k < own->len; k++) {
        if (must_be_none && own->ints[k] != 0) return false;
        pads[k] += own->ints[k];
    }
    return true;
}

/* Padding as large as the window would leave windows without any valid element. */
static bool smaller_than_window(const it_node *n, int spatial, const int64_t *pads)
{
    const it_attr *kernel = it_edit_attr(n, "kernel_shape");
    if (!kernel || kernel->kind != IT_ATTR_INTS || kernel->len != (size_t)spatial) return false;
    for (int k = 0; k < 2 * spatial; k++)
        if (pads[k] >= kernel->ints[k % spatial]) return false;
    return true;
}

/* An average over padded zeros counts them: count_include_pad, unless it already left out padding of its own. */
static bool reader_takes(const it_node *n, int spatial, int64_t pads[2 * IT_RANK_MAX])
{
    if (it_edit_is(n, "Conv")) return add_own_pads(n, spatial, pads, false);
    if (!it_edit_is(n, "AveragePool") || it_edit_attr_int(n, "ceil_mode", 0) != 0) return false;
    bool counts = it_edit_attr_int(n, "count_include_pad", 0) != 0;
    return add_own_pads(n, spatial, pads, !counts) && smaller_than_window(n, spatial, pads);
}

static intact_status try_fold(it_graph *g, it_node *n, bool *folded, intact_error *err)
{
    it_node *pad = n->in_len > 0 && n->in[0] ? n->in[0]->producer : NULL;
    int64_t pads[2 * IT_RANK_MAX];
    int spatial;
    *folded = false;
    if ((!it_edit_is(n, "Conv") && !it_edit_is(n, "AveragePool")) || !it_edit_is(pad, "Pad") || n->in[0]->q) return INTACT_OK;
    if (!zeros_around(pad, pads, &spatial) || !reader_takes(n, spatial, pads) || !it_edit_reads_once(g, n->in[0], n)) return INTACT_OK;
    int64_t *ints = it_arena_copy(&g->arena, pads, sizeof(*ints) * 2 * (size_t)spatial);
    if (!ints) return it_fail_nomem(err, n->name, sizeof(*ints) * 2 * (size_t)spatial);
    it_attr attrs[3] = {{.name = "pads", .kind = IT_ATTR_INTS, .ints = ints, .len = 2 * (size_t)spatial},
                        {.name = "auto_pad", .kind = IT_ATTR_STRING, .s = "NOTSET"},
                        {.name = "count_include_pad", .kind = IT_ATTR_INT, .i = 1}};
    IT_TRY(it_edit_set_attrs(g, n, attrs, it_edit_is(n, "AveragePool") ? 3 : 2, err));
    n->in[0] = pad->in[0];
    it_graph_remove(g, pad);
    *folded = true;
    return INTACT_OK;
}

static intact_status fold_pad_run(it_graph *g, size_t *changes, intact_error *err)
{
    for (size_t i = 0; i < g->nodes.len;) {
        bool folded;
        IT_TRY(try_fold(g, g->nodes.items[i], &folded, err));
        *changes += folded;
        i += !folded; /* the list moved down by the pad before it */
    }
    return INTACT_OK;
}

const it_pass it_pass_fold_pad = {
    .name = "fold_pad", .what = "moves zero padding into the convolution or average that reads it", .run = fold_pad_run,
};
