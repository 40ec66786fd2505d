/* SPDX-License-Identifier: Apache-2.0 */
/* mac.c: what conv, dwconv and dense share: constants checked, accumulators proved, kernel chosen, weights packed, units run. */
#include "run/mac.h"

#include <inttypes.h>
#include <stdlib.h>

#include "run/check.h"
#include "run/rows.h"

uint64_t it_mac_count(const it_conv_geom *g)
{
    return (uint64_t)g->out_h * g->out_w * g->out_c * g->kh * g->kw * (g->in_c / g->group);
}

/* Sum of |w| over the weights of one output channel. */
static uint64_t weight_sum(const int8_t *w, uint64_t at, uint64_t stride, uint64_t len)
{
    uint64_t sum = 0;
    for (uint64_t k = 0; k < len; k++)
        sum += (uint64_t)abs(w[at + k * stride]);
    return sum;
}

/* |acc| <= peak * sum|w| + |bias|, at every point of the sum. */
static intact_status check_accumulators(const it_prog *p, const it_pinstr *i, const it_mac_desc *d, uint64_t per_out, intact_error *err)
{
    const int8_t *w = it_const(p, d->weight)->data;
    const int32_t *bias = it_const(p, d->bias)->data;
    uint64_t peak = it_in(p, i, 0)->type == INTACT_U8 ? 255 : 32768;
    uint64_t limit = d->acc64 ? (uint64_t)1 << 47 : (uint64_t)1 << 31;
    for (uint32_t o = 0; o < d->g.out_c; o++) {
        uint64_t sum = d->depthwise ? weight_sum(w, o, d->g.out_c, per_out) : weight_sum(w, o * per_out, 1, per_out);
        uint64_t most = peak * sum + (uint64_t)llabs(bias[o]); /* sum < 2^31 * 2^7 */
        if (most >= limit)
            return it_check_fail(i, INTACT_E_FORMAT, err,
                                 "channel %u can reach %" PRIu64 " (%" PRIu64 " * %" PRIu64
                                 " + |%d|); accumulators must stay below %" PRIu64,
                                 o, most, peak, sum, bias[o], limit);
    }
    return INTACT_OK;
}

intact_status it_mac_check(const it_prog *p, const it_pinstr *i, const it_mac_desc *d, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "y", y, IT_ON_CODES, err));
    IT_TRY(it_check_clamp(i, y, d->lo, d->hi, err));
    if (d->acc64 && x->type != INTACT_S16)
        return it_check_fail(i, INTACT_E_SHAPE, err, "64-bit accumulators are for s16 inputs");
    size_t per_out, len;
    if (!it_mul_size(d->g.kh, d->g.kw, &per_out) || !it_mul_size(per_out, d->g.in_c / d->g.group, &per_out) ||
        !it_mul_size(per_out, d->g.out_c, &len))
        return it_check_fail(i, INTACT_E_SHAPE, err, "a window of %u x %u over %u channels is too large", d->g.kh, d->g.kw, d->g.in_c);
    IT_TRY(it_check_const(p, i, "weight", d->weight, INTACT_S8, len, err));
    IT_TRY(it_check_const(p, i, "bias", d->bias, INTACT_S32, d->g.out_c, err));
    IT_TRY(it_check_scales(p, i, d->mult, d->shift, d->g.out_c, d->acc64, err));
    return check_accumulators(p, i, d, per_out, err);
}

typedef struct mac_job {
    it_pack_job job;
    const it_mac *mac;
    it_epi e;
    const int8_t *w;
    void *packed;
} mac_job;

static void mac_pack(it_pack_job *job)
{
    const mac_job *m = (const mac_job *)job;
    m->mac->kern->pack(&m->mac->g, &m->e, m->w, m->packed);
}

static void *arena_new64(it_arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    uint8_t *p = it_arena_new(a, bytes + IT_ALIGN);
    return p ? p + (IT_ALIGN - (uintptr_t)p % IT_ALIGN) % IT_ALIGN : NULL;
}

