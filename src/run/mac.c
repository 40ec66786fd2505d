/* SPDX-License-Identifier: Apache-2.0 */
/* mac.c: what conv, dwconv and dense share: constants checked, accumulators proved, kernel chosen, fusion, weights packed, units run. */
#include "run/mac.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "run/check.h"
#include "run/place.h"
#include "run/rows.h"

uint64_t it_mac_count(const it_conv_geom *g)
{
    return (uint64_t)g->out_h * g->out_w * g->out_c * g->kh * g->kw * (g->in_c / g->group);
}

/* Sum of |w| over the weights of one output channel. */
static uint64_t weight_sum(const int8_t *w, uint64_t at, uint64_t stride, uint64_t len)
{
    enum { BLOCK = 1 << 20 }; /* times 128 fits 32 bits, in which compilers make vectors */
    uint64_t sum = 0;
    for (uint64_t k = 0; stride != 1 && k < len; k++)
        sum += (uint64_t)abs(w[at + k * stride]);
    for (uint64_t k = 0, n; stride == 1 && k < len; k += n) {
        uint32_t part = 0;
        n = len - k < BLOCK ? len - k : BLOCK;
        for (uint64_t j = 0; j < n; j++)
            part += (uint32_t)abs(w[at + k + j]);
        sum += part;
    }
    return sum;
}

/* The same of a row of packed weights. */
static uint64_t codes_sum(const it_codes *c, size_t row, const uint16_t *pairs)
{
    enum { CHUNK = 1024 }; /* a multiple of 8 */
    const uint8_t *codes = it_codes_row(c, row);
    int8_t w[CHUNK];
    uint64_t sum = 0;
    for (size_t k = 0; k < c->row_len; k += CHUNK) {
        size_t n = c->row_len - k < CHUNK ? c->row_len - k : CHUNK;
        it_codes_values(c->bits, pairs, codes + k / 8 * c->bits, w, n);
        sum += weight_sum(w, 0, 1, n);
    }
    return sum;
}

/* |acc| <= peak * sum|w| + |bias|, at every point of the sum. Where 128 for each weight (with fixes, of
** which a tap has one at most, 256) stays below the limit, none needs to be read. */
static intact_status check_accumulators(const it_prog *p, const it_pinstr *i, const it_mac_desc *d, uint64_t per_out, intact_error *err)
{
    const it_pconst *weight = it_const(p, d->weight);
    const int8_t *w = weight->data;
    const int32_t *bias = it_const(p, d->bias)->data;
    uint64_t peak = it_in(p, i, 0)->type == INTACT_U8 ? 255 : 32768;
    uint64_t limit = d->acc64 ? (uint64_t)1 << 47 : (uint64_t)1 << 31;
    uint64_t any = peak * (d->g.fixes_len ? 256 : 128) * per_out; /* per_out < 2^31 */
    bool pairs_made = false;
    it_codes codes = { 0 };
    uint16_t pairs[256];
    if (weight->bits)
        codes = it_pconst_codes(p, weight);
    for (uint32_t o = 0; o < d->g.out_c; o++) {
        if (any + (uint64_t)llabs(bias[o]) < limit)
            continue;
        if (weight->bits && (!pairs_made || codes.by_row))
            it_codes_pairs(it_codes_table(&codes, o), codes.bits, pairs);
        pairs_made = true;
        uint64_t sum = weight->bits   ? codes_sum(&codes, o, pairs)
                       : d->depthwise ? weight_sum(w, o, d->g.out_c, per_out)
                                      : weight_sum(w, o * per_out, 1, per_out);
        sum += it_fix_sum(&d->g, o);
        uint64_t most = peak * sum + (uint64_t)llabs(bias[o]); /* sum < 2^31 * 2^8 */
        if (most >= limit)
            return it_check_fail(i, INTACT_E_FORMAT, err,
                                 "channel %u can reach %" PRIu64 " (%" PRIu64 " * %" PRIu64
                                 " + |%d|); accumulators must stay below %" PRIu64,
                                 o, most, peak, sum, bias[o], limit);
    }
    return INTACT_OK;
}

