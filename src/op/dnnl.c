/* SPDX-License-Identifier: Apache-2.0 */
/* dnnl.c: convolution primitives with their reordered weights, and the matrix product. */
#include <dnnl.h>
#include <string.h>

#include "op/dnnl.h"

/* oneDNN takes its thread count from OpenMP's setting of the calling thread. */
extern int omp_get_max_threads(void);
extern void omp_set_num_threads(int n);

static int threads_one(void)
{
    int before = omp_get_max_threads();
    if (before != 1)
        omp_set_num_threads(1);
    return before;
}

static void threads_restore(int before)
{
    if (before != 1)
        omp_set_num_threads(before);
}

/* The library's own failures are of memory or of a bug; shapes were checked before. */
static intact_status library_fail(const it_node *n, dnnl_status_t st, const char *what, intact_error *err)
{
    if (st == dnnl_out_of_memory)
        return it_fail_nomem(err, n->name, 0);
    return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "oneDNN: %s failed with status %d", what, (int)st);
}

/* A tensor as the user has it and as the primitive wants it, with a reorder between when they differ. */
typedef struct port {
    dnnl_memory_desc_t user_md;
    dnnl_memory_t user, prim; /* the same object when no reorder is needed */
    dnnl_primitive_t reorder;
    void *buf;
    size_t buf_bytes;
} port;

typedef struct conv_state {
    it_op_state base;
    const intact_alloc *alloc;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t prim;
    port x, w, y;
    dnnl_memory_t bias, scratch;
    dnnl_memory_desc_t bias_md;
    void *scratch_buf;
    size_t scratch_bytes;
    float *bias_copy;      /* const_weights: the caller's bytes need not stay where they were */
    int64_t out_c;
    bool has_bias, const_weights, weights_ready;
} conv_state;

static void port_free(conv_state *s, port *p)
{
    if (p->reorder)
        dnnl_primitive_destroy(p->reorder);
    if (p->prim && p->prim != p->user)
        dnnl_memory_destroy(p->prim);
    if (p->user)
        dnnl_memory_destroy(p->user);
    it_alloc_free(s->alloc, p->buf, p->buf_bytes);
}

static void conv_free(it_op_state *base)
{
    conv_state *s = (conv_state *)base;
    if (!s)
        return;
    port_free(s, &s->x);
    port_free(s, &s->w);
    port_free(s, &s->y);
    if (s->bias)
        dnnl_memory_destroy(s->bias);
    if (s->scratch)
        dnnl_memory_destroy(s->scratch);
    if (s->prim)
        dnnl_primitive_destroy(s->prim);
    if (s->desc)
        dnnl_primitive_desc_destroy(s->desc);
    if (s->stream)
        dnnl_stream_destroy(s->stream);
    if (s->engine)
        dnnl_engine_destroy(s->engine);
    it_alloc_free(s->alloc, s->scratch_buf, s->scratch_bytes);
    it_alloc_free(s->alloc, s->bias_copy, (size_t)s->out_c * sizeof(float));
    it_alloc_free(s->alloc, s, sizeof(*s));
}

/* Activations: dims are ONNX's, strides follow the layout. */
static dnnl_status_t activation_md(const it_tensor *t, dnnl_memory_desc_t *md)
{
    dnnl_dims_t dims, strides;
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        int k = t->layout == IT_NHWC ? (i == 3 ? 1 : i == 0 ? 0 : i + 1) : i; /* memory order n, h, w, c */
        dims[k] = t->dim[k];
        strides[k] = step;
        step *= t->dim[k];
    }
    return dnnl_memory_desc_init_by_strides(md, t->rank, dims, dnnl_f32, strides);
}

/* Weights as (O,I,k) or (g,O/g,I/g,k), whatever the order in memory. */
static dnnl_status_t weights_md(const it_dnnl_conv_spec *c, bool any, dnnl_memory_desc_t *md)
{
    int64_t taps = 1, per = c->w->dim[1], first = c->w->dim[0] / c->group; /* of one group: first x per x taps */
    dnnl_dims_t dims, strides;
    int at = 0, len = c->w->rank;
    for (int i = 2; i < len; i++)
        taps *= c->w->dim[i];
    if (c->group > 1) {
        dims[at] = c->group;
        strides[at++] = first * per * taps;
    }
    dims[at] = c->transposed ? per : first;
    strides[at++] = c->transposed ? taps : per * taps;
    dims[at] = c->transposed ? first : per;
    strides[at++] = c->transposed ? per * taps : taps;
    for (int i = 2; i < len; i++) {
        taps /= c->w->dim[i];
        dims[at] = c->w->dim[i];
        strides[at++] = taps;
    }
    if (any)
        return dnnl_memory_desc_init_by_tag(md, at, dims, dnnl_f32, dnnl_format_tag_any);
    return dnnl_memory_desc_init_by_strides(md, at, dims, dnnl_f32, strides);
}

