/* SPDX-License-Identifier: Apache-2.0 */
/* png.c: PNG by libpng. Alpha is dropped (the colours stay as stored, as Pillow's convert does), 16 bits keep their upper 8. */
#include "data/image.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

#define CHUNK_BYTES_MAX (8u << 20)
#define DEFLATE_RATIO_MAX 1032 /* zlib's largest gain */

typedef struct job {
    png_structp png;
    png_infop info;
    const intact_alloc *alloc;
    const uint8_t *bytes;
    size_t len, at;
    uint32_t channels;
    const char *where;
    bool nomem;
    it_image image;
    uint8_t **row; /* [h], for interlaced files */
    intact_error *err;
} job;

static void on_error(png_structp png, png_const_charp text)
{
    job *j = png_get_error_ptr(png);
    intact_status code = j->nomem ? INTACT_E_NOMEM : INTACT_E_DATA;
    (void)!it_fail(j->err, code, j->where, "damaged or unreadable PNG: %s", text);
    png_longjmp(png, (int)code);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t bytes)
{
    job *j = png_get_mem_ptr(png);
    void *p = it_image_block_new(j->alloc, bytes);
    j->nomem |= p == NULL;
    return p;
}

static void on_free(png_structp png, png_voidp p)
{
    job *j = png_get_mem_ptr(png);
    it_image_block_free(j->alloc, p);
}

static void on_read(png_structp png, png_bytep dst, size_t n)
{
    job *j = png_get_io_ptr(png);
    if (n > j->len - j->at)
        png_error(png, "the file ends early");
    memcpy(dst, j->bytes + j->at, n);
    j->at += n;
}

/* Asks libpng for 8-bit gray or RGB; returns how many channels come. Gray to RGB is left to libpng, RGB to gray to us. */
static uint32_t set_transforms(const job *j)
{
    int type = png_get_color_type(j->png, j->info);
    png_set_strip_16(j->png);
    png_set_strip_alpha(j->png);
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(j->png);
    if (type & PNG_COLOR_MASK_COLOR)
        return 3;
    png_set_expand_gray_1_2_4_to_8(j->png);
    if (j->channels == 3)
        png_set_gray_to_rgb(j->png);
    return j->channels;
}

static intact_status read_rows(job *j)
{
    size_t stride = (size_t)j->image.w * j->image.c;
    if (png_get_rowbytes(j->png, j->info) != stride)
        return it_fail(j->err, INTACT_E_DATA, j->where, "PNG rows have %zu bytes; %zu were expected", png_get_rowbytes(j->png, j->info),
                       stride);
    if (png_get_interlace_type(j->png, j->info) == PNG_INTERLACE_NONE) {
        for (uint32_t y = 0; y < j->image.h; y++)
            png_read_row(j->png, j->image.px + y * stride, NULL);
        return INTACT_OK;
    }
    j->row = it_alloc_new(j->alloc, j->image.h * sizeof *j->row);
    if (!j->row)
        return it_fail_nomem(j->err, j->where, j->image.h * sizeof *j->row);
    memset(j->image.px, 0, stride * j->image.h); /* the passes merge into what is there */
    for (uint32_t y = 0; y < j->image.h; y++)
        j->row[y] = j->image.px + y * stride;
    png_read_image(j->png, j->row);
    return INTACT_OK;
}

static intact_status to_gray(job *j)
{
    it_image gray;
    IT_TRY(it_image_new(j->alloc, j->image.h, j->image.w, 1, j->where, &gray, j->err));
    it_image_gray_from_rgb(gray.px, j->image.px, (size_t)gray.h * gray.w);
    it_image_free(j->alloc, &j->image);
    j->image = gray;
    return INTACT_OK;
}

static intact_status decode(job *j)
{
    j->info = png_create_info_struct(j->png);
    if (!j->info)
        return it_fail_nomem(j->err, j->where, 0);
    png_set_user_limits(j->png, 0x7fffffff, 0x7fffffff); /* ours are checked below, in words of our own */
    png_set_chunk_malloc_max(j->png, CHUNK_BYTES_MAX);
    png_set_read_fn(j->png, j, on_read);
    png_read_info(j->png, j->info);
    uint32_t h = png_get_image_height(j->png, j->info), w = png_get_image_width(j->png, j->info);
    IT_TRY(it_image_check(h, w, j->where, j->err));
    if (png_get_rowbytes(j->png, j->info) * h / DEFLATE_RATIO_MAX > j->len)
        return it_fail(j->err, INTACT_E_DATA, j->where, "PNG of %u x %u pixels cannot fit into %zu bytes: the file is cut off", h, w,
                       j->len);
    uint32_t channels = set_transforms(j);
    png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    IT_TRY(it_image_new(j->alloc, h, w, channels, j->where, &j->image, j->err));
    IT_TRY(read_rows(j));
    png_read_end(j->png, NULL);
    return channels == j->channels ? INTACT_OK : to_gray(j);
}

/* Apart, so that no local lives across longjmp. */
static intact_status decode_guarded(job *j)
{
    int code = setjmp(png_jmpbuf(j->png));
    return code ? (intact_status)code : decode(j);
}

intact_status it_image_decode_png(const intact_alloc *a, const void *bytes, size_t len, uint32_t channels, const char *where, it_image *out,
                                  intact_error *err)
{
    job j = {.alloc = a, .bytes = bytes, .len = len, .channels = channels, .where = where, .err = err};
    j.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning, &j, on_malloc, on_free);
    if (!j.png)
        return it_fail_nomem(err, where, 0);
    intact_status status = decode_guarded(&j);
    if (j.row)
        it_alloc_free(a, j.row, j.image.h * sizeof *j.row);
    png_destroy_read_struct(&j.png, &j.info, NULL);
    if (status != INTACT_OK)
        it_image_free(a, &j.image);
    else
        *out = j.image;
    return status;
}
