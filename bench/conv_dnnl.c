/* SPDX-License-Identifier: Apache-2.0 */
/* conv_dnnl: one u8 x s8 -> u8 layer of oneDNN, to be timed beside ours. */
#include "conv_dnnl.h"

#include <dnnl.h>
#include <stdlib.h>
#include <string.h>

enum { X, W, B, Y, PORTS };

struct conv_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t prim;
    dnnl_memory_t memory[PORTS];
    void *bytes[PORTS];
    dnnl_exec_arg_t args[PORTS];
};

static bool ok(dnnl_status_t st) { return st == dnnl_success; }

static dnnl_memory_desc_t describe(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof md);
    dnnl_memory_desc_init_by_tag(&md, rank, dims, type, tag);
    return md;
}

static dnnl_dim_t pad_after(uint32_t in, uint32_t out, uint32_t k, uint32_t stride, uint32_t dil, uint32_t before)
{
    dnnl_dim_t pad = (dnnl_dim_t)(out - 1) * stride + (dnnl_dim_t)(k - 1) * dil + 1 - in - before;
    return pad > 0 ? pad : 0;
}

static bool attributes(dnnl_primitive_attr_t *attr, uint32_t out_c, bool add)
{
    float *scales = malloc(out_c * sizeof *scales);
    if (!scales || !ok(dnnl_primitive_attr_create(attr)))
        return free(scales), false;
    for (uint32_t o = 0; o < out_c; o++)
        scales[o] = 1e-4f * (float)(1 + o % 7);
    bool done = ok(dnnl_primitive_attr_set_output_scales(*attr, (dnnl_dim_t)out_c, 1 << 1, scales));
    free(scales);
    dnnl_post_ops_t ops;
    if (done && add && (done = ok(dnnl_post_ops_create(&ops)))) {
        done = ok(dnnl_post_ops_append_sum(ops, 0.5f)) && ok(dnnl_primitive_attr_set_post_ops(*attr, ops));
        dnnl_post_ops_destroy(ops);
    }
    return done;
}

static bool dense_desc(conv_dnnl *c, const it_conv_geom *g, dnnl_primitive_attr_t attr)
{
    const dnnl_dims_t xd = { 1, g->in_c }, wd = { g->out_c, g->in_c }, bd = { g->out_c }, yd = { 1, g->out_c };
    dnnl_memory_desc_t x = describe(2, xd, dnnl_u8, dnnl_nc), w = describe(2, wd, dnnl_s8, dnnl_format_tag_any);
    dnnl_memory_desc_t b = describe(1, bd, dnnl_s32, dnnl_x), y = describe(2, yd, dnnl_u8, dnnl_nc);
    dnnl_inner_product_desc_t d;
    return ok(dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, &x, &w, &b, &y)) &&
           ok(dnnl_primitive_desc_create(&c->desc, &d, attr, c->engine, NULL));
}

static bool conv_desc(conv_dnnl *c, const it_conv_geom *g, dnnl_primitive_attr_t attr)
{
    const dnnl_dims_t xd = { 1, g->in_c, g->in_h, g->in_w }, yd = { 1, g->out_c, g->out_h, g->out_w }, bd = { g->out_c };
    const dnnl_dims_t wd = { g->out_c, g->in_c, g->kh, g->kw };
    const dnnl_dims_t gd = { g->group, g->out_c / g->group, g->in_c / g->group, g->kh, g->kw };
    const dnnl_dims_t strides = { g->stride_h, g->stride_w }, dils = { g->dil_h - 1, g->dil_w - 1 }, before = { g->pad_t, g->pad_l };
    const dnnl_dims_t after = { pad_after(g->in_h, g->out_h, g->kh, g->stride_h, g->dil_h, g->pad_t),
                                  pad_after(g->in_w, g->out_w, g->kw, g->stride_w, g->dil_w, g->pad_l) };
    dnnl_memory_desc_t x = describe(4, xd, dnnl_u8, dnnl_nhwc), y = describe(4, yd, dnnl_u8, dnnl_nhwc), b = describe(1, bd, dnnl_s32, dnnl_x);
    dnnl_memory_desc_t w = g->group == 1 ? describe(4, wd, dnnl_s8, dnnl_format_tag_any) : describe(5, gd, dnnl_s8, dnnl_format_tag_any);
    dnnl_convolution_desc_t d;
    return ok(dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_direct, &x, &w, &b, &y, strides, dils,
                                                         before, after)) &&
           ok(dnnl_primitive_desc_create(&c->desc, &d, attr, c->engine, NULL));
}

static bool port(conv_dnnl *c, int which, dnnl_query_t query, int arg)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(c->desc, query, which == B);
    size_t bytes = md ? dnnl_memory_desc_get_size(md) : 0;
    uint8_t *p = c->bytes[which] = aligned_alloc(64, it_round_up(bytes + 64, 64));
    if (!p || bytes == 0)
        return false;
    for (size_t i = 0; i < bytes; i++)
        p[i] = which == B ? 0 : (uint8_t)(i * 2654435761u >> 13);
    if (!ok(dnnl_memory_create(&c->memory[which], md, c->engine, p)))
        return false;
    c->args[which] = (dnnl_exec_arg_t){ arg, c->memory[which] };
    return true;
}

conv_dnnl *conv_dnnl_new(const it_conv_geom *g, bool dense, bool add)
{
    conv_dnnl *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    dnnl_primitive_attr_t attr = NULL;
    bool made = ok(dnnl_engine_create(&c->engine, dnnl_cpu, 0)) && ok(dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags)) &&
                attributes(&attr, g->out_c, add) && (dense ? dense_desc(c, g, attr) : conv_desc(c, g, attr)) &&
                ok(dnnl_primitive_create(&c->prim, c->desc)) && port(c, X, dnnl_query_src_md, DNNL_ARG_SRC) &&
                port(c, W, dnnl_query_weights_md, DNNL_ARG_WEIGHTS) && port(c, B, dnnl_query_weights_md, DNNL_ARG_BIAS) &&
                port(c, Y, dnnl_query_dst_md, DNNL_ARG_DST);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (!made) {
        conv_dnnl_free(c);
        return NULL;
    }
    return c;
}

void conv_dnnl_run(conv_dnnl *c)
{
    dnnl_primitive_execute(c->prim, c->stream, PORTS, c->args);
    dnnl_stream_wait(c->stream);
}

void conv_dnnl_free(conv_dnnl *c)
{
    if (!c)
        return;
    for (int i = 0; i < PORTS; i++) {
        if (c->memory[i])
            dnnl_memory_destroy(c->memory[i]);
        free(c->bytes[i]);
    }
    if (c->prim)
        dnnl_primitive_destroy(c->prim);
    if (c->desc)
        dnnl_primitive_desc_destroy(c->desc);
    if (c->stream)
        dnnl_stream_destroy(c->stream);
    if (c->engine)
        dnnl_engine_destroy(c->engine);
    free(c);
}
