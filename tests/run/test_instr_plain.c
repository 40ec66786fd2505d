/* SPDX-License-Identifier: Apache-2.0 */
/* test_instr_plain.c: every instruction without weights against its formula, at every level, batch and thread count. */
#include "run/helpers.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 12 };

static const intact_type types[2] = { INTACT_U8, INTACT_S16 };

static int64_t floor_shift(__int128 n, int32_t s)
{
    __int128 d = (__int128)1 << s, q = n / d;
    return (int64_t)(n % d < 0 ? q - 1 : q);
}

static int32_t clamp(int64_t v, int32_t lo, int32_t hi) { return v < lo ? lo : v > hi ? hi : (int32_t)v; }

static void put_code(intact_type t, void *to, size_t at, int32_t v)
{
    if (t == INTACT_U8)
        ((uint8_t *)to)[at] = (uint8_t)v;
    else if (t == INTACT_S16)
        ((int16_t *)to)[at] = (int16_t)v;
    else
        ((int32_t *)to)[at] = v;
}

/* One program of one instruction, with one or two random inputs, and what it should give. */
typedef struct bench {
    it_prog p;
    it_rng r;
    uint32_t batch;
    uint32_t in[2], in_len, out;
    void *x[2], *want;
} bench;

static void bench_init(bench *b, uint64_t seed, uint32_t batch)
{
    memset(b, 0, sizeof *b);
    it_prog_init(&b->p, NULL);
    it_rng_seed(&b->r, seed);
    b->batch = batch;
}

static int32_t some_zero(bench *b, intact_type t) { return t == INTACT_U8 ? random_between(&b->r, 0, 255) : 0; }
static size_t elements(const bench *b, uint32_t tensor) { return it_ptensor_elements(&b->p.tensors.items[tensor]); }

static void bench_input(bench *b, uint32_t tensor)
{
    size_t n = elements(b, tensor) * b->batch;
    b->x[b->in_len] = malloc(n * 2);
    random_codes(&b->r, b->p.tensors.items[tensor].type, b->x[b->in_len], n);
    b->in[b->in_len++] = tensor;
}

static void bench_output(bench *b, uint32_t tensor)
{
    b->out = tensor;
    b->want = malloc(elements(b, tensor) * b->batch * 4);
}

static int32_t x_at(const bench *b, int which, size_t at) { return code_at(b->p.tensors.items[b->in[which]].type, b->x[which], at); }
static void want(bench *b, size_t at, int64_t v) { put_code(b->p.tensors.items[b->out].type, b->want, at, (int32_t)v); }

static void bench_run(bench *b, const it_instr *kind, const void *args)
{
    net_emit(&b->p, kind, "layer", b->in, b->in_len, b->out, args);
    net_ports(&b->p, b->in, b->in_len, &b->out, 1);
    expect_output(&b->p, b->batch, (const void *const *)b->x, b->want, it_ptensor_bytes(&b->p.tensors.items[b->out]) * b->batch);
    free(b->x[0]);
    free(b->x[1]);
    free(b->want);
    it_prog_release(&b->p);
}

/* Index in b of element at of a, both with the batch in front; b has 1 in some dimensions. */
static size_t broadcast_index(const it_ptensor *a, const it_ptensor *b, size_t at)
{
    size_t index = 0, stride = 1;
    for (uint32_t k = a->rank; k-- > 1;) {
        index += (b->dims[k] == 1 ? 0 : at % a->dims[k]) * stride;
        stride *= b->dims[k];
        at /= a->dims[k];
    }
    return index + at * stride;
}

