/* SPDX-License-Identifier: Apache-2.0 */
/* conv_transpose: the gradient of a convolution as a layer of its own (upsampling); w is (I, O/group, kernel). */
#include <string.h>

#include "op/convolve.h"

static intact_status axis_list(it_parse *p, const char *name, int64_t *to, bool *has, it_window *w)
{
    const int64_t *v;
    size_t len;
    IT_TRY(it_attr_ints(p, name, &v, &len));
    *has = v && len;
    if (!*has)
        return INTACT_OK;
    if (len > 3 || (w->len && (size_t)w->len != len))
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "%s has %zu values; one for each of %d spatial axes is needed", name, len,
                            w->len ? w->len : 3);
    w->len = (int)len;
    for (size_t i = 0; i < len; i++) {
        if (v[i] < 0 || v[i] > INT32_MAX)
            return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "%s has the value %lld; 0 or more is needed", name, (long long)v[i]);
        to[i] = v[i];
    }
    return INTACT_OK;
}

static intact_status conv_transpose_parse(it_parse *p)
{
    it_conv_op_args *a = p->n->args;
    bool has_pad;
    IT_TRY(it_window_parse(p, &a->win));
    IT_TRY(it_attr_int(p, "group", 1, &a->group));
    if (a->group < 1 || a->group > INT32_MAX)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "group is %lld; it must be at least 1", (long long)a->group);
    IT_TRY(axis_list(p, "output_padding", a->out_pad, &has_pad, &a->win));
    return axis_list(p, "output_shape", a->out_shape, &a->has_out_shape, &a->win);
}

/* One axis: how long the output is and how much of the full result is cut off at either end. */
static intact_status resolve_axis(const it_node *n, const it_conv_op_args *a, int i, int64_t x, it_window *win, int64_t *y,
                                  intact_error *err)
{
    int64_t full = (x - 1) * win->stride[i] + (win->kernel[i] - 1) * win->dil[i] + 1 + a->out_pad[i]; /* < 2^63: each factor < 2^31 */
    int64_t *begin = &win->pad[i], *end = &win->pad[win->len + i], cut;
    bool same = win->mode == IT_PAD_SAME_UPPER || win->mode == IT_PAD_SAME_LOWER;
    if (x < 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "spatial axis %d is empty", i);
    if (win->mode == IT_PAD_VALID)
        *begin = *end = 0;
    if (a->has_out_shape || same) {
        *y = a->has_out_shape ? a->out_shape[i] : x * win->stride[i];
        cut = full > *y ? full - *y : 0;
        *begin = win->mode == IT_PAD_SAME_UPPER ? cut / 2 : cut - cut / 2;
        *end = cut - *begin;
    } else {
        *y = full - *begin - *end;
    }
    if (*y < 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "nothing comes out on spatial axis %d: %lld values less pads %lld and %lld", i,
                            (long long)full, (long long)*begin, (long long)*end);
    return INTACT_OK;
}

static intact_status resolve(const it_node *n, const it_tensor *x, const it_tensor *w, it_window *win, int64_t dim[3], intact_error *err)
{
    const it_conv_op_args *a = n->args;
    int len = x->rank - 2;
    *win = a->win;
    if (win->len && win->len != len)
        return it_node_fail(n, err, INTACT_E_SHAPE, "attributes are for %d spatial axes, the input has %d", win->len, len);
    win->len = len;
    for (int i = 0; i < len; i++) {
        if (w->dim[i + 2] < 1 || w->dim[i + 2] > INT32_MAX || x->dim[i + 2] > INT32_MAX ||
            (win->kernel[i] && win->kernel[i] != w->dim[i + 2]))
            return it_node_fail(n, err, INTACT_E_SHAPE, "kernel_shape is %lld on spatial axis %d, the weight has %lld",
                                (long long)win->kernel[i], i, (long long)w->dim[i + 2]);
        win->kernel[i] = w->dim[i + 2];
        IT_TRY(resolve_axis(n, a, i, x->dim[i + 2], win, &dim[i], err));
    }
    return INTACT_OK;
}

static intact_status conv_transpose_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_conv_op_args *a = n->args;
    it_window win;
    int64_t dim[3];
    IT_TRY(it_convolve_check(n, in, a->group, true, err));
    IT_TRY(resolve(n, in[0], in[1], &win, dim, err));
    out[0].type = in[0]->type;
    out[0].rank = in[0]->rank;
    out[0].dim[0] = in[0]->dim[0];
    out[0].dim[1] = in[1]->dim[1] * a->group;
    for (int i = 0; i < win.len; i++)
        out[0].dim[i + 2] = dim[i];
    return INTACT_OK;
}

static intact_status conv_transpose_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                            intact_error *err)
{
    const it_conv_op_args *a = n->args;
    it_window win;
    int64_t dim[3];
    IT_TRY(resolve(n, in[0], in[1], &win, dim, err));
    return it_convolve_run(c, n, in, out[0], &win, a->group, true, err);
}

static intact_status conv_transpose_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out,
                                             const it_tensor *const *dy, it_tensor *const *dx, intact_error *err)
{
    const it_conv_op_args *a = n->args;
    it_window win;
    int64_t dim[3];
    IT_TRY(resolve(n, in[0], in[1], &win, dim, err));
    return it_convolve_back(c, n, in, out[0], dy[0], dx, &win, a->group, true, err);
}

static const it_backward conv_transpose_back = { .reads_in = 1u << 0 | 1u << 1, .gives = 1u << 0 | 1u << 1 | 1u << 2, .run = conv_transpose_run_back };

const it_op it_op_conv_transpose = {
    .name = "conv_transpose", .onnx = "ConvTranspose", .since = 1,
    .in_min = 2, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_conv_op_args),
    .parse = conv_transpose_parse, .infer = conv_transpose_infer, .forward = conv_transpose_forward,
    .layout = IT_LAYOUT_NHWC, .back = &conv_transpose_back,
    .hint = "upsample with Resize and follow with a Conv",
};
