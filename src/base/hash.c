/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c: CRC-32 (IEEE 802.3) for file sections and SHA-256 (FIPS 180-4) for provenance; the runtime has no dependency to ask. */
#include <string.h>

#include "base/base.h"

/* Slicing by 8: table[k][b] is the CRC of byte b followed by k zero bytes. Computed per call (2 us): no table to commit, no
** state to initialise; sections are checked once while loading. */
#define CRC_POLY UINT32_C(0xedb88320) /* bit 31 is x^0 */

static void crc_tables(uint32_t t[8][256])
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int i = 0; i < 8; i++)
            c = (c >> 1) ^ (c & 1 ? CRC_POLY : 0);
        t[0][b] = c;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (int k = 1; k < 8; k++)
            t[k][b] = (t[k - 1][b] >> 8) ^ t[0][t[k - 1][b] & 255];
}

static inline uint32_t crc_word(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

static inline uint32_t crc_eight(uint32_t (*t)[256], uint32_t c, const uint8_t *p)
{
    uint32_t lo = c ^ crc_word(p), hi = crc_word(p + 4);
    return t[7][lo & 255] ^ t[6][(lo >> 8) & 255] ^ t[5][(lo >> 16) & 255] ^ t[4][lo >> 24] ^ t[3][hi & 255] ^ t[2][(hi >> 8) & 255] ^
           t[1][(hi >> 16) & 255] ^ t[0][hi >> 24];
}

/* a * b modulo the polynomial. */
static uint32_t crc_times(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a; a <<= 1) {
        product ^= a >> 31 ? b : 0;
        b = (b >> 1) ^ (b & 1 ? CRC_POLY : 0);
    }
    return product;
}

/* x^(8 * bytes): what the checksum of something is multiplied with when so many bytes follow. */
static uint32_t crc_behind(size_t bytes)
{
    uint32_t power = UINT32_C(1) << 31, square = UINT32_C(1) << 23; /* 1, x^8 */
    for (; bytes; bytes >>= 1) {
        power = bytes & 1 ? crc_times(square, power) : power;
        square = crc_times(square, square);
    }
    return power;
}

/* One step depends on the one before, through the tables: four parts side by side take hardly longer than one. */
static uint32_t crc_quarters(uint32_t (*t)[256], uint32_t c, const uint8_t *p, size_t quarter)
{
    uint32_t c1 = 0, c2 = 0, c3 = 0, behind = crc_behind(quarter);
    for (const uint8_t *end = p + quarter; p < end; p += 8) {
        c = crc_eight(t, c, p);
        c1 = crc_eight(t, c1, p + quarter);
        c2 = crc_eight(t, c2, p + 2 * quarter);
        c3 = crc_eight(t, c3, p + 3 * quarter);
    }
    c = crc_times(behind, c) ^ c1;
    c = crc_times(behind, c) ^ c2;
    return crc_times(behind, c) ^ c3;
}

uint32_t it_crc32(const void *data, size_t len)
{
    enum { LONG = 4096 };
    const uint8_t *p = data;
    uint32_t t[8][256], c = UINT32_MAX;
    crc_tables(t);
    if (len >= LONG) {
        size_t quarter = len / 32 * 8;
        c = crc_quarters(t, c, p, quarter);
        p += 4 * quarter;
        len -= 4 * quarter;
    }
    for (; len >= 8; p += 8, len -= 8)
        c = crc_eight(t, c, p);
    for (; len; p++, len--)
        c = (c >> 8) ^ t[0][(c ^ *p) & 255];
    return ~c;
}

static uint32_t rotr(uint32_t x, int k) { return (x >> k) | (x << (32 - k)); }

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static void sha_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotr(a, 7) ^ rotr(a, 18) ^ (a >> 3)) + w[i - 7] + (rotr(b, 17) ^ rotr(b, 19) ^ (b >> 10));
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t t1 = s[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + sha_k[i] + w[i];
        uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

void it_sha256_init(it_sha256 *s)
{
    static const uint32_t h0[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, h0, sizeof h0);
    s->len = 0;
}

void it_sha256_add(it_sha256 *s, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len) {
        size_t at = s->len % 64, n = 64 - at;
        if (at == 0 && len >= 64) {
            sha_block(s->h, p);
            n = 64;
        } else {
            if (n > len)
                n = len;
            memcpy(s->buf + at, p, n);
            if (at + n == 64)
                sha_block(s->h, s->buf);
        }
        s->len += n;
        p += n;
        len -= n;
    }
}

void it_sha256_hex(it_sha256 *s, char out[65])
{
    uint64_t bits = s->len * 8;
    uint8_t end[72] = {0x80};
    size_t pad = 1 + (119 - s->len % 64) % 64;
    for (int i = 0; i < 8; i++)
        end[pad + i] = (uint8_t)(bits >> (56 - 8 * i));
    it_sha256_add(s, end, pad + 8);
    for (int i = 0; i < 64; i++)
        out[i] = "0123456789abcdef"[(s->h[i / 8] >> (28 - 4 * (i % 8))) & 15];
    out[64] = 0;
}
