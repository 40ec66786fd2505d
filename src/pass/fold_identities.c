/* SPDX-License-Identifier: Apache-2.0 */
/* fold_identities: nodes that give what they get, at every batch, go. fold_moves: those alone that do so whatever constants hold. */
#include "pass/edit.h"

static bool all_ints(const it_value *v, int64_t want)
{
    if (!v || !v->is_const) return false;
    int64_t len = it_tensor_len(&v->t);
    for (int64_t i = 0; i < len; i++)
        if (it_tensor_get_int(&v->t, i) != want) return false;
    return true;
}

static bool attr_all(const it_node *n, const char *name, int64_t want)
{
    const it_attr *a = it_edit_attr(n, name);
    if (!a) return true;
    if (a->kind != IT_ATTR_INTS) return false;
    for (size_t i = 0; i < a->len; i++)
        if (a->ints[i] != want) return false;
    return true;
}

static bool others_unread(const it_graph *g, const it_node *n)
{
    for (int k = 1; k < n->out_len; k++)
        if (n->out[k] && it_graph_uses(g, n->out[k], NULL) > 0) return false;
    return true;
}

/* Each test may rely on equal shapes and types of input 0 and output 0. */
static bool always(const it_node *n) { return n->in_len > 0; }

static bool dropout(const it_node *n)
{
    const it_value *training = it_edit_in(n, 2);
    return !training || all_ints(training, 0);
}

static bool transpose(const it_node *n)
{
    const it_attr *a = it_edit_attr(n, "perm");
    if (!a || a->kind != IT_ATTR_INTS) return false; /* without perm the order is reversed */
    for (size_t i = 0; i < a->len; i++)
        if (a->ints[i] != (int64_t)i) return false;
    return true;
}

static bool pad(const it_node *n) { return n->opset < 11 ? attr_all(n, "pads", 0) : all_ints(it_edit_in(n, 1), 0); }

/* With the shape kept, steps of 1 leave nothing out. */
static bool slice(const it_node *n)
{
    const it_value *steps = it_edit_in(n, 4);
    return !steps || all_ints(steps, 1);
}

static bool concat(const it_node *n) { return n->in_len == 1; }

static bool neutral(const it_node *n, double want, bool either_side, int *kept)
{
    double c;
    *kept = 0;
    if (n->in_len != 2) return false;
    for (int side = either_side ? 0 : 1; side < 2; side++) {
        const it_value *v = n->in[side];
        if (!v || !v->is_const || v->q || !n->in[1 - side]) continue;
        bool all = it_tensor_len(&v->t) > 0;
        for (int64_t i = 0, len = it_tensor_len(&v->t); i < len && all; i++) {
            c = it_tensor_get(&v->t, i);
            all = c == want;
        }
        if (!all) continue;
        *kept = 1 - side;
        return true;
    }
    return false;
}

static bool pool_of_one(const it_node *n)
{
    return it_edit_attr(n, "kernel_shape") && attr_all(n, "kernel_shape", 1) && attr_all(n, "strides", 1) && attr_all(n, "pads", 0);
}

/* Every mode returns the pixels themselves at scale 1, but for cropping ones. */
static bool resize(const it_node *n)
{
    bool old = n->opset < 11; /* Upsample, and Resize of opset 10: scales are input 1 */
    const it_value *scales = it_edit_in(n, old ? 1 : 2), *sizes = it_edit_in(n, 3);
    if (it_edit_attr_str_is(n, "coordinate_transformation_mode", "half_pixel", "tf_crop_and_resize")) return false;
    if (!old && sizes) return sizes->is_const; /* the shape is kept, so the scale is 1 */
    if (!scales || !scales->is_const || it_tensor_len(&scales->t) == 0) return false;
    for (int64_t i = 0, len = it_tensor_len(&scales->t); i < len; i++)
        if (it_tensor_get(&scales->t, i) != 1.0) return false;
    return true;
}

static bool clip(const it_node *n)
{
    if (n->opset < 11) return !it_edit_attr(n, "min") && !it_edit_attr(n, "max");
    return !it_edit_in(n, 1) && !it_edit_in(n, 2);
}

static const struct {
    const char *onnx;
    bool (*is_identity)(const it_node *n);
} RULES[] = {
    {"Identity", always}, {"Dropout", dropout},      {"Cast", always},          {"CastLike", always},   {"Reshape", always},
    {"Flatten", always},  {"Squeeze", always},       {"Unsqueeze", always},     {"Expand", always},     {"Transpose", transpose},
    {"Pad", pad},         {"Slice", slice},          {"Concat", concat},        {"Clip", clip},         {"Resize", resize},
    {"Upsample", resize}, {"AveragePool", pool_of_one}, {"MaxPool", pool_of_one},
};

static bool rule_says(const it_node *n, bool by_content, int *kept)
{
    *kept = 0;
    if (by_content && it_edit_is(n, "Mul")) return neutral(n, 1.0, true, kept);
    if (by_content && it_edit_is(n, "Div")) return neutral(n, 1.0, false, kept);
    if (by_content && it_edit_is(n, "Add")) return neutral(n, 0.0, true, kept);
    if (by_content && it_edit_is(n, "Sub")) return neutral(n, 0.0, false, kept);
    for (size_t i = 0; i < IT_LEN(RULES); i++)
        if (it_edit_is(n, RULES[i].onnx)) return RULES[i].is_identity(n);
    return false;
}

static intact_status fold(it_graph *g, bool by_content, size_t *changes, intact_error *err)
{
    it_probe p;
    IT_TRY(it_probe_run(g, &p, err));
    for (size_t i = 0; i < g->nodes.len;) {
        it_node *n = g->nodes.items[i];
        int kept;
        bool gone = !it_edit_clamped(n) && n->out_len > 0 && n->out[0] && rule_says(n, by_content, &kept) && n->in[kept] && others_unread(g, n) &&
                    it_probe_same_shape(&p, n->in[kept], n->out[0]) && it_edit_bypass(g, n, n->in[kept]);
        *changes += gone;
        i += !gone;
    }
    it_probe_release(&p);
    return INTACT_OK;
}

static intact_status fold_identities_run(it_graph *g, size_t *changes, intact_error *err) { return fold(g, true, changes, err); }
static intact_status fold_moves_run(it_graph *g, size_t *changes, intact_error *err) { return fold(g, false, changes, err); }

const it_pass it_pass_fold_moves = {
    .name = "fold_moves", .what = "removes nodes that give what they get, whatever constants hold", .run = fold_moves_run,
};

const it_pass it_pass_fold_identities = {
    .name = "fold_identities", .what = "removes nodes that give what they get", .run = fold_identities_run,
};