static void check_pair(uint64_t seed, bool product)
{
    static const uint32_t shapes[][4] = { { 1, 6, 7, 24 }, { 1, 1, 1, 24 }, { 1, 6, 1, 1 }, { 1, 6, 7, 1 },
                                          { 1, 1, 7, 24 }, { 1, 1, 1, 1 },  { 1, 6, 7, 24 } };
    bench b;
    bench_init(&b, seed, 1 + seed % 3);
    intact_type ta = types[random_between(&b.r, 0, 3) == 0], tb = types[random_between(&b.r, 0, 3) == 0],
                ty = types[random_between(&b.r, 0, 3) == 0];
    const uint32_t *sb = shapes[seed % IT_LEN(shapes)];
    int32_t za = some_zero(&b, ta), zb = some_zero(&b, tb), zy = some_zero(&b, ty);
    uint32_t a = net_tensor(&b.p, "a", ta, za, 4, shapes[0]), c = net_tensor(&b.p, "b", tb, zb, 4, sb),
             y = net_tensor(&b.p, "y", ty, zy, 4, shapes[0]);
    bench_input(&b, a);
    bench_input(&b, c);
    bench_output(&b, y);
    int32_t bits = (ta == INTACT_S16 ? 15 : 8) * (product ? 1 : 0) + (tb == INTACT_S16 ? 15 : 8),
            shift = 31 + bits - (ty == INTACT_S16 ? 15 : 8);
    shift = clamp(shift + random_between(&b.r, -2, 2), 1, 62);
    int32_t lo = ty == INTACT_U8 ? 3 : -32767, hi = ty == INTACT_U8 ? 250 : 32767;
    it_add_args add = { random_between(&b.r, -INT32_MAX, INT32_MAX), random_between(&b.r, 1 << 30, INT32_MAX), (uint32_t)shift, lo, hi };
    it_mul_args mul = { random_between(&b.r, 1 << 30, INT32_MAX), (uint32_t)shift, lo, hi };
    const it_ptensor *pa = &b.p.tensors.items[a], *pb = &b.p.tensors.items[c];
    for (size_t k = 0; k < elements(&b, a) * b.batch; k++) {
        __int128 u = x_at(&b, 0, k) - za, v = x_at(&b, 1, broadcast_index(pa, pb, k)) - zb;
        __int128 n = product ? u * v * mul.mult : u * add.m_a + v * add.m_b;
        want(&b, k, clamp(floor_shift(n + ((__int128)1 << (shift - 1)), shift) + zy, lo, hi));
    }
    bench_run(&b, product ? &it_instr_mul : &it_instr_add, product ? (void *)&mul : (void *)&add);
}

static void add_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4 * ROUNDS; seed++)
        check_pair(seed, false);
}

static void mul_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4 * ROUNDS; seed++)
        check_pair(seed, true);
}

