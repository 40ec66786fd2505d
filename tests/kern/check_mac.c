/* SPDX-License-Identifier: Apache-2.0 */
/* check_mac.c: one layer by the reference and by a version, at a random epilogue; what of it the version refuses; what was compared. */
#include "check.h"

#include <stdlib.h>

/* What versions leave to their parent; a line covers the versions whose names begin so. Everything else is taken. */
static const struct { const char *names; check_feature feature; } refusals[] = {
    { "conv_s16_avx", CHECK_FIXES },          { "dense_s16_avx", CHECK_FIXES },    { "dwconv_u8_avx512", CHECK_FIXES },
    { "dwconv_s16_avx512vnni", CHECK_FIXES }, { "dwconv_s16_avx2", CHECK_ACC64 },  { "conv_u8_neondot", CHECK_FIXES },
    { "dense_u8_neondot", CHECK_FIXES },
};

check_mac check_mac_of(const it_kern_conv *ref, const it_kern_conv *got, check_kind kind, uint32_t elem, it_rng *r)
{
    check_mac m = { .ref = ref, .got = got, .kind = kind, .elem = elem, .r = r };
    for (size_t i = 0; i < IT_LEN(refusals); i++)
        if (strncmp(got->name, refusals[i].names, strlen(refusals[i].names)) == 0)
            m.refused |= 1u << refusals[i].feature;
    return m;
}

static bool refuses(const check_mac *m, check_feature f) { return m->refused >> f & 1; }

static void fill_s16(it_rng *r, bool extreme, int16_t *p, size_t n)
{
    uint32_t mode = check_pick(r, 0, extreme ? 1 : 5);
    for (size_t i = 0; i < n; i++) {
        int32_t v = (int32_t)it_rng_below(r, 65535) - 32767;
        p[i] = (int16_t)(mode == 0 ? -32767 : mode == 1 ? 32767 : v);
    }
}

static void fill_weights(it_rng *r, bool extreme, int8_t *p, size_t n)
{
    uint32_t mode = check_pick(r, 0, extreme ? 1 : 6);
    for (size_t i = 0; i < n; i++) {
        int8_t v = (int8_t)it_rng_next(r);
        p[i] = mode == 0 ? -128 : mode == 1 ? 127 : mode == 2 ? (v & 1 ? 127 : -128) : v;
    }
}

typedef struct layer {
    it_conv_geom g;
    it_epi e;
    int32_t *bias, *mult, *shift, *thresholds;
    int8_t *w;
    it_fix *fixes;
    size_t taps; /* of one output channel */
    it_add_consts add;
    uint8_t lut[256], levels[IT_LEVELS_MAX];
    bool in_place; /* y is other */
} layer;

static size_t weight_at(const layer *l, check_kind kind, size_t o, size_t k)
{
    return kind == CHECK_DWCONV ? k * l->g.out_c + o : o * l->taps + k;
}

/* A multiplier of 64-bit accumulators: of either sign, also small ones and the ends. */
static int32_t mult64(int32_t m, it_rng *r)
{
    if (it_rng_below(r, 8) == 0)
        m = it_rng_next(r) & 1 ? INT32_MAX : (int32_t)it_rng_below(r, 1 << 24);
    m >>= 16;
    return it_rng_below(r, 3) ? m : -m;
}

