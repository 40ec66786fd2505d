/* SPDX-License-Identifier: Apache-2.0 */
/* base.h: what every folder stands on: errors, allocation, arenas, fenced spans, integer arithmetic. No float. */
#ifndef IT_BASE_H
#define IT_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intact/run.h"

#define IT_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define IT_TRY(call) do { intact_status it_try_ = (call); if (it_try_ != INTACT_OK) return it_try_; } while (0)
#define IT_ALIGN 64u

#if defined(__GNUC__)
#define IT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define IT_PRINTF(f, a)
#endif

/* ---- errors ---- */

/* Fills err (NULL is fine) and returns code, so that a check reads: return it_fail(err, CODE, where, "...", ...); */
INTACT_MUST_USE intact_status it_fail(intact_error *err, intact_status code, const char *where, const char *fmt, ...) IT_PRINTF(4, 5);
INTACT_MUST_USE intact_status it_fail_nomem(intact_error *err, const char *where, size_t bytes);
/* Puts prefix in front of err->where ("net.onnx: "). Returns err->code, or code when err is NULL. */
intact_status it_fail_in(intact_error *err, intact_status code, const char *prefix);

/* ---- allocation: 64-byte aligned, size given back on free ---- */

extern const intact_alloc it_alloc_libc;
static inline const intact_alloc *it_alloc_or_libc(const intact_alloc *a) { return a ? a : &it_alloc_libc; }
void *it_alloc_new(const intact_alloc *a, size_t bytes);           /* NULL when out of memory; bytes 0 gives a valid pointer */
void *it_alloc_zero(const intact_alloc *a, size_t bytes);          /* the same, filled with zeros */
void *it_alloc_grow(const intact_alloc *a, void *p, size_t bytes_old, size_t bytes_new); /* p stays valid when NULL returns */
void it_alloc_free(const intact_alloc *a, void *p, size_t bytes);  /* NULL is fine */

/* ---- arena: many small things that die together ---- */

typedef struct it_arena_block it_arena_block;
typedef struct it_arena {
    const intact_alloc *alloc;
    it_arena_block *head;
} it_arena;

void it_arena_init(it_arena *a, const intact_alloc *alloc); /* does not allocate; NULL: C library */
void it_arena_release(it_arena *a);                         /* frees the contents; may be used again */
void *it_arena_new(it_arena *a, size_t bytes);              /* zeroed, aligned to 16 (64 from 4 KiB up); NULL when out of memory */
void *it_arena_raw(it_arena *a, size_t bytes);              /* the same, aligned to 64, with any content */
bool it_arena_reserve(it_arena *a, size_t bytes);           /* room for that much in one block; false when out of memory: nothing is lost */
void *it_arena_copy(it_arena *a, const void *src, size_t bytes);
char *it_arena_text(it_arena *a, const char *s);            /* a copy of s */
char *it_arena_printf(it_arena *a, const char *fmt, ...) IT_PRINTF(2, 3);

/* ---- vectors: items, len, cap live in the owner's struct ---- */

/* Makes room for one more item of size bytes; false when out of memory. */
bool it_vec_room(const intact_alloc *a, void **items, size_t len, size_t *cap, size_t size);
#define IT_VEC_ROOM(alloc, v) it_vec_room((alloc), (void **)&(v).items, (v).len, &(v).cap, sizeof(*(v).items))
#define IT_VEC_FREE(alloc, v) it_alloc_free((alloc), (v).items, (v).cap * sizeof(*(v).items))

/* ---- span: a reader that cannot leave its buffer; little-endian ---- */

typedef struct it_span {
    const uint8_t *data;
    size_t len, at;
    bool bad; /* set by the first read past the end; later reads give zeros */
} it_span;

it_span it_span_of(const void *data, size_t len);
uint8_t it_span_u8(it_span *s);
uint16_t it_span_u16(it_span *s);
uint32_t it_span_u32(it_span *s);
uint64_t it_span_u64(it_span *s);
const void *it_span_bytes(it_span *s, size_t n); /* NULL and bad when fewer remain */

/* ---- checked arithmetic on sizes ---- */

static inline bool it_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool it_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline size_t it_round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* ---- integer arithmetic of docs/NUMERICS.md ---- */

typedef struct it_mult { /* a real multiplier m * 2^-s; 2^30 <= m < 2^31 or m == 0; 1 <= s <= 62 */
    int32_t m;
    int32_t s;
} it_mult;

/* (v * m + 2^(s-1)) >> s, arithmetic: one rounding, ties toward +infinity. |v| < 2^31 (|v| < 2^47 when |m| < 2^15). */
static inline int64_t it_scale_s64(int64_t v, int32_t m, int32_t s) { return (v * m + ((int64_t)1 << (s - 1))) >> s; }
static inline int32_t it_clamp_s32(int64_t v, int32_t lo, int32_t hi) { return v < lo ? lo : v > hi ? hi : (int32_t)v; }
/* zp + the scaled accumulator, clamped into [lo, hi]. */
static inline int32_t it_requant(int64_t acc, int32_t m, int32_t s, int32_t zp, int32_t lo, int32_t hi)
{
    return it_clamp_s32(it_scale_s64(acc, m, s) + zp, lo, hi);
}

/* ---- checksums ---- */

uint32_t it_crc32(const void *data, size_t len);                 /* IEEE 802.3, as zlib's crc32 */
typedef struct it_sha256 { uint32_t h[8]; uint64_t len; uint8_t buf[64]; } it_sha256;
void it_sha256_init(it_sha256 *s);
void it_sha256_add(it_sha256 *s, const void *data, size_t len);
void it_sha256_hex(it_sha256 *s, char out[65]);                  /* finishes */

/* ---- random numbers: splitmix64 seeding xoshiro256**, the same sequence everywhere ---- */

typedef struct it_rng { uint64_t s[4]; } it_rng;
void it_rng_seed(it_rng *r, uint64_t seed);
uint64_t it_rng_next(it_rng *r);
uint64_t it_rng_below(it_rng *r, uint64_t n); /* unbiased, n > 0 */

/* ---- text ---- */

/* Nearest of the len names within edit distance 3 of word; NULL when none is near. For "did you mean". */
const char *it_nearest(const char *word, const char *const *names, size_t len);

#endif