static void pool_case(uint64_t seed, bool average)
{
    bench b;
    bench_init(&b, seed, 1 + seed % 3);
    it_maxpool_args g = { .kh = 1 + seed % 3,
                          .kw = 1 + seed / 2 % 4,
                          .stride_h = 1 + seed % 2,
                          .stride_w = 1 + seed / 3 % 2,
                          .dil_h = 1 + (seed % 5 == 0 && !average),
                          .dil_w = 1,
                          .pad_t = seed % 2,
                          .pad_l = seed / 4 % 2,
                          .pad_b = seed % 3,
                          .pad_r = seed % 2 };
    uint32_t h = 9, w = 8, c = seed % 4 == 0 ? 1100 : 1 + (uint32_t)(seed * 7 % 40);
    if (seed % 6 == 5) /* global */
        g = (it_maxpool_args){ .kh = h, .kw = w, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1 };
    intact_type tx = types[seed % 2], ty = average ? types[seed / 2 % 2] : tx;
    int32_t zx = some_zero(&b, tx), zy = average ? some_zero(&b, ty) : zx, lo = ty == INTACT_U8 ? 5 : -32767,
            hi = ty == INTACT_U8 ? 251 : 30000;
    uint32_t oh = (h + g.pad_t + g.pad_b - (g.dil_h * (g.kh - 1) + 1)) / g.stride_h + 1,
             ow = (w + g.pad_l + g.pad_r - (g.dil_w * (g.kw - 1) + 1)) / g.stride_w + 1;
    uint32_t x = NET_TENSOR(&b.p, "x", tx, zx, 1, h, w, c), y = NET_TENSOR(&b.p, "y", ty, zy, 1, oh, ow, c);
    bench_input(&b, x);
    bench_output(&b, y);
    int32_t taps = (int32_t)(g.kh * g.kw), table = seed % 3 == 0 ? 1 : taps;
    g.lo = lo;
    g.hi = hi;
    int32_t *mm = malloc((size_t)taps * 4), *ss = malloc((size_t)taps * 4);
    for (int k = 0; k < table; k++) {
        mm[k] = random_between(&b.r, 1 << 30, INT32_MAX);
        ss[k] = 30 + (tx == INTACT_S16 && ty == INTACT_U8 ? 8 : tx == INTACT_U8 && ty == INTACT_S16 ? -6 : 0) + (taps > 4 ? 3 : 1);
    }
    it_avgpool_args a = { g.kh, g.kw, g.stride_h, g.stride_w, g.pad_t, g.pad_l, g.pad_b, g.pad_r, 0, 0, lo, hi };
    if (average) {
        a.mult = net_const(&b.p, INTACT_S32, (uint64_t)table, mm);
        a.shift = net_const(&b.p, INTACT_S32, (uint64_t)table, ss);
    }
    size_t at = 0;
    for (uint32_t n = 0; n < b.batch; n++)
        for (uint32_t i = 0; i < oh; i++)
            for (uint32_t j = 0; j < ow; j++)
                for (uint32_t ch = 0; ch < c; ch++) {
                    int64_t sum = 0, best = INT64_MIN;
                    int count = 0;
                    for (uint32_t u = 0; u < g.kh; u++)
                        for (uint32_t v = 0; v < g.kw; v++) {
                            int64_t ih = (int64_t)i * g.stride_h + u * g.dil_h - g.pad_t,
                                    iw = (int64_t)j * g.stride_w + v * g.dil_w - g.pad_l;
                            if (ih < 0 || ih >= h || iw < 0 || iw >= w)
                                continue;
                            int32_t code = x_at(&b, 0, ((size_t)(n * h + ih) * w + iw) * c + ch);
                            sum += code - zx;
                            best = code > best ? code : best;
                            count++;
                        }
                    int k = table == 1 || count == 0 ? 0 : count - 1;
                    want(&b, at++,
                         average ? clamp(floor_shift((__int128)sum * mm[k] + ((__int128)1 << (ss[k] - 1)), ss[k]) + zy, lo, hi)
                                 : clamp(best, lo, hi));
                }
    bench_run(&b, average ? &it_instr_avgpool : &it_instr_maxpool, average ? (void *)&a : (void *)&g);
    free(mm);
    free(ss);
}

static void maxpool_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3 * ROUNDS; seed++)
        pool_case(seed, false);
}

static void avgpool_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3 * ROUNDS; seed++)
        pool_case(seed, true);
}

static void concat_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        bench b;
        bench_init(&b, seed, 1 + seed % 3);
        uint32_t axis = 1 + (uint32_t)seed % 3, da[4] = { 1, 5, 6, 8 }, db[4], dy[4];
        memcpy(db, da, sizeof da);
        memcpy(dy, da, sizeof da);
        db[axis] = 3 + (uint32_t)seed;
        dy[axis] = da[axis] + db[axis];
        intact_type t = types[seed / 3 % 2];
        int32_t z = some_zero(&b, t);
        uint32_t x0 = net_tensor(&b.p, "a", t, z, 4, da), x1 = net_tensor(&b.p, "b", t, z, 4, db), y = net_tensor(&b.p, "y", t, z, 4, dy);
        bench_input(&b, x0);
        bench_input(&b, x1);
        bench_output(&b, y);
        size_t run_a = 1, run_b = 1, at = 0;
        for (uint32_t k = axis; k < 4; k++) {
            run_a *= da[k];
            run_b *= db[k];
        }
        for (size_t o = 0; o < elements(&b, x0) * b.batch / run_a; o++) {
            for (size_t k = 0; k < run_a; k++)
                want(&b, at++, x_at(&b, 0, o * run_a + k));
            for (size_t k = 0; k < run_b; k++)
                want(&b, at++, x_at(&b, 1, o * run_b + k));
        }
        bench_run(&b, &it_instr_concat, &(it_concat_args){ axis });
    }
}

