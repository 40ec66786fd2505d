/* SPDX-License-Identifier: Apache-2.0 */
/* codes_mac.h: dense layers whose weights are looked up in registers; included once by a level's file that defines V, V_LANES (of 128 bits),
** V_SPLITS, V_WIDE, V_LOAD, V_STORE, V_AND, V_NIBBLE_MASK, V_HIGH_NIBBLES, V_SHUFFLE, V_SIXTEEN (16 bytes into every lane), V_ADD, V_DOT,
** V_IN_REGISTER, V_REDUCE and codes_store().
**
** A block is 4 * V_LANES output channels; channel 4 * lane + j has the 128 bits of vector j in that lane: 16 neighbouring taps. A byte
** shuffle then looks a lane's codes up in its own channel's table. A block as packed:
**
**   bias, mult, shift: s32 each | 4 (split: 8) vectors of tables | steps of 16 taps
**
** Codes of 3 and 4 bits take a nibble: a step is two vectors, the low nibbles of which belong to j = 0 and 2, the high ones to 1 and 3.
** Of 2 bits, two codes share a nibble and the tables have 16 entries that look at one of them: a step is one vector.
** split: where 8-bit products are added in pairs of 16 bits (vpmaddubsw), |w| <= 64 keeps 2 * 255 * 64 below 2^15; larger tables are
** the sum of two such, each looked up. */
#include <string.h>

#include "run/kern/kern_level.h"

enum {
    CODES_CHANNELS = 4 * V_LANES,
    CODES_V = 16 * V_LANES,   /* bytes of a vector */
    CODES_SAMPLES = 4,        /* that share one decoding */
    CODES_SAMPLES_MAX = 6,    /* that share the loading of decoded weights */
    CODES_GROUP = 36,         /* samples of a unit */
    CODES_AHEAD = 4096,       /* bytes between what is multiplied and what is fetched into the second cache */
    CODES_CONSTS = CODES_CHANNELS * 12,
};

/* The first 64 bytes. */
typedef struct codes_head { uint32_t vecs /* of a step: 1 or 2 */, split; } codes_head;

static inline size_t codes_steps(const it_conv_geom *g) { return ((size_t)g->in_c + 15) / 16; }
static inline size_t codes_block_bytes(const it_conv_geom *g, uint32_t vecs, uint32_t split)
{
    return it_round_up(CODES_CONSTS + (split ? 8 : 4) * (size_t)CODES_V + codes_steps(g) * vecs * CODES_V, 64);
}
static inline uint32_t codes_blocks(const it_conv_geom *g) { return (g->out_c - 1) / CODES_CHANNELS + 1; }

static inline codes_head codes_head_of(const it_codes *w)
{
    codes_head h = { .vecs = w->bits == 2 ? 1 : 2 };
    size_t n = (w->by_row ? (size_t)w->rows : 1) << w->bits;
    for (size_t i = 0; V_SPLITS && i < n; i++)
        h.split |= w->table[i] > 64 || w->table[i] < -64;
    return h;
}

static size_t codes_packed_bytes(const it_conv_geom *g, const it_codes *w)
{
    codes_head h = codes_head_of(w);
    return 64 + codes_blocks(g) * codes_block_bytes(g, h.vecs, h.split);
}

/* The 16 entries of channel j, lane's table. */
static inline void codes_pack_table(const it_codes *w, const codes_head *h, size_t row, uint32_t j, uint8_t *dst)
{
    const int8_t *table = it_codes_table(w, row);
    for (uint32_t i = 0; i < 16; i++) {
        int8_t v = table[w->bits == 4 ? i : w->bits == 3 ? i % 8 : j % 2 ? i / 4 : i % 4];
        int8_t rest = h->split ? (int8_t)(v / 2) : 0;
        dst[i] = (uint8_t)(v - rest);
        if (h->split)
            dst[4 * CODES_V + i] = (uint8_t)rest;
    }
}

