/* SPDX-License-Identifier: Apache-2.0 */
/* tile_mac.h: the inner loops of a tile; included once by a level's file that defines X (a vector of inputs), X_LOAD, X_DUP (one step's
** inputs in every place), X_STEPS (that a vector of inputs holds), STEP_EACH, W, W_LOAD, W_QUARTERS (that a vector of weights serves: 1 or
** 2) and MAC_0 to MAC_3: the products of a step for each quarter of the channels.
**
** mr pixels x 4 * nq channels, both constants after inlining. Inputs are multiplied by lane, so that one load of them serves X_STEPS
** steps. Nothing but stores follows the loop, and sums are named variables, not arrays: so they stay in registers. */

#define PX_EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)

#define PX_START(i)                                                                                                                       \
    const uint8_t *p##i = (i) < mr ? px[i] : NULL;                                                                                        \
    int32x4_t a##i##_0 = b0, a##i##_1 = b1, a##i##_2 = b2, a##i##_3 = b3;                                                                 \
    X x##i = X_DUP(px[0]);

#define PX_LOAD(i)                                                                                                                        \
    if ((i) < mr)                                                                                                                         \
        x##i = X_LOAD(p##i + at);

#define PX_LOAD_DUP(i)                                                                                                                    \
    if ((i) < mr)                                                                                                                         \
        x##i = X_DUP(p##i + at);

#define PX_MAC_01(i, lane)                                                                                                                \
    if ((i) < mr) {                                                                                                                       \
        a##i##_0 = MAC_0(a##i##_0, x##i, lane);                                                                                           \
        if (nq > 1)                                                                                                                       \
            a##i##_1 = MAC_1(a##i##_1, x##i, lane);                                                                                       \
    }

#define PX_MAC_23(i, lane)                                                                                                                \
    if ((i) < mr) {                                                                                                                       \
        a##i##_2 = MAC_2(a##i##_2, x##i, lane);                                                                                           \
        if (nq > 3)                                                                                                                       \
            a##i##_3 = MAC_3(a##i##_3, x##i, lane);                                                                                       \
    }

/* Without the fences gcc loads the weights of all steps first, and sums leave their registers. */
#define FENCE __asm__ volatile("" ::: "memory");

#define STEP(lane)                                                                                                                        \
    {                                                                                                                                     \
        W w0 = W_LOAD(w), w1 = W_QUARTERS == 1 && nq > 1 ? W_LOAD(w + 16) : w0;                                                           \
        (void)w1;                                                                                                                         \
        PX_MAC_01(0, lane) PX_MAC_01(1, lane) PX_MAC_01(2, lane) PX_MAC_01(3, lane)                                                       \
        PX_MAC_01(4, lane) PX_MAC_01(5, lane) PX_MAC_01(6, lane) PX_MAC_01(7, lane)                                                       \
        FENCE                                                                                                                             \
        if (nq > 2) {                                                                                                                     \
            W w2 = W_LOAD(w + 32 / W_QUARTERS), w3 = W_QUARTERS == 1 && nq > 3 ? W_LOAD(w + 48) : w2;                                     \
            (void)w3;                                                                                                                     \
            PX_MAC_23(0, lane) PX_MAC_23(1, lane) PX_MAC_23(2, lane) PX_MAC_23(3, lane)                                                   \
            PX_MAC_23(4, lane) PX_MAC_23(5, lane) PX_MAC_23(6, lane) PX_MAC_23(7, lane)                                                   \
            FENCE                                                                                                                         \
        }                                                                                                                                 \
        w += 16 * nq / W_QUARTERS;                                                                                                        \
    }

#define PX_STORE(i)                                                                                                                       \
    if ((i) < mr) {                                                                                                                       \
        vst1q_s32(sums + (i) * nq * 4, a##i##_0);                                                                                         \
        if (nq > 1)                                                                                                                       \
            vst1q_s32(sums + ((i) * nq + 1) * 4, a##i##_1);                                                                               \
        if (nq > 2)                                                                                                                       \
            vst1q_s32(sums + ((i) * nq + 2) * 4, a##i##_2);                                                                               \
        if (nq > 3)                                                                                                                       \
            vst1q_s32(sums + ((i) * nq + 3) * 4, a##i##_3);                                                                               \
    }

static inline __attribute__((always_inline)) void tile_mac(const int mr, const int nq, const uint8_t *const *px, const uint8_t *w,
                                                           const int32_t *bias, const tile_walk *k, int32_t *sums)
{
    int32x4_t b0 = vld1q_s32(bias), b1 = nq > 1 ? vld1q_s32(bias + 4) : b0, b2 = nq > 2 ? vld1q_s32(bias + 8) : b0;
    int32x4_t b3 = nq > 3 ? vld1q_s32(bias + 12) : b0;
    size_t full = k->steps / X_STEPS * (size_t)16, run_end = full + k->steps % X_STEPS * (16 / X_STEPS);
    PX_EACH(PX_START)
    for (uint32_t h = 0; h < k->kh; h++)
        for (uint32_t r = 0; r < k->runs_w; r++) {
            size_t at = h * k->kh_bytes + r * k->run_bytes, full_end = at + full, end = at + run_end;
            for (; at != full_end; at += 16) {
                PX_EACH(PX_LOAD)
                STEP_EACH
            }
            for (; at != end; at += 16 / X_STEPS) {
                PX_EACH(PX_LOAD_DUP)
                STEP(0)
            }
        }
    PX_EACH(PX_STORE)
}

#define TILE(mr, nq)                                                                                                                      \
    static void tile_##mr##x##nq(const uint8_t *const *px, const uint8_t *w, const int32_t *bias, const tile_walk *k, int32_t *sums)      \
    {                                                                                                                                     \
        tile_mac(mr, nq, px, w, bias, k, sums);                                                                                           \
    }