/* -1: outside, in constant mode. */
static int64_t pad_source(int64_t o, int64_t before, int64_t n, uint32_t mode)
{
    int64_t i = o - before;
    if (i >= 0 && i < n)
        return i;
    if (mode == 0)
        return -1;
    if (mode == 1)
        return i < 0 ? 0 : n - 1;
    return i < 0 ? -i : 2 * (n - 1) - i;
}

static void pad_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3 * ROUNDS; seed++) {
        bench b;
        bench_init(&b, seed, 1 + seed % 2);
        uint32_t mode = (uint32_t)seed % 3, rank = 2 + (uint32_t)seed / 3 % 3, dx[4] = { 1, 4, 5, 6 }, dy[4] = { 1 }, before[3] = { 0 },
                 after[3] = { 0 };
        for (uint32_t k = 1; k < rank; k++) {
            before[k - 1] = k == 3 && seed % 4 == 1 ? 0 : (uint32_t)random_between(&b.r, 0, 3);
            after[k - 1] = k == 3 && seed % 4 == 1 ? 0 : (uint32_t)random_between(&b.r, 0, 3);
            dy[k] = dx[k] + before[k - 1] + after[k - 1];
        }
        for (uint32_t k = 1; k < rank - 1 && seed % 4 == 3; k++) { /* the last dimension alone */
            before[k - 1] = after[k - 1] = 0;
            dy[k] = dx[k];
        }
        intact_type t = types[seed / 2 % 2];
        int32_t z = some_zero(&b, t);
        uint32_t x = net_tensor(&b.p, "x", t, z, rank, dx), y = net_tensor(&b.p, "y", t, z, rank, dy);
        it_pad_args a = { before[0], before[1], before[2], after[0], after[1], after[2], mode, random_code(&b.r, t) };
        bench_input(&b, x);
        bench_output(&b, y);
        size_t at = 0;
        for (size_t n = 0; n < b.batch; n++)
            for (size_t k = 0; k < elements(&b, y); k++) {
                size_t rest = k, from = 0, stride = 1;
                bool outside = false;
                for (uint32_t d = rank; d-- > 1;) {
                    int64_t i = pad_source((int64_t)(rest % dy[d]), before[d - 1], dx[d], mode);
                    outside |= i < 0;
                    from += (size_t)(i < 0 ? 0 : i) * stride;
                    stride *= dx[d];
                    rest /= dy[d];
                }
                want(&b, at++, outside ? a.value : x_at(&b, 0, n * stride + from));
            }
        bench_run(&b, &it_instr_pad, &a);
    }
}