/* Constants that lowering could have proved: x_max * sum |w| + |bias| < 2^31 unless acc64. wide: acc64 even if that holds. */
static void fill_epilogue(layer *l, check_kind kind, uint32_t elem, bool wide, it_rng *r)
{
    int64_t x_max = elem == 1 ? 255 : 32768, limit = ((int64_t)1 << 31) - 1;
    uint32_t mode = check_pick(r, 0, 5), typical = mode == 4 ? check_pick(r, 22, 35) : check_pick(r, 36, 44);
    l->e.acc64 = wide;
    for (size_t o = 0; o < l->g.out_c; o++) {
        int64_t sum = 0;
        for (size_t k = 0; k < l->taps; k++)
            sum += labs((long)l->w[weight_at(l, kind, o, k)]);
        sum += (int64_t)it_fix_sum(&l->g, o);
        int64_t room = limit - x_max * sum;
        l->e.acc64 = l->e.acc64 || room < 0;
        room = l->e.acc64 ? limit : room;
        int64_t near = sum * 128 + 1 < room ? sum * 128 + 1 : room;
        l->bias[o] = (int32_t)(mode == 0 ? (it_rng_next(r) & 1 ? room : -room) : (int64_t)it_rng_below(r, 2 * (uint64_t)near) - near);
    }
    for (size_t o = 0; o < l->g.out_c; o++) {
        bool any = mode == 1 || (mode == 2 && it_rng_below(r, 16) == 0);
        l->shift[o] = (int32_t)(any ? check_pick(r, 1, 62) : check_pick(r, typical - 2, typical + 2));
        l->mult[o] = (int32_t)(((uint32_t)1 << 30) + it_rng_below(r, (uint64_t)1 << 30));
        if (mode == 3) l->mult[o] = (int32_t)(it_rng_below(r, 4) ? INT32_MAX - it_rng_below(r, 3) : it_rng_below(r, 3));
        if (l->e.acc64) {
            l->mult[o] = mult64(l->mult[o], r);
            l->shift[o] = l->shift[o] > 20 ? l->shift[o] - 14 : l->shift[o];
        }
    }
}

static void *must_alloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    if (!p) exit(1);
    return p;
}

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Few, many, of one channel only, or all +1 as where weights of 128 are stored as 127. */
static void draw_fixes(layer *l, it_rng *r)
{
    const uint32_t mode = check_pick(r, 0, 3), rare = mode == 0 ? 500 : 12, one = (uint32_t)it_rng_below(r, l->g.out_c);
    uint32_t n = 0;
    l->fixes = must_alloc(l->taps * l->g.out_c * sizeof *l->fixes);
    for (uint32_t o = 0; o < l->g.out_c; o++)
        for (uint32_t k = 0; k < l->taps; k++) {
            int32_t add = mode == 3 ? 1 : (int32_t)check_pick(r, 0, 255) - 128;
            if (add != 0 && it_rng_below(r, rare) == 0 && (mode != 2 || o == one))
                l->fixes[n++] = (it_fix){o, k, add};
        }
    l->g.fixes = l->fixes;
    l->g.fixes_len = n;
}

/* Ascending rows: spread over what the accumulators reach, close to the bias, all equal, or with the ends of 32 bits among them. */
static void fill_thresholds(layer *l, check_kind kind, it_rng *r)
{
    uint32_t n = l->e.levels_len - 1, mode = check_pick(r, 0, 5);
    for (size_t o = 0; o < l->g.out_c; o++) {
        int64_t sum = 0;
        for (size_t k = 0; k < l->taps; k++)
            sum += labs((long)l->w[weight_at(l, kind, o, k)]);
        int64_t reach = mode == 0 ? 2 : mode == 1 ? 255 * sum + 1 : sum * 16 + 1;
        int32_t *row = l->thresholds + o * n;
        for (uint32_t k = 0; k < n; k++) {
            int64_t t = l->bias[o] + (int64_t)it_rng_below(r, 2 * (uint64_t)reach) - reach;
            if (mode == 2) t = k ? row[0] : t;
            if (mode == 3 && it_rng_below(r, 3) == 0) t = it_rng_next(r) & 1 ? INT32_MAX : INT32_MIN;
            row[k] = (int32_t)(t < INT32_MIN ? INT32_MIN : t > INT32_MAX ? INT32_MAX : t);
        }
        qsort(row, n, sizeof *row, by_value);
    }
}

