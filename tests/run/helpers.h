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

/* Of what is repeated with other random numbers, under the thread sanitizer a quarter: it is there for the order of things, and takes ten times as long. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define TEST_ROUNDS(n) ((n) / 4)
#else
#define TEST_ROUNDS(n) (n)
#endif

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

/* Codes, one a byte, (rows, per), packed with `bits` each. table: of 2^bits values, tables of them: 1, or one a row. */
uint32_t net_packed(it_prog *p, const uint8_t *codes, uint32_t rows, uint64_t per, uint32_t bits, const int8_t *table, uint32_t tables);

/* A program of one conv, dwconv or dense layer. */
typedef struct net_shape {
    const it_instr *kind;
    uint32_t n, h, w, c, o, group, k, stride, pad; /* n: the batch; dense: h, w and k are 1, or h 0 for an input of rank 2 */
    bool acc64;
    intact_type x, y;
} net_shape;
uint32_t net_shape_out(const net_shape *s, uint32_t in); /* rows or columns */
uint64_t net_shape_per(const net_shape *s);              /* weights of an output channel */
/* args: all but the geometry. */
void net_layer(it_prog *p, const net_shape *s, int32_t zero_x, int32_t zero_y, it_conv_args args);

/* The definition: floor((v * m + 2^(s-1)) / 2^s) + zero, clamped, in 128 bits. */
int32_t requant_exact(__int128 v, int32_t m, int32_t s, int32_t zero, int32_t lo, int32_t hi);

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
uint8_t *blob_instrs(const blob *b, uint64_t *bytes); /* the section of instructions */
void put_word(uint8_t *at, uint32_t v);
/* Seals and loads it: that status, and the word in the message. */
void expect_load(const blob *b, intact_status want, const char *word);
/* The same of it_prog_check; releases p. */
void expect_checked(it_prog *p, intact_status want, const char *word);

/* ---- running ---- */

/* Writes p to memory, loads it at every level that this machine has, runs it with 1 and 2 threads on the batch, and compares output 0
** with want (batch included). */
void expect_output(const it_prog *p, uint32_t batch, const void *const *inputs, const void *want, size_t want_bytes);
bool has_level(int cpu); /* this machine and this build */
intact_program *load_blob(const blob *b, intact_cpu cpu, const intact_alloc *a);
intact_program *load_as(const blob *b, intact_cpu cpu, int separate); /* separate: as in intact_load_options */
/* At batches and thread counts up to 3, have gives what want gives on one thread, on random input. */
void expect_same_outputs(const char *what, const intact_program *have, const intact_program *want);

/* ---- an allocator that fails at the n-th call and knows what is alive ---- */

typedef struct fail_at { long left; /* negative: never fails */ long live, calls; } fail_at;
void *fail_grow(void *user, void *ptr, size_t bytes_old, size_t bytes_new);

#endif