static void copy_is_right(void **state)
{
    static const struct { uint32_t rank, dims[4]; it_copy_args a; } cases[] = {
        { 4, { 1, 40, 5, 6 }, { 1, 1, 1, 40, 5, 6, 0, 0, 0, 1, 240, 40, 0 } },      /* (5,6,40) to channels first */
        { 2, { 1, 1200 }, { 1, 1, 1, 1, 1, 1200, 0, 0, 0, 0, 0, 1, 0 } },           /* reshape */
        { 3, { 1, 3, 4 }, { 1, 1, 1, 1, 3, 4, 0, 0, 0, 0, -240, -40, 1199 } },      /* reversed, sliced */
        { 4, { 1, 2, 3, 40 }, { 1, 1, 1, 2, 3, 40, 0, 0, 0, 480, 80, 1, 40 } },     /* strided slice, whole pixels */
        { 4, { 1, 2, 2, 7 }, { 1, 1, 1, 2, 2, 7, 7, 7, 7, 0, 40, 0, 13 } },         /* broadcast */
        { 2, { 1, 720 }, { 2, 2, 3, 3, 4, 5, 600, 240, 80, 12, 3, 2, 1 } },         /* all six dimensions */
        { 4, { 1, 5, 6, 40 }, { 1, 1, 1, 30, 20, 2, 0, 0, 0, 40, 1, 20, 0 } },      /* channels shuffled */
        { 4, { 1, 5, 3, 36 }, { 1, 1, 5, 3, 18, 2, 0, 0, 240, 80, 1, 18, 4 } },     /* some of them, of every second pixel */
        { 4, { 1, 5, 6, 10 }, { 1, 1, 1, 5, 6, 10, 0, 0, 0, 240, 40, 1, 30 } },     /* channels split off */
        { 4, { 1, 1, 8, 70 }, { 1, 1, 1, 8, 35, 2, 0, 0, 0, 140, 1, 70, 3 } },      /* longer pairs */
    };
    (void)state;
    for (uint64_t seed = 0; seed < 3 * IT_LEN(cases); seed++) {
        bench b;
        bench_init(&b, seed, 1 + seed % 3);
        intact_type t = types[seed / IT_LEN(cases) % 2];
        const it_copy_args *a = &cases[seed % IT_LEN(cases)].a;
        int32_t z = some_zero(&b, t);
        uint32_t x = NET_TENSOR(&b.p, "x", t, z, 1, 5, 6, 40),
                 y = net_tensor(&b.p, "y", t, z, cases[seed % IT_LEN(cases)].rank, cases[seed % IT_LEN(cases)].dims);
        bench_input(&b, x);
        bench_output(&b, y);
        const uint32_t d[6] = { a->d0, a->d1, a->d2, a->d3, a->d4, a->d5 };
        const int32_t s[6] = { a->s0, a->s1, a->s2, a->s3, a->s4, a->s5 };
        for (size_t k = 0; k < elements(&b, y) * b.batch; k++) {
            size_t rest = k;
            int64_t from = a->offset;
            for (int j = 6; j-- > 0; rest /= d[j])
                from += (int64_t)(rest % d[j]) * s[j];
            want(&b, k, x_at(&b, 0, rest * 1200 + (size_t)from));
        }
        bench_run(&b, &it_instr_copy, a);
    }
}

static void resize_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        bench b;
        bench_init(&b, seed, 1 + seed % 3);
        enum { H = 5, W = 7, OH = 11, OW = 9, C = 6 };
        int32_t t[6][OH];
        for (int k = 0; k < OH; k++) {
            t[0][k] = random_between(&b.r, 0, H - 1);
            t[1][k] = random_between(&b.r, 0, H - 1);
            t[3][k] = random_between(&b.r, 0, W - 1);
            t[4][k] = random_between(&b.r, 0, W - 1);
            for (int w = 2; w < 6; w += 3)
                t[w][k] = seed % 3 == 0 ? 0 : random_between(&b.r, 0, 3) ? random_between(&b.r, 0, 2048) : 2048;
        }
        intact_type type = types[seed % 2];
        int32_t z = some_zero(&b, type);
        uint32_t x = NET_TENSOR(&b.p, "x", type, z, 1, H, W, C), y = NET_TENSOR(&b.p, "y", type, z, 1, OH, OW, C), c[6];
        for (int k = 0; k < 6; k++)
            c[k] = net_const(&b.p, INTACT_S32, k < 3 ? OH : OW, t[k]);
        bench_input(&b, x);
        bench_output(&b, y);
        size_t at = 0;
        for (uint32_t n = 0; n < b.batch; n++)
            for (int i = 0; i < OH; i++)
                for (int j = 0; j < OW; j++)
                    for (int ch = 0; ch < C; ch++) {
                        int64_t sum = 1 << 21;
                        for (int k = 0; k < 4; k++) {
                            int64_t wh = k / 2 ? t[2][i] : 2048 - t[2][i], ww = k % 2 ? t[5][j] : 2048 - t[5][j];
                            sum += wh * ww *
                                   x_at(&b, 0, (((size_t)n * H + (size_t)t[k / 2][i]) * W + (size_t)t[3 + k % 2][j]) * C + (size_t)ch);
                        }
                        want(&b, at++, floor_shift(sum, 22));
                    }
        bench_run(&b, &it_instr_resize, &(it_resize_args){ c[0], c[1], c[2], c[3], c[4], c[5] });
    }
}