static void fill_after(layer *l, check_kind kind, uint32_t what, it_rng *r)
{
    if (what == 4) {
        l->e.levels_len = check_pick(r, 2, IT_LEVELS_MAX);
        l->thresholds = must_alloc(l->g.out_c * (l->e.levels_len - 1) * sizeof *l->thresholds);
        fill_thresholds(l, kind, r);
        check_fill_u8(r, l->levels, sizeof l->levels);
        l->e.thresholds = l->thresholds;
        return;
    }
    bool odd = it_rng_below(r, 6) == 0; /* multipliers and shifts that only plain C does */
    uint32_t smaller = odd ? 12 : 3;
    l->add = (it_add_consts){.z_a = l->e.zero,
                             .z_b = (int32_t)check_pick(r, 0, 255),
                             .m_a = (int32_t)((1u << 30) + it_rng_below(r, 1u << 30)) >> it_rng_below(r, smaller),
                             .m_b = (int32_t)((1u << 30) + it_rng_below(r, 1u << 30)) >> it_rng_below(r, smaller),
                             .shift = (int32_t)(odd ? check_pick(r, 1, 62) : check_pick(r, 29, 33)),
                             .z_y = it_rng_next(r) & 1 ? 0 : (int32_t)check_pick(r, 0, 255),
                             .hi = 255};
    if (it_rng_below(r, 6) == 0) l->add.m_a = it_rng_next(r) & 1 ? INT32_MAX : -l->add.m_a;
    if (it_rng_below(r, 6) == 0) l->add.m_b = it_rng_next(r) & 1 ? -INT32_MAX : 0;
    if (it_rng_below(r, 4) == 0) l->add.lo = (int32_t)check_pick(r, 0, 128);
    if (it_rng_below(r, 4) == 0) l->add.hi = (int32_t)check_pick(r, 128, 255);
    for (size_t i = 0; i < sizeof l->lut; i++)
        l->lut[i] = (uint8_t)it_rng_next(r);
}

/* The epilogue's pointers into the layer, which stays where it is from here on. */
static void point_after(layer *l, uint32_t what)
{
    if (l->e.levels_len) l->e.levels = l->levels;
    if (what == 6 || what == 7) l->e.add = &l->add;
    if (what == 5 || what == 7) l->e.lut = l->lut;
}

/* Without what is in refused. */
static void layer_new(layer *l, const check_mac *m, const it_conv_geom *g)
{
    const check_kind kind = m->kind;
    const uint32_t elem = m->elem;
    it_rng *r = m->r;
    *l = (layer){.g = *g};
    l->taps = (size_t)g->kh * g->kw * (kind == CHECK_DWCONV ? 1 : g->in_c / g->group);
    l->bias = must_alloc(g->out_c * sizeof *l->bias);
    l->mult = must_alloc(g->out_c * sizeof *l->mult);
    l->shift = must_alloc(g->out_c * sizeof *l->shift);
    l->w = must_alloc(l->taps * g->out_c);
    l->g.in_zero = elem == 1 ? (int32_t)check_pick(r, 0, 255) : 0;
    fill_weights(r, m->extreme, l->w, l->taps * g->out_c);
    if (elem == 2 && !m->extreme && it_rng_below(r, 2)) /* so that 32-bit accumulators are proved more often */
        for (size_t i = 0; i < l->taps * g->out_c; i++)
            l->w[i] = (int8_t)(l->w[i] / 16);
    l->e = (it_epi){.bias = l->bias, .mult = l->mult, .shift = l->shift, .out = it_rng_below(r, 4) ? INTACT_U8 : INTACT_S16};
    int32_t least = l->e.out == INTACT_U8 ? 0 : -32767, most = l->e.out == INTACT_U8 ? 255 : 32767;
    l->e.zero = l->e.out == INTACT_U8 ? (int32_t)check_pick(r, 0, 255) : 0;
    l->e.lo = it_rng_below(r, 3) ? least : least + (int32_t)it_rng_below(r, (uint64_t)(most - least) / 2);
    l->e.hi = it_rng_below(r, 3) ? most : l->e.lo + (int32_t)it_rng_below(r, (uint64_t)(most - l->e.lo) + 1);
    if (!refuses(m, CHECK_FIXES) && it_rng_below(r, 3) == 0) draw_fixes(l, r);
    fill_epilogue(l, kind, elem, elem == 2 && !refuses(m, CHECK_ACC64) && it_rng_below(r, 4) == 0, r);
    uint32_t what = check_pick(r, 0, 7); /* 4: thresholds, 5: a table, 6: a sum, 7: sum and table */
    if (l->e.out == INTACT_U8 && what >= 4 && !(what == 4 && l->e.acc64)) {
        fill_after(l, kind, what, r);
        point_after(l, what);
    }
}

