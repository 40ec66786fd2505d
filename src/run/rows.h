/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h: the plain loops of instructions over rows or elements, spread over threads when there is enough to do. */
#ifndef IT_ROWS_H
#define IT_ROWS_H

#include "run/program.h"

/* Room for an instruction's state: zeroed, alive as long as the program. */
#define IT_STATE_NEW(prep, var, i, err) \
    do { \
        (var) = it_arena_new((prep)->arena, sizeof *(var)); \
        if (!(var)) \
            return it_fail_nomem(err, (i)->name, sizeof *(var)); \
        (prep)->state = (var); \
    } while (0)

typedef struct it_work { /* what a loop body gets as user */
    const void *state;
    const it_frame *f;
} it_work;
typedef void it_work_fn(void *work, uint32_t begin, uint32_t end, uint32_t thread);

/* Handing work to another thread costs 1 to 2 microseconds, in which a kernel goes through some 100 KiB: less is done at once. What is more
** is cut into chunks, which cost only a counter each. */
enum { IT_ROWS_INLINE_BYTES = 96 * 1024, IT_ROWS_CHUNK_BYTES = 16 * 1024 };

/* fn over rows [0, rows), each touching about row_bytes. rows is at most 2^31: sessions limit batch * elements. */
static inline void it_rows_for(const it_frame *f, uint64_t rows, uint64_t row_bytes, it_work_fn *fn, const void *state)
{
    it_work work = { state, f };
    const uint64_t bytes = row_bytes ? row_bytes : 1;
    uint64_t least = IT_ROWS_CHUNK_BYTES / bytes + 1;
    uint64_t fair = rows / (4 * it_pool_threads(f->pool)) + 1;
    uint64_t chunk = rows <= IT_ROWS_INLINE_BYTES / bytes ? rows : least > fair ? least : fair;
    it_pool_for(f->pool, (uint32_t)rows, (uint32_t)(chunk < rows ? chunk : rows), fn, &work);
}

enum { IT_FLAT_BLOCK = 1024 };

/* The same over n elements in blocks of IT_FLAT_BLOCK: element range of blocks [begin, end). */
typedef struct it_range { size_t at, len; } it_range;
static inline it_range it_flat_range(uint32_t begin, uint32_t end, size_t n)
{
    size_t at = (size_t)begin * IT_FLAT_BLOCK, to = (size_t)end * IT_FLAT_BLOCK;
    return (it_range){ at, (to < n ? to : n) - at };
}
static inline void it_flat_for(const it_frame *f, size_t n, size_t element_bytes, it_work_fn *fn, const void *state)
{
    it_rows_for(f, (n + IT_FLAT_BLOCK - 1) / IT_FLAT_BLOCK, IT_FLAT_BLOCK * element_bytes, fn, state);
}

static inline void *it_scratch(const it_frame *f, uint32_t thread) { return f->scratch + thread * f->scratch_stride; }

/* A code of a u8 or s16 tensor. With a constant type these fold away. */
static inline int32_t it_load(const void *p, intact_type type, size_t i)
{
    return type == INTACT_U8 ? (int32_t)((const uint8_t *)p)[i] : (int32_t)((const int16_t *)p)[i];
}
static inline void it_store(void *p, intact_type type, size_t i, int32_t v)
{
    if (type == INTACT_U8)
        ((uint8_t *)p)[i] = (uint8_t)v;
    else
        ((int16_t *)p)[i] = (int16_t)v;
}

#define IT_INLINE static inline __attribute__((always_inline))

#endif
