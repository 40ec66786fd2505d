/* SPDX-License-Identifier: Apache-2.0 */
/* dense: the definition of the fully connected layer: y (N,O) = requant(bias + x (N,K) . w (O,K)^T). */
#include "run/kern/ref/ref.h"

enum { DENSE_BLOCK = 16 }; /* output channels of a unit */

static bool dense_can(const it_conv_geom *g, const it_epi *e) { return g->kh == 1 && g->kw == 1 && e->bias != NULL; }
static size_t dense_packed_bytes(const it_conv_geom *g, const it_epi *e) { return ref_packed_bytes(g, e, g->in_c); }
static void dense_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst) { ref_pack(g, e, w, g->in_c, dst); }
static uint32_t dense_blocks(const it_conv_geom *g) { return (g->out_c - 1) / DENSE_BLOCK + 1; }
static uint32_t dense_units(const it_conv_geom *g, uint32_t batch) { return batch * dense_blocks(g); }
static size_t dense_scratch_bytes(const it_conv_geom *g) { (void)g; return 0; }

/* Units are blocks of outputs, sample after sample. elem: bytes of an input element, a constant after inlining. */
static inline void dense_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                             uint32_t unit_end, size_t elem)
{
    it_ref_packed p = ref_open(g, e, packed);
    size_t k = g->in_c, x_pitch = it_conv_in_pitch(g);
    for (uint32_t u = unit_begin; u < unit_end; u++) {
        size_t n = u / dense_blocks(g), begin = (size_t)(u % dense_blocks(g)) * DENSE_BLOCK;
        for (size_t o = begin; o < begin + DENSE_BLOCK && o < g->out_c; o++) {
            const uint8_t *x = (const uint8_t *)io->x + n * x_pitch * elem;
            int64_t acc = ref_fixes(g, o, x, elem);
            acc += elem == 1 ? ref_dot_u8(x, p.w + o * k, k) : ref_dot_s16((const int16_t *)(const void *)x, p.w + o * k, k, e->acc64);
            ref_store(g, e, &p, io, n, o, p.bias[o] + acc);
        }
    }
}

static void dense_u8_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                         uint32_t unit_end, void *scratch)
{
    (void)scratch;
    dense_run(g, e, packed, io, unit_begin, unit_end, 1);
}

static void dense_s16_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                          uint32_t unit_end, void *scratch)
{
    (void)scratch;
    dense_run(g, e, packed, io, unit_begin, unit_end, 2);
}

const it_kern_conv it_kern_dense_u8_ref = { "dense_u8_ref", dense_can, dense_packed_bytes, dense_pack, dense_units,
                                            dense_scratch_bytes, dense_u8_run };
const it_kern_conv it_kern_dense_s16_ref = { "dense_s16_ref", dense_can, dense_packed_bytes, dense_pack, dense_units,
                                             dense_scratch_bytes, dense_s16_run };