static void layer_free(layer *l)
{
    free(l->bias);
    free(l->mult);
    free(l->shift);
    free(l->thresholds);
    free(l->w);
    free(l->fixes);
}

/* Packs (into fences, then forgets the arrays), runs the units in pieces and in any order; fills y. */
static bool layer_run(const layer *l, const it_kern_conv *k, const uint8_t *x, const uint8_t *other, uint8_t *y, uint32_t batch, it_rng *r)
{
    check_fence packed = check_fence_new(k->packed_bytes(&l->g, &l->e), 64, true);
    check_fence scratch = check_fence_new(k->scratch_bytes(&l->g), 64, true);
    k->pack(&l->g, &l->e, l->w, packed.data);
    it_epi e = l->e;
    e.bias = e.mult = e.shift = e.thresholds = NULL;
    check_fence next = check_fence_new(it_rng_below(r, 2) ? check_pick(r, 1, it_rng_below(r, 8) ? 5000 : 70000) : 0, 64, true);
    const it_conv_io io = { .x = x, .y = y, .other = e.add ? other : NULL, .batch = batch, .next = next.bytes ? next.data : NULL,
                            .next_bytes = next.bytes };
    uint32_t units = k->units(&l->g, batch), cut = it_rng_below(r, 2) ? units : check_pick(r, 1, units);
    for (uint32_t end = units; end > 0; end -= end < cut ? end : cut)
        k->run(&l->g, &e, packed.data, &io, end < cut ? 0 : end - cut, end, scratch.data);
    next.bytes = 0; /* nothing of it is written */
    bool ok = check_fence_ok(&packed) && check_fence_ok(&scratch) && check_fence_ok(&next);
    check_fence_free(&packed);
    check_fence_free(&scratch);
    check_fence_free(&next);
    return ok;
}

static uint32_t features_of(const layer *l)
{
    const it_conv_geom *g = &l->g;
    return (uint32_t)(g->fixes_len > 0) << CHECK_FIXES | (uint32_t)(l->e.add != NULL) << CHECK_ADD |
           (uint32_t)(l->e.lut != NULL) << CHECK_TABLE | (uint32_t)(l->e.levels_len > 0) << CHECK_LEVELS |
           (uint32_t)l->e.acc64 << CHECK_ACC64 | (uint32_t)(l->e.out == INTACT_S16) << CHECK_S16_OUT |
           (uint32_t)(g->in_pitch > g->in_c) << CHECK_IN_PITCH | (uint32_t)(g->out_pitch > g->out_c) << CHECK_OUT_PITCH |
           (uint32_t)(l->e.add && g->other_pitch > g->out_c) << CHECK_OTHER_PITCH | (uint32_t)l->in_place << CHECK_IN_PLACE;
}

static void note(uint32_t count[CHECK_FEATURES], uint32_t features)
{
    for (uint32_t f = 0; f < CHECK_FEATURES; f++)
        count[f] += features >> f & 1;
}

/* Sometimes pixels lie apart; what lies between the outputs keeps the fence's pattern. */
static void layer_place(layer *l, it_rng *r)
{
    if (it_rng_below(r, 3) == 0)
        l->g.in_pitch = l->g.in_c + (uint32_t)it_rng_below(r, 40);
    if (it_rng_below(r, 3) == 0)
        l->g.out_pitch = l->g.out_c + (uint32_t)it_rng_below(r, 80);
    if (l->e.add && it_rng_below(r, 3) == 0)
        l->g.other_pitch = l->g.out_c + (uint32_t)it_rng_below(r, 80);
    l->in_place = l->e.add && it_rng_below(r, 3) == 0;
    if (l->in_place)
        l->g.other_pitch = l->g.out_pitch;
}

