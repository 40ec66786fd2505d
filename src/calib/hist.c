/* SPDX-License-Identifier: Apache-2.0 */
/* hist.c: streaming histograms of magnitudes, whose content depends on the values alone. */
#include "calib/calib.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* The bin of |x| is floor(|x| * 2^-k): the product is exact (or below 1), so the truncation is too. k stays at or above K_MIN so that 2^-k
** is a float; data that all lie below 2^(K_MIN + 11) use fewer bins. */
#define K_MIN (-126)
#define BIN_BITS 11 /* IT_HIST_BINS is 2^11 */
#define CHUNK 4096u
#define SIDES (2u * IT_HIST_BINS) /* bins of one counting table: positive, then negative */
#define TABLES 4u                 /* neighbouring values rarely wait for each other's increment */
#define FLUSH_AFTER (UINT32_MAX / CHUNK - 1) /* chunks a 32-bit counter can take */

_Static_assert(IT_HIST_BINS == 1 << BIN_BITS, "bins are a power of two: neighbours merge in pairs");

void it_hist_init(it_hist *h)
{
    memset(h, 0, sizeof(*h));
    h->k = INT_MIN;
}

/* The smallest k with a < IT_HIST_BINS * 2^k; a > 0, finite. */
static int k_of(float a)
{
    int e;
    frexpf(a, &e); /* a < 2^e */
    return e - BIN_BITS > K_MIN ? e - BIN_BITS : K_MIN;
}

static void merge_bins(uint64_t *bin, int by)
{
    uint64_t sum[IT_HIST_BINS] = {0};
    int shift = by < BIN_BITS ? by : BIN_BITS;
    for (int i = 0; i < IT_HIST_BINS; i++) sum[i >> shift] += bin[i];
    memcpy(bin, sum, sizeof(sum));
}

static void grow_to(it_hist *h, int k)
{
    if (k <= h->k) return;
    if (h->k != INT_MIN) { /* otherwise all counts are zeros, in pos[0] already */
        merge_bins(h->pos, k - h->k);
        merge_bins(h->neg, k - h->k);
    }
    h->k = k;
}

typedef struct facts { /* of one chunk */
    float min, max;
    uint32_t zeros, bad;
} facts;

/* Floats in integer clothes: x ^ (sign ? 0x7fffffff : 0) orders like the floats do, and integer minima vectorize without permission
** to reorder float operations. */
static facts look(const float *x, size_t n)
{
    int32_t lo = INT32_MAX, hi = INT32_MIN;
    uint32_t zeros = 0, bad = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t b;
        memcpy(&b, x + i, sizeof(b));
        int32_t a = b & INT32_MAX, key = b ^ ((b >> 31) & INT32_MAX);
        lo = key < lo ? key : lo;
        hi = key > hi ? key : hi;
        zeros += a == 0;
        bad += a >= 0x7f800000;
    }
    facts f = {.zeros = zeros, .bad = bad};
    lo ^= (lo >> 31) & INT32_MAX;
    hi ^= (hi >> 31) & INT32_MAX;
    memcpy(&f.min, &lo, sizeof(lo));
    memcpy(&f.max, &hi, sizeof(hi));
    f.min += 0.0f; /* -0 becomes 0: equal values leave equal bytes */
    f.max += 0.0f;
    return f;
}

static void widen_limits(it_hist *h, float min, float max)
{
    h->min = h->count == 0 || min < h->min ? min : h->min;
    h->max = h->count == 0 || max > h->max ? max : h->max;
}

/* inv = 2^-k covers all x: indexes are below SIDES. -0 is not negative, so zeros all fall into pos[0]. */
static void index_chunk(const float *restrict x, size_t n, float inv, int32_t *restrict index)
{
    for (size_t i = 0; i < n; i++) index[i] = (int32_t)(fabsf(x[i]) * inv) + (x[i] < 0.0f ? IT_HIST_BINS : 0);
}

static void count_chunk(const int32_t *index, size_t n, uint32_t table[TABLES][SIDES])
{
    size_t i = 0;
    for (; i + TABLES <= n; i += TABLES) {
        table[0][index[i]]++;
        table[1][index[i + 1]]++;
        table[2][index[i + 2]]++;
        table[3][index[i + 3]]++;
    }
    for (; i < n; i++) table[0][index[i]]++;
}

static void flush(it_hist *h, uint32_t table[TABLES][SIDES])
{
    for (size_t i = 0; i < IT_HIST_BINS; i++) {
        for (size_t t = 0; t < TABLES; t++) {
            h->pos[i] += table[t][i];
            h->neg[i] += table[t][IT_HIST_BINS + i];
        }
    }
    memset(table, 0, sizeof(uint32_t) * TABLES * SIDES);
}

static float largest(const it_hist *h) { return h->max > -h->min ? h->max : -h->min; }
static float inverse_width(const it_hist *h) { return h->k == INT_MIN ? 1.0f : ldexpf(1.0f, -h->k); }

/* Few values: straight into the bins, no tables to clear. */
static void count_few(it_hist *h, const int32_t *index, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t *side = index[i] < IT_HIST_BINS ? h->pos : h->neg;
        side[index[i] & (IT_HIST_BINS - 1)]++;
    }
}

static size_t keep_finite(const float *x, size_t n, float *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i])) out[kept++] = x[i];
    return kept;
}

void it_hist_add(it_hist *h, const float *x, size_t n)
{
    uint32_t table[TABLES][SIDES];
    int32_t index[CHUNK];
    float finite[CHUNK];
    bool few = n < SIDES;
    uint32_t pending = 0;
    if (!few) memset(table, 0, sizeof(table));
    for (size_t at = 0; at < n; at += CHUNK) {
        const float *part = x + at;
        size_t len = n - at < CHUNK ? n - at : CHUNK;
        facts f = look(part, len);
        h->bad += f.bad;
        if (f.bad) {
            len = keep_finite(part, len, finite);
            part = finite;
            if (len == 0) continue;
            f = look(part, len);
        }
        widen_limits(h, f.min, f.max);
        h->count += len;
        h->zeros += f.zeros;
        if (largest(h) > 0.0f && k_of(largest(h)) > h->k) {
            if (pending) flush(h, table);
            pending = 0;
            grow_to(h, k_of(largest(h)));
        }
        index_chunk(part, len, inverse_width(h), index);
        if (few) {
            count_few(h, index, len);
            continue;
        }
        count_chunk(index, len, table);
        if (++pending == FLUSH_AFTER) {
            flush(h, table);
            pending = 0;
        }
    }
    if (pending) flush(h, table);
}

void it_hist_merge(it_hist *to, const it_hist *from)
{
    if (from->count > 0) widen_limits(to, from->min, from->max);
    to->count += from->count;
    to->zeros += from->zeros;
    to->bad += from->bad;
    grow_to(to, from->k);
    int by = from->k == INT_MIN ? 0 : to->k - from->k;
    int shift = by < BIN_BITS ? by : BIN_BITS;
    for (int i = 0; i < IT_HIST_BINS; i++) {
        to->pos[i >> shift] += from->pos[i];
        to->neg[i >> shift] += from->neg[i];
    }
}
