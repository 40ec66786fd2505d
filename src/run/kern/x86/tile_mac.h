/* SPDX-License-Identifier: Apache-2.0 */
/* tile_mac.h: the inner loops of a tile; included once by a level's file that defines V, V_LOAD, V_STORE, V_BCAST and V_DOT.
**
** mr pixels x nv vectors, both constants after inlining. Nothing but stores follows the loop: with an epilogue behind it gcc 12
** keeps the accumulators in memory. Named variables, not arrays, for the same reason. */

#define PX_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

#define PX_START(i)                                                                                                                       \
    const uint8_t *p##i = (i) < mr ? px[i] : NULL;                                                                                        \
    V a##i##_0 = b0, a##i##_1 = b1, a##i##_2 = b2, a##i##_3 = b3;

#define PX_DOT(i)                                                                                                                         \
    if ((i) < mr) {                                                                                                                       \
        V x = V_BCAST(p##i + at);                                                                                                         \
        a##i##_0 = V_DOT(a##i##_0, x, w0);                                                                                                \
        if (nv > 1)                                                                                                                       \
            a##i##_1 = V_DOT(a##i##_1, x, w1);                                                                                            \
        if (nv > 2)                                                                                                                       \
            a##i##_2 = V_DOT(a##i##_2, x, w2);                                                                                            \
        if (nv > 3)                                                                                                                       \
            a##i##_3 = V_DOT(a##i##_3, x, w3);                                                                                            \
    }

#define PX_STORE(i)                                                                                                                       \
    if ((i) < mr) {                                                                                                                       \
        V_STORE(acc + (i) * nv * VL, a##i##_0);                                                                                           \
        if (nv > 1)                                                                                                                       \
            V_STORE(acc + ((i) * nv + 1) * VL, a##i##_1);                                                                                 \
        if (nv > 2)                                                                                                                       \
            V_STORE(acc + ((i) * nv + 2) * VL, a##i##_2);                                                                                 \
        if (nv > 3)                                                                                                                       \
            V_STORE(acc + ((i) * nv + 3) * VL, a##i##_3);                                                                                 \
    }

static inline __attribute__((always_inline)) void tile_mac(const int mr, const int nv, const uint8_t *const *px, const uint8_t *w,
                                                           const int32_t *bias, const tile_walk *k, int32_t *acc)
{
    V b0 = V_LOAD(bias), b1 = nv > 1 ? V_LOAD(bias + VL) : b0, b2 = nv > 2 ? V_LOAD(bias + 2 * VL) : b0;
    V b3 = nv > 3 ? V_LOAD(bias + 3 * VL) : b0;
    size_t run_end = (size_t)k->steps * 4;
    PX_EACH(PX_START)
    for (uint32_t h = 0; h < k->kh; h++)
        for (uint32_t r = 0; r < k->runs_w; r++) {
            size_t at = h * k->kh_bytes + r * k->run_bytes, end = at + run_end;
            do {
                V w0 = V_LOAD(w), w1 = w0, w2 = w0, w3 = w0;
                if (nv > 1)
                    w1 = V_LOAD(w + 4 * VL);
                if (nv > 2)
                    w2 = V_LOAD(w + 8 * VL);
                if (nv > 3)
                    w3 = V_LOAD(w + 12 * VL);
                (void)w1, (void)w2, (void)w3;
                PX_EACH(PX_DOT)
                w += (size_t)nv * 4 * VL;
                at += 4;
            } while (at != end);
        }
    PX_EACH(PX_STORE)
}

#define TILE(mr, nv)                                                                                                                      \
    static void tile_##mr##x##nv(const uint8_t *const *px, const uint8_t *w, const int32_t *bias, const tile_walk *k, int32_t *acc)       \
    {                                                                                                                                     \
        tile_mac(mr, nv, px, w, bias, k, acc);                                                                                            \
    }
