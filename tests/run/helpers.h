/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: integer programs made by hand, and ways to run them at every level and thread count. */
#ifndef TEST_RUN_HELPERS_H
#define TEST_RUN_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/instr.h"

/* ---- building; all abort the test on failure ---- */

uint32_t net_tensor(it_prog *p, const char *name, intact_type type, int32_t zero, uint32_t rank, const uint32_t *dims);
#define NET_TENSOR(p, name, type, zero, ...) \
    net_tensor((p), (name), (type), (zero), (uint32_t)IT_LEN(((uint32_t[]){ __VA_ARGS__ })), (uint32_t[]){ __VA_ARGS__ })
uint32_t net_const(it_prog *p, intact_type type, uint64_t len, const void *data); /* copied */
void net_emit(it_prog *p, const it_instr *kind, const char *name, const uint32_t *in, uint32_t in_len, uint32_t out, const void *args);
void net_ports(it_prog *p, const uint32_t *in, uint32_t in_len, const uint32_t *out, uint32_t out_len);
/* Constants of a layer: random weights small enough for the proofs, multipliers that fill y's range. */
typedef struct net_mac { uint32_t weight, bias, mult, shift; } net_mac;
net_mac net_random_mac(it_prog *p, it_rng *r, intact_type x, intact_type y, uint32_t out_c, uint64_t per_out, bool depthwise, bool acc64);

/* pixels -> conv -> dwconv -> maxpool -> conv -> add -> avgpool -> dense -> softmax: most kinds in a small net; s16 scores out. */
void net_small(it_prog *p, uint64_t seed);
enum { NET_SMALL_IN = 12 * 12 * 3, NET_SMALL_OUT = 10 };

/* A random code of a type, the ends of the range often. */
int32_t random_code(it_rng *r, intact_type type);
int32_t random_between(it_rng *r, int32_t lo, int32_t hi);
/* n codes; bytes for u8, int16_t for s16. */
void random_codes(it_rng *r, intact_type type, void *to, size_t n);
int32_t code_at(intact_type type, const void *data, size_t at);

/* ---- files in memory ---- */

typedef struct blob { void *bytes; size_t len; } blob; /* aligned to 64 */
blob blob_of(const it_prog *p); /* it_itm_write_memory */
void blob_free(blob *b);
/* Puts the right checksums and total size back after somebody changed the bytes. */
void blob_seal(uint8_t *bytes, size_t len);

/* ---- running ---- */

/* Writes p to memory, loads it at every level that this machine has, runs it with 1 and 2 threads on the batch, and compares output 0
** with want (batch included). */
void expect_output(const it_prog *p, uint32_t batch, const void *const *inputs, const void *want, size_t want_bytes);
intact_program *load_blob(const blob *b, intact_cpu cpu, const intact_alloc *a);

/* ---- an allocator that fails at the n-th call and knows what is alive ---- */

typedef struct fail_at { long left; /* negative: never fails */ long live, calls; } fail_at;
void *fail_grow(void *user, void *ptr, size_t bytes_old, size_t bytes_new);

#endif