/* What a version refuses for its numbers (a sum of odd multipliers, a kernel of a thousand taps) goes, so that the rest is compared. */
static bool layer_suit(layer *l, const it_kern_conv *got)
{
    if (!got->can(&l->g, &l->e)) {
        l->e.add = NULL;
        l->in_place = false;
    }
    if (!got->can(&l->g, &l->e))
        l->g.fixes_len = 0;
    if (!got->can(&l->g, &l->e)) {
        l->e.lut = NULL;
        l->e.levels_len = 0;
    }
    if (!got->can(&l->g, &l->e))
        l->g.in_pitch = l->g.out_pitch = l->g.other_pitch = 0;
    return got->can(&l->g, &l->e);
}

static void explain(const layer *l, const it_kern_conv *got, uint32_t batch)
{
    const it_conv_geom *g = &l->g;
    fprintf(stderr,
            "%s differs: in %ux%ux%u out %ux%ux%u batch %u group %u k %ux%u stride %ux%u dil %ux%u pad %u,%u out type %d acc64 %d "
            "pitches %u %u %u%s%s%s levels %u fixes %u\n",
            got->name, g->in_h, g->in_w, g->in_c, g->out_h, g->out_w, g->out_c, batch, g->group, g->kh, g->kw, g->stride_h, g->stride_w,
            g->dil_h, g->dil_w, g->pad_t, g->pad_l, l->e.out, l->e.acc64, g->in_pitch, g->out_pitch, g->other_pitch,
            l->e.add ? " add" : "", l->in_place ? " in place" : "", l->e.lut ? " lut" : "", l->e.levels_len, l->g.fixes_len);
}

/* False: the version's outputs are not the reference's. */
static bool compare(const layer *l, check_mac *m, uint32_t batch)
{
    it_rng *r = m->r;
    const uint32_t elem = m->elem;
    const it_conv_geom *g = &l->g;
    size_t in_px = (size_t)batch * g->in_h * g->in_w, out_px = (size_t)batch * g->out_h * g->out_w;
    size_t x_len = (in_px - 1) * it_conv_in_pitch(g) + g->in_c, other_len = (out_px - 1) * it_conv_other_pitch(g) + g->out_c;
    size_t y_bytes = ((out_px - 1) * it_conv_out_pitch(g) + g->out_c) * (l->e.out == INTACT_S16 ? 2 : 1);
    const bool at_end = it_rng_below(r, 3) != 0;
    check_fence x = check_fence_new(x_len * elem, elem, at_end), other = check_fence_new(other_len, 1, at_end);
    check_fence want = check_fence_new(y_bytes, 2, true), have = check_fence_new(y_bytes, l->e.out == INTACT_S16 ? 2 : 1, at_end);
    check_fill_u8(r, other.data, other_len);
    if (elem == 1)
        check_fill_u8(r, x.data, x_len);
    else
        fill_s16(r, m->extreme, (int16_t *)x.data, x_len);
    if (l->in_place) {
        memcpy(want.data, other.data, y_bytes);
        memcpy(have.data, other.data, y_bytes);
    }
    bool ok = layer_run(l, m->ref, x.data, other.data, want.data, batch, r);
    ok = layer_run(l, m->got, x.data, l->in_place ? have.data : other.data, have.data, batch, r) && ok;
    ok = ok && !memcmp(want.data, have.data, y_bytes) && check_fence_ok(&have);
    check_fence_free(&x);
    check_fence_free(&other);
    check_fence_free(&want);
    check_fence_free(&have);
    return ok;
}

void check_layer(check_mac *m, const it_conv_geom *g, uint32_t batch)
{
    layer l;
    layer_new(&l, m, g);
    layer_place(&l, m->r);
    m->layers++;
    note(m->drawn, features_of(&l));
    if (layer_suit(&l, m->got)) {
        m->compared++;
        note(m->had, features_of(&l));
        if (!compare(&l, m, batch)) {
            m->bad++;
            explain(&l, m->got, batch);
        }
    }
    layer_free(&l);
}

/* ---- what is taken ---- */

static const char *const feature_names[CHECK_FEATURES] = { "fixes", "a sum", "a table", "levels", "64-bit accumulators", "s16 outputs",
                                                           "an input pitch", "an output pitch", "the other's pitch", "a sum in place" };