/* Threes in range, strictly ascending: so there are no more than weights. */
static intact_status check_fixes(const it_prog *p, const it_pinstr *i, const it_mac_desc *d, uint64_t per_out, intact_error *err)
{
    const it_pconst *c = it_const(p, d->fixes);
    if (!c)
        return INTACT_OK;
    IT_TRY(it_check_const(p, i, "fixes", d->fixes, INTACT_S32, c->len, err));
    if (c->len % 3 != 0)
        return it_check_fail(i, INTACT_E_SHAPE, err, "fixes has %" PRIu64 " values; rows of three (channel, tap, add) are needed", c->len);
    for (uint32_t k = 0; k < d->g.fixes_len; k++) {
        const it_fix *f = &d->g.fixes[k], *before = k > 0 ? f - 1 : NULL;
        if (f->out >= d->g.out_c || f->tap >= per_out || f->add < -128 || f->add > 127 || f->add == 0)
            return it_check_fail(i, INTACT_E_FORMAT, err,
                                 "fix %u is channel %u, tap %u, add %d; there are %u channels of %" PRIu64
                                 " taps, and add is -128..127 but not 0", k, f->out, f->tap, f->add, d->g.out_c, per_out);
        if (before && (before->out > f->out || (before->out == f->out && before->tap >= f->tap)))
            return it_check_fail(i, INTACT_E_FORMAT, err, "fix %u is channel %u, tap %u, after channel %u, tap %u; they must ascend", k,
                                 f->out, f->tap, before->out, before->tap);
    }
    return INTACT_OK;
}

void it_mac_set_fixes(const it_prog *p, uint32_t fixes, it_mac_desc *d)
{
    const it_pconst *c = it_const(p, fixes);
    d->fixes = fixes;
    d->g.fixes = c ? c->data : NULL; /* rows of three 32-bit numbers are it_fix */
    d->g.fixes_len = c ? (uint32_t)(c->len / 3) : 0;
}

static intact_status check_weight(const it_prog *p, const it_pinstr *i, const it_mac_desc *d, uint64_t len, intact_error *err)
{
    const it_pconst *w = it_const(p, d->weight);
    if (w->bits == 0)
        return it_check_const(p, i, "weight", d->weight, INTACT_S8, len, err);
    if (w->len != len || w->rows != d->g.out_c)
        return it_check_fail(i, INTACT_E_SHAPE, err,
                             "weight is packed as %u rows, %" PRIu64 " codes; %u rows, %" PRIu64 " codes are needed", w->rows, w->len,
                             d->g.out_c, len);
    return INTACT_OK;
}

/* Thresholds instead of multipliers: nothing is stored that has no effect. */
static intact_status check_epilogue(const it_prog *p, const it_pinstr *i, const it_mac_desc *d, intact_error *err)
{
    if (d->thresholds == IT_NO_CONST && d->levels == IT_NO_CONST)
        return it_check_scales(p, i, d->mult, d->shift, d->g.out_c, d->acc64, err);
    IT_TRY(it_check_type(i, "y", it_out(p, i, 0), IT_ON_U8, err));
    if (d->acc64 || d->lo != 0 || d->hi != 255 || d->mult != IT_NO_CONST || d->shift != IT_NO_CONST)
        return it_check_fail(i, INTACT_E_SHAPE, err,
                             "with thresholds there are no mult and shift, the clamp is 0..255 and accumulators have 32 bits; here the "
                             "clamp is %d..%d, acc64 %u", d->lo, d->hi, d->acc64);
    return it_check_levels(p, i, d->thresholds, d->levels, d->g.out_c, err);
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
    IT_TRY(check_weight(p, i, d, len, err));
    IT_TRY(it_check_const(p, i, "bias", d->bias, INTACT_S32, d->g.out_c, err));
    IT_TRY(check_epilogue(p, i, d, err));
    IT_TRY(check_fixes(p, i, d, per_out, err));
    return check_accumulators(p, i, d, per_out, err);
}

typedef struct mac_job {
    it_pack_job job;
    const it_mac *mac;
    it_epi e;
    const it_kern_conv *kern;        /* with weights as bytes, or */
    const it_kern_codes *codes_kern; /* packed */
    const int8_t *w;                 /* NULL: */
    it_codes codes;
    bool depthwise;
    void *packed;
} mac_job;