static void lut_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        bench b;
        bench_init(&b, seed, 1 + seed % 3);
        intact_type tx = types[seed % 2], ty = types[seed / 2 % 2];
        uint32_t x = NET_TENSOR(&b.p, "x", tx, 0, 1, 50, 60), y = NET_TENSOR(&b.p, "y", ty, 0, 1, 50, 60);
        uint8_t table[513 * 2];
        random_codes(&b.r, ty, table, 513);
        bench_input(&b, x);
        bench_output(&b, y);
        for (size_t k = 0; k < elements(&b, x) * b.batch; k++) {
            int32_t v = x_at(&b, 0, k);
            if (tx == INTACT_U8) {
                want(&b, k, code_at(ty, table, (size_t)v));
            } else {
                int32_t i = (v + 32768) / 128, f = (v + 32768) % 128;
                want(&b, k,
                     floor_shift((int64_t)code_at(ty, table, (size_t)i) * (128 - f) + (int64_t)code_at(ty, table, (size_t)i + 1) * f + 64,
                                 7));
            }
        }
        it_lut_args a = { net_const(&b.p, ty, tx == INTACT_U8 ? 256 : 513, table) };
        bench_run(&b, &it_instr_lut, &a);
    }
}

static void pixels_are_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        bench b;
        bench_init(&b, seed, 1 + seed % 3);
        uint32_t cx = seed % 2 ? 3 : 4, cy = seed % 3 ? 3 : 1;
        uint32_t x = NET_TENSOR(&b.p, "x", INTACT_U8, 0, 1, 31, 37, cx), y = NET_TENSOR(&b.p, "y", INTACT_U8, 9, 1, 31, 37, cy);
        uint8_t table[3 * 256];
        int32_t source[3];
        random_codes(&b.r, INTACT_U8, table, sizeof table);
        for (int k = 0; k < 3; k++)
            source[k] = random_between(&b.r, 0, (int32_t)cx - 1);
        bench_input(&b, x);
        bench_output(&b, y);
        for (size_t k = 0; k < elements(&b, y) * b.batch; k++)
            want(&b, k, table[k % cy * 256 + (size_t)x_at(&b, 0, k / cy * cx + (size_t)source[k % cy])]);
        it_pixels_args a = { net_const(&b.p, INTACT_U8, cy * 256, table), net_const(&b.p, INTACT_S32, cy, source) };
        bench_run(&b, &it_instr_pixels, &a);
    }
}

static void requantize_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2 * ROUNDS; seed++) {
        bench b;
        bench_init(&b, seed, 1 + seed % 3);
        intact_type tx = types[seed % 2], ty = types[seed / 2 % 2];
        int32_t zx = some_zero(&b, tx), zy = some_zero(&b, ty);
        uint32_t x = NET_TENSOR(&b.p, "x", tx, zx, 1, 33, 65), y = NET_TENSOR(&b.p, "y", ty, zy, 1, 33, 65);
        bench_input(&b, x);
        bench_output(&b, y);
        int32_t s = 31 + (tx == INTACT_S16 ? 7 : 0) - (ty == INTACT_S16 ? 7 : 0) + random_between(&b.r, -1, 1),
                lo = ty == INTACT_U8 ? 10 : -32767, hi = ty == INTACT_U8 ? 240 : 32767;
        it_requantize_args a = { random_between(&b.r, -INT32_MAX, INT32_MAX), (uint32_t)s, lo, hi };
        for (size_t k = 0; k < elements(&b, x) * b.batch; k++)
            want(&b, k, clamp(floor_shift((__int128)(x_at(&b, 0, k) - zx) * a.mult + ((__int128)1 << (s - 1)), s) + zy, lo, hi));
        bench_run(&b, &it_instr_requantize, &a);
    }
}

