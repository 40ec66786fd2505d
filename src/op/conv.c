/* SPDX-License-Identifier: Apache-2.0 */
/* conv: y = x * w + b over 1, 2 or 3 spatial axes, with groups. In integers conv or, one filter a channel, dwconv. */
#include <string.h>

#include "op/convolve.h"
#include "op/lower.h"

static intact_status conv_parse(it_parse *p)
{
    it_conv_op_args *a = p->n->args;
    IT_TRY(it_window_parse(p, &a->win));
    a->win.ceil_mode = false; /* an attribute of pooling only */
    IT_TRY(it_attr_int(p, "group", 1, &a->group));
    if (a->group < 1 || a->group > INT32_MAX)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "group is %lld; it must be at least 1", (long long)a->group);
    return INTACT_OK;
}

static intact_status conv_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_conv_op_args *a = n->args;
    const it_tensor *x = in[0], *w = in[1];
    it_window win;
    int64_t dim[3];
    IT_TRY(it_convolve_check(n, in, a->group, false, err));
    IT_TRY(it_window_resolve(n, &a->win, w->dim + 2, x, &win, dim, err));
    out[0].type = x->type;
    out[0].rank = x->rank;
    out[0].dim[0] = x->dim[0];
    out[0].dim[1] = w->dim[0];
    for (int i = 0; i < win.len; i++)
        out[0].dim[i + 2] = dim[i];
    return INTACT_OK;
}

static intact_status conv_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const it_conv_op_args *a = n->args;
    it_window win;
    int64_t dim[3];
    IT_TRY(it_window_resolve(n, &a->win, in[1]->dim + 2, in[0], &win, dim, err));
    return it_convolve_run(c, n, in, out[0], &win, a->group, false, err);
}

static int conv_weight_axis(const it_node *n)
{
    (void)n;
    return 0;
}

/* Canonical order: (O,KH,KW,I/g), depthwise (KH,KW,C). Parts of a weight (lower_parts.c) are input channels side by side. */
static void weights_reorder(const it_weight_parts *from, int8_t *to, int64_t out_c, int64_t in_per, int64_t taps, bool depthwise)
{
    for (int p = 0; p < from->len; p++)
        for (int64_t o = 0; o < out_c; o++)
            for (int64_t i = 0; i < in_per; i++)
                for (int64_t t = 0; t < taps; t++)
                    to[depthwise ? t * out_c + o : ((o * taps + t) * in_per + i) * from->len + p] = from->codes[((p * out_c + o) * in_per + i) * taps + t];
}

static intact_status emit(it_lower *lw, const it_node *n, const it_window *win, const it_weight_parts *parts, int8_t *weight, const float *bias,
                          intact_error *err)
{
    const it_value *x = n->in[0], *w = n->in[1], *y = n->out[0];
    const it_conv_op_args *a = n->args;
    int64_t out_c = w->t.dim[0], per = it_tensor_len(&w->t) / out_c, taps = per / w->t.dim[1];
    bool depthwise = a->group == x->t.dim[1] && a->group == out_c && parts->len == 1;
    int h = win->len - 2, last = win->len - 1; /* h < 0: one axis, height 1 */
    it_conv_args args = { .group = depthwise ? 1 : (uint32_t)a->group, .kh = 1, .stride_h = 1, .dil_h = 1, IT_NO_LEVELS };
    it_mac_consts k;
    uint32_t in, out;
    weights_reorder(parts, weight, out_c, w->t.dim[1], taps, depthwise);
    IT_TRY(it_lower_tensor(lw, x, &in, err));
    IT_TRY(it_lower_tensor(lw, y, &out, err));
    IT_TRY(it_lower_repeat(lw, n, in, parts->len, &in, err));
    IT_TRY(it_lower_mac(lw, n, weight, out_c, per * parts->len, depthwise, &parts->q, bias, x->q, y->q, &k, err));
    if (h >= 0) {
        args.kh = (uint32_t)win->kernel[h];
        args.stride_h = (uint32_t)win->stride[h];
        args.dil_h = (uint32_t)win->dil[h];
        args.pad_t = (uint32_t)win->pad[h];
        args.pad_b = (uint32_t)win->pad[win->len + h];
    }
    args.kw = (uint32_t)win->kernel[last];
    args.stride_w = (uint32_t)win->stride[last];
    args.dil_w = (uint32_t)win->dil[last];
    args.pad_l = (uint32_t)win->pad[last];
    args.pad_r = (uint32_t)win->pad[win->len + last];
    args.weight = k.weight, args.bias = k.bias, args.mult = k.mult, args.shift = k.shift;
    args.thresholds = k.thresholds, args.levels = k.levels;
    args.lo = k.lo, args.hi = k.hi, args.acc64 = k.acc64;
    return it_lower_emit(lw, depthwise ? &it_instr_dwconv : &it_instr_conv, n->name, &in, 1, &out, 1, &args, err);
}

