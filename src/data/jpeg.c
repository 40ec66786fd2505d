/* SPDX-License-Identifier: Apache-2.0 */
/* jpeg.c: JPEG by libjpeg-turbo with its slow exact transform and smooth chroma; a damaged file is an error, not a guess. */
#include "data/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#define SCANS_MAX 500              /* a progressive file of a few bytes a scan could keep us busy for hours */
#define PIXELS_PER_BYTE_MAX 1024   /* Huffman coding spends at least 6 bits on 16 x 16 pixels: 341 pixels a byte */
#define LIBRARY_BYTES_MAX (1l << 30)

typedef struct job {
    struct jpeg_error_mgr mgr; /* first: libjpeg hands its address back to us */
    struct jpeg_decompress_struct jpeg;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    const intact_alloc *alloc;
    const uint8_t *bytes;
    size_t len;
    uint32_t channels;
    const char *where;
    it_image image;
    uint8_t *row; /* one line as libjpeg gives it, when that is not what is wanted */
    size_t row_bytes;
    intact_error *err;
} job;

static void on_error(j_common_ptr common)
{
    job *j = (job *)common->err;
    char text[JMSG_LENGTH_MAX];
    j->mgr.format_message(common, text);
    intact_status code = j->mgr.msg_code == JERR_OUT_OF_MEMORY ? INTACT_E_NOMEM : INTACT_E_DATA;
    (void)!it_fail(j->err, code, j->where, "damaged or unreadable JPEG: %s", text);
    longjmp(j->back, (int)code);
}

/* Warnings that touch no pixel pass; "premature end" and its like mean that part of the picture is made up. */
static void on_message(j_common_ptr common, int level)
{
    if (level >= 0)
        return;
    int code = common->err->msg_code;
    if (code != JWRN_ADOBE_XFORM && code != JWRN_BOGUS_ICC && code != JWRN_JFIF_MAJOR)
        on_error(common);
}

static void on_progress(j_common_ptr common)
{
    job *j = (job *)common->err;
    if (j->jpeg.input_scan_number <= SCANS_MAX)
        return;
    (void)!it_fail(j->err, INTACT_E_DATA, j->where, "JPEG with more than %d scans", SCANS_MAX);
    longjmp(j->back, INTACT_E_DATA);
}

/* Inks as Adobe stores them, 255 meaning none, to RGB without a colour profile, as Pillow does it. */
static void rgb_from_cmyk(uint8_t *px, size_t n)
{
    const uint8_t *src = px;
    for (size_t i = 0; i < n; i++, src += 4) {
        uint32_t light = src[3];
        for (size_t c = 0; c < 3; c++) {
            uint32_t t = (255u - src[c]) * light + 128;
            px[3 * i + c] = (uint8_t)(light - (((t >> 8) + t) >> 8));
        }
    }
}

static intact_status open_image(job *j)
{
    struct jpeg_decompress_struct *jpeg = &j->jpeg;
    IT_TRY(it_image_check(jpeg->image_height, jpeg->image_width, j->where, j->err));
    if ((size_t)jpeg->image_height * jpeg->image_width / PIXELS_PER_BYTE_MAX > j->len)
        return it_fail(j->err, INTACT_E_DATA, j->where,
                       "JPEG of %u x %u pixels cannot fit into %zu bytes: cut off, or made to exhaust memory",
                       jpeg->image_height, jpeg->image_width, j->len);
    jpeg->out_color_space = j->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK)
        jpeg->out_color_space = JCS_CMYK;
    else if (jpeg->jpeg_color_space != JCS_GRAYSCALE)
        jpeg->out_color_space = JCS_RGB; /* gray comes from RGB, not from Y: so do the accuracies we compare with */
    return it_image_new(j->alloc, jpeg->image_height, jpeg->image_width, j->channels, j->where, &j->image, j->err);
}

static void convert_row(const job *j, uint8_t *dst)
{
    if (j->jpeg.output_components == 4)
        rgb_from_cmyk(j->row, j->image.w);
    if (j->channels == 1)
        it_image_gray_from_rgb(dst, j->row, j->image.w);
    else
        memcpy(dst, j->row, (size_t)j->image.w * 3);
}

static intact_status decode(job *j)
{
    jpeg_create_decompress(&j->jpeg);
    j->jpeg.mem->max_memory_to_use = LIBRARY_BYTES_MAX;
    j->jpeg.progress = &j->progress;
    jpeg_mem_src(&j->jpeg, j->bytes, (unsigned long)j->len);
    jpeg_read_header(&j->jpeg, TRUE);
    IT_TRY(open_image(j));
    jpeg_start_decompress(&j->jpeg);
    if ((uint32_t)j->jpeg.output_components != j->channels) {
        j->row_bytes = (size_t)j->jpeg.output_components * j->image.w;
        j->row = it_alloc_new(j->alloc, j->row_bytes);
        if (!j->row)
            return it_fail_nomem(j->err, j->where, j->row_bytes);
    }
    while (j->jpeg.output_scanline < j->jpeg.output_height) {
        uint8_t *dst = j->image.px + (size_t)j->jpeg.output_scanline * j->image.w * j->channels;
        JSAMPROW line = j->row ? j->row : dst;
        jpeg_read_scanlines(&j->jpeg, &line, 1);
        if (j->row)
            convert_row(j, dst);
    }
    jpeg_finish_decompress(&j->jpeg);
    return INTACT_OK;
}

/* Apart, so that no local lives across longjmp. */
static intact_status decode_guarded(job *j)
{
    int code = setjmp(j->back);
    return code ? (intact_status)code : decode(j);
}

intact_status it_image_decode_jpeg(const intact_alloc *a, const void *bytes, size_t len, uint32_t channels, const char *where,
                                   it_image *out, intact_error *err)
{
    job j = {.alloc = a, .bytes = bytes, .len = len, .channels = channels, .where = where, .err = err};
    j.jpeg.err = jpeg_std_error(&j.mgr);
    j.mgr.error_exit = on_error;
    j.mgr.emit_message = on_message;
    j.progress.progress_monitor = on_progress;
    intact_status status = decode_guarded(&j);
    jpeg_destroy_decompress(&j.jpeg);
    it_alloc_free(a, j.row, j.row_bytes);
    if (status != INTACT_OK)
        it_image_free(a, &j.image);
    else
        *out = j.image;
    return status;
}