static void softmax_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        bench b;
        bench_init(&b, seed, 1 + seed % 3);
        intact_type tx = types[seed % 2], ty = types[seed / 2 % 2];
        enum { C = 37, LEN = 300 };
        uint32_t x = NET_TENSOR(&b.p, "x", tx, 0, 1, 8, C), y = NET_TENSOR(&b.p, "y", ty, 0, 1, 8, C), e[LEN];
        for (uint32_t k = 0; k < LEN; k++) /* a falling curve down to 0 */
            e[k] = (uint32_t)((UINT64_C(1) << 31) >> (k / 7)) - (k % 7) * (uint32_t)((UINT64_C(1) << 28) >> (k / 7));
        uint32_t len = tx == INTACT_U8 ? 256 : LEN, shift = tx == INTACT_U8 ? 0 : 6;
        bench_input(&b, x);
        bench_output(&b, y);
        int32_t one = ty == INTACT_U8 ? 255 : 32767;
        for (size_t row = 0; row < 8 * b.batch; row++) {
            int32_t max = INT32_MIN;
            unsigned __int128 sum = 0;
            for (size_t k = 0; k < C; k++)
                max = x_at(&b, 0, row * C + k) > max ? x_at(&b, 0, row * C + k) : max;
            for (int pass = 0; pass < 2; pass++)
                for (size_t k = 0; k < C; k++) {
                    uint32_t d = (uint32_t)(max - x_at(&b, 0, row * C + k)) / (1u << shift);
                    unsigned __int128 v = e[d < len ? d : len - 1];
                    if (pass == 0)
                        sum += v;
                    else
                        want(&b, row * C + k, (int64_t)((v * (uint32_t)one + sum / 2) / sum));
                }
        }
        it_softmax_args a = { net_const(&b.p, INTACT_S32, len, e), shift, one };
        bench_run(&b, &it_instr_softmax, &a);
    }
}

static void argmax_is_right(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        bench b;
        bench_init(&b, seed, 1 + seed % 3);
        enum { C = 19 };
        intact_type t = types[seed % 2];
        it_argmax_args a = { seed / 2 % 2, seed / 4 % 2 };
        uint32_t x = NET_TENSOR(&b.p, "x", t, 0, 1, 7, C), y = NET_TENSOR(&b.p, "y", INTACT_S32, 0, 1, 7, 1);
        bench_input(&b, x);
        bench_output(&b, y);
        for (size_t row = 0; row < 7 * b.batch; row++) {
            if (row % 2) /* ties */
                for (size_t k = 0; k < C; k++)
                    put_code(t, b.x[0], row * C + k, random_between(&b.r, 0, 2));
            int32_t index = 0;
            for (int32_t k = 0; k < C; k++) {
                int32_t v = x_at(&b, 0, row * C + (size_t)k), w = x_at(&b, 0, row * C + (size_t)index);
                if (a.smallest ? v < w : v > w)
                    index = k;
                else if (v == w && a.last)
                    index = k;
            }
            want(&b, row, index);
        }
        bench_run(&b, &it_instr_argmax, &a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_is_right),     cmocka_unit_test(mul_is_right),        cmocka_unit_test(maxpool_is_right),
        cmocka_unit_test(avgpool_is_right), cmocka_unit_test(concat_is_right),     cmocka_unit_test(pad_is_right),
        cmocka_unit_test(copy_is_right),    cmocka_unit_test(resize_is_right),     cmocka_unit_test(lut_is_right),
        cmocka_unit_test(pixels_are_right), cmocka_unit_test(requantize_is_right), cmocka_unit_test(softmax_is_right),
        cmocka_unit_test(argmax_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
