/* SPDX-License-Identifier: Apache-2.0 */
/* span.c: a little-endian reader that cannot leave its buffer. */
#include "base/base.h"

it_span it_span_of(const void *data, size_t len) { return (it_span){.data = data, .len = len}; }

const void *it_span_bytes(it_span *s, size_t n)
{
    if (s->bad || n > s->len - s->at) {
        s->bad = true;
        return NULL;
    }
    const uint8_t *p = s->data + s->at;
    s->at += n;
    return p;
}

static uint64_t little(it_span *s, size_t n)
{
    const uint8_t *p = it_span_bytes(s, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t it_span_u8(it_span *s) { return (uint8_t)little(s, 1); }
uint16_t it_span_u16(it_span *s) { return (uint16_t)little(s, 2); }
uint32_t it_span_u32(it_span *s) { return (uint32_t)little(s, 4); }
uint64_t it_span_u64(it_span *s) { return little(s, 8); }
