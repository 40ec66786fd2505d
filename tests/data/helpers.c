/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: a temporary folder, files in it, images made on the spot, an allocator that says no. */
#include "data/helpers.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

static char folder[256];

void folder_make(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/intact-data-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void folder_drop(void) { nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS); }

const char *in_folder(const char *fmt, ...)
{
    static char text[8][5000];
    static int turn;
    char *out = text[turn++ % 8];
    int at = snprintf(out, sizeof text[0], "%s/", folder);
    va_list args;
    va_start(args, fmt);
    vsnprintf(out + at, sizeof text[0] - (size_t)at, fmt, args);
    va_end(args);
    return out;
}

void make_folder(const char *path) { assert_int_equal(mkdir(path, 0700), 0); }

void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

void write_text(const char *path, const char *text) { write_file(path, text, strlen(text)); }

void write_gzip(const char *path, const void *data, size_t len)
{
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, data, (unsigned)len), len);
    assert_int_equal(gzclose(f), Z_OK);
}

uint8_t pixel(uint32_t y, uint32_t x, uint32_t c) { return (uint8_t)(x * 37 + y * 101 + c * 59 + x * y * 7); }
uint8_t smooth(uint32_t y, uint32_t x, uint32_t c) { return (uint8_t)(40 + (x * 2 + y) % 150 + c * 15); }

it_image pattern(uint32_t h, uint32_t w, uint32_t c)
{
    it_image im = {h, w, c, it_alloc_new(NULL, (size_t)h * w * c)};
    for (uint32_t i = 0; i < h * w * c; i++)
        im.px[i] = pixel(i / (w * c), i / c % w, i % c);
    return im;
}

buffer jpeg_of(uint32_t h, uint32_t w, uint32_t c, int quality, int progressive)
{
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr mgr;
    unsigned char *out = NULL;
    unsigned long len = 0;
    uint8_t *row = malloc((size_t)w * c);
    j.err = jpeg_std_error(&mgr);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &out, &len);
    j.image_width = w;
    j.image_height = h;
    j.input_components = (int)c;
    j.in_color_space = c == 1 ? JCS_GRAYSCALE : c == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&j);
    jpeg_set_quality(&j, quality, TRUE);
    if (quality == 100 && c == 3)
        j.comp_info[0].h_samp_factor = j.comp_info[0].v_samp_factor = 1; /* no subsampling: a narrow bound on the error */
    if (progressive)
        jpeg_simple_progression(&j);
    jpeg_start_compress(&j, TRUE);
    for (uint32_t y = 0; y < h; y++) {
        for (uint32_t i = 0; i < w * c; i++)
            row[i] = smooth(y, i / c, i % c);
        jpeg_write_scanlines(&j, &row, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    free(row);
    return (buffer){out, len};
}

static void png_append(png_structp png, png_bytep data, size_t len)
{
    buffer *b = png_get_io_ptr(png);
    b->data = realloc(b->data, b->len + len);
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static void png_no_flush(png_structp png) { (void)png; }

buffer png_of(uint32_t h, uint32_t w, int color_type, int depth, int interlaced)
{
    buffer b = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &b, png_append, png_no_flush);
    png_set_IHDR(png, info, w, h, depth, color_type, interlaced, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (color_type == PNG_COLOR_TYPE_PALETTE) {
        png_color palette[256];
        png_byte alpha[256];
        for (int i = 0; i < 256; i++) {
            palette[i] = (png_color){(png_byte)i, (png_byte)(255 - i), (png_byte)(i * 7)};
            alpha[i] = (png_byte)i;
        }
        png_set_PLTE(png, info, palette, 1 << depth);
        png_set_tRNS(png, info, alpha, 1 << depth, NULL);
    }
    png_write_info(png, info);
    size_t stride = png_get_rowbytes(png, info);
    uint8_t *px = malloc(stride * h), **rows = malloc(h * sizeof *rows);
    for (uint32_t y = 0; y < h; y++) {
        rows[y] = px + y * stride;
        for (size_t i = 0; i < stride; i++)
            rows[y][i] = pixel(y, (uint32_t)i, 0);
    }
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(px);
    free(rows);
    return b;
}

static void *grow(void *user, void *ptr, size_t bytes_old, size_t bytes_new)
{
    fail_at *f = user;
    if (bytes_new == 0) {
        f->live -= ptr != NULL;
        return it_alloc_libc.grow(NULL, ptr, bytes_old, 0);
    }
    f->calls++;
    if (f->left-- == 0)
        return NULL;
    void *p = it_alloc_libc.grow(NULL, ptr, bytes_old, bytes_new);
    f->live += p && !ptr;
    return p;
}

intact_alloc failing(fail_at *f) { return (intact_alloc){grow, f}; }

void fail_each(intact_status (*run)(const intact_alloc *a, void *user, intact_error *err), void *user)
{
    intact_status status = INTACT_E_NOMEM;
    long n = 0;
    for (; status == INTACT_E_NOMEM; n++) {
        fail_at f = {.left = n};
        intact_alloc a = failing(&f);
        intact_error err = {0};
        status = run(&a, user, &err);
        if (status != INTACT_OK)
            assert_int_equal(err.code, INTACT_E_NOMEM);
        assert_int_equal(status, err.code);
        assert_int_equal(f.live, 0);
        assert_true(n < 10000);
    }
    assert_int_equal(status, INTACT_OK);
    assert_true(n > 1);
}

void check_error(const intact_error *err, intact_status code, ...)
{
    va_list args;
    va_start(args, code);
    if (err->code != code)
        print_error("%s: %s\n", err->where, err->message);
    assert_int_equal(err->code, code);
    for (const char *piece; (piece = va_arg(args, const char *)) != NULL;) {
        if (!strstr(err->message, piece) && !strstr(err->where, piece)) {
            print_error("\"%s\" is not in: %s: %s\n", piece, err->where, err->message);
            fail();
        }
    }
    va_end(args);
}
