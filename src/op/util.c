/* SPDX-License-Identifier: Apache-2.0 */
/* util.c: what many operators share: broadcasting, axes, the windows of convolution and pooling. */
#include <string.h>

#include "op/op.h"

intact_status it_broadcast(const it_node *n, const it_tensor *const *in, int len, it_tensor *out, intact_error *err)
{
    out->rank = 0;
    out->layout = IT_PLAIN;
    for (int i = 0; i < len; i++)
        if (in[i]->rank > out->rank) out->rank = in[i]->rank;
    for (int k = 0; k < out->rank; k++) {
        int64_t d = 1;
        for (int i = 0; i < len; i++) {
            int at = k - (out->rank - in[i]->rank);
            int64_t di = at < 0 ? 1 : in[i]->dim[at];
            if (di != 1 && d != 1 && di != d) {
                char a[128], b[128];
                return it_node_fail(n, err, INTACT_E_SHAPE, "%s and %s do not broadcast: dimension %d from the right is %lld and %lld",
                                    it_tensor_print(in[0], a, sizeof a), it_tensor_print(in[i], b, sizeof b), out->rank - k, (long long)d,
                                    (long long)di);
            }
            if (di != 1) d = di;
        }
        out->dim[k] = d;
    }
    return INTACT_OK;
}

void it_broadcast_strides(const it_tensor *t, const it_tensor *out, int64_t stride[IT_RANK_MAX])
{
    int64_t step = 1;
    for (int k = 0; k < IT_RANK_MAX; k++) stride[k] = 0;
    for (int k = t->rank - 1; k >= 0; k--) {
        if (t->dim[k] != 1) stride[k + out->rank - t->rank] = step;
        step *= t->dim[k];
    }
}

intact_status it_axis(const it_node *n, int64_t axis, int rank, int *out, intact_error *err)
{
    if (axis < -rank || axis >= rank)
        return it_node_fail(n, err, INTACT_E_SHAPE, "axis %lld of a tensor of rank %d; it must be in %d..%d", (long long)axis, rank, -rank,
                            rank - 1);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return INTACT_OK;
}

void it_shape_copy(it_tensor *to, const it_tensor *from)
{
    to->type = from->type;
    to->rank = from->rank;
    to->layout = IT_PLAIN;
    memcpy(to->dim, from->dim, sizeof to->dim);
}

intact_status it_infer_same(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    (void)n;
    (void)err;
    it_shape_copy(&out[0], in[0]);
    return INTACT_OK;
}

/* ---- windows ---- */

/* Reads a list into to[]; per: 1 for a value an axis, 2 for pads. Its length must agree with the lists read before. */
static intact_status window_list(it_parse *p, it_window *w, const char *name, int per, int64_t lo, int64_t *to)
{
    const int64_t *v;
    size_t len;
    IT_TRY(it_attr_ints(p, name, &v, &len));
    if (!v || !len) return INTACT_OK;
    if (len % (size_t)per || len / (size_t)per > 3)
        return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "%s has %zu values; %d to %d are supported, %d an axis", name, len, per,
                            3 * per, per);
    int axes = (int)(len / (size_t)per);
    if (w->len && w->len != axes)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "%s is for %d axes, other attributes for %d", name, axes, w->len);
    w->len = axes;
    for (size_t i = 0; i < len; i++) {
        if (v[i] < lo || v[i] > INT32_MAX)
            return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "%s has the value %lld; it must be in %lld..%d", name, (long long)v[i],
                                (long long)lo, INT32_MAX);
        to[i] = v[i];
    }
    return INTACT_OK;
}

