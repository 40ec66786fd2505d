/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h: threads that spin briefly, then sleep; one parallel loop at a time; no allocation after creation. */
#ifndef IT_POOL_H
#define IT_POOL_H

#include "base/base.h"

typedef struct it_pool it_pool;

/* threads counts the caller: 1 makes a pool without threads. */
INTACT_MUST_USE intact_status it_pool_new(const intact_alloc *a, uint32_t threads, it_pool **out, intact_error *err);
/* A pool whose loops run on the caller's own threads. */
INTACT_MUST_USE intact_status it_pool_outside(const intact_alloc *a, const intact_pool *outside, it_pool **out, intact_error *err);
void it_pool_free(it_pool *p);
uint32_t it_pool_threads(const it_pool *p);

/* Calls fn(user, begin, end, thread) so that [0, n) is covered once; returns when all is done. Ranges are contiguous, made of whole units,
** chunk of them (0: n / threads) but for the last. thread is 0..threads-1 and never runs twice at once. Half of the threads take ranges from
** the front, half from the back. */
void it_pool_for(it_pool *p, uint32_t n, uint32_t chunk, void (*fn)(void *user, uint32_t begin, uint32_t end, uint32_t thread), void *user);
/* The same for units of about equal cost: ranges are long first and get shorter, down to `least` units, so that all threads end together. */
void it_pool_for_even(it_pool *p, uint32_t n, uint32_t least, void (*fn)(void *user, uint32_t begin, uint32_t end, uint32_t thread), void *user);

#endif