/* A row's codes into the lane's bits, step after step. */
static inline void codes_pack_row(const it_codes *w, const codes_head *h, size_t row, uint32_t j, uint8_t *dst)
{
    const uint8_t *p = it_codes_row(w, row);
    uint32_t place = h->vecs == 1 ? 2 * j : j % 2 * 4, mask = (1u << w->bits) - 1;
    size_t step_bytes = (size_t)h->vecs * CODES_V, at = h->vecs == 1 ? 0 : j / 2 * (size_t)CODES_V;
    for (size_t k = 0; k < w->row_len; k += 8, p += w->bits) {
        size_t n = w->row_len - k < 8 ? w->row_len - k : 8;
        uint32_t v = n == 8 ? it_codes_eight(p, w->bits) : it_codes_last(p, w->bits, n);
        uint8_t *to = dst + k / 16 * step_bytes + at + k % 16;
        for (size_t i = 0; i < n; i++) {
            to[i] |= (uint8_t)((v & mask) << place);
            v >>= w->bits;
        }
    }
}

static void codes_pack(const it_conv_geom *g, const it_epi *e, const it_codes *w, void *dst)
{
    codes_head h = codes_head_of(w);
    size_t block_bytes = codes_block_bytes(g, h.vecs, h.split);
    memset(dst, 0, 64);
    memcpy(dst, &h, sizeof h);
    uint8_t *block = (uint8_t *)dst + 64;
    for (size_t first = 0; first < g->out_c; first += CODES_CHANNELS, block += block_bytes) {
        int32_t *bias = (int32_t *)block, *mult = bias + CODES_CHANNELS, *shift = mult + CODES_CHANNELS;
        memset(block, 0, block_bytes);
        for (uint32_t c = 0; c < CODES_CHANNELS; c++) {
            size_t o = first + c;
            shift[c] = 1;
            if (o >= g->out_c)
                continue;
            bias[c] = e->bias[o];
            mult[c] = e->mult[o];
            shift[c] = e->shift[o];
            uint8_t *tables = block + CODES_CONSTS + c % 4 * CODES_V + c / 4 * 16;
            codes_pack_table(w, &h, o, c % 4, tables);
            codes_pack_row(w, &h, o, c % 4, block + CODES_CONSTS + (h.split ? 8 : 4) * CODES_V + c / 4 * 16);
        }
    }
}

static inline uint32_t codes_groups(uint32_t batch) { return (batch - 1) / CODES_GROUP + 1; }
static uint32_t codes_units(const it_conv_geom *g, uint32_t batch) { return codes_blocks(g) * codes_groups(batch); }
static size_t codes_scratch_bytes(const it_conv_geom *g) { return V_WIDE ? codes_steps(g) * 4 * CODES_V : 0; }

/* The weights of a step. vecs: 1 or 2 of codes, 4 of signed bytes; a constant after inlining as are nb and split. */
static inline __attribute__((always_inline)) void codes_weights(const uint32_t vecs, const uint8_t *p, const V *tables, V w[4])
{
    if (vecs == 4) {
        for (int j = 0; j < 4; j++)
            w[j] = V_LOAD(p + j * CODES_V);
        return;
    }
    V a = V_LOAD(p), a0 = V_AND(a, V_NIBBLE_MASK), a1 = V_HIGH_NIBBLES(a);
    w[0] = V_SHUFFLE(tables[0], a0);
    if (vecs == 1) {
        w[1] = V_SHUFFLE(tables[1], a0);
        w[2] = V_SHUFFLE(tables[2], a1);
        w[3] = V_SHUFFLE(tables[3], a1);
        return;
    }
    V b = V_LOAD(p + CODES_V);
    w[1] = V_SHUFFLE(tables[1], a1);
    w[2] = V_SHUFFLE(tables[2], V_AND(b, V_NIBBLE_MASK));
    w[3] = V_SHUFFLE(tables[3], V_HIGH_NIBBLES(b));
}

/* In a register: gcc 12 otherwise copies accumulators back and forth, or keeps them in memory. */
#define CODES_DOT(acc, x, w)                                                                                                              \
    do {                                                                                                                                  \
        acc = V_DOT(acc, x, w);                                                                                                           \
        __asm__("" : V_IN_REGISTER(acc));                                                                                                 \
    } while (0)