/* Signed bytes in canonical order. */
static void decode(const it_codes *c, bool depthwise, uint8_t *to)
{
    uint16_t pairs[256];
    size_t len = c->row_len, row_at = depthwise ? (size_t)c->rows * len : 0; /* depthwise: a row goes behind all first, then apart */
    int8_t *w = (int8_t *)to;
    for (size_t row = 0; row < c->rows; row++) {
        if (row == 0 || c->by_row)
            it_codes_pairs(it_codes_table(c, row), c->bits, pairs);
        it_codes_values(c->bits, pairs, it_codes_row(c, row), w + (depthwise ? row_at : row * len), len);
        for (size_t k = 0; depthwise && k < len; k++)
            w[k * c->rows + row] = w[row_at + k];
    }
}

static void mac_pack(it_pack_job *job, uint8_t *temp)
{
    const mac_job *m = (const mac_job *)job;
    const it_conv_geom *g = &m->mac->g;
    if (m->codes_kern) {
        m->codes_kern->pack(g, &m->e, &m->codes, m->packed);
        return;
    }
    if (!m->w)
        decode(&m->codes, m->depthwise, temp);
    m->kern->pack(g, &m->e, m->w ? m->w : (const int8_t *)temp, m->packed);
}

/* A version with weights as bytes: the level's own or the nearest ancestor's that takes the layer. */
static const it_kern_conv *choose(const it_kern *table, const it_conv_geom *g, const it_epi *e, bool s16, it_mac_pick *pick)
{
    while (table && !pick(table, s16)->can(g, e)) /* the plain C version can do everything */
        table = it_kern_parent(table);
    return table ? pick(table, s16) : NULL;
}

/* Codes stay codes in memory where a level looks them up in registers; weights that a cache near the core holds are faster as bytes. */
static bool stays_packed(const it_kern *kern, const it_mac_desc *d, const it_pconst *w, bool s16)
{
    enum { CODES_LEAST = 1 << 16 };
    return w->bits && d->dense && !s16 && d->levels == IT_NO_CONST && d->fixes == IT_NO_CONST && w->len >= CODES_LEAST &&
           kern->dense_codes_u8 != it_kern_of(INTACT_CPU_SCALAR)->dense_codes_u8;
}

/* ---- what is fused behind a layer ---- */

static uint32_t then_len(const it_pinstr *i)
{
    uint32_t n = 0;
    while (n < IT_THEN_MAX && i->then[n])
        n++;
    return n;
}

/* What the layer itself gives: in[0] of the first instruction behind it. */
static const it_ptensor *own_out(const it_prog *p, const it_pinstr *i) { return i->then[0] ? it_in(p, i->then[0], 0) : it_out(p, i, 0); }

/* add: where the constants of an addition go; must live as long as what is returned. */
static it_epi epilogue(const it_prog *p, const it_pinstr *i, const it_mac_desc *d, it_add_consts *add)
{
    const it_ptensor *y = own_out(p, i);
    it_epi e = { .bias = it_const(p, d->bias)->data, .zero = y->zero_point, .lo = d->lo, .hi = d->hi, .out = y->type,
                 .acc64 = d->acc64 != 0 };
    if (d->levels == IT_NO_CONST) {
        e.mult = it_const(p, d->mult)->data;
        e.shift = it_const(p, d->shift)->data;
    } else {
        e.thresholds = it_const(p, d->thresholds)->data;
        e.levels = it_const(p, d->levels)->data;
        e.levels_len = (uint32_t)it_const(p, d->levels)->len;
    }
    for (uint32_t k = 0; k < then_len(i); k++)
        (void)i->then[k]->kind->join(p, i->then[k], &e, add); /* it could when it was fused */
    return e;
}

static bool is_u8(const it_prog *p, const it_pinstr *i)
{
    bool all = it_out(p, i, 0)->type == INTACT_U8;
    for (uint32_t k = 0; k < i->in_len; k++)
        all = all && it_in(p, i, k)->type == INTACT_U8;
    return all;
}

