/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: what the image decoders share. */
#ifndef IT_IMAGE_H
#define IT_IMAGE_H

#include "data/data.h"

#define IT_IMAGE_SIDE_MAX 16384u
#define IT_IMAGE_AREA_MAX (1u << 26)

/* Refuses sides of 0 and those beyond the limits, before anything is decoded. */
INTACT_MUST_USE intact_status it_image_check(uint64_t h, uint64_t w, const char *where, intact_error *err);
/* px for h x w x c, not filled. */
INTACT_MUST_USE intact_status it_image_new(const intact_alloc *a, uint32_t h, uint32_t w, uint32_t c, const char *where, it_image *out,
                                           intact_error *err);

INTACT_MUST_USE intact_status it_image_decode_jpeg(const intact_alloc *a, const void *bytes, size_t len, uint32_t channels,
                                                   const char *where, it_image *out, intact_error *err);
INTACT_MUST_USE intact_status it_image_decode_png(const intact_alloc *a, const void *bytes, size_t len, uint32_t channels,
                                                  const char *where, it_image *out, intact_error *err);

/* n pixels: luma of ITU-R BT.601 in 16-bit fixed point, rounded, as Pillow's convert("L"). dst may be src. */
void it_image_gray_from_rgb(uint8_t *dst, const uint8_t *src, size_t n);
void it_image_rgb_from_gray(uint8_t *dst, const uint8_t *src, size_t n);

/* Memory for libraries that free without saying how much: the size stands in front. alloc is a const intact_alloc. */
void *it_image_block_new(const void *alloc, size_t bytes);
void it_image_block_free(const void *alloc, void *p);

#endif
