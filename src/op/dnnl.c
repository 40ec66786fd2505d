/* SPDX-License-Identifier: Apache-2.0 */
/* dnnl.c: convolution primitives with their reordered weights, and the matrix product. */
#include <string.h>

#include "op/dnnl_port.h"
#include "op/operand.h"

typedef struct conv_state {
    it_op_state base;
    it_dnnl_home home;
    it_dnnl_unit unit;
    it_dnnl_port x, w, y;
    dnnl_memory_t bias;
    float *w_round;        /* the weights rounded, where products are of rounded numbers; w_len of them */
    int64_t w_len;
    float *bias_copy;      /* const_weights: the caller's bytes need not stay where they were */
    int64_t out_c;
    uint64_t weights_at;   /* of the reordered weights; 0: none */
    it_products products;  /* of the reordered weights */
    bool has_bias, const_weights, weights_ready, dot;
} conv_state;

static void conv_free(it_op_state *base)
{
    conv_state *s = (conv_state *)base;
    const intact_alloc *alloc = s->home.alloc;
    it_dnnl_port_free(&s->home, &s->x);
    it_dnnl_port_free(&s->home, &s->w);
    it_dnnl_port_free(&s->home, &s->y);
    if (s->bias)
        dnnl_memory_destroy(s->bias);
    it_dnnl_unit_free(&s->home, &s->unit);
    it_dnnl_home_free(&s->home);
    it_alloc_free(alloc, s->w_round, (size_t)s->w_len * sizeof(float));
    it_alloc_free(alloc, s->bias_copy, (size_t)s->out_c * sizeof(float));
    it_alloc_free(alloc, s, sizeof(*s));
}

static dnnl_status_t conv_try(conv_state *s, const it_dnnl_conv_spec *c)
{
    dnnl_dims_t bias_dim = { s->out_c };
    dnnl_memory_desc_t bias;
    it_dnnl_conv_md md;
    it_dnnl_conv_desc d;
    dnnl_status_t st = it_dnnl_conv_describe(c, IT_DNNL_Y, &md);
    if (st == dnnl_success)
        st = dnnl_memory_desc_init_by_tag(&bias, 1, bias_dim, dnnl_f32, dnnl_a);
    if (st == dnnl_success)
        st = it_dnnl_conv_forward_desc(c, &md, dnnl_forward_inference, s->has_bias ? &bias : NULL, &d);
    if (st == dnnl_success)
        st = it_dnnl_unit_make(&s->home, &s->unit, &d, NULL);
    if (st != dnnl_success)
        return st;
    s->x.user_md = md.x, s->w.user_md = md.w, s->y.user_md = md.y;
    st = it_dnnl_port_make(&s->home, &s->x, &s->unit, dnnl_query_src_md, false);
    if (st == dnnl_success)
        st = it_dnnl_port_make(&s->home, &s->w, &s->unit, dnnl_query_weights_md, false);
    if (st == dnnl_success)
        st = it_dnnl_port_make(&s->home, &s->y, &s->unit, dnnl_query_dst_md, true);
    if (st == dnnl_success && s->has_bias)
        st = dnnl_memory_create(&s->bias, &bias, s->home.engine, DNNL_MEMORY_NONE);
    return st;
}

/* What the library has no bfloat16 form of is multiplied as float32. */
static dnnl_status_t conv_make(conv_state *s, const intact_alloc *alloc, const it_dnnl_conv_spec *c)
{
    it_dnnl_conv_spec plain = *c;
    dnnl_status_t st = it_dnnl_home_make(&s->home, alloc);
    plain.dot = false;
    if (st == dnnl_success)
        st = conv_try(s, c);
    if (!c->dot || st != dnnl_unimplemented || s->unit.desc)
        return st;
    return conv_try(s, &plain);
}

