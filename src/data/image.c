/* SPDX-License-Identifier: Apache-2.0 */
/* image.c: an image from a file or from memory: which decoder, which limits, gray and colour. */
#include "data/image.h"

#include <string.h>

#include "base/file.h"

void it_image_free(const intact_alloc *a, it_image *im)
{
    it_alloc_free(a, im->px, (size_t)im->h * im->w * im->c);
    *im = (it_image){0};
}

intact_status it_image_check(uint64_t h, uint64_t w, const char *where, intact_error *err)
{
    if (h == 0 || w == 0)
        return it_fail(err, INTACT_E_DATA, where, "image of %llu x %llu pixels is empty", (unsigned long long)h, (unsigned long long)w);
    if (h > IT_IMAGE_SIDE_MAX || w > IT_IMAGE_SIDE_MAX || h * w > IT_IMAGE_AREA_MAX)
        return it_fail(err, INTACT_E_DATA, where, "image of %llu x %llu pixels is too large; the limits are %u a side and %u in all",
                       (unsigned long long)h, (unsigned long long)w, IT_IMAGE_SIDE_MAX, IT_IMAGE_AREA_MAX);
    return INTACT_OK;
}

intact_status it_image_new(const intact_alloc *a, uint32_t h, uint32_t w, uint32_t c, const char *where, it_image *out, intact_error *err)
{
    size_t bytes = (size_t)h * w * c; /* callers keep h * w <= 2^26 and c <= 4 */
    it_image im = {h, w, c, it_alloc_new(a, bytes)};
    if (!im.px)
        return it_fail_nomem(err, where, bytes);
    *out = im;
    return INTACT_OK;
}

void it_image_gray_from_rgb(uint8_t *dst, const uint8_t *src, size_t n)
{
    /* weights 0.299, 0.587, 0.114 times 2^16; they sum to 2^16 */
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)((19595u * src[3 * i] + 38470u * src[3 * i + 1] + 7471u * src[3 * i + 2] + 0x8000u) >> 16);
}

void it_image_rgb_from_gray(uint8_t *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[3 * i] = dst[3 * i + 1] = dst[3 * i + 2] = src[i];
}

void *it_image_block_new(const void *alloc, size_t bytes)
{
    size_t whole;
    if (!it_add_size(bytes, IT_ALIGN, &whole))
        return NULL;
    uint8_t *p = it_alloc_new(alloc, whole);
    if (!p)
        return NULL;
    memcpy(p, &whole, sizeof whole);
    return p + IT_ALIGN;
}

void it_image_block_free(const void *alloc, void *p)
{
    if (!p)
        return;
    uint8_t *head = (uint8_t *)p - IT_ALIGN;
    size_t whole;
    memcpy(&whole, head, sizeof whole);
    it_alloc_free(alloc, head, whole);
}

intact_status it_image_decode(const intact_alloc *a, const void *bytes, size_t len, uint32_t channels, const char *where, it_image *out,
                              intact_error *err)
{
    if (channels != 1 && channels != 3)
        return it_fail(err, INTACT_E_ARG, where, "images have 1 or 3 channels, not %u", channels);
    if (len >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        return it_image_decode_jpeg(a, bytes, len, channels, where, out, err);
    if (len >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return it_image_decode_png(a, bytes, len, channels, where, out, err);
    if (len == 0)
        return it_fail(err, INTACT_E_DATA, where, "the file is empty; a JPEG or PNG image was expected");
    uint8_t head[4] = {0};
    memcpy(head, bytes, len < 4 ? len : 4);
    return it_fail(err, INTACT_E_DATA, where,
                   "not an image that can be read: it begins %02x %02x %02x %02x; a JPEG begins ff d8 ff, a PNG 89 50 4e 47",
                   head[0], head[1], head[2], head[3]);
}

intact_status it_image_load(const intact_alloc *a, const char *path, uint32_t channels, it_image *out, intact_error *err)
{
    it_map map;
    IT_TRY(it_map_open(path, &map, err));
    intact_status status = it_image_decode(a, map.data, map.len, channels, path, out, err);
    it_map_close(&map);
    return status;
}
