/* SPDX-License-Identifier: Apache-2.0 */
/* convolve.c: checks and execution that Conv and ConvTranspose share. */
#include <string.h>

#include "op/convolve.h"
#include "op/dnnl.h"
#include "op/operand.h"

intact_status it_convolve_check(const it_node *n, const it_tensor *const *in, int64_t group, bool transposed, intact_error *err)
{
    const it_tensor *x = in[0], *w = in[1], *b = n->in_len > 2 ? in[2] : NULL;
    char xb[160], wb[160];
    int64_t in_c, out_c;
    IT_TRY(it_nn_float_only(n, x, err));
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank || w->type != x->type)
        return it_node_fail(n, err, INTACT_E_SHAPE, "input %s and weight %s; both must have the same type and 3, 4 or 5 dimensions",
                            it_tensor_print(x, xb, sizeof(xb)), it_tensor_print(w, wb, sizeof(wb)));
    in_c = out_c = w->dim[0];
    if (__builtin_mul_overflow(w->dim[1], group, transposed ? &out_c : &in_c) || in_c != x->dim[1] || in_c % group != 0 ||
        out_c % group != 0 || in_c < 1 || out_c < 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "input %s, weight %s and group %lld do not fit: the weight takes %lld channels of %lld",
                            it_tensor_print(x, xb, sizeof(xb)), it_tensor_print(w, wb, sizeof(wb)), (long long)group, (long long)in_c,
                            (long long)x->dim[1]);
    return b ? it_nn_expect(n, b, "bias", x->type, 1, &out_c, err) : INTACT_OK;
}

void it_convolve_swap(const double *from, double *to, int64_t batch, int64_t rows, int64_t cols)
{
    for (int64_t n = 0; n < batch; n++)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < cols; c++)
                to[(n * cols + c) * rows + r] = from[(n * rows + r) * cols + c];
}

void it_convolve_geometry(it_nn_conv *g, const it_tensor *x, const it_tensor *w, const it_tensor *y, const it_window *win)
{
    const it_tensor *small = g->transposed ? x : y, *big = g->transposed ? y : x;
    g->batch = x->dim[0];
    g->small_c = small->dim[1];
    g->big_c = big->dim[1];
    for (int i = 0; i < 3; i++) {
        int at = i - (3 - win->len); /* leading axes are 1 */
        g->small[i] = at < 0 ? 1 : small->dim[at + 2];
        g->big[i] = at < 0 ? 1 : big->dim[at + 2];
        g->kernel[i] = at < 0 ? 1 : w->dim[at + 2];
        g->stride[i] = at < 0 ? 1 : win->stride[at];
        g->dil[i] = at < 0 ? 1 : win->dil[at];
        g->pad[i] = at < 0 ? 0 : win->pad[at];
    }
}

static intact_status run_direct(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *out, const it_window *win,
                                int64_t group, bool transposed, intact_error *err)
{
    it_nn_conv g = { .group = group, .transposed = transposed };
    const double *x, *w, *b = NULL;
    double *y, *y_plain, *x_plain;
    size_t x_bytes = (size_t)it_tensor_len(in[0]) * sizeof(double), y_bytes = (size_t)it_tensor_len(out) * sizeof(double);
    it_convolve_geometry(&g, in[0], in[1], out, win);
    IT_TRY(it_nn_f64(c, n, in[0], &x, err));
    IT_TRY(it_nn_f64(c, n, in[1], &w, err));
    if (n->in_len > 2 && in[2])
        IT_TRY(it_nn_f64(c, n, in[2], &b, err));
    IT_TRY(it_nn_f64_room(c, n, out, &y, err));
    if (in[0]->layout != IT_NHWC && out->layout != IT_NHWC) {
        it_nn_conv_direct(&g, x, w, b, y);
        it_nn_put_f64(out, y);
        return INTACT_OK;
    }
    x_plain = it_arena_new(c->scratch, x_bytes);
    y_plain = it_arena_new(c->scratch, y_bytes);
    if (!x_plain || !y_plain)
        return it_fail_nomem(err, n->name, x_bytes + y_bytes);
    if (in[0]->layout == IT_NHWC)
        it_convolve_swap(x, x_plain, in[0]->dim[0], in[0]->dim[2] * in[0]->dim[3], in[0]->dim[1]);
    else
        memcpy(x_plain, x, x_bytes);
    it_nn_conv_direct(&g, x_plain, w, b, y_plain);
    if (out->layout == IT_NHWC)
        it_convolve_swap(y_plain, y, out->dim[0], out->dim[1], out->dim[2] * out->dim[3]);
    else
        memcpy(y, y_plain, y_bytes);
    it_nn_put_f64(out, y);
    return INTACT_OK;
}

/* True when the input is a constant of the graph, so that a reordered copy stays right. */
static bool is_const(const it_node *n, int k)
{
    return k >= n->in_len || !n->in[k] || n->in[k]->is_const;
}

intact_status it_convolve_run(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *out, const it_window *win,
                              int64_t group, bool transposed, intact_error *err)
{
    const it_tensor *bias = n->in_len > 2 ? in[2] : NULL;
    const float *x, *w, *b = NULL;
    float *y;
    if (it_tensor_len(out) == 0)
        return INTACT_OK;
    if (in[0]->type == IT_F64 || it_tensor_len(in[0]) == 0)
        return run_direct(c, n, in, out, win, group, transposed, err);
    if (*c->state && !it_dnnl_conv_serves(*c->state, c->products)) {
        (*c->state)->free(*c->state);
        *c->state = NULL;
    }
    if (!*c->state) {
        it_dnnl_conv_spec spec = { .x = in[0], .w = in[1], .y = out, .bias = bias != NULL, .transposed = transposed, .group = group,
                                   .win = win, .dot = c->products == IT_PRODUCTS_BF16_DOT, .const_weights = c->const_weights && is_const(n, 1) && is_const(n, 2) };
        spec.const_weights = spec.const_weights && in[0]->type == IT_F32;
        IT_TRY(it_dnnl_conv_new(c->alloc, n, &spec, c->state, err));
        if (!*c->state)
            return run_direct(c, n, in, out, win, group, transposed, err);
    }
    IT_TRY(it_nn_f32(c, n, in[0], &x, err));
    IT_TRY(it_nn_f32(c, n, in[1], &w, err));
    if (bias)
        IT_TRY(it_nn_f32(c, n, bias, &b, err));
    IT_TRY(it_nn_f32_room(c, n, out, &y, err));
    if (it_operand_copies(c->products) && !(c->rounded & 1))
        IT_TRY(it_operand_of(c->products, c->scratch, n, &x, it_tensor_len(in[0]), err));
    it_dnnl_conv_data d = { .x = x, .w = w, .bias = b, .y = y, .weights_at = in[1]->type == IT_F32 ? c->weights_at : 0, .products = c->products };
    IT_TRY(it_dnnl_conv_run(*c->state, n, &d, err));
    it_nn_put_f32(out, y);
    return INTACT_OK;
}
