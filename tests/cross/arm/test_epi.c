/* SPDX-License-Identifier: Apache-2.0 */
/* test_epi.c: requantization in Arm vectors against its definition, for every shift, at extreme, boundary and random sums and
** multipliers. */
#include "run/kern/arm/arm.h"

#include <cmocka.h>

static const int32_t sums[] = { 0, 1, -1, 2, -2, 3, -3, 127, -128, 32767, -32768, 1 << 30, -(1 << 30),
                                INT32_MAX - 1, INT32_MAX, INT32_MIN + 1, INT32_MIN };
static const int32_t mults[] = { 0, 1 << 30, (1 << 30) + 1, 3 << 29, INT32_MAX - 1, INT32_MAX };

static void check(int32_t acc, int32_t m, int32_t s)
{
    int32_t want = it_clamp_s32(it_scale_s64(acc, m, s), INT32_MIN, INT32_MAX);
    int32x4_t a = { acc, ~acc, acc, 0 }, full = epi_scale(EPI_FULL, a, vdupq_n_s32(m), vdupq_n_s32(epi_shift(EPI_FULL, m, s)));
    assert_int_equal(full[0], want);
    assert_int_equal(full[2], want);
    assert_int_equal(full[1], it_clamp_s32(it_scale_s64(~acc, m, s), INT32_MIN, INT32_MAX));
    if (epi_mode_of(m, s) == EPI_HIGH)
        assert_int_equal(epi_scale(EPI_HIGH, a, vdupq_n_s32(m), vdupq_n_s32(epi_shift(EPI_HIGH, m, s)))[0], want);
}

static void every_shift(void **state)
{
    it_rng r;
    (void)state;
    it_rng_seed(&r, 1);
    for (int32_t s = 1; s <= 62; s++) {
        for (size_t i = 0; i < IT_LEN(sums); i++)
            for (size_t j = 0; j < IT_LEN(mults); j++)
                check(sums[i], mults[j], s);
        for (int i = 0; i < 4000; i++)
            check((int32_t)it_rng_next(&r) >> it_rng_below(&r, 31), (int32_t)((1u << 30) + it_rng_below(&r, 1u << 30)), s);
        for (int i = 0; i < 4000; i++) { /* sums around those whose product is nearest to a tie */
            int32_t m = (int32_t)((1u << 30) + it_rng_below(&r, 1u << 30));
            int64_t tie = (((int64_t)it_rng_below(&r, 512) - 256) * 2 + 1) * ((int64_t)1 << (s - 1));
            int64_t acc = s < 55 ? tie / m + (int64_t)it_rng_below(&r, 3) - 1 : 0;
            if (acc == (int32_t)acc)
                check((int32_t)acc, m, s);
        }
        for (int32_t odd = -9; s >= 31 && s <= 58 && odd <= 9; odd += 2) /* the ties themselves: odd * 2^(s-31) * 2^30 */
            check(odd * (1 << (s - 31)), 1 << 30, s);
    }
}

static void first_bytes(void **state)
{
    uint8_t y[20], v[16];
    (void)state;
    for (uint32_t i = 0; i < 16; i++)
        v[i] = (uint8_t)(i + 1);
    for (uint32_t n = 0; n < 16; n++) {
        memset(y, 0xa5, sizeof y);
        store_first(y + 1, vld1q_u8(v), n);
        assert_memory_equal(y + 1, v, n);
        assert_int_equal(y[0], 0xa5);
        for (uint32_t i = n + 1; i < sizeof y; i++)
            assert_int_equal(y[i], 0xa5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_shift), cmocka_unit_test(first_bytes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