/* The table that brought a version: the highest one that has it. */
static const it_kern *owner(const it_kern *table, const it_kern_conv *version, bool s16, it_mac_pick *pick)
{
    while (pick(table, s16) != version)
        table = it_kern_parent(table);
    for (const it_kern *above; (above = it_kern_parent(table)) && pick(above, s16) == version;)
        table = above;
    return table;
}

bool it_mac_takes(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_pinstr *next, const it_mac_desc *d, it_mac_pick *pick)
{
    const uint32_t n = then_len(i);
    const bool s16 = it_in(p, i, 0)->type == INTACT_S16;
    if (n == IT_THEN_MAX || !next->kind->join || !is_u8(p, next) || stays_packed(kern, d, it_const(p, d->weight), s16))
        return false;
    it_add_consts add, next_add;
    const it_epi now = epilogue(p, i, d, &add);
    it_epi e = now;
    if (!next->kind->join(p, next, &e, &next_add))
        return false;
    const it_kern_conv *version = choose(kern, &d->g, &now, s16, pick);
    if (!version || choose(kern, &d->g, &e, s16, pick) != version)
        return false;
    const it_kern *from = owner(kern, version, s16, pick); /* what an older level adds or looks up, kern's own kernel does faster apart */
    const size_t at = next->kind->kernel_at;
    return memcmp((const char *)from + at, (const char *)kern + at, sizeof kern->add_u8) == 0;
}

/* What is added and x may be one tensor: then y would overwrite what other units still read. */
uint32_t it_mac_inplace(const it_pinstr *i) { return i->in_len == 2 && i->in[0] != i->in[1] ? 2 : 0; }

/* ---- tensors that lie in others ---- */

static void set_pitches(it_conv_geom *g, const it_pinstr *i, const it_place *places)
{
    g->in_pitch = places[i->in[0]].pitch;
    g->out_pitch = places[i->out[0]].pitch;
    g->other_pitch = i->in_len == 2 ? places[i->in[1]].pitch : 0;
}

bool it_mac_pitches(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_place *places, const it_mac_desc *d,
                    it_mac_pick *pick)
{
    const bool s16 = it_in(p, i, 0)->type == INTACT_S16;
    if (d->dense || stays_packed(kern, d, it_const(p, d->weight), s16)) /* pitches lie between the pixels of a sample: dense has only one */
        return false;
    it_add_consts add;
    const it_epi e = epilogue(p, i, d, &add);
    it_conv_geom g = d->g;
    set_pitches(&g, i, places);
    return choose(kern, &g, &e, s16, pick) == choose(kern, &d->g, &e, s16, pick);
}

/* ---- preparing ---- */

/* Fills what the job and the layer have from a kernel version. */
static intact_status use_kernel(it_prep *prep, const it_prog *p, const it_pinstr *i, const it_mac_desc *d, it_mac *mac, mac_job *job,
                                it_mac_pick *pick, intact_error *err)
{
    const it_pconst *w = it_const(p, d->weight);
    bool s16 = it_in(p, i, 0)->type == INTACT_S16;
    prep->weight_bits = w->bits ? w->bits : 8;
    if (w->bits)
        job->codes = it_pconst_codes(p, w);
    else
        job->w = w->data;
    if (stays_packed(prep->kern, d, w, s16)) {
        const it_kern_codes *k = job->codes_kern = prep->kern->dense_codes_u8;
        mac->units = k->units;
        mac->run = k->run;
        prep->kernel = k->name;
        prep->packed_bytes = k->packed_bytes(&mac->g, &job->codes);
        prep->scratch_bytes = k->scratch_bytes(&mac->g);
        return INTACT_OK;
    }
    const it_kern_conv *k = job->kern = choose(prep->kern, &mac->g, &job->e, s16, pick);
    if (!k)
        return it_check_fail(i, INTACT_E_UNSUPPORTED, err, "no kernel version takes this layer");
    mac->units = k->units;
    mac->run = k->run;
    job->depthwise = d->depthwise;
    job->job.temp_bytes = w->bits ? w->len + (d->depthwise ? w->len / w->rows : 0) : 0;
    prep->kernel = k->name;
    prep->packed_bytes = k->packed_bytes(&mac->g, &job->e);
    prep->scratch_bytes = k->scratch_bytes(&mac->g);
    return INTACT_OK;
}

