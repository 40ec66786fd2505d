/* SPDX-License-Identifier: Apache-2.0 */
/* dnnl_back.c: the gradients of convolutions and transposed ones with respect to data and weights. */
#include "op/dnnl_port.h"
#include "op/operand.h"

/* One of the two gradients: other is the second operand, grad what is written. */
typedef struct half {
    it_dnnl_unit unit;
    it_dnnl_port dy, other, grad;
    bool made, unable;
} half;

typedef struct back_state {
    it_op_state base;
    it_dnnl_home home;
    half data, weights;
    uint64_t weights_at; /* of the reordered weights in data.other; 0: none */
    float *w_round;      /* the weights rounded, where products are of rounded numbers; w_len of them */
    int64_t w_len;
    it_products products;
} back_state;

static void half_free(const it_dnnl_home *home, half *h)
{
    it_dnnl_port_free(home, &h->dy);
    it_dnnl_port_free(home, &h->other);
    it_dnnl_port_free(home, &h->grad);
    it_dnnl_unit_free(home, &h->unit);
    *h = (half){ .made = false };
}

static void back_free(it_op_state *base)
{
    back_state *s = (back_state *)base;
    const intact_alloc *alloc = s->home.alloc;
    half_free(&s->home, &s->data);
    half_free(&s->home, &s->weights);
    it_dnnl_home_free(&s->home);
    it_alloc_free(alloc, s->w_round, (size_t)s->w_len * sizeof(float));
    it_alloc_free(alloc, s, sizeof(*s));
}

static dnnl_status_t backward_desc(const it_dnnl_conv_spec *c, const it_dnnl_conv_md *md, bool data, it_dnnl_conv_desc *d)
{
    if (c->transposed && data)
        return dnnl_dilated_deconvolution_backward_data_desc_init(&d->deconv, dnnl_deconvolution_direct, &md->want_x, &md->want_w, &md->want_y,
                                                                  md->stride, md->dil, md->pad_l, md->pad_r);
    if (c->transposed)
        return dnnl_dilated_deconvolution_backward_weights_desc_init(&d->deconv, dnnl_deconvolution_direct, &md->want_x, &md->want_w, NULL, &md->want_y,
                                                                     md->stride, md->dil, md->pad_l, md->pad_r);
    if (data)
        return dnnl_dilated_convolution_backward_data_desc_init(&d->conv, dnnl_convolution_direct, &md->want_x, &md->want_w, &md->want_y, md->stride,
                                                                md->dil, md->pad_l, md->pad_r);
    return dnnl_dilated_convolution_backward_weights_desc_init(&d->conv, dnnl_convolution_direct, &md->want_x, &md->want_w, NULL, &md->want_y, md->stride,
                                                               md->dil, md->pad_l, md->pad_r);
}

/* The library wants to see the forward primitive's description first: that of bfloat16 has float32 elsewhere. */
static dnnl_status_t half_unit(const it_dnnl_home *home, half *h, const it_dnnl_conv_spec *c, const it_dnnl_conv_md *md, bool data)
{
    dnnl_primitive_desc_t forward = NULL;
    it_dnnl_conv_md hint;
    it_dnnl_conv_desc d;
    dnnl_status_t st = it_dnnl_conv_describe(c, IT_DNNL_Y, &hint);
    if (st == dnnl_success)
        st = it_dnnl_conv_forward_desc(c, &hint, dnnl_forward_training, NULL, &d);
    if (st == dnnl_success)
        st = dnnl_primitive_desc_create(&forward, &d, NULL, home->engine, NULL);
    if (st == dnnl_success)
        st = backward_desc(c, md, data, &d);
    if (st == dnnl_success)
        st = it_dnnl_unit_make(home, &h->unit, &d, forward);
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    return st;
}

static dnnl_status_t half_try(const it_dnnl_home *home, half *h, const it_dnnl_conv_spec *c, bool data)
{
    it_dnnl_conv_md md;
    dnnl_status_t st = it_dnnl_conv_describe(c, data ? IT_DNNL_DX : IT_DNNL_DW, &md);
    if (st == dnnl_success)
        st = half_unit(home, h, c, &md, data);
    if (st != dnnl_success)
        return st;
    h->dy.user_md = md.y;
    h->other.user_md = data ? md.w : md.x;
    h->grad.user_md = data ? md.x : md.w;
    st = it_dnnl_port_make(home, &h->dy, &h->unit, dnnl_query_diff_dst_md, false);
    if (st == dnnl_success)
        st = it_dnnl_port_make(home, &h->other, &h->unit, data ? dnnl_query_weights_md : dnnl_query_src_md, false);
    if (st == dnnl_success)
        st = it_dnnl_port_make(home, &h->grad, &h->unit, data ? dnnl_query_diff_src_md : dnnl_query_diff_weights_md, true);
    h->made = st == dnnl_success;
    return st;
}

