/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: what the architecture tests share. */
#ifndef TEST_ARCH_H
#define TEST_ARCH_H

#include "arch/arch.h"
#include "op/op.h"

/* These abort the test on failure. */
void test_make(const char *arch, const it_arch_options *o, it_graph *g); /* g is initialised here */
void test_read(const char *path, it_graph *g);
uint64_t test_parameters(const it_graph *g); /* those that training learns */
uint64_t test_macs(const it_graph *g);
/* The first output on standard-normal input; malloc'd. */
float *test_run(const it_graph *g, int64_t batch, size_t *len);

void test_folder(char path[64]); /* a new one, empty */
void test_remove(const char *path);

/* An allocator that counts, and fails at the given call (and only there). */
typedef struct counting { long calls, fail_at, live; } counting;
intact_alloc counting_alloc(counting *c);

#endif