/* The layer before learns where these weights are; fetching more than a part of a cache ahead would push out what it needs itself. */
static void link_weights(it_prep *prep, it_mac *mac)
{
    enum { NEXT_BYTES_MAX = 1 << 16 };
    if (prep->last_mac) {
        prep->last_mac->next = mac->packed;
        prep->last_mac->next_bytes = prep->packed_bytes < NEXT_BYTES_MAX ? prep->packed_bytes : NEXT_BYTES_MAX;
    }
    prep->last_mac = mac;
}

/* Waking threads costs some microseconds; this many multiply-accumulates take one core about as long, in plain C and with SIMD. */
enum { INLINE_MACS_PLAIN = 1 << 15, INLINE_MACS_SIMD = 1 << 18 };

intact_status it_mac_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, const it_mac_desc *d, it_mac_pick *pick,
                             intact_error *err)
{
    it_mac *mac;
    IT_STATE_NEW(prep, mac, i, err);
    mac_job *job = it_arena_new(prep->arena, sizeof *job);
    if (!job)
        return it_fail_nomem(err, i->name, sizeof *job);
    mac->g = d->g;
    set_pitches(&mac->g, i, prep->places);
    *job = (mac_job){ .job = { .next = prep->jobs, .run = mac_pack }, .mac = mac, .e = epilogue(p, i, d, &mac->add) };
    mac->e = job->e;
    mac->e.bias = mac->e.mult = mac->e.shift = mac->e.thresholds = NULL;
    IT_TRY(use_kernel(prep, p, i, d, mac, job, pick, err));
    mac->macs = it_mac_count(&mac->g);
    mac->inline_below = prep->kern->cpu == INTACT_CPU_SCALAR ? INLINE_MACS_PLAIN : INLINE_MACS_SIMD;
    job->packed = it_arena_raw(prep->arena, prep->packed_bytes);
    if (!job->packed)
        return it_fail_nomem(err, i->name, prep->packed_bytes);
    mac->packed = job->packed;
    link_weights(prep, mac);
    prep->jobs = &job->job;
    return INTACT_OK;
}

static void mac_units(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const it_mac *m = w->state;
    const it_conv_io io = { .x = w->f->in[0],
                            .y = w->f->out[0],
                            .other = m->e.add ? w->f->in[1] : NULL,
                            .batch = w->f->batch,
                            .next = m->next,
                            .next_bytes = m->next_bytes };
    m->run(&m->g, &m->e, m->packed, &io, begin, end, it_scratch(w->f, thread));
}

void it_mac_run(const void *state, const it_frame *f)
{
    const it_mac *m = state;
    it_work work = { m, f };
    uint32_t units = m->units(&m->g, f->batch);
    enum { CHUNKS = 16 }; /* a thread, at least: they end at about the same time */
    uint32_t chunk = m->macs * f->batch < m->inline_below ? units : units / (CHUNKS * it_pool_threads(f->pool)) + 1;
    it_pool_for_even(f->pool, units, chunk, mac_units, &work);
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
    IT_FIELD_CONST(it_conv_args, weight, CONST, PARAMETERS),
    IT_FIELD_CONST(it_conv_args, bias, CONST, PARAMETERS),
    IT_FIELD_CONST(it_conv_args, mult, CONST_OPT, PACKED),
    IT_FIELD_CONST(it_conv_args, shift, CONST_OPT, PACKED),
    IT_FIELD(it_conv_args, lo, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_conv_args, hi, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_conv_args, acc64, U32, 0, 1),
    IT_FIELD_CONST(it_conv_args, thresholds, CONST_OPT, PACKED),
    IT_FIELD_CONST(it_conv_args, levels, CONST_OPT, LEVELS),
    IT_FIELD_CONST(it_conv_args, fixes, CONST_OPT, RUN),
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
        .thresholds = a->thresholds,
        .levels = a->levels,
        .lo = a->lo,
        .hi = a->hi,
        .depthwise = depthwise,
    };
    it_mac_set_fixes(p, a->fixes, d);
    return INTACT_OK;
}
