/* SPDX-License-Identifier: Apache-2.0 */
/* test_image.c: decoding JPEG and PNG of every kind, damaged ones too; resizing against values computed with Pillow 9.4. */
#include "data/helpers.h"

#include <stdlib.h>
#include <string.h>

#include <png.h>

static it_image decoded(buffer b, uint32_t channels)
{
    it_image im = {0};
    intact_error err = {0};
    if (it_image_decode(NULL, b.data, b.len, channels, "test", &im, &err) != INTACT_OK)
        fail_msg("%s: %s", err.where, err.message);
    free(b.data);
    return im;
}

static uint8_t gray_of(const uint8_t *p) { return (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16); }

/* ---- JPEG ---- */

static void jpeg_near(uint32_t c, uint32_t channels, int progressive)
{
    it_image im = decoded(jpeg_of(37, 50, c, 100, progressive), channels);
    assert_true(im.h == 37 && im.w == 50 && im.c == channels);
    for (uint32_t y = 0; y < 37; y++)
        for (uint32_t x = 0; x < 50; x++) {
            uint8_t rgb[3] = {smooth(y, x, 0), smooth(y, x, c == 3 ? 1 : 0), smooth(y, x, c == 3 ? 2 : 0)};
            for (uint32_t k = 0; k < channels; k++) {
                int want = channels == 1 && c == 3 ? gray_of(rgb) : rgb[k];
                assert_in_range(im.px[(y * 50 + x) * channels + k] + 4, want, want + 8); /* within 4 */
            }
        }
    it_image_free(NULL, &im);
}

static void jpeg_kinds(void **state)
{
    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        jpeg_near(3, 3, progressive);
        jpeg_near(3, 1, progressive);
        jpeg_near(1, 1, progressive);
        jpeg_near(1, 3, progressive);
    }
}

static void jpeg_cmyk(void **state)
{
    (void)state;
    it_image im = decoded(jpeg_of(16, 16, 4, 100, 0), 3); /* inks inverted as Adobe does: colour = ink * black / 255 */
    for (uint32_t y = 0; y < 16; y++)
        for (uint32_t x = 0; x < 16; x++)
            for (uint32_t k = 0; k < 3; k++) {
                int want = smooth(y, x, k) * smooth(y, x, 3) / 255;
                assert_in_range(im.px[(y * 16 + x) * 3 + k] + 5, want, want + 10);
            }
    it_image_free(NULL, &im);
    im = decoded(jpeg_of(16, 16, 4, 100, 0), 1);
    assert_int_equal(im.c, 1);
    it_image_free(NULL, &im);
}

static intact_status try_decode(const void *data, size_t len, intact_error *err)
{
    it_image im = {0};
    intact_status status = it_image_decode(NULL, data, len, 3, "test", &im, err);
    if (status == INTACT_OK)
        it_image_free(NULL, &im);
    else
        assert_null(im.px);
    return status;
}

/* Every prefix fails, in words; none crashes. */
static void prefixes_fail(buffer b)
{
    for (size_t len = 0; len < b.len; len++) {
        intact_error err = {0};
        uint8_t *copy = malloc(len ? len : 1); /* its own block, so that a read past the end is seen */
        memcpy(copy, b.data, len);
        assert_int_not_equal(try_decode(copy, len, &err), INTACT_OK);
        assert_int_equal(err.code, INTACT_E_DATA);
        assert_true(strlen(err.message) > 10);
        free(copy);
    }
}

/* Any byte changed: an image or a sentence, never a crash. */
static void flips_survive(buffer b)
{
    it_rng rng;
    it_rng_seed(&rng, 3);
    for (int i = 0; i < 3000; i++) {
        intact_error err = {0};
        size_t at = it_rng_below(&rng, b.len);
        uint8_t old = b.data[at];
        b.data[at] = (uint8_t)it_rng_next(&rng);
        if (try_decode(b.data, b.len, &err) != INTACT_OK)
            assert_int_equal(err.code, INTACT_E_DATA);
        b.data[at] = old;
    }
}

