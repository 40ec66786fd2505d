/* SPDX-License-Identifier: Apache-2.0 */
/* resize: interpolation to a new size: nearest, linear or cubic, with all coordinate conventions of opsets 10 to 21. */
#include "op/resample.h"

#include <math.h>
#include <string.h>

typedef enum aspect { ASPECT_STRETCH, ASPECT_NOT_LARGER, ASPECT_NOT_SMALLER } aspect;
typedef struct resize_args { it_resample r; aspect policy; const int64_t *axes; size_t axes_len; } resize_args;

/* Attribute name as one of the len words; those from `len` on are unknown at this opset. */
static intact_status word(it_parse *p, const char *name, const char *const *words, int len, int *out, intact_status otherwise)
{
    const char *s;

    IT_TRY(it_attr_str(p, name, words[0], &s));
    for (int k = 0; k < len; k++) {
        if (words[k] && strcmp(s, words[k]) == 0) {
            *out = k;
            return INTACT_OK;
        }
    }
    return it_node_fail(p->n, p->err, otherwise, "%s is \"%s\", which Resize of opset %d does not know", name, s, p->n->opset);
}

static intact_status resize_parse(it_parse *p)
{
    static const char *const modes[] = { "nearest", "linear", "cubic" };
    static const char *const coords[] = { "half_pixel",         "pytorch_half_pixel",   "align_corners",       "asymmetric",
                                          "tf_crop_and_resize", "tf_half_pixel_for_nn", "half_pixel_symmetric" };
    static const char *const rounds[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" };
    static const char *const policies[] = { "stretch", "not_larger", "not_smaller" };
    resize_args *a = p->n->args;
    int opset = p->n->opset, mode = 0, coord = 0, round = 0, policy = 0;
    int64_t exclude = 0, antialias = 0;

    IT_TRY(word(p, "mode", modes, opset < 11 ? 2 : 3, &mode, INTACT_E_FORMAT));
    a->r = (it_resample){ .mode = (it_resample_mode)mode, .coord = IT_COORD_ASYMMETRIC, .round = IT_ROUND_SIMPLE, .cubic_a = -0.75f };
    if (opset < 11)
        return INTACT_OK;
    IT_TRY(word(p, "coordinate_transformation_mode", coords, opset < 13 ? 6 : 7, &coord, INTACT_E_UNSUPPORTED));
    IT_TRY(word(p, "nearest_mode", rounds, 4, &round, INTACT_E_FORMAT));
    IT_TRY(it_attr_float(p, "cubic_coeff_a", -0.75f, &a->r.cubic_a));
    IT_TRY(it_attr_float(p, "extrapolation_value", 0, &a->r.extrapolation));
    IT_TRY(it_attr_int(p, "exclude_outside", 0, &exclude));
    if (opset >= 18) {
        IT_TRY(it_attr_int(p, "antialias", 0, &antialias));
        IT_TRY(it_attr_ints(p, "axes", &a->axes, &a->axes_len));
        IT_TRY(word(p, "keep_aspect_ratio_policy", policies, 3, &policy, INTACT_E_FORMAT));
    }
    a->r.coord = (it_resample_coord)coord;
    a->r.round = (it_resample_round)round;
    a->r.exclude_outside = exclude != 0;
    a->r.antialias = antialias != 0 && mode != IT_RESAMPLE_NEAREST;
    a->policy = (aspect)policy;
    return INTACT_OK;
}

/* Input k if it is there and not empty; *known false when its content is not. len: how many numbers it must have. */
static intact_status numbers(const it_node *n, const it_tensor *const *in, int k, const char *what, int64_t len, const it_tensor **out,
                             bool *known, intact_error *err)
{
    *out = it_move_has(n, in, k) && it_tensor_len(in[k]) > 0 ? in[k] : NULL;
    if (!*out)
        return INTACT_OK;
    if ((*out)->rank != 1 || (*out)->dim[0] != len)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%s has %lld numbers; %lld are needed", what, (long long)it_tensor_len(*out),
                            (long long)len);
    *known = *known && (*out)->data;
    return INTACT_OK;
}

/* The axes that scales, sizes and roi speak of. */
static intact_status resize_axes(const it_node *n, const it_tensor *x, int axis[IT_RANK_MAX], int *len, intact_error *err)
{
    const resize_args *a = n->args;

    *len = a->axes ? (int)a->axes_len : x->rank;
    if (a->axes_len > (size_t)x->rank)
        return it_node_fail(n, err, INTACT_E_SHAPE, "axes has %zu entries; the input has %d dimensions", a->axes_len, x->rank);
    for (int k = 0; k < *len; k++) {
        axis[k] = k;
        if (a->axes)
            IT_TRY(it_axis(n, a->axes[k], x->rank, &axis[k], err));
    }
    return INTACT_OK;
}

