/* SPDX-License-Identifier: Apache-2.0 */
/* elem_neon: elementwise kernels on 16 codes at once; the reference does the tails. */
#include "run/kern/arm/arm.h"

/* Four sums (a * m_a + b * m_b + c) >> s in 64 bits, below 2^42, cut to 32. c holds the rounding and the zero points. */
static inline int32x4_t add_four(uint16x4_t a, uint16x4_t b, int32_t m_a, int32_t m_b, int64x2_t c, int64x2_t shift)
{
    int32x4_t a32 = vreinterpretq_s32_u32(vmovl_u16(a)), b32 = vreinterpretq_s32_u32(vmovl_u16(b));
    int64x2_t low = vmlal_n_s32(vmlal_n_s32(c, vget_low_s32(a32), m_a), vget_low_s32(b32), m_b);
    int64x2_t high = vmlal_high_n_s32(vmlal_high_n_s32(c, a32, m_a), b32, m_b);
    return vqmovn_high_s64(vqmovn_s64(vshlq_s64(low, shift)), vshlq_s64(high, shift));
}

void it_kern_add_u8_neon(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_add_consts *k)
{
    int64_t round = (int64_t)1 << (k->shift - 1);
    int64x2_t c = vdupq_n_s64(round - (int64_t)k->z_a * k->m_a - (int64_t)k->z_b * k->m_b), shift = vdupq_n_s64(-k->shift);
    epi_pack p = epi_pack_of(k->z_y, k->lo, k->hi);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint8x16_t va = vld1q_u8(a + i), vb = vld1q_u8(b + i);
        uint16x8_t a0 = vmovl_u8(vget_low_u8(va)), a1 = vmovl_high_u8(va), b0 = vmovl_u8(vget_low_u8(vb)), b1 = vmovl_high_u8(vb);
        int32x4_t q0 = add_four(vget_low_u16(a0), vget_low_u16(b0), k->m_a, k->m_b, c, shift);
        int32x4_t q1 = add_four(vget_high_u16(a0), vget_high_u16(b0), k->m_a, k->m_b, c, shift);
        int32x4_t q2 = add_four(vget_low_u16(a1), vget_low_u16(b1), k->m_a, k->m_b, c, shift);
        int32x4_t q3 = add_four(vget_high_u16(a1), vget_high_u16(b1), k->m_a, k->m_b, c, shift);
        vst1q_u8(y + i, vqmovun_high_s16(vqmovun_s16(epi_codes(&p, q0, q1)), epi_codes(&p, q2, q3)));
    }
    it_kern_add_u8_ref(a + i, b + i, y + i, n - i, k);
}

static inline __attribute__((always_inline)) size_t mul_by_mode(const epi_mode mode, const uint8_t *a, const uint8_t *b, uint8_t *y,
                                                                size_t n, const it_mul_consts *k)
{
    int32x4_t m = vdupq_n_s32(k->mult), shift = vdupq_n_s32(epi_shift(mode, k->mult, k->shift));
    int16x8_t z_a = vdupq_n_s16((int16_t)k->z_a), z_b = vdupq_n_s16((int16_t)k->z_b);
    epi_pack p = epi_pack_of(k->z_y, k->lo, k->hi);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint8x16_t va = vld1q_u8(a + i), vb = vld1q_u8(b + i);
        int16x8_t q[2];
        for (int h = 0; h < 2; h++) {
            uint8x8_t a8 = h ? vget_high_u8(va) : vget_low_u8(va), b8 = h ? vget_high_u8(vb) : vget_low_u8(vb);
            int16x8_t a16 = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(a8)), z_a), b16 = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(b8)), z_b);
            int32x4_t low = vmull_s16(vget_low_s16(a16), vget_low_s16(b16)), high = vmull_high_s16(a16, b16);
            q[h] = epi_codes(&p, epi_scale(mode, low, m, shift), epi_scale(mode, high, m, shift));
        }
        vst1q_u8(y + i, vqmovun_high_s16(vqmovun_s16(q[0]), q[1]));
    }
    return i;
}

void it_kern_mul_u8_neon(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_mul_consts *k)
{
    bool high = epi_mode_of(k->mult, k->shift) == EPI_HIGH;
    size_t i = high ? mul_by_mode(EPI_HIGH, a, b, y, n, k) : mul_by_mode(EPI_FULL, a, b, y, n, k);
    it_kern_mul_u8_ref(a + i, b + i, y + i, n - i, k);
}

/* Four tables of 64: an index beyond a table gives 0 from tbl and leaves the place alone in tbx, and indices wrap around. */
void it_kern_lut_u8_neon(const uint8_t *x, uint8_t *y, size_t n, const uint8_t table[256])
{
    uint8x16x4_t t0 = vld1q_u8_x4(table), t1 = vld1q_u8_x4(table + 64), t2 = vld1q_u8_x4(table + 128), t3 = vld1q_u8_x4(table + 192);
    const uint8x16_t step = vdupq_n_u8(64);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint8x16_t at = vld1q_u8(x + i), v = vqtbl4q_u8(t0, at);
        v = vqtbx4q_u8(v, t1, at = vsubq_u8(at, step));
        v = vqtbx4q_u8(v, t2, at = vsubq_u8(at, step));
        vst1q_u8(y + i, vqtbx4q_u8(v, t3, vsubq_u8(at, step)));
    }
    it_kern_lut_u8_ref(x + i, y + i, n - i, table);
}
