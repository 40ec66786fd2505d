/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: fenced buffers, data, and what kernels of two inputs share. */
#include "check.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FENCE_PATTERN = 0xa5 };

check_fence check_fence_new(size_t bytes, size_t align, bool at_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = it_round_up(bytes + align, page);
    check_fence f = {.map_bytes = inner + 2 * page, .bytes = bytes, .inner = inner};
    f.map = mmap(NULL, f.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f.map == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    memset(f.map, FENCE_PATTERN, f.map_bytes);
    f.data = f.map + page;
    if (at_end) f.data += (inner - bytes) / align * align;
    mprotect(f.map, page, PROT_NONE);
    mprotect(f.map + page + inner, page, PROT_NONE);
    return f;
}

bool check_fence_ok(const check_fence *f)
{
    const uint8_t *begin = f->map + (f->map_bytes - f->inner) / 2;
    for (const uint8_t *p = begin; p < begin + f->inner; p++)
        if ((p < f->data || p >= f->data + f->bytes) && *p != FENCE_PATTERN) return false;
    return true;
}

void check_fence_free(check_fence *f) { munmap(f->map, f->map_bytes); }

void check_fill_u8(it_rng *r, uint8_t *p, size_t n)
{
    uint32_t mode = check_pick(r, 0, 7);
    for (size_t i = 0; i < n; i++) {
        uint8_t v = (uint8_t)it_rng_next(r);
        p[i] = mode == 0 ? 0 : mode == 1 ? 255 : mode == 2 ? (v & 1 ? 255 : 0) : v;
    }
}

bool check_pairs(check_pair_fn *fn, const it_kern *ref, const it_kern *level, size_t n, bool all, const void *k, int in_place, it_rng *r)
{
    check_fence a = check_fence_new(n, 1, true), b = check_fence_new(n, 1, it_rng_below(r, 2)), want = check_fence_new(n, 1, true);
    check_fence have = check_fence_new(n, 1, true);
    check_fill_u8(r, a.data, n);
    check_fill_u8(r, b.data, n);
    for (size_t i = 0; all && i < n; i++) {
        a.data[i] = (uint8_t)i;
        b.data[i] = (uint8_t)(i >> 8);
    }
    fn(ref, a.data, b.data, want.data, n, k);
    memcpy(have.data, in_place == 2 ? b.data : a.data, n);
    fn(level, in_place == 1 ? have.data : a.data, in_place == 2 ? have.data : b.data, have.data, n, k);
    bool ok = !memcmp(want.data, have.data, n) && check_fence_ok(&have);
    check_fence_free(&a);
    check_fence_free(&b);
    check_fence_free(&want);
    check_fence_free(&have);
    return ok;
}
