/* SPDX-License-Identifier: Apache-2.0 */
/* tile_mac.h: the inner loops of a tile; included once by a level's file that defines V, VL, V_LOAD, V_STORE, V_BCAST, V_DOT,
** TILE_EDGES (whether its tiles skip the taps left and right of the map) and TILE_LARGE (whether it has wide and tall tiles).
**
** Each step fetches a line of k->ahead into L2: there lie the weights that come next, or some that are near already. Tiles of one vector,
** which are all of their layer, have no port to spare for that.
**
** mr pixels x nv vectors, both constants after inlining. Nothing but stores follows the loop: with an epilogue behind it gcc 12
** keeps the accumulators in memory. Named variables, not arrays, for the same reason. */

#define PX_EACH(X, lo, hi)                                                                                                                \
    X(0, lo, hi) X(1, lo, hi) X(2, lo, hi) X(3, lo, hi) X(4, lo, hi) X(5, lo, hi) X(6, lo, hi) X(7, lo, hi) X(8, lo, hi) X(9, lo, hi)     \
    X(10, lo, hi) X(11, lo, hi)

#define PX_START(i, lo, hi)                                                                                                               \
    const uint8_t *p##i = (i) < mr ? px[i] : NULL;                                                                                        \
    const int32_t *bias##i = !TILE_EDGES ? bias : (i) == 0 ? k->bias_first : (i) == mr - 1 ? k->bias_last : bias;                         \
    V a##i##_0 = V_LOAD(bias##i), a##i##_1 = a##i##_0, a##i##_2 = a##i##_0, a##i##_3 = a##i##_0;                                          \
    if (nv > 1)                                                                                                                           \
        a##i##_1 = V_LOAD(bias##i + VL);                                                                                                  \
    if (nv > 2)                                                                                                                           \
        a##i##_2 = V_LOAD(bias##i + 2 * VL);                                                                                              \
    if (nv > 3)                                                                                                                           \
        a##i##_3 = V_LOAD(bias##i + 3 * VL);                                                                                              \
    (void)p##i;