/* An ordinary layer with these features; false: there is none. */
static bool ordinary(const check_mac *m, uint32_t features, it_conv_geom *g, it_epi *e)
{
    enum { C = 96 };
    static const uint8_t table[256], levels[3] = { 0, 1, 2 };
    static const int32_t consts[C], thresholds[2 * C];
    static const it_fix fix = { 5, 1, 1 };
    static const it_add_consts sum = { .z_a = 3, .z_b = 128, .m_a = 1 << 30, .m_b = 1 << 30, .shift = 31, .z_y = 5, .hi = 255 };
    const bool add = features >> CHECK_ADD & 1, lut = features >> CHECK_TABLE & 1, steps = features >> CHECK_LEVELS & 1;
    const bool acc64 = features >> CHECK_ACC64 & 1, wide = features >> CHECK_S16_OUT & 1;
    if ((steps && (add || lut || acc64)) || (wide && (add || lut || steps)) || (acc64 && m->elem == 1))
        return false;
    if (!add && (features & (1u << CHECK_OTHER_PITCH | 1u << CHECK_IN_PLACE)))
        return false;
    const uint32_t k = m->kind == CHECK_DENSE ? 1 : 3, side = m->kind == CHECK_DENSE ? 1 : 14;
    *g = (it_conv_geom){ .in_h = side, .in_w = side, .in_c = C, .out_h = side, .out_w = side, .out_c = C, .kh = k, .kw = k, .stride_h = 1,
                         .stride_w = 1, .dil_h = 1, .dil_w = 1, .pad_t = k / 2, .pad_l = k / 2 };
    g->group = m->kind == CHECK_DWCONV ? C : 1;
    g->fixes = &fix;
    g->fixes_len = features >> CHECK_FIXES & 1;
    g->in_pitch = features >> CHECK_IN_PITCH & 1 ? C + 16 : 0;
    g->out_pitch = features >> CHECK_OUT_PITCH & 1 ? C + 32 : 0;
    g->other_pitch = features >> CHECK_OTHER_PITCH & 1 ? C + 8 : 0;
    *e = (it_epi){ .bias = consts, .mult = consts, .shift = consts, .lo = wide ? -32767 : 0, .hi = wide ? 32767 : 255,
                   .out = wide ? INTACT_S16 : INTACT_U8, .acc64 = acc64, .add = add ? &sum : NULL, .lut = lut ? table : NULL };
    if (steps) {
        e->thresholds = thresholds;
        e->levels = levels;
        e->levels_len = IT_LEN(levels);
    }
    return true;
}

static void print_features(uint32_t features)
{
    for (uint32_t f = 0; f < CHECK_FEATURES; f++)
        if (features >> f & 1)
            fprintf(stderr, " %s", feature_names[f]);
}

/* Every set of features: taken, but for what is refused. */
static int check_takes(const check_mac *m)
{
    int bad = 0;
    for (uint32_t features = 0; features < 1u << CHECK_FEATURES && bad < 5; features++) {
        it_conv_geom g;
        it_epi e;
        if (!ordinary(m, features, &g, &e) || m->got->can(&g, &e) == !(features & m->refused))
            continue;
        fprintf(stderr, "%s %s an ordinary layer with:", m->got->name, features & m->refused ? "takes" : "refuses");
        print_features(features);
        fprintf(stderr, "\n");
        bad++;
    }
    return bad;
}

int check_mac_end(check_mac *m)
{
    int bad = m->bad + check_takes(m);
    if (m->compared < m->layers - m->layers / 10) {
        fprintf(stderr, "%s: %u layers of %u compared\n", m->got->name, m->compared, m->layers);
        bad++;
    }
    for (uint32_t f = 0; f < CHECK_FEATURES; f++) {
        if (refuses(m, f) || (f == CHECK_ACC64 && m->elem == 1))
            continue;
        if (m->had[f] > 0 && m->had[f] >= m->drawn[f] / 2)
            continue;
        fprintf(stderr, "%s: %s drawn %u times, compared %u times\n", m->got->name, feature_names[f], m->drawn[f], m->had[f]);
        bad++;
    }
    return bad;
}