/* Channels-last activations are taken as they are; for plain ones the library chooses and a reorder stands between. */
static dnnl_status_t wanted_md(const it_tensor *t, const dnnl_memory_desc_t *user, dnnl_memory_desc_t *md)
{
    *md = *user;
    if (t->layout == IT_NHWC)
        return dnnl_success;
    return dnnl_memory_desc_init_by_tag(md, t->rank, user->dims, dnnl_f32, dnnl_format_tag_any);
}

static dnnl_status_t make_desc(conv_state *s, const it_dnnl_conv_spec *c)
{
    dnnl_memory_desc_t x, w, y;
    dnnl_dims_t stride, dil, pad_l, pad_r, bias_dim = { s->out_c };
    dnnl_primitive_attr_t attr;
    dnnl_status_t st;
    union { dnnl_convolution_desc_t conv; dnnl_deconvolution_desc_t deconv; } d;
    for (int i = 0; i < c->win->len; i++) {
        stride[i] = c->win->stride[i];
        dil[i] = c->win->dil[i] - 1; /* 0 means dense here */
        pad_l[i] = c->win->pad[i];
        pad_r[i] = c->win->pad[c->win->len + i];
    }
    if (activation_md(c->x, &s->x.user_md) || activation_md(c->y, &s->y.user_md) || weights_md(c, false, &s->w.user_md) ||
        weights_md(c, true, &w) || wanted_md(c->x, &s->x.user_md, &x) || wanted_md(c->y, &s->y.user_md, &y) ||
        dnnl_memory_desc_init_by_tag(&s->bias_md, 1, bias_dim, dnnl_f32, dnnl_a))
        return dnnl_unimplemented;
    if (c->transposed)
        st = dnnl_dilated_deconvolution_forward_desc_init(&d.deconv, dnnl_forward_inference, dnnl_deconvolution_direct, &x, &w,
                                                          s->has_bias ? &s->bias_md : NULL, &y, stride, dil, pad_l, pad_r);
    else
        st = dnnl_dilated_convolution_forward_desc_init(&d.conv, dnnl_forward_inference, dnnl_convolution_direct, &x, &w,
                                                        s->has_bias ? &s->bias_md : NULL, &y, stride, dil, pad_l, pad_r);
    if (st != dnnl_success)
        return st;
    st = dnnl_primitive_attr_create(&attr);
    if (st != dnnl_success)
        return st;
    /* The library's own scratchpad belongs to the thread that made the primitive; workers may hand executors on. */
    st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success)
        st = dnnl_primitive_desc_create(&s->desc, &d, attr, s->engine, NULL);
    dnnl_primitive_attr_destroy(attr);
    return st;
}

/* to_user: the primitive writes and the reorder brings it to the user. */
static dnnl_status_t port_make(conv_state *s, port *p, dnnl_query_t what, bool to_user)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(s->desc, what, 0);
    dnnl_primitive_desc_t rd;
    dnnl_status_t st;
    if (!md)
        return dnnl_runtime_error;
    st = dnnl_memory_create(&p->user, &p->user_md, s->engine, DNNL_MEMORY_NONE);
    if (st != dnnl_success)
        return st;
    if (dnnl_memory_desc_equal(md, &p->user_md)) {
        p->prim = p->user;
        return dnnl_success;
    }
    p->buf_bytes = dnnl_memory_desc_get_size(md);
    p->buf = it_alloc_zero(s->alloc, p->buf_bytes);
    if (!p->buf)
        return dnnl_out_of_memory;
    st = dnnl_memory_create(&p->prim, md, s->engine, p->buf);
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(&rd, to_user ? md : &p->user_md, s->engine, to_user ? &p->user_md : md, s->engine, NULL);
    if (st != dnnl_success)
        return st;
    st = dnnl_primitive_create(&p->reorder, rd);
    dnnl_primitive_desc_destroy(rd);
    return st;
}

