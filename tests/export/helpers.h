/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: small programs, exported, read back and compared. */
#ifndef TEST_EXPORT_HELPERS_H
#define TEST_EXPORT_HELPERS_H

#include "run/helpers.h"

void x_begin(it_prog *p);
void x_end(it_prog *p);
uint32_t x_tensor(it_prog *p, const char *name, intact_type type, double scale, int32_t zero, uint32_t rank, const uint32_t *dims);
#define X_TENSOR(p, name, type, scale, zero, ...) \
    x_tensor((p), (name), (type), (scale), (zero), (uint32_t)IT_LEN(((uint32_t[]){ __VA_ARGS__ })), (uint32_t[]){ __VA_ARGS__ })

typedef struct x_check {
    double most, share;           /* codes that one may be off; the share of those that are off at all */
    const char *qdq, *qop, *never; /* an operator that the network must have in that format, and one that it must not have; NULL: any */
    bool int4;                    /* weights of 4 bits are exported as such; */
    uint64_t int4_bytes;          /* then the file is no larger */
    bool exact_input;             /* real inputs lie half a code below the program's: ties, which go up */
} x_check;
/* Runs p on random codes and its exports on what they stand for: float inputs, and pixels where p takes them. */
void x_expect(const it_prog *p, x_check c);
/* The export fails as UNSUPPORTED and says where and why. */
void x_refused(const it_prog *p, const char *format, bool pixels, const char *where, const char *text);

#endif