static intact_status by_scales(const it_node *n, const it_tensor *scales, const int *axis, int len, it_resample_axis *ax, intact_error *err)
{
    for (int k = 0; k < len; k++) {
        it_resample_axis *to = &ax[axis[k]];
        float scale = (float)it_tensor_get(scales, k), size = floorf((float)to->in * scale); /* single, as shape inference has it */
        if (!(scale > 0 && size >= 0 && size < 0x1p40f))
            return it_node_fail(n, err, INTACT_E_SHAPE,
                                "axis %d of size %lld has scale %g; a positive number that gives less than 2^40 is needed", axis[k],
                                (long long)to->in, (double)scale);
        to->scale = (double)scale;
        to->out = (int64_t)size;
    }
    return INTACT_OK;
}

static intact_status by_sizes(const it_node *n, const it_tensor *sizes, const int *axis, int len, it_resample_axis *ax, intact_error *err)
{
    const resize_args *a = n->args;
    double common = 0;

    for (int k = 0; k < len; k++) {
        it_resample_axis *to = &ax[axis[k]];
        int64_t size = it_tensor_get_int(sizes, k);
        if (size < 0 || size > (int64_t)1 << 40)
            return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d is to have size %lld; 0 to 2^40 is possible", axis[k], (long long)size);
        to->out = size;
        to->scale = to->in ? (double)size / (double)to->in : 1;
        if (k == 0 || (a->policy == ASPECT_NOT_LARGER ? to->scale < common : to->scale > common))
            common = to->scale;
    }
    for (int k = 0; a->policy != ASPECT_STRETCH && k < len; k++) {
        it_resample_axis *to = &ax[axis[k]];
        to->scale = common;
        to->out = (int64_t)(fmin(common * (double)to->in, 0x1p41) + 0.5); /* halves upward */
    }
    return INTACT_OK;
}

static intact_status resize_plan(const it_node *n, const it_tensor *const *in, it_resample_axis ax[IT_RANK_MAX], bool *known,
                                 intact_error *err)
{
    const resize_args *a = n->args;
    const it_tensor *roi = NULL, *scales, *sizes = NULL;
    int axis[IT_RANK_MAX], len, first = n->opset < 11 ? 1 : 2;

    *known = true;
    IT_TRY(resize_axes(n, in[0], axis, &len, err));
    if (a->r.coord == IT_COORD_TF_CROP)
        IT_TRY(numbers(n, in, 1, "roi", 2 * (int64_t)len, &roi, known, err));
    IT_TRY(numbers(n, in, first, "scales", len, &scales, known, err));
    if (n->opset >= 11)
        IT_TRY(numbers(n, in, 3, "sizes", len, &sizes, known, err));
    if (!scales == !sizes)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%s of scales and sizes given; exactly one is needed", scales ? "both" : "neither");
    if (a->r.coord == IT_COORD_TF_CROP && !roi)
        return it_node_fail(n, err, INTACT_E_SHAPE, "tf_crop_and_resize needs input 1, the region of interest");
    for (int k = 0; k < in[0]->rank; k++)
        ax[k] = (it_resample_axis){ in[0]->dim[k], in[0]->dim[k], 1, 0, 1 };
    if (!*known)
        return INTACT_OK;
    for (int k = 0; roi && k < len; k++) {
        ax[axis[k]].roi_begin = it_tensor_get(roi, k);
        ax[axis[k]].roi_end = it_tensor_get(roi, len + k);
    }
    return scales ? by_scales(n, scales, axis, len, ax, err) : by_sizes(n, sizes, axis, len, ax, err);
}

static intact_status resize_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    it_resample_axis ax[IT_RANK_MAX];
    bool known;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(resize_plan(n, in, ax, &known, err));
    if (known)
        return it_resample_shape(n, in[0], ax, out, err);
    it_move_set_unknown(n, in, out);
    return INTACT_OK;
}

static intact_status resize_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const resize_args *a = n->args;
    it_resample_axis ax[IT_RANK_MAX];
    bool known;

    IT_TRY(it_move_verify(c, n, in, out, err));
    IT_TRY(resize_plan(n, in, ax, &known, err));
    return it_resample_forward(c, n, &a->r, ax, in[0], out[0], err);
}

static intact_status resize_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const resize_args *a = n->args;
    const it_tensor *in[4] = { NULL };
    it_resample_axis ax[IT_RANK_MAX];
    bool known;

    for (int k = 0; k < n->in_len && k < 4; k++)
        in[k] = n->in[k] ? &n->in[k]->t : NULL;
    IT_TRY(resize_plan(n, in, ax, &known, err));
    if (!known)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "scales or sizes are computed while running; the integer form needs constants");
    return it_resample_lower(lw, n, &a->r, ax, err);
}

const it_op it_op_resize = {
    .name = "resize", .onnx = "Resize", .since = 10,
    .in_min = 1, .in_max = 4, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(resize_args),
    .parse = resize_parse, .infer = resize_infer, .forward = resize_forward, .lower = resize_lower,
    .quant = { .shape_inputs = true, .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .layout = IT_LAYOUT_NHWC,
};
