/* SPDX-License-Identifier: Apache-2.0 */
/* dnnl_port.c: oneDNN's tensors between two layouts, primitives with their scratchpad, descriptions of convolutions. */
#include "op/dnnl_port.h"

extern int omp_get_max_threads(void);
extern void omp_set_num_threads(int n);

int it_dnnl_threads_one(void)
{
    int before = omp_get_max_threads();
    if (before != 1)
        omp_set_num_threads(1);
    return before;
}

void it_dnnl_threads_restore(int before)
{
    if (before != 1)
        omp_set_num_threads(before);
}

intact_status it_dnnl_fail(const it_node *n, dnnl_status_t st, const char *what, intact_error *err)
{
    if (st == dnnl_out_of_memory)
        return it_fail_nomem(err, n->name, 0);
    return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "oneDNN: %s failed with status %d", what, (int)st);
}

dnnl_status_t it_dnnl_home_make(it_dnnl_home *h, const intact_alloc *alloc)
{
    dnnl_status_t st = dnnl_engine_create(&h->engine, dnnl_cpu, 0);
    h->alloc = alloc;
    return st == dnnl_success ? dnnl_stream_create(&h->stream, h->engine, dnnl_stream_default_flags) : st;
}

void it_dnnl_home_free(it_dnnl_home *h)
{
    if (h->stream)
        dnnl_stream_destroy(h->stream);
    if (h->engine)
        dnnl_engine_destroy(h->engine);
}

/* ---- primitives ---- */

dnnl_status_t it_dnnl_unit_make(const it_dnnl_home *h, it_dnnl_unit *u, const void *op_desc, const_dnnl_primitive_desc_t hint)
{
    const dnnl_memory_desc_t *md;
    dnnl_primitive_attr_t attr;
    dnnl_status_t st = dnnl_primitive_attr_create(&attr);
    if (st != dnnl_success)
        return st;
    st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success)
        st = dnnl_primitive_desc_create(&u->desc, op_desc, attr, h->engine, hint);
    dnnl_primitive_attr_destroy(attr);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&u->prim, u->desc);
    if (st != dnnl_success)
        return st;
    md = dnnl_primitive_desc_query_md(u->desc, dnnl_query_scratchpad_md, 0);
    u->buf_bytes = md ? dnnl_memory_desc_get_size(md) : 0;
    if (u->buf_bytes == 0)
        return dnnl_success;
    u->buf = it_alloc_new(h->alloc, u->buf_bytes);
    return u->buf ? dnnl_memory_create(&u->scratch, md, h->engine, u->buf) : dnnl_out_of_memory;
}

void it_dnnl_unit_free(const it_dnnl_home *h, it_dnnl_unit *u)
{
    if (u->scratch)
        dnnl_memory_destroy(u->scratch);
    if (u->prim)
        dnnl_primitive_destroy(u->prim);
    if (u->desc)
        dnnl_primitive_desc_destroy(u->desc);
    it_alloc_free(h->alloc, u->buf, u->buf_bytes);
}

dnnl_status_t it_dnnl_unit_run(const it_dnnl_home *h, const it_dnnl_unit *u, const dnnl_exec_arg_t *args, int len)
{
    dnnl_exec_arg_t all[8];
    for (int i = 0; i < len; i++)
        all[i] = args[i];
    if (u->scratch)
        all[len++] = (dnnl_exec_arg_t){ DNNL_ARG_SCRATCHPAD, u->scratch };
    return dnnl_primitive_execute(u->prim, h->stream, len, all);
}

/* ---- tensors ---- */

dnnl_status_t it_dnnl_port_make(const it_dnnl_home *h, it_dnnl_port *p, const it_dnnl_unit *u, dnnl_query_t what, bool to_user)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(u->desc, what, 0);
    dnnl_primitive_desc_t rd;
    dnnl_status_t st;
    if (!md)
        return dnnl_runtime_error;
    st = dnnl_memory_create(&p->user, &p->user_md, h->engine, DNNL_MEMORY_NONE);
    if (st != dnnl_success)
        return st;
    if (dnnl_memory_desc_equal(md, &p->user_md)) {
        p->prim = p->user;
        return dnnl_success;
    }
    p->buf_bytes = dnnl_memory_desc_get_size(md);
    p->buf = it_alloc_zero(h->alloc, p->buf_bytes);
    if (!p->buf)
        return dnnl_out_of_memory;
    st = dnnl_memory_create(&p->prim, md, h->engine, p->buf);
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(&rd, to_user ? md : &p->user_md, h->engine, to_user ? &p->user_md : md, h->engine, NULL);
    if (st != dnnl_success)
        return st;
    st = dnnl_primitive_create(&p->reorder, rd);
    dnnl_primitive_desc_destroy(rd);
    return st;
}

