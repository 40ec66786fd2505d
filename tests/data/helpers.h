/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: a temporary folder, files in it, images made on the spot, an allocator that says no. */
#ifndef TEST_DATA_HELPERS_H
#define TEST_DATA_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/data.h"

typedef struct buffer { uint8_t *data; size_t len; } buffer; /* from malloc */

void folder_make(void);                          /* a fresh one; all paths below are in it */
void folder_drop(void);
const char *in_folder(const char *fmt, ...) IT_PRINTF(1, 2); /* one of eight rotating buffers */
void make_folder(const char *path);
void write_file(const char *path, const void *data, size_t len);
void write_text(const char *path, const char *text);
void write_gzip(const char *path, const void *data, size_t len);

uint8_t pixel(uint32_t y, uint32_t x, uint32_t c); /* a pattern */
it_image pattern(uint32_t h, uint32_t w, uint32_t c);
buffer jpeg_of(uint32_t h, uint32_t w, uint32_t c, int quality, int progressive); /* smooth; c: 1, 3, or 4 for CMYK */
uint8_t smooth(uint32_t y, uint32_t x, uint32_t c);
buffer png_of(uint32_t h, uint32_t w, int color_type, int depth, int interlaced); /* samples: pattern, low bits for depths below 8 */

typedef struct fail_at { long left; long live; long calls; } fail_at; /* fails the call after left others */
intact_alloc failing(fail_at *f);

/* Fails the n-th allocation of run for n = 0, 1, ... until none fails; each time: the right code, nothing left alive. */
void fail_each(intact_status (*run)(const intact_alloc *a, void *user, intact_error *err), void *user);

/* err has this code and its message holds every one of the pieces (NULL ends). */
void check_error(const intact_error *err, intact_status code, ...);

#endif