static intact_status conv_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_conv_op_args *a = n->args;
    const it_value *x = n->in[0], *w = n->in[1];
    it_window win;
    int64_t dim[3];
    int8_t *weight;
    float *bias = NULL;
    size_t len;
    intact_status st;
    if (x->t.rank > 4)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "convolution over 3 axes has no integer form; 1 or 2 axes have");
    it_weight_parts parts;
    IT_TRY(it_lower_weight_check(n, err));
    IT_TRY(it_window_resolve(n, &a->win, w->t.dim + 2, &x->t, &win, dim, err));
    IT_TRY(it_lower_parts(lw, n, w, false, &parts, err));
    if (parts.len == 1)
        parts.q.bits = w->q->bits; /* a channel has no more values than codes */
    IT_TRY(it_lower_bias(lw, n, w->t.dim[0], &bias, err));
    len = (size_t)it_tensor_len(&w->t) * (size_t)parts.len;
    weight = it_alloc_new(lw->alloc, len);
    st = weight ? emit(lw, n, &win, &parts, weight, bias, err) : it_fail_nomem(err, n->name, len);
    it_alloc_free(lw->alloc, weight, len);
    it_alloc_free(lw->alloc, bias, (size_t)w->t.dim[0] * sizeof(float));
    return st;
}

static bool conv_linear(const it_node *n, const it_tensor *x, it_linear *out)
{
    const it_conv_op_args *a = n->args;
    const it_tensor *w = &n->in[1]->t;
    it_window win;
    int64_t dim[3];
    if (x->rank > 4 || it_window_resolve(n, &a->win, w->dim + 2, x, &win, dim, NULL) != INTACT_OK)
        return false;
    int last = win.len - 1, h = last - 1; /* h < 0: one axis, height 1 */
    *out = (it_linear){ .groups = a->group, .in_c = w->dim[1], .out_c = w->dim[0] / a->group, .in_h = 1, .out_h = 1, .kh = 1, .stride_h = 1, .dil_h = 1,
                        .in_w = x->dim[x->rank - 1], .out_w = dim[last], .kw = win.kernel[last], .stride_w = win.stride[last],
                        .dil_w = win.dil[last], .pad_l = win.pad[last] };
    if (h >= 0) {
        out->in_h = x->dim[2], out->out_h = dim[h], out->kh = win.kernel[h];
        out->stride_h = win.stride[h], out->dil_h = win.dil[h], out->pad_t = win.pad[h];
    }
    return true;
}

static intact_status conv_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                   it_tensor *const *dx, intact_error *err)
{
    const it_conv_op_args *a = n->args;
    it_window win;
    int64_t dim[3];
    IT_TRY(it_window_resolve(n, &a->win, in[1]->dim + 2, in[0], &win, dim, err));
    return it_convolve_back(c, n, in, out[0], dy[0], dx, &win, a->group, false, err);
}

static const it_backward conv_back = { .reads_in = 1u << 0 | 1u << 1, .gives = 1u << 0 | 1u << 1 | 1u << 2, .run = conv_run_back };

const it_op it_op_conv = {
    .name = "conv", .onnx = "Conv", .since = 1,
    .in_min = 2, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_conv_op_args),
    .parse = conv_parse, .infer = conv_infer, .forward = conv_forward, .lower = conv_lower,
    .quant = { .clamps = true, .out = IT_Q_FREE, .weight_in = 1, .bias_in = 2, .weight_axis = conv_weight_axis, .linear = conv_linear,
               .in_types = 1u << INTACT_U8 | 1u << INTACT_S16, .out_types = 1u << INTACT_U8 | 1u << INTACT_S16 },
    .layout = IT_LAYOUT_NHWC, .back = &conv_back,
};