#define CODES_SAMPLE(i)                                                                                                                   \
    if ((i) < nb) {                                                                                                                       \
        V v = V_SIXTEEN(x##i + at);                                                                                                       \
        CODES_DOT(a##i##_0, v, w[0]);                                                                                                     \
        CODES_DOT(a##i##_1, v, w[1]);                                                                                                     \
        CODES_DOT(a##i##_2, v, w[2]);                                                                                                     \
        CODES_DOT(a##i##_3, v, w[3]);                                                                                                     \
    }
#define CODES_REST(i)                                                                                                                     \
    if (split && (i) < nb) {                                                                                                              \
        V v = V_SIXTEEN(x##i + at);                                                                                                       \
        CODES_DOT(a##i##_0, v, rest[0]);                                                                                                  \
        CODES_DOT(a##i##_1, v, rest[1]);                                                                                                  \
        CODES_DOT(a##i##_2, v, rest[2]);                                                                                                  \
        CODES_DOT(a##i##_3, v, rest[3]);                                                                                                  \
    }
#define CODES_START(i)                                                                                                                    \
    const uint8_t *x##i = x[(i) < nb ? (i) : 0];                                                                                          \
    V a##i##_0 = V_ZERO, a##i##_1 = V_ZERO, a##i##_2 = V_ZERO, a##i##_3 = V_ZERO;
#define CODES_END(i)                                                                                                                      \
    if ((i) < nb) {                                                                                                                       \
        V_STORE(acc + (i) * 4 * CODES_V, a##i##_0);                                                                                       \
        V_STORE(acc + ((i) * 4 + 1) * CODES_V, a##i##_1);                                                                                 \
        V_STORE(acc + ((i) * 4 + 2) * CODES_V, a##i##_2);                                                                                 \
        V_STORE(acc + ((i) * 4 + 3) * CODES_V, a##i##_3);                                                                                 \
    }
#define CODES_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5)

/* Four vectors a sample to acc; at least one step. */
static inline __attribute__((always_inline)) void codes_mac(const uint32_t nb, const uint32_t vecs, const bool split,
                                                            const uint8_t *const *x, size_t steps, const uint8_t *tables, const uint8_t *p,
                                                            uint8_t *acc)
{
    V t[8], w[4], rest[4];
    for (int j = 0; j < 8; j++)
        t[j] = V_LOAD(tables + (split ? j : j % 4) * CODES_V);
    CODES_EACH(CODES_START)
    size_t at = 0, end = steps * 16;
    do {
        if (nb == 1)
            for (uint32_t i = 0; i < vecs * CODES_V; i += 64)
                __builtin_prefetch(p + CODES_AHEAD + i, 0, 2);
        codes_weights(vecs, p, t, w);
        CODES_EACH(CODES_SAMPLE)
        if (split)
            codes_weights(vecs, p, t + 4, rest);
        CODES_EACH(CODES_REST)
        p += vecs * CODES_V;
        at += 16;
    } while (at != end);
    CODES_EACH(CODES_END)
}

typedef void codes_fn(const uint8_t *const *x, size_t steps, const uint8_t *tables, const uint8_t *p, uint8_t *acc);

#define CODES_FN(nb, vecs, split)                                                                                                         \
    static void mac_##nb##_##vecs##_##split(const uint8_t *const *x, size_t steps, const uint8_t *tables, const uint8_t *p, uint8_t *acc) \
    {                                                                                                                                     \
        codes_mac(nb, vecs, split, x, steps, tables, p, acc);                                                                             \
    }
#define CODES_FNS(vecs, split)                                                                                                            \
    CODES_FN(1, vecs, split) CODES_FN(2, vecs, split) CODES_FN(3, vecs, split) CODES_FN(4, vecs, split)
#define CODES_LIST(vecs, split) { mac_1_##vecs##_##split, mac_2_##vecs##_##split, mac_3_##vecs##_##split, mac_4_##vecs##_##split }

CODES_FNS(1, 0)
CODES_FNS(2, 0)
#if V_SPLITS
CODES_FNS(1, 1)
CODES_FNS(2, 1)
static codes_fn *const fns[2][2][CODES_SAMPLES] = { { CODES_LIST(1, 0), CODES_LIST(2, 0) }, { CODES_LIST(1, 1), CODES_LIST(2, 1) } };
#else
static codes_fn *const fns[1][2][CODES_SAMPLES] = { { CODES_LIST(1, 0), CODES_LIST(2, 0) } };
#endif

#if V_WIDE
CODES_FNS(4, 0)
CODES_FN(5, 4, 0)
CODES_FN(6, 4, 0)
static codes_fn *const fns_bytes[6] = { mac_1_4_0, mac_2_4_0, mac_3_4_0, mac_4_4_0, mac_5_4_0, mac_6_4_0 };

/* A block's weights as signed bytes, for more samples than share one decoding. */
static void codes_unpack(uint32_t vecs, size_t steps, const uint8_t *tables, const uint8_t *p, uint8_t *to)
{
    V t[4], w[4];
    for (int j = 0; j < 4; j++)
        t[j] = V_LOAD(tables + j * CODES_V);
    for (size_t s = 0; s < steps; s++, p += vecs * CODES_V, to += 4 * CODES_V) {
        if (vecs == 1)
            codes_weights(1, p, t, w);
        else
            codes_weights(2, p, t, w);
        for (int j = 0; j < 4; j++)
            V_STORE(to + j * CODES_V, w[j]);
    }
}
#endif

/* A block as the loop takes it. */
typedef struct codes_block {
    codes_fn *const *fns;            /* by samples - 1 */
    const uint8_t *tables, *p;
    size_t step_bytes;
} codes_block;

/* The sums of a block's channels for `count` samples from x on, pitch apart; without bias. */
static inline void codes_sums(const codes_block *b, const uint8_t *x, size_t pitch, size_t len, uint32_t count, V *sums)
{
    _Alignas(64) uint8_t acc[CODES_SAMPLES_MAX * 4 * CODES_V], last[CODES_SAMPLES_MAX * 4 * CODES_V];
    uint8_t ends[CODES_SAMPLES_MAX][16] = { { 0 } }; /* taps behind the last read zero */
    const uint8_t *from[CODES_SAMPLES_MAX], *tail[CODES_SAMPLES_MAX];
    size_t steps = len / 16, rest = len % 16;
    for (uint32_t i = 0; i < count; i++) {
        from[i] = x + i * pitch;
        memcpy(ends[i], from[i] + steps * 16, rest);
        tail[i] = ends[i];
    }
    if (steps)
        b->fns[count - 1](from, steps, b->tables, b->p, acc);
    if (rest)
        b->fns[count - 1](tail, 1, b->tables, b->p + steps * b->step_bytes, steps ? last : acc);
    for (uint32_t i = 0; i < count; i++) {
        V a[4];
        for (int j = 0; j < 4; j++) {
            a[j] = V_LOAD(acc + (i * 4 + j) * CODES_V);
            if (steps && rest)
                a[j] = V_ADD(a[j], V_LOAD(last + (i * 4 + j) * CODES_V));
        }
        sums[i] = V_REDUCE(a[0], a[1], a[2], a[3]);
    }
}

static void codes_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                      uint32_t unit_end, void *scratch)
{
    codes_head h;
    memcpy(&h, packed, sizeof h);
    size_t block_bytes = codes_block_bytes(g, h.vecs, h.split), y_bytes = e->out == INTACT_S16 ? 2 : 1;
    size_t x_pitch = it_conv_in_pitch(g), y_pitch = it_conv_out_pitch(g);
    const uint32_t batch = io->batch, groups = codes_groups(batch);
    (void)scratch;
    for (uint32_t u = unit_begin; u < unit_end; u++) {
        uint32_t b = u / groups, n = u % groups * CODES_GROUP, end = batch - n < CODES_GROUP ? batch : n + CODES_GROUP;
        const uint8_t *block = (const uint8_t *)packed + 64 + b * block_bytes, *tables = block + CODES_CONSTS;
        const uint8_t *p = tables + (h.split ? 8 : 4) * CODES_V;
        uint32_t channels = g->out_c - b * CODES_CHANNELS < CODES_CHANNELS ? g->out_c - b * CODES_CHANNELS : CODES_CHANNELS;
        codes_block k = { fns[h.split][h.vecs - 1], tables, p, h.vecs * (size_t)CODES_V };
        uint32_t samples = CODES_SAMPLES;
#if V_WIDE
        if (end - n > V_WIDE) {
            codes_unpack(h.vecs, codes_steps(g), tables, p, scratch);
            k = (codes_block){ fns_bytes, tables, scratch, 4 * (size_t)CODES_V };
            samples = IT_LEN(fns_bytes);
        }
#endif
        while (n < end) {
            uint32_t count = end - n < samples ? end - n : samples;
            V sums[CODES_SAMPLES_MAX];
            codes_sums(&k, (const uint8_t *)io->x + n * x_pitch, x_pitch, g->in_c, count, sums);
            for (uint32_t i = 0; i < count; i++, n++)
                codes_store(e, sums[i], (const int32_t *)block, (uint8_t *)io->y + (n * y_pitch + b * CODES_CHANNELS) * y_bytes, channels);
        }
    }
}