intact_status it_mac_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, const it_mac_desc *d,
                             const it_kern_conv *(*pick)(const it_kern *k, bool s16), intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    it_mac *mac;
    IT_STATE_NEW(prep, mac, i, err);
    mac_job *job = it_arena_new(prep->arena, sizeof *job);
    if (!job)
        return it_fail_nomem(err, i->name, sizeof *job);
    mac->g = d->g;
    mac->e = (it_epi){ .zero = y->zero_point, .lo = d->lo, .hi = d->hi, .out = y->type, .acc64 = d->acc64 != 0 };
    *job = (mac_job){ .job = { .next = prep->jobs, .run = mac_pack }, .mac = mac, .e = mac->e, .w = it_const(p, d->weight)->data };
    job->e.bias = it_const(p, d->bias)->data;
    job->e.mult = it_const(p, d->mult)->data;
    job->e.shift = it_const(p, d->shift)->data;
    const it_kern *table = prep->kern;
    const it_kern_conv *kern = pick(table, x->type == INTACT_S16);
    while (!kern->can(&mac->g, &job->e)) { /* the plain C version can do everything */
        table = table->parent;
        if (!table)
            return it_check_fail(i, INTACT_E_UNSUPPORTED, err, "no kernel version takes this layer");
        kern = pick(table, x->type == INTACT_S16);
    }
    mac->kern = kern;
    mac->macs = it_mac_count(&mac->g);
    mac->inline_below = prep->kern->cpu == INTACT_CPU_SCALAR ? 1u << 15 : 1u << 18;
    prep->kernel = kern->name;
    prep->packed_bytes = kern->packed_bytes(&mac->g);
    prep->scratch_bytes = kern->scratch_bytes(&mac->g);
    job->packed = arena_new64(prep->arena, prep->packed_bytes);
    if (!job->packed)
        return it_fail_nomem(err, i->name, prep->packed_bytes);
    mac->packed = job->packed;
    prep->jobs = &job->job;
    return INTACT_OK;
}

static void mac_units(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const it_mac *m = w->state;
    m->kern->run(&m->g, &m->e, m->packed, w->f->in[0], w->f->out[0], w->f->batch, begin, end, it_scratch(w->f, thread));
}

void it_mac_run(const void *state, const it_frame *f)
{
    const it_mac *m = state;
    it_work work = { m, f };
    uint32_t units = m->kern->units(&m->g, f->batch);
    uint32_t chunk = m->macs * f->batch < m->inline_below ? units : units / (4 * it_pool_threads(f->pool)) + 1;
    it_pool_for(f->pool, units, chunk, mac_units, &work);
}

const it_field it_conv_fields[] = {
    IT_FIELD(it_conv_args, group, U32, 1, UINT32_MAX),
    IT_FIELD(it_conv_args, kh, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, kw, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, stride_h, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, stride_w, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, dil_h, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, dil_w, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, pad_t, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, pad_l, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, pad_b, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, pad_r, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_conv_args, weight, CONST, 0, 0),
    IT_FIELD(it_conv_args, bias, CONST, 0, 0),
    IT_FIELD(it_conv_args, mult, CONST, 0, 0),
    IT_FIELD(it_conv_args, shift, CONST, 0, 0),
    IT_FIELD(it_conv_args, lo, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_conv_args, hi, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_conv_args, acc64, U32, 0, 1),
};
_Static_assert(IT_LEN(it_conv_fields) == IT_CONV_FIELDS && sizeof(it_conv_args) == 4 * IT_CONV_FIELDS, "one field a member");

intact_status it_conv_describe(const it_prog *p, const it_pinstr *i, bool depthwise, it_mac_desc *d, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_conv_args *a = i->args;
    if (x->rank != y->rank || (x->rank != 3 && x->rank != 4))
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u dimensions, y %u; both must have 4 (or 3)", x->rank, y->rank);
    uint32_t xs[3], ys[3];
    it_ptensor_nhwc(x, xs);
    it_ptensor_nhwc(y, ys);
    IT_TRY(it_check_window(i, "height", &(it_window){ xs[0], ys[0], a->kh, a->stride_h, a->dil_h, a->pad_t, a->pad_b }, err));
    IT_TRY(it_check_window(i, "width", &(it_window){ xs[1], ys[1], a->kw, a->stride_w, a->dil_w, a->pad_l, a->pad_r }, err));
    uint32_t group = depthwise ? xs[2] : a->group;
    if (depthwise ? xs[2] != ys[2] : xs[2] % group != 0 || ys[2] % group != 0)
        return it_check_fail(i, INTACT_E_SHAPE, err, "%u channels become %u in %u groups; both must be multiples", xs[2], ys[2], group);
    *d = (it_mac_desc){
        .g = { .in_h = xs[0],
               .in_w = xs[1],
               .in_c = xs[2],
               .out_h = ys[0],
               .out_w = ys[1],
               .out_c = ys[2],
               .group = group,
               .kh = a->kh,
               .kw = a->kw,
               .stride_h = a->stride_h,
               .stride_w = a->stride_w,
               .dil_h = a->dil_h,
               .dil_w = a->dil_w,
               .pad_t = a->pad_t,
               .pad_l = a->pad_l,
               .in_zero = x->zero_point },
        .weight = a->weight,
        .bias = a->bias,
        .mult = a->mult,
        .shift = a->shift,
        .acc64 = a->acc64,
        .lo = a->lo,
        .hi = a->hi,
        .depthwise = depthwise,
    };
    return INTACT_OK;
}
