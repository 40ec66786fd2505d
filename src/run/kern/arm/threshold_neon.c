/* SPDX-License-Identifier: Apache-2.0 */
/* threshold_neon: thresholds counted for 16 channels at once, row after row; the reference does what is left of a row. */
#include <arm_neon.h>

#include "run/kern/kern_level.h"

/* over: of these channels. A comparison gives -1, so counts come out negative. */
static inline uint8x16_t levels_of(int16x8_t xa, int16x8_t xb, const int16_t *over, size_t pitch, uint32_t len, uint8x16_t levels)
{
    uint16x8_t a = vdupq_n_u16(0), b = a;
    for (uint32_t i = 0; i < len; i++, over += pitch) {
        a = vsubq_u16(a, vcgtq_s16(xa, vld1q_s16(over)));
        b = vsubq_u16(b, vcgtq_s16(xb, vld1q_s16(over + 8)));
    }
    return vqtbl1q_u8(levels, vmovn_high_u16(vmovn_u16(a), b));
}

void it_kern_threshold_u8_neon(const uint8_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k)
{
    const uint8x16_t levels = vld1q_u8(k->levels);
    size_t c = 0;
    for (; c + 16 <= n; c += 16)
        for (size_t at = c; at < rows * n; at += n) {
            uint8x16_t v = vld1q_u8(x + at);
            int16x8_t xa = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(v))), xb = vreinterpretq_s16_u16(vmovl_high_u8(v));
            vst1q_u8(y + at, levels_of(xa, xb, k->over + c, k->pitch, k->len, levels));
        }
    it_steps rest = *k;
    rest.over += c;
    for (size_t r = 0; c < n && r < rows; r++)
        it_kern_threshold_u8_ref(x + r * n + c, y + r * n + c, 1, n - c, &rest);
}

void it_kern_threshold_s16_neon(const int16_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k)
{
    const uint8x16_t levels = vld1q_u8(k->levels);
    size_t c = 0;
    for (; c + 16 <= n; c += 16)
        for (size_t at = c; at < rows * n; at += n)
            vst1q_u8(y + at, levels_of(vld1q_s16(x + at), vld1q_s16(x + at + 8), k->over + c, k->pitch, k->len, levels));
    it_steps rest = *k;
    rest.over += c;
    for (size_t r = 0; c < n && r < rows; r++)
        it_kern_threshold_s16_ref(x + r * n + c, y + r * n + c, 1, n - c, &rest);
}
