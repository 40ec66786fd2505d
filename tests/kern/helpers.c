/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: fenced buffers, data, and the comparison of one layer between two versions of a kernel. */
#include "check.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FENCE_PATTERN = 0xa5 };

check_fence check_fence_new(size_t bytes, size_t align, bool at_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = it_round_up(bytes + align, page);
    check_fence f = {.map_bytes = inner + 2 * page, .bytes = bytes, .inner = inner};
    f.map = mmap(NULL, f.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f.map == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    memset(f.map, FENCE_PATTERN, f.map_bytes);
    f.data = f.map + page;
    if (at_end) f.data += (inner - bytes) / align * align;
    mprotect(f.map, page, PROT_NONE);
    mprotect(f.map + page + inner, page, PROT_NONE);
    return f;
}

bool check_fence_ok(const check_fence *f)
{
    const uint8_t *begin = f->map + (f->map_bytes - f->inner) / 2;
    for (const uint8_t *p = begin; p < begin + f->inner; p++)
        if ((p < f->data || p >= f->data + f->bytes) && *p != FENCE_PATTERN) return false;
    return true;
}

void check_fence_free(check_fence *f) { munmap(f->map, f->map_bytes); }

void check_fill_u8(it_rng *r, uint8_t *p, size_t n)
{
    uint32_t mode = check_pick(r, 0, 7);
    for (size_t i = 0; i < n; i++) {
        uint8_t v = (uint8_t)it_rng_next(r);
        p[i] = mode == 0 ? 0 : mode == 1 ? 255 : mode == 2 ? (v & 1 ? 255 : 0) : v;
    }
}

static void fill_s16(it_rng *r, int16_t *p, size_t n)
{
    uint32_t mode = check_pick(r, 0, 5);
    for (size_t i = 0; i < n; i++) {
        int32_t v = (int32_t)it_rng_below(r, 65535) - 32767;
        p[i] = (int16_t)(mode == 0 ? -32767 : mode == 1 ? 32767 : v);
    }
}

static void fill_weights(it_rng *r, int8_t *p, size_t n)
{
    uint32_t mode = check_pick(r, 0, 6);
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

/* Constants that lowering could have proved: x_max * sum |w| + |bias| < 2^31 unless acc64. */
static void fill_epilogue(layer *l, check_kind kind, uint32_t elem, it_rng *r)
{
    int64_t x_max = elem == 1 ? 255 : 32768, limit = ((int64_t)1 << 31) - 1;
    uint32_t mode = check_pick(r, 0, 5), typical = mode == 4 ? check_pick(r, 22, 35) : check_pick(r, 36, 44);
    for (size_t o = 0; o < l->g.out_c; o++) {
        int64_t sum = 0;
        for (size_t k = 0; k < l->taps; k++)
            sum += labs((long)l->w[weight_at(l, kind, o, k)]);
        sum += (int64_t)it_fix_sum(&l->g, o);
        int64_t room = limit - x_max * sum;
        if (room < 0) {
            l->e.acc64 = true;
            room = limit;
        }
        int64_t near = sum * 128 + 1 < room ? sum * 128 + 1 : room;
        l->bias[o] = (int32_t)(mode == 0 ? (it_rng_next(r) & 1 ? room : -room) : (int64_t)it_rng_below(r, 2 * (uint64_t)near) - near);
    }
    for (size_t o = 0; o < l->g.out_c; o++) {
        bool any = mode == 1 || (mode == 2 && it_rng_below(r, 16) == 0);
        l->shift[o] = (int32_t)(any ? check_pick(r, 1, 62) : check_pick(r, typical - 2, typical + 2));
        l->mult[o] = (int32_t)(((uint32_t)1 << 30) + it_rng_below(r, (uint64_t)1 << 30));
        if (mode == 3) l->mult[o] = (int32_t)(it_rng_below(r, 4) ? INT32_MAX - it_rng_below(r, 3) : it_rng_below(r, 3));
        if (l->e.acc64) {
            l->mult[o] >>= 16;
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
    if (it_rng_below(r, 4) == 0) l->add.lo = (int32_t)check_pick(r, 0, 128), l->add.hi = (int32_t)check_pick(r, 128, 255);
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

static void layer_new(layer *l, const it_conv_geom *g, check_kind kind, uint32_t elem, it_rng *r)
{
    *l = (layer){.g = *g};
    l->taps = (size_t)g->kh * g->kw * (kind == CHECK_DWCONV ? 1 : g->in_c / g->group);
    l->bias = must_alloc(g->out_c * sizeof *l->bias);
    l->mult = must_alloc(g->out_c * sizeof *l->mult);
    l->shift = must_alloc(g->out_c * sizeof *l->shift);
    l->w = must_alloc(l->taps * g->out_c);
    l->g.in_zero = elem == 1 ? (int32_t)check_pick(r, 0, 255) : 0;
    fill_weights(r, l->w, l->taps * g->out_c);
    if (elem == 2 && it_rng_below(r, 2)) /* so that 32-bit accumulators are proved more often */
        for (size_t i = 0; i < l->taps * g->out_c; i++)
            l->w[i] = (int8_t)(l->w[i] / 16);
    l->e = (it_epi){.bias = l->bias, .mult = l->mult, .shift = l->shift, .out = it_rng_below(r, 4) ? INTACT_U8 : INTACT_S16};
    int32_t least = l->e.out == INTACT_U8 ? 0 : -32767, most = l->e.out == INTACT_U8 ? 255 : 32767;
    bool tight = it_rng_below(r, 3) == 0;
    l->e.zero = l->e.out == INTACT_U8 ? (int32_t)check_pick(r, 0, 255) : 0;
    l->e.lo = tight ? least + (int32_t)it_rng_below(r, (uint64_t)(most - least) / 2) : least;
    l->e.hi = tight ? l->e.lo + (int32_t)it_rng_below(r, (uint64_t)(most - l->e.lo) + 1) : most;
    if (it_rng_below(r, 3) == 0) draw_fixes(l, r);
    fill_epilogue(l, kind, elem, r);
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
    const it_conv_io io = {.x = x, .y = y, .other = e.add ? other : NULL, .batch = batch};
    uint32_t units = k->units(&l->g, batch), cut = it_rng_below(r, 2) ? units : check_pick(r, 1, units);
    for (uint32_t end = units; end > 0; end -= end < cut ? end : cut)
        k->run(&l->g, &e, packed.data, &io, end < cut ? 0 : end - cut, end, scratch.data);
    bool ok = check_fence_ok(&packed) && check_fence_ok(&scratch);
    check_fence_free(&packed);
    check_fence_free(&scratch);
    return ok;
}

/* Sometimes pixels lie apart, where the version takes that; what lies between the outputs keeps the fence's pattern. A version that
** takes no fixes, sum, table or thresholds is checked without. */
static void layer_suit(layer *l, const it_kern_conv *got, it_rng *r)
{
    if (!got->can(&l->g, &l->e)) l->g.fixes_len = 0;
    if (!got->can(&l->g, &l->e)) {
        l->e.add = NULL;
        l->e.lut = NULL;
        l->e.levels_len = 0;
    }
    it_conv_geom dense = l->g;
    if (it_rng_below(r, 3) == 0)
        l->g.in_pitch = l->g.in_c + (uint32_t)it_rng_below(r, 40);
    if (it_rng_below(r, 3) == 0)
        l->g.out_pitch = l->g.out_c + (uint32_t)it_rng_below(r, 80);
    if (l->e.add && it_rng_below(r, 3) == 0)
        l->g.other_pitch = l->g.out_c + (uint32_t)it_rng_below(r, 80);
    l->in_place = l->e.add && it_rng_below(r, 3) == 0;
    if (l->in_place)
        l->g.other_pitch = l->g.out_pitch;
    if (!got->can(&l->g, &l->e))
        l->g = dense;
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

int check_layer(const it_kern_conv *ref, const it_kern_conv *got, check_kind kind, const it_conv_geom *g, uint32_t elem, uint32_t batch,
                it_rng *r)
{
    layer l;
    layer_new(&l, g, kind, elem, r);
    layer_suit(&l, got, r);
    size_t in_px = (size_t)batch * g->in_h * g->in_w, out_px = (size_t)batch * g->out_h * g->out_w;
    size_t x_len = (in_px - 1) * it_conv_in_pitch(&l.g) + g->in_c;
    size_t other_len = (out_px - 1) * it_conv_other_pitch(&l.g) + g->out_c;
    size_t y_bytes = ((out_px - 1) * it_conv_out_pitch(&l.g) + g->out_c) * (l.e.out == INTACT_S16 ? 2 : 1);
    bool at_end = it_rng_below(r, 3) != 0, ok = true;
    check_fence x = check_fence_new(x_len * elem, elem, at_end), other = check_fence_new(other_len, 1, at_end);
    check_fence want = check_fence_new(y_bytes, 2, true), have = check_fence_new(y_bytes, l.e.out == INTACT_S16 ? 2 : 1, at_end);
    check_fill_u8(r, other.data, other_len);
    if (elem == 1)
        check_fill_u8(r, x.data, x_len);
    else
        fill_s16(r, (int16_t *)x.data, x_len);
    if (l.in_place) {
        memcpy(want.data, other.data, y_bytes);
        memcpy(have.data, other.data, y_bytes);
    }
    if (got->can(&l.g, &l.e)) {
        ok = layer_run(&l, ref, x.data, other.data, want.data, batch, r);
        ok = layer_run(&l, got, x.data, l.in_place ? have.data : other.data, have.data, batch, r) && ok;
        ok = ok && !memcmp(want.data, have.data, y_bytes) && check_fence_ok(&have);
    }
    if (!ok)
        explain(&l, got, batch);
    check_fence_free(&x);
    check_fence_free(&other);
    check_fence_free(&want);
    check_fence_free(&have);
    layer_free(&l);
    return !ok;
}

/* Sizes, kernel and padding in one line; outputs as padding on both sides gives them. */
static it_conv_geom geom(uint32_t h, uint32_t w, uint32_t c, uint32_t o, uint32_t k, uint32_t stride, uint32_t pad)
{
    return (it_conv_geom){.in_h = h,
                          .in_w = w,
                          .in_c = c,
                          .out_h = (h + 2 * pad - k) / stride + 1,
                          .out_w = (w + 2 * pad - k) / stride + 1,
                          .out_c = o,
                          .group = 1,
                          .kh = k,
                          .kw = k,
                          .stride_h = stride,
                          .stride_w = stride,
                          .dil_h = 1,
                          .dil_w = 1,
                          .pad_t = pad,
                          .pad_l = pad};
}

static it_conv_geom geom_random(check_kind kind, it_rng *r)
{
    static const uint32_t channels[] = {1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 24, 31, 32, 33, 40, 48, 58, 63, 64, 65, 80, 96, 100, 127, 130};
    it_conv_geom g = {.kh = check_pick(r, 1, 5),
                      .kw = check_pick(r, 1, 5),
                      .stride_h = check_pick(r, 1, 3),
                      .stride_w = check_pick(r, 1, 3),
                      .dil_h = it_rng_below(r, 4) ? 1 : check_pick(r, 1, 3),
                      .dil_w = it_rng_below(r, 4) ? 1 : check_pick(r, 1, 3)};
    uint32_t span_h = (g.kh - 1) * g.dil_h + 1, span_w = (g.kw - 1) * g.dil_w + 1;
    g.pad_t = it_rng_below(r, 3) ? check_pick(r, 0, span_h - 1) : 0;
    g.pad_l = it_rng_below(r, 3) ? check_pick(r, 0, span_w - 1) : 0;
    uint32_t pad_b = check_pick(r, 0, span_h - 1), pad_r = check_pick(r, 0, span_w - 1);
    uint32_t least_h = span_h > g.pad_t + pad_b ? span_h - g.pad_t - pad_b : 1,
             least_w = span_w > g.pad_l + pad_r ? span_w - g.pad_l - pad_r : 1;
    g.in_h = check_pick(r, least_h, least_h + 9);
    g.in_w = check_pick(r, least_w, least_w + 17);
    g.out_h = (g.in_h + g.pad_t + pad_b - span_h) / g.stride_h + 1;
    g.out_w = (g.in_w + g.pad_l + pad_r - span_w) / g.stride_w + 1;
    uint32_t c = channels[it_rng_below(r, IT_LEN(channels))], o = channels[it_rng_below(r, IT_LEN(channels))];
    g.group = kind == CHECK_DWCONV ? c : it_rng_below(r, 4) ? 1 : check_pick(r, 1, 4);
    g.in_c = kind == CHECK_DWCONV ? c : c * g.group;
    g.out_c = kind == CHECK_DWCONV ? c : o * g.group;
    return g;
}

int check_sweep(const it_kern_conv *ref, const it_kern_conv *got, check_kind kind, uint32_t elem, it_rng *r)
{
    bool dw = kind == CHECK_DWCONV;
    const it_conv_geom listed[] = {
        geom(28, 28, 3, 32, 3, 2, 1),  geom(30, 30, 1, 8, 5, 1, 2),     geom(33, 31, 3, 64, 7, 2, 3),  geom(7, 7, 160, 320, 1, 1, 0),
        geom(14, 14, 64, 64, 3, 1, 1), geom(56, 5, 24, 144, 1, 1, 0),   geom(20, 20, 16, 24, 1, 2, 0), geom(9, 9, 58, 58, 1, 1, 0),
        geom(1, 1, 512, 100, 1, 1, 0), geom(13, 13, 16, 1000, 1, 1, 0), geom(2, 2, 8, 8, 5, 1, 2),     geom(1, 1, 16, 16, 3, 1, 1),
        geom(40, 17, 32, 48, 3, 2, 1), geom(3, 200, 20, 16, 3, 1, 1),   geom(112, 4, 96, 96, 3, 2, 1), geom(7, 7, 960, 64, 3, 1, 1),
        geom(14, 14, 64, 48, 3, 1, 1), geom(7, 7, 192, 160, 3, 1, 1),   geom(13, 13, 68, 16, 3, 1, 1), geom(9, 10, 64, 40, 3, 2, 1),
        geom(1, 1, 64, 20, 3, 1, 1),   geom(2, 3, 68, 80, 2, 1, 1),     geom(15, 15, 72, 64, 3, 2, 1), geom(1, 26, 64, 24, 3, 1, 1),
        geom(19, 2, 64, 130, 3, 1, 1), geom(11, 12, 128, 64, 4, 2, 1),  geom(31, 9, 16, 96, 1, 1, 0),  geom(17, 23, 12, 112, 1, 1, 0),
        geom(40, 25, 8, 12, 1, 1, 0),  geom(25, 40, 16, 80, 1, 1, 0),   geom(28, 28, 3, 144, 3, 1, 1), geom(16, 16, 24, 40, 3, 1, 1),
        geom(17, 17, 128, 704, 3, 1, 1), /* more weights than a cache near the core holds */
    };
    int bad = 0;
    for (size_t i = 0; i < IT_LEN(listed); i++) {
        it_conv_geom g = listed[i];
        if (dw) g.out_c = g.group = g.in_c;
        for (uint32_t batch = 1; batch <= 3; batch += 2)
            bad += check_layer(ref, got, kind, &g, elem, batch, r);
    }
    for (int i = 0; i < 400 && bad < 10; i++) {
        it_conv_geom g = geom_random(kind, r);
        bad += check_layer(ref, got, kind, &g, elem, check_pick(r, 1, 3), r);
    }
    return bad;
}
