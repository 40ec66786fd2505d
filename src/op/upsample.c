/* SPDX-License-Identifier: Apache-2.0 */
/* upsample: Resize's predecessor, opsets 7 to 9: nearest (rounded down) or linear, position j reads j / scale. */
#include "op/resample.h"

#include <math.h>
#include <string.h>

typedef struct upsample_args { it_resample r; const float *scales; size_t scales_len; } upsample_args;

static intact_status upsample_parse(it_parse *p)
{
    upsample_args *a = p->n->args;
    const char *mode;

    IT_TRY(it_attr_str(p, "mode", "nearest", &mode));
    a->r = (it_resample){ .coord = IT_COORD_ASYMMETRIC, .round = IT_ROUND_FLOOR };
    if (strcmp(mode, "linear") == 0 || strcmp(mode, "bilinear") == 0)
        a->r.mode = IT_RESAMPLE_LINEAR;
    else if (strcmp(mode, "nearest") != 0)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "mode is \"%s\"; nearest and linear are known", mode);
    if (p->n->opset >= 9) {
        if (p->n->in_len < 2)
            return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "input 1, the scales, is missing; opset %d needs it", p->n->opset);
        return INTACT_OK;
    }
    IT_TRY(it_attr_floats(p, "scales", &a->scales, &a->scales_len));
    if (!a->scales)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "attribute \"scales\" is missing");
    return INTACT_OK;
}

static intact_status upsample_plan(const it_node *n, const it_tensor *const *in, it_resample_axis ax[IT_RANK_MAX], bool *known,
                                   intact_error *err)
{
    const upsample_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t len = a->scales ? (int64_t)a->scales_len : it_tensor_len(in[1]);

    if (len != x->rank)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld scales; the input has %d dimensions", (long long)len, x->rank);
    *known = a->scales || in[1]->data;
    for (int k = 0; *known && k < x->rank; k++) {
        float scale = a->scales ? a->scales[k] : (float)it_tensor_get(in[1], k), size = floorf((float)x->dim[k] * scale);
        if (!(scale > 0 && size >= 0 && size < 0x1p40f))
            return it_node_fail(n, err, INTACT_E_SHAPE,
                                "axis %d of size %lld has scale %g; a positive number that gives less than 2^40 is needed", k,
                                (long long)x->dim[k], (double)scale);
        ax[k] = (it_resample_axis){ x->dim[k], (int64_t)size, (double)scale, 0, 1 };
    }
    return INTACT_OK;
}

static intact_status upsample_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    it_resample_axis ax[IT_RANK_MAX];
    bool known;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(upsample_plan(n, in, ax, &known, err));
    if (known)
        return it_resample_shape(n, in[0], ax, out, err);
    it_move_set_unknown(n, in, out);
    return INTACT_OK;
}

static intact_status upsample_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const upsample_args *a = n->args;
    it_resample_axis ax[IT_RANK_MAX];
    bool known;

    IT_TRY(it_move_verify(c, n, in, out, err));
    IT_TRY(upsample_plan(n, in, ax, &known, err));
    return it_resample_forward(c, n, &a->r, ax, in[0], out[0], err);
}

static intact_status upsample_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const upsample_args *a = n->args;
    const it_tensor *in[2] = { &n->in[0]->t, n->in_len > 1 && n->in[1] ? &n->in[1]->t : NULL };
    it_resample_axis ax[IT_RANK_MAX];
    bool known;

    IT_TRY(upsample_plan(n, in, ax, &known, err));
    if (!known)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the scales are computed while running; the integer form needs constants");
    return it_resample_lower(lw, n, &a->r, ax, err);
}

const it_op it_op_upsample = {
    .name = "upsample", .onnx = "Upsample", .since = 7, .until = 9,
    .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(upsample_args),
    .parse = upsample_parse, .infer = upsample_infer, .forward = upsample_forward, .lower = upsample_lower,
    .quant = { .shape_inputs = true, .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .layout = IT_LAYOUT_NHWC,
};
