/* SPDX-License-Identifier: Apache-2.0 */
/* rng.c: xoshiro256** (Blackman and Vigna 2018) seeded by splitmix64; integers only, the same sequence everywhere. */
#include "base/base.h"

static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

void it_rng_seed(it_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        r->s[i] = z ^ (z >> 31);
    }
}

uint64_t it_rng_next(it_rng *r)
{
    uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

uint64_t it_rng_below(it_rng *r, uint64_t n)
{
    uint64_t reject = (0 - n) % n; /* 2^64 mod n: values below it would favour small results */
    uint64_t v;
    do
        v = it_rng_next(r);
    while (v < reject);
    return v % n;
}
