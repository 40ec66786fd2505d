/* SPDX-License-Identifier: Apache-2.0 */
/* mac16.h: the inner loops of tile16.h; included once by a level's file that defines V, VL, V_ZERO, V_STORE, V_BCAST, V_WEIGHT (a
** vector's weights of a step), V_WEIGHT_BYTES (in memory), V_DOT and PLANES.
**
** mr pixels x nv of a panel's `all` vectors, from `first` on; all constants after inlining. Named variables, and nothing but stores behind
** the loop, for the reasons given in tile_mac.h. */

enum { MAC16_AHEAD = 2 << 10, MAC16_FAR = 16 << 10 }; /* bytes of weights: into L1, into L2 */

#define PX16_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

#define PX16_START(i)                                                                                                                     \
    const uint8_t *p##i = (i) < mr ? px[i] : NULL;                                                                                        \
    V l##i##_0 = V_ZERO, l##i##_1 = V_ZERO, l##i##_2 = V_ZERO, l##i##_3 = V_ZERO;                                                         \
    V h##i##_0 = V_ZERO, h##i##_1 = V_ZERO, h##i##_2 = V_ZERO, h##i##_3 = V_ZERO;                                                         \
    (void)p##i, (void)l##i##_0, (void)l##i##_1, (void)l##i##_2, (void)l##i##_3, (void)h##i##_0, (void)h##i##_1, (void)h##i##_2,           \
        (void)h##i##_3;

#define PX16_DOT(i)                                                                                                                       \
    if ((i) < mr) {                                                                                                                       \
        V x = V_BCAST(p##i + at);                                                                                                         \
        l##i##_0 = V_DOT(l##i##_0, x, w0);                                                                                                \
        if (nv > 1)                                                                                                                       \
            l##i##_1 = V_DOT(l##i##_1, x, w1);                                                                                            \
        if (nv > 2)                                                                                                                       \
            l##i##_2 = V_DOT(l##i##_2, x, w2);                                                                                            \
        if (nv > 3)                                                                                                                       \
            l##i##_3 = V_DOT(l##i##_3, x, w3);                                                                                            \
        if (PLANES == 2) {                                                                                                                \
            V z = V_BCAST(p##i + high);                                                                                                   \
            h##i##_0 = V_DOT(h##i##_0, z, w0);                                                                                            \
            if (nv > 1)                                                                                                                   \
                h##i##_1 = V_DOT(h##i##_1, z, w1);                                                                                        \
            if (nv > 2)                                                                                                                   \
                h##i##_2 = V_DOT(h##i##_2, z, w2);                                                                                        \
            if (nv > 3)                                                                                                                   \
                h##i##_3 = V_DOT(h##i##_3, z, w3);                                                                                        \
        }                                                                                                                                 \
    }

#define PX16_STORE_VEC(i, j)                                                                                                              \
    if ((i) < mr && (j) < nv) {                                                                                                           \
        V_STORE(acc + ((i) * all + first + (j)) * PLANES * VL, l##i##_##j);                                                               \
        if (PLANES == 2)                                                                                                                  \
            V_STORE(acc + (((i) * all + first + (j)) * PLANES + 1) * VL, h##i##_##j);                                                     \
    }

#define PX16_STORE(i) PX16_STORE_VEC(i, 0) PX16_STORE_VEC(i, 1) PX16_STORE_VEC(i, 2) PX16_STORE_VEC(i, 3)

static inline __attribute__((always_inline)) void mac16(const int mr, const int nv, const int all, const int first,
                                                        const uint8_t *const *px, const uint8_t *w, const tile16_walk *k, int32_t *acc)
{
    PX16_EACH(PX16_START)
    w += first * V_WEIGHT_BYTES;
    for (uint32_t r = 0; r < k->kh; r++)
        for (uint32_t c = 0; c < k->runs_w; c++) {
            size_t at = r * k->kh_bytes + c * k->run_bytes, end = at + (size_t)k->steps * 4, high = at + k->plane;
            do {
                V w0 = V_WEIGHT(w), w1 = w0, w2 = w0, w3 = w0;
                if (nv > 1)
                    w1 = V_WEIGHT(w + V_WEIGHT_BYTES);
                if (nv > 2)
                    w2 = V_WEIGHT(w + 2 * V_WEIGHT_BYTES);
                if (nv > 3)
                    w3 = V_WEIGHT(w + 3 * V_WEIGHT_BYTES);
                (void)w1, (void)w2, (void)w3;
                if (mr == 1) /* weights are used once, and pass by at the speed of memory */
                    for (int line = 0; line < nv * V_WEIGHT_BYTES; line += 64) {
                        __builtin_prefetch((const void *)((uintptr_t)w + MAC16_AHEAD + (uintptr_t)line), 0, 3);
                        __builtin_prefetch((const void *)((uintptr_t)w + MAC16_FAR + (uintptr_t)line), 0, 2);
                    }
                PX16_EACH(PX16_DOT)
                w += all * V_WEIGHT_BYTES;
                at += 4;
                high += 4;
            } while (at != end);
            (void)high;
        }
    PX16_EACH(PX16_STORE)
}

#define TILE16(mr, nv)                                                                                                                    \
    static void tile16_##mr##x##nv(const uint8_t *const *px, const uint8_t *w, const tile16_walk *k, int32_t *acc)                       \
    {                                                                                                                                     \
        mac16(mr, nv, nv, 0, px, w, k, acc);                                                                                              \
    }

/* In two passes over the inputs, for levels with few registers. */
#define TILE16_HALVES(mr, nv, half)                                                                                                       \
    static void tile16_##mr##x##nv(const uint8_t *const *px, const uint8_t *w, const tile16_walk *k, int32_t *acc)                       \
    {                                                                                                                                     \
        mac16(mr, half, nv, 0, px, w, k, acc);                                                                                            \
        mac16(mr, nv - half, nv, half, px, w, k, acc);                                                                                    \
    }

/* Tiles by vectors and pixels: up to 8, 6, 4 and 3 pixels of 1 to 4 vectors; fn_1x1 ... */
#define TILE16_PX_8643 { 0, 8, 6, 4, 3 }
#define TILE16_TABLE_8643(fn)                                                                                                             \
    {                                                                                                                                     \
        { NULL }, { NULL, fn##_1x1, fn##_2x1, fn##_3x1, fn##_4x1, fn##_5x1, fn##_6x1, fn##_7x1, fn##_8x1 },                               \
            { NULL, fn##_1x2, fn##_2x2, fn##_3x2, fn##_4x2, fn##_5x2, fn##_6x2 }, { NULL, fn##_1x3, fn##_2x3, fn##_3x3, fn##_4x3 },       \
            { NULL, fn##_1x4, fn##_2x4, fn##_3x4 },                                                                                       \
    }