static dnnl_status_t conv_make(conv_state *s, const it_dnnl_conv_spec *c)
{
    const dnnl_memory_desc_t *md;
    dnnl_status_t st = dnnl_engine_create(&s->engine, dnnl_cpu, 0);
    if (st == dnnl_success)
        st = dnnl_stream_create(&s->stream, s->engine, dnnl_stream_default_flags);
    if (st == dnnl_success)
        st = make_desc(s, c);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&s->prim, s->desc);
    if (st == dnnl_success)
        st = port_make(s, &s->x, dnnl_query_src_md, false);
    if (st == dnnl_success)
        st = port_make(s, &s->w, dnnl_query_weights_md, false);
    if (st == dnnl_success)
        st = port_make(s, &s->y, dnnl_query_dst_md, true);
    if (st == dnnl_success && s->has_bias)
        st = dnnl_memory_create(&s->bias, &s->bias_md, s->engine, DNNL_MEMORY_NONE);
    if (st != dnnl_success)
        return st;
    md = dnnl_primitive_desc_query_md(s->desc, dnnl_query_scratchpad_md, 0);
    s->scratch_bytes = md ? dnnl_memory_desc_get_size(md) : 0;
    if (s->scratch_bytes == 0)
        return dnnl_success;
    s->scratch_buf = it_alloc_new(s->alloc, s->scratch_bytes);
    return s->scratch_buf ? dnnl_memory_create(&s->scratch, md, s->engine, s->scratch_buf) : dnnl_out_of_memory;
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
    s->alloc = alloc;
    s->out_c = spec->y->dim[1];
    s->has_bias = spec->bias;
    s->const_weights = spec->const_weights;
    if (s->has_bias && s->const_weights) {
        s->bias_copy = it_alloc_new(alloc, (size_t)s->out_c * sizeof(float));
        if (!s->bias_copy) {
            conv_free(&s->base);
            return it_fail_nomem(err, n->name, (size_t)spec->y->dim[1] * sizeof(float));
        }
    }
    threads = threads_one();
    st = conv_make(s, spec);
    threads_restore(threads);
    if (st == dnnl_success) {
        *out = &s->base;
        return INTACT_OK;
    }
    conv_free(&s->base);
    if (st == dnnl_unimplemented || st == dnnl_invalid_arguments)
        return INTACT_OK;
    return library_fail(n, st, "making a convolution", err);
}

static dnnl_status_t port_move(conv_state *s, port *p, bool to_user)
{
    dnnl_exec_arg_t args[2] = { { DNNL_ARG_FROM, to_user ? p->prim : p->user }, { DNNL_ARG_TO, to_user ? p->user : p->prim } };
    return p->reorder ? dnnl_primitive_execute(p->reorder, s->stream, 2, args) : dnnl_success;
}

static dnnl_status_t set_data(conv_state *s, dnnl_memory_t m, const void *data)
{
    union { const void *in; void *out; } p = { .in = data }; /* the library has one kind of handle; sources are not written */
    return dnnl_memory_set_data_handle_v2(m, p.out, s->stream);
}

/* Constant weights in the user's own order are read in place each time. */
static dnnl_status_t weights_give(conv_state *s, const float *w, const float *bias)
{
    dnnl_status_t st = set_data(s, s->w.user, w);
    bool first = !s->const_weights || !s->weights_ready;
    if (st == dnnl_success && first)
        st = port_move(s, &s->w, false);
    if (st == dnnl_success && s->has_bias) {
        if (first && s->bias_copy)
            memcpy(s->bias_copy, bias, (size_t)s->out_c * sizeof(float));
        st = set_data(s, s->bias, s->bias_copy ? s->bias_copy : bias);
    }
    s->weights_ready = st == dnnl_success;
    return st;
}

intact_status it_dnnl_conv_run(it_op_state *state, const it_node *n, const float *x, const float *w, const float *bias, float *y,
                               intact_error *err)
{
    conv_state *s = (conv_state *)state;
    int threads = threads_one(), len = 0;
    dnnl_exec_arg_t args[5];
    dnnl_status_t st = weights_give(s, w, bias);
    if (st == dnnl_success)
        st = set_data(s, s->x.user, x);
    if (st == dnnl_success)
        st = set_data(s, s->y.user, y);
    if (st == dnnl_success)
        st = port_move(s, &s->x, false);
    args[len++] = (dnnl_exec_arg_t){ DNNL_ARG_SRC, s->x.prim };
    args[len++] = (dnnl_exec_arg_t){ DNNL_ARG_WEIGHTS, s->w.prim };
    args[len++] = (dnnl_exec_arg_t){ DNNL_ARG_DST, s->y.prim };
    if (s->has_bias)
        args[len++] = (dnnl_exec_arg_t){ DNNL_ARG_BIAS, s->bias };
    if (s->scratch)
        args[len++] = (dnnl_exec_arg_t){ DNNL_ARG_SCRATCHPAD, s->scratch };
    if (st == dnnl_success)
        st = dnnl_primitive_execute(s->prim, s->stream, len, args);
    if (st == dnnl_success)
        st = port_move(s, &s->y, true);
    if (st == dnnl_success)
        st = dnnl_stream_wait(s->stream);
    threads_restore(threads);
    return st == dnnl_success ? INTACT_OK : library_fail(n, st, "running a convolution", err);
}

intact_status it_dnnl_matmul(const it_node *n, const it_dnnl_mat *g, const float *a, const float *b, float *y, intact_error *err)
{
    int threads = threads_one();
    dnnl_status_t st = dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', g->m, g->n, g->k, g->alpha, a, g->lda, b, g->ldb,
                                  g->beta, y, g->n);
    threads_restore(threads);
    return st == dnnl_success ? INTACT_OK : library_fail(n, st, "a matrix product", err);
}