dnnl_status_t it_dnnl_port_move(const it_dnnl_home *h, it_dnnl_port *p, bool to_user)
{
    dnnl_exec_arg_t args[2] = { { DNNL_ARG_FROM, to_user ? p->prim : p->user }, { DNNL_ARG_TO, to_user ? p->user : p->prim } };
    return p->reorder ? dnnl_primitive_execute(p->reorder, h->stream, 2, args) : dnnl_success;
}

void it_dnnl_port_free(const it_dnnl_home *h, it_dnnl_port *p)
{
    if (p->reorder)
        dnnl_primitive_destroy(p->reorder);
    if (p->prim && p->prim != p->user)
        dnnl_memory_destroy(p->prim);
    if (p->user)
        dnnl_memory_destroy(p->user);
    it_alloc_free(h->alloc, p->buf, p->buf_bytes);
}

dnnl_status_t it_dnnl_set_data(const it_dnnl_home *h, dnnl_memory_t m, const void *data)
{
    union { const void *in; void *out; } p = { .in = data }; /* the library has one kind of handle; sources are not written */
    return dnnl_memory_set_data_handle_v2(m, p.out, h->stream);
}

/* ---- convolutions ---- */

/* Activations: dims are ONNX's, strides follow the layout. */
static dnnl_status_t activation_md(const it_tensor *t, dnnl_data_type_t type, dnnl_memory_desc_t *md)
{
    dnnl_dims_t dims, strides;
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        int k = t->layout == IT_NHWC ? (i == 3 ? 1 : i == 0 ? 0 : i + 1) : i; /* memory order n, h, w, c */
        dims[k] = t->dim[k];
        strides[k] = step;
        step *= t->dim[k];
    }
    return dnnl_memory_desc_init_by_strides(md, t->rank, dims, type, strides);
}

/* Weights as (O,I,k) or (g,O/g,I/g,k), whatever the order in memory. */
static dnnl_status_t weights_md(const it_dnnl_conv_spec *c, bool any, dnnl_data_type_t type, dnnl_memory_desc_t *md)
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
        return dnnl_memory_desc_init_by_tag(md, at, dims, type, dnnl_format_tag_any);
    return dnnl_memory_desc_init_by_strides(md, at, dims, type, strides);
}

static dnnl_status_t wanted_md(const it_tensor *t, const dnnl_memory_desc_t *user, dnnl_data_type_t type, dnnl_memory_desc_t *md)
{
    if (t->layout == IT_NHWC)
        return activation_md(t, type, md);
    return dnnl_memory_desc_init_by_tag(md, t->rank, user->dims, type, dnnl_format_tag_any);
}

dnnl_status_t it_dnnl_conv_describe(const it_dnnl_conv_spec *c, it_dnnl_result result, it_dnnl_conv_md *md)
{
    const dnnl_data_type_t operand = c->dot ? dnnl_bf16 : dnnl_f32, x = result == IT_DNNL_DX ? dnnl_f32 : operand, w = result == IT_DNNL_DW ? dnnl_f32 : operand,
                           y = result == IT_DNNL_Y ? dnnl_f32 : operand;
    for (int i = 0; i < c->win->len; i++) {
        md->stride[i] = c->win->stride[i];
        md->dil[i] = c->win->dil[i] - 1; /* 0 means dense here */
        md->pad_l[i] = c->win->pad[i];
        md->pad_r[i] = c->win->pad[c->win->len + i];
    }
    if (activation_md(c->x, dnnl_f32, &md->x) || activation_md(c->y, dnnl_f32, &md->y) || weights_md(c, false, dnnl_f32, &md->w) ||
        weights_md(c, true, w, &md->want_w) || wanted_md(c->x, &md->x, x, &md->want_x) || wanted_md(c->y, &md->y, y, &md->want_y))
        return dnnl_unimplemented;
    return dnnl_success;
}

dnnl_status_t it_dnnl_conv_forward_desc(const it_dnnl_conv_spec *c, const it_dnnl_conv_md *md, dnnl_prop_kind_t kind, const dnnl_memory_desc_t *bias,
                                        it_dnnl_conv_desc *out)
{
    if (c->transposed)
        return dnnl_dilated_deconvolution_forward_desc_init(&out->deconv, kind, dnnl_deconvolution_direct, &md->want_x, &md->want_w, bias, &md->want_y,
                                                            md->stride, md->dil, md->pad_l, md->pad_r);
    return dnnl_dilated_convolution_forward_desc_init(&out->conv, kind, dnnl_convolution_direct, &md->want_x, &md->want_w, bias, &md->want_y, md->stride,
                                                      md->dil, md->pad_l, md->pad_r);
}