#define PX_DOT(i, lo, hi)                                                                                                                 \
    if ((i) >= (lo) && (i) < (hi)) {                                                                                                      \
        V x = V_BCAST(p##i + at);                                                                                                         \
        a##i##_0 = V_DOT(a##i##_0, x, w0);                                                                                                \
        if (nv > 1)                                                                                                                       \
            a##i##_1 = V_DOT(a##i##_1, x, w1);                                                                                            \
        if (nv > 2)                                                                                                                       \
            a##i##_2 = V_DOT(a##i##_2, x, w2);                                                                                            \
        if (nv > 3)                                                                                                                       \
            a##i##_3 = V_DOT(a##i##_3, x, w3);                                                                                            \
    }

#define PX_STORE(i, lo, hi)                                                                                                               \
    if ((i) < mr) {                                                                                                                       \
        V_STORE(acc + (i) * nv * VL, a##i##_0);                                                                                           \
        if (nv > 1)                                                                                                                       \
            V_STORE(acc + ((i) * nv + 1) * VL, a##i##_1);                                                                                 \
        if (nv > 2)                                                                                                                       \
            V_STORE(acc + ((i) * nv + 2) * VL, a##i##_2);                                                                                 \
        if (nv > 3)                                                                                                                       \
            V_STORE(acc + ((i) * nv + 3) * VL, a##i##_3);                                                                                 \
    }

/* All steps of a run, for the pixels [lo, hi). */
#define PX_RUN(lo, hi)                                                                                                                    \
    do {                                                                                                                                  \
        V w0 = V_LOAD(w), w1 = w0, w2 = w0, w3 = w0;                                                                                      \
        if (nv > 1)                                                                                                                       \
            w1 = V_LOAD(w + 4 * VL);                                                                                                      \
        if (nv > 2)                                                                                                                       \
            w2 = V_LOAD(w + 8 * VL);                                                                                                      \
        if (nv > 3)                                                                                                                       \
            w3 = V_LOAD(w + 12 * VL);                                                                                                     \
        (void)w1, (void)w2, (void)w3;                                                                                                     \
        if (nv > 1)                                                                                                                       \
            __builtin_prefetch(ahead, 0, 2);                                                                                              \
        PX_EACH(PX_DOT, lo, hi)                                                                                                           \
        ahead += 64;                                                                                                                      \
        w += (size_t)nv * 4 * VL;                                                                                                         \
        at += 4;                                                                                                                          \
    } while (at != end)

/* Where the next run begins. The barrier keeps gcc from holding the walk in registers, of which the pixels need all. */
#define PX_NEXT                                                                                                                           \
    __asm__ volatile("" ::: "memory");                                                                                                    \
    at += k->run_skip;                                                                                                                    \
    if (--left == 0) {                                                                                                                    \
        left = k->runs_w;                                                                                                                 \
        at += k->row_skip;                                                                                                                \
    }

static inline __attribute__((always_inline)) void tile_mac(const int mr, const int nv, const uint8_t *const *px, const uint8_t *w,
                                                           const int32_t *bias, const tile_walk *k, int32_t *acc)
{
    const uint8_t *ahead = k->ahead;
    uint32_t left = k->runs_w, runs = k->runs;
    size_t at = 0;
    PX_EACH(PX_START, 0, mr)
    if (TILE_EDGES && (k->lead || k->trail)) {
        for (;;) {
            size_t end = at + k->run_bytes;
            if (k->lead && left == k->runs_w)
                PX_RUN(1, mr);
            else if (k->trail && left == 1)
                PX_RUN(0, mr - 1);
            else
                PX_RUN(0, mr);
            if (--runs == 0)
                break;
            PX_NEXT
        }
    } else {
        for (;;) {
            size_t end = at + k->run_bytes;
            PX_RUN(0, mr);
            if (--runs == 0)
                break;
            PX_NEXT
        }
    }
    PX_EACH(PX_STORE, 0, mr)
}

#define TILE(mr, nv)                                                                                                                      \
    static void tile_##mr##x##nv(const uint8_t *const *px, const uint8_t *w, const int32_t *bias, const tile_walk *k, int32_t *acc)       \
    {                                                                                                                                     \
        tile_mac(mr, nv, px, w, bias, k, acc);                                                                                            \
    }

#if TILE_LARGE /* a level with 32 registers */
/* Few pixels x many vectors: the inputs stay in registers, the weights pass by. */
#define VEC_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

#define VEC_START(j)                                                                                                                      \
    V b##j = V_LOAD(bias + ((j) < nv ? (j) * VL : 0)), c0_##j = b##j, c1_##j = b##j, c2_##j = b##j, c3_##j = b##j;

#define VEC_DOT(j)                                                                                                                        \
    if ((j) < nv) {                                                                                                                       \
        V wj = V_LOAD(w + (j) * 4 * VL);                                                                                                  \
        c0_##j = V_DOT(c0_##j, x0, wj);                                                                                                   \
        if (mr > 1)                                                                                                                       \
            c1_##j = V_DOT(c1_##j, x1, wj);                                                                                               \
        if (mr > 2)                                                                                                                       \
            c2_##j = V_DOT(c2_##j, x2, wj);                                                                                               \
        if (mr > 3)                                                                                                                       \
            c3_##j = V_DOT(c3_##j, x3, wj);                                                                                               \
    }

#define VEC_STORE(j)                                                                                                                      \
    if ((j) < nv) {                                                                                                                       \
        V_STORE(acc + (j) * VL, c0_##j);                                                                                                  \
        if (mr > 1)                                                                                                                       \
            V_STORE(acc + (nv + (j)) * VL, c1_##j);                                                                                       \
        if (mr > 2)                                                                                                                       \
            V_STORE(acc + (2 * nv + (j)) * VL, c2_##j);                                                                                   \
        if (mr > 3)                                                                                                                       \
            V_STORE(acc + (3 * nv + (j)) * VL, c3_##j);                                                                                   \
    }

/* One run, which is what layers with so little weights that panels get wide have: never left or right of the map. */
static inline __attribute__((always_inline)) void tile_mac_wide(const int mr, const int nv, const uint8_t *const *px, const uint8_t *w,
                                                                const int32_t *bias, const tile_walk *k, int32_t *acc)
{
    const uint8_t *ahead = k->ahead, *p0 = px[0], *p1 = mr > 1 ? px[1] : p0, *p2 = mr > 2 ? px[2] : p0, *p3 = mr > 3 ? px[3] : p0;
    VEC_EACH(VEC_START)
    uint32_t left = k->runs_w, runs = k->runs;
    for (size_t at = 0;;) {
        size_t end = at + k->run_bytes;
        do {
            V x0 = V_BCAST(p0 + at), x1 = x0, x2 = x0, x3 = x0;
            if (mr > 1)
                x1 = V_BCAST(p1 + at);
            if (mr > 2)
                x2 = V_BCAST(p2 + at);
            if (mr > 3)
                x3 = V_BCAST(p3 + at);
            (void)x1, (void)x2, (void)x3;
            __builtin_prefetch(ahead, 0, 2);
            VEC_EACH(VEC_DOT)
            ahead += 64;
            w += (size_t)nv * 4 * VL;
            at += 4;
        } while (at != end);
        if (--runs == 0)
            break;
        PX_NEXT
    }
    VEC_EACH(VEC_STORE)
}

#define TILE_WIDE(mr, nv)                                                                                                                 \
    static void tile_##mr##x##nv(const uint8_t *const *px, const uint8_t *w, const int32_t *bias, const tile_walk *k, int32_t *acc)       \
    {                                                                                                                                     \
        tile_mac_wide(mr, nv, px, w, bias, k, acc);                                                                                       \
    }

/* Many pixels, evenly spaced: a pointer for three of them, or the pointers would not fit into registers. */
#define TALL_EACH(X)                                                                                                                      \
    X(0, 0, 0) X(1, 0, 1) X(2, 0, 2) X(3, 1, 0) X(4, 1, 1) X(5, 1, 2) X(6, 2, 0) X(7, 2, 1) X(8, 2, 2) X(9, 3, 0) X(10, 3, 1)             \
    X(11, 3, 2) X(12, 4, 0) X(13, 4, 1) X(14, 4, 2) X(15, 5, 0)

#define TALL_START(i, part, third)                                                                                                        \
    const int32_t *bias##i = !TILE_EDGES ? bias : (i) == 0 ? k->bias_first : (i) == mr - 1 ? k->bias_last : bias;                         \
    V a##i##_0 = V_LOAD(bias##i), a##i##_1 = nv > 1 ? V_LOAD(bias##i + VL) : a##i##_0;

#define TALL_DOT(i, part, third)                                                                                                          \
    if ((i) < mr) {                                                                                                                       \
        V x = V_BCAST(q##part + (third) * step);                                                                                          \
        a##i##_0 = V_DOT(a##i##_0, x, w0);                                                                                                \
        if (nv > 1)                                                                                                                       \
            a##i##_1 = V_DOT(a##i##_1, x, w1);                                                                                            \
    }

#define TALL_STORE(i, part, third)                                                                                                        \
    if ((i) < mr) {                                                                                                                       \
        V_STORE(acc + (i) * nv * VL, a##i##_0);                                                                                           \
        if (nv > 1)                                                                                                                       \
            V_STORE(acc + ((i) * nv + 1) * VL, a##i##_1);                                                                                 \
    }

static inline __attribute__((always_inline)) void tile_mac_tall(const int mr, const int nv, const uint8_t *const *px, const uint8_t *w,
                                                                const int32_t *bias, const tile_walk *k, int32_t *acc)
{
    const uint8_t *ahead = k->ahead;
    const size_t step = (size_t)(px[1] - px[0]);
    const uint8_t *q0 = px[0], *q1 = q0 + 3 * step, *q2 = q0 + 6 * step, *q3 = q0 + 9 * step, *q4 = q0 + 12 * step, *q5 = q0 + 15 * step;
    const size_t run_weights = (size_t)k->steps * nv * 4 * VL;
    uint32_t left = k->runs_w, runs = k->runs;
    TALL_EACH(TALL_START)
    for (;;) {
        const uint8_t *end = w + run_weights;
        do {
            V w0 = V_LOAD(w), w1 = nv > 1 ? V_LOAD(w + 4 * VL) : w0;
            (void)w1;
            if (nv > 1)
                __builtin_prefetch(ahead, 0, 2);
            TALL_EACH(TALL_DOT)
            ahead += 64;
            w += (size_t)nv * 4 * VL;
            q0 += 4, q1 += 4, q2 += 4, q3 += 4, q4 += 4, q5 += 4;
        } while (w != end);
        if (--runs == 0)
            break;
        ptrdiff_t skip = (ptrdiff_t)k->run_skip; /* may lead back */
        if (--left == 0) {
            left = k->runs_w;
            skip += (ptrdiff_t)k->row_skip;
        }
        q0 += skip, q1 += skip, q2 += skip, q3 += skip, q4 += skip, q5 += skip;
    }
    TALL_EACH(TALL_STORE)
}

#define TILE_TALL(mr, nv)                                                                                                                 \
    static void tile_##mr##x##nv(const uint8_t *const *px, const uint8_t *w, const int32_t *bias, const tile_walk *k, int32_t *acc)       \
    {                                                                                                                                     \
        tile_mac_tall(mr, nv, px, w, bias, k, acc);                                                                                       \
    }
#endif