intact_status it_window_parse(it_parse *p, it_window *w)
{
    static const char *const MODES[] = {[IT_PAD_EXPLICIT] = "NOTSET", [IT_PAD_SAME_UPPER] = "SAME_UPPER",
                                        [IT_PAD_SAME_LOWER] = "SAME_LOWER", [IT_PAD_VALID] = "VALID"};
    const char *mode;
    int64_t ceil_mode;
    *w = (it_window){.stride = {1, 1, 1}, .dil = {1, 1, 1}};
    IT_TRY(window_list(p, w, "kernel_shape", 1, 1, w->kernel));
    IT_TRY(window_list(p, w, "strides", 1, 1, w->stride));
    IT_TRY(window_list(p, w, "dilations", 1, 1, w->dil));
    IT_TRY(window_list(p, w, "pads", 2, 0, w->pad));
    IT_TRY(it_attr_str(p, "auto_pad", "NOTSET", &mode));
    IT_TRY(it_attr_int(p, "ceil_mode", 0, &ceil_mode));
    w->ceil_mode = ceil_mode != 0;
    int m = 0;
    while (m < (int)IT_LEN(MODES) && strcmp(mode, MODES[m])) m++;
    if (m == (int)IT_LEN(MODES) && mode[0])
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "auto_pad is \"%s\"; it must be NOTSET, SAME_UPPER, SAME_LOWER or VALID", mode);
    w->mode = mode[0] ? m : IT_PAD_EXPLICIT;
    return INTACT_OK;
}

/* One axis: x elements, window k dilated by d, stride s. Pads come in and go out through begin and end. False: nothing comes out. */
static bool window_axis(const it_window *w, int i, int64_t x, int64_t *begin, int64_t *end, int64_t *y)
{
    int64_t s = w->stride[i], reach = (w->kernel[i] - 1) * w->dil[i] + 1; /* < 2^62: both are below 2^31 */
    if (w->mode == IT_PAD_SAME_UPPER || w->mode == IT_PAD_SAME_LOWER) {
        *y = (x + s - 1) / s;
        int64_t total = (*y - 1) * s + reach - x;
        if (total < 0) total = 0;
        *begin = w->mode == IT_PAD_SAME_UPPER ? total / 2 : total - total / 2;
        *end = total - *begin;
        return *y > 0;
    }
    if (w->mode == IT_PAD_VALID) *begin = *end = 0;
    int64_t room = x + *begin + *end - reach;
    if (room < 0) return false;
    *y = (w->ceil_mode ? (room + s - 1) / s : room / s) + 1;
    if (w->ceil_mode && (*y - 1) * s >= x + *begin) (*y)--; /* a window that would start in the padding behind the end is left out */
    return *y > 0;
}

intact_status it_window_resolve(const it_node *n, const it_window *w, const int64_t *kernel, const it_tensor *x, it_window *out,
                                int64_t out_dim[3], intact_error *err)
{
    int len = x->rank - 2;
    if (len < 1 || len > 3)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the input has %d dimensions; 3 to 5 are supported (batch, channels, 1 to 3 axes)", x->rank);
    if (w->len && w->len != len)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the attributes are for %d axes, the input has %d", w->len, len);
    *out = *w;
    out->len = len;
    for (int i = 0; i < len; i++) {
        if (!out->kernel[i] && !kernel) return it_node_fail(n, err, INTACT_E_FORMAT, "attribute kernel_shape is missing");
        if (!out->kernel[i]) out->kernel[i] = kernel[i];
        if (kernel && out->kernel[i] != kernel[i])
            return it_node_fail(n, err, INTACT_E_SHAPE, "kernel_shape is %lld on axis %d, the weight %lld", (long long)out->kernel[i], i,
                                (long long)kernel[i]);
        if (out->kernel[i] < 1 || out->kernel[i] > INT32_MAX)
            return it_node_fail(n, err, INTACT_E_SHAPE,
                                "the kernel is %lld on axis %d; it must be at least 1", (long long)out->kernel[i], i);
    }
    /* pads is begins then ends for w->len axes, which is len here */
    for (int i = 0; i < len; i++)
        if (!window_axis(out, i, x->dim[i + 2], &out->pad[i], &out->pad[len + i], &out_dim[i]))
            return it_node_fail(n, err, INTACT_E_SHAPE,
                                "nothing comes out on axis %d: %lld elements, pads %lld and %lld, kernel %lld, dilation %lld", i,
                                (long long)x->dim[i + 2], (long long)out->pad[i], (long long)out->pad[len + i], (long long)out->kernel[i],
                                (long long)out->dil[i]);
    return INTACT_OK;
}