intact_status it_dnnl_conv_new(const intact_alloc *alloc, const it_node *n, const it_dnnl_conv_spec *spec, it_op_state **out,
                               intact_error *err)
{
    conv_state *s = it_alloc_zero(alloc, sizeof(*s));
    dnnl_status_t st;
    int threads;
    *out = NULL;
    if (!s)
        return it_fail_nomem(err, n->name, sizeof(*s));
    s->base.free = conv_free;
    s->home.alloc = alloc;
    s->out_c = spec->y->dim[1];
    s->has_bias = spec->bias;
    s->const_weights = spec->const_weights;
    s->dot = spec->dot;
    s->w_len = it_tensor_len(spec->w);
    if (s->has_bias && s->const_weights) {
        s->bias_copy = it_alloc_new(alloc, (size_t)s->out_c * sizeof(float));
        if (!s->bias_copy) {
            conv_free(&s->base);
            return it_fail_nomem(err, n->name, (size_t)spec->y->dim[1] * sizeof(float));
        }
    }
    threads = it_dnnl_threads_one();
    st = conv_make(s, alloc, spec);
    it_dnnl_threads_restore(threads);
    if (st == dnnl_success) {
        *out = &s->base;
        return INTACT_OK;
    }
    conv_free(&s->base);
    if (st == dnnl_unimplemented || st == dnnl_invalid_arguments)
        return INTACT_OK;
    return it_dnnl_fail(n, st, "making a convolution", err);
}

bool it_dnnl_conv_serves(const it_op_state *state, it_products p) { return ((const conv_state *)state)->dot == (p == IT_PRODUCTS_BF16_DOT); }

/* Weights in the primitive's own order are read in place each time. */
static dnnl_status_t weights_give(conv_state *s, const it_dnnl_conv_data *d)
{
    const float *w = d->w, *bias = d->bias;
    bool same = s->weights_ready && s->products == d->products && (s->const_weights || (d->weights_at && d->weights_at == s->weights_at));
    dnnl_status_t st;
    if (it_operand_copies(d->products)) {
        if (!s->w_round)
            s->w_round = it_alloc_new(s->home.alloc, (size_t)s->w_len * sizeof(float));
        if (!s->w_round)
            return dnnl_out_of_memory;
        if (!same)
            it_operand_round(d->products, w, s->w_round, s->w_len);
        w = s->w_round;
    }
    st = it_dnnl_set_data(&s->home, s->w.user, w);
    if (st == dnnl_success && !same)
        st = it_dnnl_port_move(&s->home, &s->w, false);
    if (st == dnnl_success && s->has_bias) {
        if (!same && s->bias_copy)
            memcpy(s->bias_copy, bias, (size_t)s->out_c * sizeof(float));
        st = it_dnnl_set_data(&s->home, s->bias, s->bias_copy ? s->bias_copy : bias);
    }
    s->weights_ready = st == dnnl_success;
    s->weights_at = d->weights_at;
    s->products = d->products;
    return st;
}

intact_status it_dnnl_conv_run(it_op_state *state, const it_node *n, const it_dnnl_conv_data *d, intact_error *err)
{
    conv_state *s = (conv_state *)state;
    int threads = it_dnnl_threads_one();
    dnnl_exec_arg_t args[4] = { { DNNL_ARG_SRC, s->x.prim }, { DNNL_ARG_WEIGHTS, s->w.prim }, { DNNL_ARG_DST, s->y.prim }, { DNNL_ARG_BIAS, s->bias } };
    dnnl_status_t st = weights_give(s, d);
    if (st == dnnl_success)
        st = it_dnnl_set_data(&s->home, s->x.user, d->x);
    if (st == dnnl_success)
        st = it_dnnl_set_data(&s->home, s->y.user, d->y);
    if (st == dnnl_success)
        st = it_dnnl_port_move(&s->home, &s->x, false);
    if (st == dnnl_success)
        st = it_dnnl_unit_run(&s->home, &s->unit, args, s->has_bias ? 4 : 3);
    if (st == dnnl_success)
        st = it_dnnl_port_move(&s->home, &s->y, true);
    if (st == dnnl_success)
        st = dnnl_stream_wait(s->home.stream);
    it_dnnl_threads_restore(threads);
    return st == dnnl_success ? INTACT_OK : it_dnnl_fail(n, st, "running a convolution", err);
}

intact_status it_dnnl_matmul(const it_node *n, const it_dnnl_mat *g, const float *a, const float *b, float *y, intact_error *err)
{
    int threads = it_dnnl_threads_one();
    dnnl_status_t st = dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', g->m, g->n, g->k, g->alpha, a, g->lda, b, g->ldb,
                                  g->beta, y, g->n);
    it_dnnl_threads_restore(threads);
    return st == dnnl_success ? INTACT_OK : it_dnnl_fail(n, st, "a matrix product", err);
}