/* What the library has no bfloat16 form of is multiplied as float32. */
static dnnl_status_t half_make(const it_dnnl_home *home, half *h, const it_dnnl_conv_spec *c, bool data)
{
    it_dnnl_conv_spec plain = *c;
    dnnl_status_t st = half_try(home, h, c, data);
    plain.dot = false;
    if (!c->dot || st != dnnl_unimplemented || h->unit.desc)
        return st;
    return half_try(home, h, &plain, data);
}

/* fresh: other's bytes are not those of the last call. */
static dnnl_status_t half_run(const it_dnnl_home *home, half *h, bool data, const float *dy, const float *other, bool fresh, float *grad)
{
    dnnl_exec_arg_t args[3] = { { DNNL_ARG_DIFF_DST, h->dy.prim },
                                { data ? DNNL_ARG_WEIGHTS : DNNL_ARG_SRC, h->other.prim },
                                { data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DIFF_WEIGHTS, h->grad.prim } };
    dnnl_status_t st = it_dnnl_set_data(home, h->dy.user, dy);
    if (st == dnnl_success)
        st = it_dnnl_set_data(home, h->other.user, other);
    if (st == dnnl_success)
        st = it_dnnl_set_data(home, h->grad.user, grad);
    if (st == dnnl_success)
        st = it_dnnl_port_move(home, &h->dy, false);
    if (st == dnnl_success && fresh)
        st = it_dnnl_port_move(home, &h->other, false);
    if (st == dnnl_success)
        st = it_dnnl_unit_run(home, &h->unit, args, 3);
    return st == dnnl_success ? it_dnnl_port_move(home, &h->grad, true) : st;
}

/* Makes the half on its first use; what the library cannot do is remembered. */
static dnnl_status_t half_do(back_state *s, half *h, const it_dnnl_conv_spec *c, const it_dnnl_conv_grads *g, bool *done)
{
    bool data = h == &s->data, fresh;
    const float *w = g->w;
    dnnl_status_t st = dnnl_success;
    *done = false;
    if (!h->made && !h->unable) {
        st = half_make(&s->home, h, c, data);
        if (st != dnnl_success)
            half_free(&s->home, h);
        h->unable = st == dnnl_unimplemented || st == dnnl_invalid_arguments;
    }
    if (!h->made)
        return h->unable ? dnnl_success : st;
    fresh = !data || !g->weights_at || g->weights_at != s->weights_at;
    if (data && it_operand_copies(g->products)) {
        if (!s->w_round)
            s->w_round = it_alloc_new(s->home.alloc, (size_t)s->w_len * sizeof(float));
        if (!s->w_round)
            return dnnl_out_of_memory;
        if (fresh)
            it_operand_round(g->products, w, s->w_round, s->w_len);
        w = s->w_round;
    }
    st = half_run(&s->home, h, data, g->dy, data ? w : g->x, fresh, data ? g->dx : g->dw);
    if (data)
        s->weights_at = st == dnnl_success ? g->weights_at : 0;
    *done = st == dnnl_success;
    return st;
}

static intact_status state_get(const intact_alloc *alloc, it_op_state **state, const it_node *n, const it_dnnl_conv_spec *spec, it_products products,
                               intact_error *err)
{
    back_state *s;
    dnnl_status_t st;
    if (*state && ((back_state *)*state)->products != products) {
        back_free(*state);
        *state = NULL;
    }
    if (*state)
        return INTACT_OK;
    s = it_alloc_zero(alloc, sizeof(*s));
    if (!s)
        return it_fail_nomem(err, n->name, sizeof(*s));
    s->base.free = back_free;
    s->home.alloc = alloc;
    s->w_len = it_tensor_len(spec->w);
    s->products = products;
    *state = &s->base;
    st = it_dnnl_home_make(&s->home, alloc);
    if (st == dnnl_success)
        return INTACT_OK;
    back_free(&s->base);
    *state = NULL;
    return it_dnnl_fail(n, st, "making an engine", err);
}

intact_status it_dnnl_conv_back(const intact_alloc *alloc, it_op_state **state, const it_node *n, const it_dnnl_conv_spec *spec,
                                const it_dnnl_conv_grads *g, bool *done_x, bool *done_w, intact_error *err)
{
    dnnl_status_t st = dnnl_success;
    back_state *s;
    int threads;
    *done_x = !g->dx;
    *done_w = !g->dw;
    IT_TRY(state_get(alloc, state, n, spec, g->products, err));
    s = (back_state *)*state;
    threads = it_dnnl_threads_one();
    if (g->dx)
        st = half_do(s, &s->data, spec, g, done_x);
    if (g->dw && st == dnnl_success)
        st = half_do(s, &s->weights, spec, g, done_w);
    if (st == dnnl_success)
        st = dnnl_stream_wait(s->home.stream);
    it_dnnl_threads_restore(threads);
    return st == dnnl_success ? INTACT_OK : it_dnnl_fail(n, st, "the gradient of a convolution", err);
}