static void damaged(void **state)
{
    (void)state;
    buffer all[] = {jpeg_of(24, 40, 3, 75, 0), jpeg_of(24, 40, 3, 75, 1), jpeg_of(24, 40, 1, 75, 0),
                    png_of(24, 40, PNG_COLOR_TYPE_RGB, 8, 0), png_of(24, 40, PNG_COLOR_TYPE_RGB_ALPHA, 16, 1)};
    for (size_t i = 0; i < IT_LEN(all); i++) {
        prefixes_fail(all[i]);
        flips_survive(all[i]);
        free(all[i].data);
    }
    intact_error err = {0};
    assert_int_not_equal(try_decode("GIF89a", 6, &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "47 49 46 38", "JPEG", NULL);
    assert_int_not_equal(try_decode("", 0, &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "empty", NULL);
    it_image im;
    assert_int_not_equal(it_image_decode(NULL, "", 0, 2, "x", &im, &err), INTACT_OK);
    check_error(&err, INTACT_E_ARG, "1 or 3", NULL);
}

/* A few bytes that claim to be huge are refused before memory is asked for. */
static void bombs(void **state)
{
    (void)state;
    intact_error err = {0};
    fail_at f = {.left = -1};
    intact_alloc a = failing(&f);
    buffer b = jpeg_of(8, 8, 3, 75, 0);
    uint8_t *sof = NULL;
    for (size_t i = 0; i + 9 < b.len && !sof; i++)
        if (b.data[i] == 0xff && b.data[i + 1] == 0xc0)
            sof = b.data + i;
    assert_non_null(sof);
    it_image im = {0};
    sof[5] = sof[7] = 0x20; /* 8192 + 8 a side: just above 2^26 in all */
    assert_int_not_equal(it_image_decode(&a, b.data, b.len, 3, "bomb", &im, &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "8200 x 8200", "limits", NULL);
    sof[5] = 0x1f; /* within the limits, but not from so few bytes */
    assert_int_not_equal(it_image_decode(&a, b.data, b.len, 3, "bomb", &im, &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "cannot fit", NULL);
    assert_int_equal(f.calls, 0);
    free(b.data);
    /* IHDR of 65535 x 65535 and of 8000 x 8000, CRC right */
    b = png_of(65535, 1, PNG_COLOR_TYPE_GRAY, 1, 0);
    assert_int_not_equal(it_image_decode(&a, b.data, b.len, 3, "bomb", &im, &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "65535 x 1", "limits", NULL);
    free(b.data);
    b = png_of(8000, 4, PNG_COLOR_TYPE_GRAY, 1, 0);
    assert_int_not_equal(it_image_decode(&a, b.data, 20, 3, "bomb", &im, &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "ends early", NULL);
    free(b.data);
    assert_int_equal(f.live, 0);
}

/* ---- PNG ---- */

/* Sample k of pixel (y, x) of what png_of wrote, with samples in a pixel of depth bits, widened to 8 bits as gray is. */
static uint32_t stored(uint32_t y, uint32_t x, uint32_t k, uint32_t samples, uint32_t depth)
{
    uint32_t at = x * samples + k;
    if (depth >= 8)
        return pixel(y, at * (depth / 8), 0); /* 16 bits: the upper byte comes first */
    uint32_t byte = pixel(y, at * depth / 8, 0), per = 8 / depth;
    return byte >> (per - 1 - at % per) * depth & ((1u << depth) - 1);
}

static void png_equal(int type, uint32_t depth, int interlaced, uint32_t channels)
{
    enum { H = 19, W = 24 };
    static const uint32_t samples_of[7] = {1, 0, 3, 1, 2, 0, 4};
    uint32_t samples = samples_of[type];
    it_image im = decoded(png_of(H, W, type, (int)depth, interlaced), channels);
    assert_true(im.h == H && im.w == W && im.c == channels);
    for (uint32_t y = 0; y < H; y++)
        for (uint32_t x = 0; x < W; x++) {
            uint32_t v = stored(y, x, 0, samples, depth);
            uint8_t rgb[3];
            for (uint32_t k = 0; k < 3; k++)
                rgb[k] = (uint8_t)(type == PNG_COLOR_TYPE_PALETTE ? (k == 0 ? v : k == 1 ? 255 - v : v * 7)
                                   : type & PNG_COLOR_MASK_COLOR  ? stored(y, x, k, samples, depth)
                                                                  : (depth < 8 ? v * (255 / ((1u << depth) - 1)) : v));
            uint8_t gray = type & PNG_COLOR_MASK_COLOR ? gray_of(rgb) : rgb[0];
            for (uint32_t k = 0; k < channels; k++)
                assert_int_equal(im.px[(y * W + x) * channels + k], channels == 1 ? gray : rgb[k]);
        }
    it_image_free(NULL, &im);
}

static void png_kinds(void **state)
{
    (void)state;
    static const struct { int type; uint32_t depth; } kinds[] = {
        {PNG_COLOR_TYPE_GRAY, 1},       {PNG_COLOR_TYPE_GRAY, 2},    {PNG_COLOR_TYPE_GRAY, 4},    {PNG_COLOR_TYPE_GRAY, 8},
        {PNG_COLOR_TYPE_GRAY, 16},      {PNG_COLOR_TYPE_RGB, 8},     {PNG_COLOR_TYPE_RGB, 16},    {PNG_COLOR_TYPE_PALETTE, 1},
        {PNG_COLOR_TYPE_PALETTE, 4},    {PNG_COLOR_TYPE_PALETTE, 8}, {PNG_COLOR_TYPE_GRAY_ALPHA, 8}, {PNG_COLOR_TYPE_GRAY_ALPHA, 16},
        {PNG_COLOR_TYPE_RGB_ALPHA, 8},  {PNG_COLOR_TYPE_RGB_ALPHA, 16},
    };
    for (size_t i = 0; i < IT_LEN(kinds); i++)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            png_equal(kinds[i].type, kinds[i].depth, interlaced, 3);
            png_equal(kinds[i].type, kinds[i].depth, interlaced, 1);
        }
}

/* ---- resize and crop ---- */

static it_image prepared(uint32_t h, uint32_t w, uint32_t c, it_preprocess p)
{
    it_image im = pattern(h, w, c);
    intact_error err = {0};
    if (it_image_prepare(NULL, &p, &im, "test", &err) != INTACT_OK)
        fail_msg("%s", err.message);
    return im;
}

static void resize_small(void **state)
{
    (void)state;
    static const struct { uint32_t h, w, c, resize, crop_h, crop_w, out_h, out_w; uint8_t px[64]; } cases[] = {
        {9, 13, 3, 4, 0, 0, 4, 5, {114, 130, 119, 128, 141, 118, 134, 117, 117, 123, 101, 124, 127, 146, 135, 139, 116, 122, 124, 117, 115,
                                   139, 107,
                                   104, 145, 109, 122, 148, 125, 121, 146, 125, 133, 129, 111, 129, 133, 125, 126, 133, 108, 147, 104, 126,
                                   138, 124, 141, 147, 136, 110, 123, 132, 112, 137, 114, 104, 146, 118, 115, 153}},
        {13, 9, 1, 5, 0, 0, 7, 5, {84, 131, 119, 144, 100, 152, 139, 116, 156, 147, 147, 117, 118, 123, 148, 139, 159, 121, 138, 143, 118,
                                   145, 122, 153, 98, 166, 136, 96, 121, 141, 136, 116, 96, 79, 123}},
        {3, 5, 3, 7, 4, 5, 4, 5, {56, 115, 137, 73, 132, 154, 90, 149, 172, 108, 150, 189, 125, 151, 207, 102, 161, 74, 121, 180, 93, 140,
                                  199, 111, 158,
                                  151, 130, 177, 103, 149, 149, 208, 11, 169, 228, 31, 189, 248, 51, 209, 152, 71, 229, 55, 91, 185, 145,
                                  58, 157, 166, 79, 129, 188, 100, 150, 143, 122, 171, 97, 143}},
        {17, 11, 1, 7, 6, 5, 6, 5, {116, 120, 125, 124, 163, 153, 121, 137, 143, 132, 140, 117, 149, 114, 114, 153, 111, 136, 146, 103, 130,
                                    105, 80, 117, 149, 109, 100, 90, 84, 131}},
    };
    for (size_t i = 0; i < IT_LEN(cases); i++) {
        it_preprocess p = {.resize = cases[i].resize, .crop_h = cases[i].crop_h, .crop_w = cases[i].crop_w};
        it_image im = prepared(cases[i].h, cases[i].w, cases[i].c, p);
        assert_true(im.h == cases[i].out_h && im.w == cases[i].out_w && im.c == cases[i].c);
        assert_memory_equal(im.px, cases[i].px, (size_t)im.h * im.w * im.c);
        it_image_free(NULL, &im);
    }
}

static void resize_large(void **state)
{
    (void)state;
    static const struct { uint32_t h, w, c, resize, crop_h, crop_w, out_h, out_w, crc; } cases[] = {
        {100, 150, 3, 64, 56, 56, 56, 56, 0x8eb6f516u},     {333, 210, 1, 97, 0, 0, 153, 97, 0x62160afeu},
        {70, 64, 3, 224, 200, 192, 200, 192, 0x6fc3d450u},  {1000, 640, 3, 32, 24, 32, 24, 32, 0xeee10ba8u},
        {37, 37, 3, 36, 0, 0, 36, 36, 0xca824650u},         {2000, 3, 1, 2, 0, 0, 1333, 2, 0x3dda4884u},
        {480, 640, 3, 256, 224, 224, 224, 224, 0xe1313704u},
    };
    for (size_t i = 0; i < IT_LEN(cases); i++) {
        it_preprocess p = {.resize = cases[i].resize, .crop_h = cases[i].crop_h, .crop_w = cases[i].crop_w};
        it_image im = prepared(cases[i].h, cases[i].w, cases[i].c, p);
        assert_true(im.h == cases[i].out_h && im.w == cases[i].out_w);
        assert_int_equal(it_crc32(im.px, (size_t)im.h * im.w * im.c), cases[i].crc);
        it_image_free(NULL, &im);
    }
}

static void crop_only(void **state)
{
    (void)state;
    it_image im = prepared(9, 12, 3, (it_preprocess){.crop_h = 4, .crop_w = 5}); /* offsets (9-4)/2 = 2, (12-5)/2 = 3 */
    for (uint32_t i = 0; i < 4 * 5 * 3; i++)
        assert_int_equal(im.px[i], pixel(i / 15 + 2, i / 3 % 5 + 3, i % 3));
    it_image_free(NULL, &im);
    im = prepared(9, 12, 3, (it_preprocess){.resize = 9, .crop_h = 9, .crop_w = 12}); /* fits already: the same memory */
    assert_int_equal(im.px[0], pixel(0, 0, 0));
    it_image_free(NULL, &im);
}

static void prepare_refuses(void **state)
{
    (void)state;
    intact_error err = {0};
    it_image im = pattern(10, 20, 3);
    const uint8_t *px = im.px;
    assert_int_not_equal(it_image_prepare(NULL, &(it_preprocess){.crop_h = 11, .crop_w = 20}, &im, "a.jpg", &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "10 x 20", "crop=11x20", "a.jpg", NULL);
    assert_int_not_equal(it_image_prepare(NULL, &(it_preprocess){.resize = 8, .crop_h = 9, .crop_w = 9}, &im, "a.jpg", &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "8 x 16 pixels after resizing", NULL);
    assert_int_not_equal(it_image_prepare(NULL, &(it_preprocess){.resize = 16384}, &im, "a.jpg", &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "16384 x 32768", "limits", NULL);
    assert_ptr_equal(im.px, px);
    im.c = 2;
    assert_int_not_equal(it_image_prepare(NULL, &(it_preprocess){0}, &im, "a.jpg", &err), INTACT_OK);
    check_error(&err, INTACT_E_ARG, "channels", NULL);
    im.c = 3;
    it_image_free(NULL, &im);
}

/* ---- memory ---- */

typedef struct job { buffer b; uint32_t channels; } job;

static intact_status decode_and_prepare(const intact_alloc *a, void *user, intact_error *err)
{
    const job *j = user;
    it_image im = {0};
    IT_TRY(it_image_decode(a, j->b.data, j->b.len, j->channels, "test", &im, err));
    intact_status status = it_image_prepare(a, &(it_preprocess){.resize = 20, .crop_h = 10, .crop_w = 10}, &im, "test", err);
    if (status == INTACT_OK)
        status = it_image_prepare(a, &(it_preprocess){.crop_h = 8, .crop_w = 8}, &im, "test", err);
    it_image_free(a, &im);
    return status;
}

static void no_memory(void **state)
{
    (void)state;
    buffer all[] = {jpeg_of(24, 40, 3, 75, 0), jpeg_of(24, 40, 3, 75, 1), png_of(24, 40, PNG_COLOR_TYPE_RGB, 8, 0),
                    png_of(24, 40, PNG_COLOR_TYPE_RGB_ALPHA, 16, 1), png_of(24, 40, PNG_COLOR_TYPE_PALETTE, 8, 0)};
    for (size_t i = 0; i < IT_LEN(all); i++) {
        fail_each(decode_and_prepare, &(job){all[i], 3});
        fail_each(decode_and_prepare, &(job){all[i], 1});
        free(all[i].data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpeg_kinds),   cmocka_unit_test(jpeg_cmyk),    cmocka_unit_test(damaged),   cmocka_unit_test(bombs),
        cmocka_unit_test(png_kinds),    cmocka_unit_test(resize_small), cmocka_unit_test(resize_large), cmocka_unit_test(crop_only),
        cmocka_unit_test(prepare_refuses), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
