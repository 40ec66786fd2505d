/* SPDX-License-Identifier: Apache-2.0 */
/* resize.c: an image made ready for a network: shorter side to a size, then the centre. */
#include "data/image.h"

#include <math.h>
#include <string.h>

/* Weights are integers with 22 bits after the point: 255 * 2^22 plus rounding stays below 2^31. */
#define BITS 22
#define HALF (1 << (BITS - 1))

typedef struct taps { /* out[i] = sum of weight[i * width + t] * in[first[i] + t], t < len[i] */
    uint32_t n, width;
    uint32_t *first, *len;
    int32_t *weight;
    double *real;
} taps;

typedef struct window { uint32_t full, at, len; } window; /* of full outputs, those from at, len of them */

/* A triangle as wide as the reduction, centred on each output, normalized, then rounded: the arithmetic of Pillow's
** Image.resize(BILINEAR) in its order, so that results are equal to the bit. */
static void fill_tap(taps *k, uint32_t i, uint32_t in_len, double scale, double center)
{
    double support = scale < 1 ? 1 : scale, step = 1 / support, sum = 0;
    int64_t from = (int64_t)(center - support + 0.5), to = (int64_t)(center + support + 0.5);
    from = from < 0 ? 0 : from;
    to = to > in_len ? in_len : to;
    k->first[i] = (uint32_t)from;
    k->len[i] = (uint32_t)(to - from);
    for (uint32_t t = 0; t < k->len[i]; t++) {
        double x = fabs((t + (double)from - center + 0.5) * step);
        k->real[t] = x < 1 ? 1 - x : 0;
        sum += k->real[t];
    }
    for (uint32_t t = 0; t < k->len[i]; t++) {
        double w = sum != 0 ? k->real[t] / sum : k->real[t];
        k->weight[(size_t)i * k->width + t] = (int32_t)(0.5 + w * (1 << BITS));
    }
}

static bool taps_new(it_arena *arena, uint32_t in_len, window out, taps *k)
{
    double scale = (double)in_len / out.full;
    k->n = out.len;
    k->width = (uint32_t)ceil(scale < 1 ? 1 : scale) * 2 + 1;
    k->first = it_arena_new(arena, k->n * sizeof *k->first);
    k->len = it_arena_new(arena, k->n * sizeof *k->len);
    k->weight = it_arena_new(arena, (size_t)k->n * k->width * sizeof *k->weight);
    k->real = it_arena_new(arena, k->width * sizeof *k->real);
    if (!k->first || !k->len || !k->weight || !k->real)
        return false;
    for (uint32_t i = 0; i < k->n; i++)
        fill_tap(k, i, in_len, scale, (out.at + i + 0.5) * scale);
    return true;
}

static inline uint8_t narrow(int32_t sum) /* weights are not negative, so neither is the sum */
{
    int32_t v = sum >> BITS;
    return (uint8_t)(v > 255 ? 255 : v);
}

static void row_gray(const taps *k, const uint8_t *src, uint8_t *dst)
{
    for (uint32_t i = 0; i < k->n; i++) {
        const int32_t *w = k->weight + (size_t)i * k->width;
        const uint8_t *in = src + k->first[i];
        int32_t sum = HALF;
        for (uint32_t t = 0; t < k->len[i]; t++)
            sum += w[t] * in[t];
        dst[i] = narrow(sum);
    }
}

static void row_rgb(const taps *k, const uint8_t *src, uint8_t *dst)
{
    for (uint32_t i = 0; i < k->n; i++, dst += 3) {
        const int32_t *w = k->weight + (size_t)i * k->width;
        const uint8_t *in = src + (size_t)k->first[i] * 3;
        int32_t r = HALF, g = HALF, b = HALF;
        for (uint32_t t = 0; t < k->len[i]; t++, in += 3) {
            r += w[t] * in[0];
            g += w[t] * in[1];
            b += w[t] * in[2];
        }
        dst[0] = narrow(r);
        dst[1] = narrow(g);
        dst[2] = narrow(b);
    }
}

/* One output row from rows stride bytes apart, in strips that stay in registers and the first cache. */
static void column_row(const int32_t *w, uint32_t len, const uint8_t *src, size_t stride, uint8_t *dst)
{
    enum { STRIP = 64 };
    for (size_t x = 0; x < stride; x += STRIP) {
        size_t n = stride - x < STRIP ? stride - x : STRIP;
        int32_t sum[STRIP];
        for (size_t i = 0; i < STRIP; i++)
            sum[i] = HALF;
        for (uint32_t t = 0; t < len; t++) {
            const uint8_t *in = src + t * stride + x;
            int32_t wt = w[t];
            for (size_t i = 0; i < n; i++)
                sum[i] += wt * in[i];
        }
        for (size_t i = 0; i < n; i++)
            dst[x + i] = narrow(sum[i]);
    }
}

/* Only the window is computed, and only from the rows that it needs. */
static intact_status resample(const intact_alloc *a, it_arena *arena, const it_image *in, window y, window x, const char *where,
                              it_image *out, intact_error *err)
{
    taps kx, ky;
    if (!taps_new(arena, in->w, x, &kx) || !taps_new(arena, in->h, y, &ky))
        return it_fail_nomem(err, where, (size_t)x.len * sizeof(int32_t));
    uint32_t from = ky.first[0], to = ky.first[ky.n - 1] + ky.len[ky.n - 1];
    size_t stride = (size_t)x.len * in->c;
    uint8_t *rows = it_alloc_new(a, stride * (to - from));
    if (!rows)
        return it_fail_nomem(err, where, stride * (to - from));
    intact_status status = it_image_new(a, y.len, x.len, in->c, where, out, err);
    if (status == INTACT_OK) {
        for (uint32_t r = from; r < to; r++)
            (in->c == 3 ? row_rgb : row_gray)(&kx, in->px + (size_t)r * in->w * in->c, rows + (r - from) * stride);
        for (uint32_t r = 0; r < ky.n; r++)
            column_row(ky.weight + (size_t)r * ky.width, ky.len[r], rows + (ky.first[r] - from) * stride, stride, out->px + r * stride);
    }
    it_alloc_free(a, rows, stride * (to - from));
    return status;
}

static intact_status cut(const intact_alloc *a, const it_image *in, window y, window x, const char *where, it_image *out, intact_error *err)
{
    IT_TRY(it_image_new(a, y.len, x.len, in->c, where, out, err));
    size_t bytes = (size_t)x.len * in->c;
    for (uint32_t r = 0; r < y.len; r++)
        memcpy(out->px + r * bytes, in->px + ((size_t)(y.at + r) * in->w + x.at) * in->c, bytes);
    return INTACT_OK;
}

static intact_status plan(const it_preprocess *p, const it_image *im, window *y, window *x, const char *where, intact_error *err)
{
    uint64_t h = im->h, w = im->w, shorter = h < w ? h : w;
    if (p->resize && p->resize != shorter) { /* the longer side rounds down, as in torchvision */
        h = im->h == shorter ? p->resize : (uint64_t)p->resize * im->h / shorter;
        w = im->w == shorter ? p->resize : (uint64_t)p->resize * im->w / shorter;
    }
    uint64_t out_h = p->crop_h ? p->crop_h : h, out_w = p->crop_w ? p->crop_w : w;
    if (out_h > h || out_w > w)
        return it_fail(err, INTACT_E_DATA, where, "the image has %llu x %llu pixels%s; crop=%llux%llu needs as many, or a resize before it",
                       (unsigned long long)h, (unsigned long long)w, p->resize ? " after resizing" : "", (unsigned long long)out_h,
                       (unsigned long long)out_w);
    if (out_h > IT_IMAGE_SIDE_MAX || out_w > IT_IMAGE_SIDE_MAX || out_h * out_w > IT_IMAGE_AREA_MAX)
        return it_fail(err, INTACT_E_DATA, where,
                       "the image of %u x %u pixels would become %llu x %llu; the limits are %u a side and %u in all",
                       im->h, im->w, (unsigned long long)out_h, (unsigned long long)out_w, IT_IMAGE_SIDE_MAX, IT_IMAGE_AREA_MAX);
    *y = (window){(uint32_t)h, (uint32_t)((h - out_h) / 2), (uint32_t)out_h};
    *x = (window){(uint32_t)w, (uint32_t)((w - out_w) / 2), (uint32_t)out_w};
    return INTACT_OK;
}

intact_status it_image_prepare(const intact_alloc *a, const it_preprocess *p, it_image *im, const char *where, intact_error *err)
{
    window y, x;
    if (im->c != 1 && im->c != 3)
        return it_fail(err, INTACT_E_ARG, where, "images have 1 or 3 channels, not %u", im->c);
    IT_TRY(it_image_check(im->h, im->w, where, err));
    IT_TRY(plan(p, im, &y, &x, where, err));
    if (y.len == im->h && x.len == im->w && y.full == im->h && x.full == im->w)
        return INTACT_OK;
    it_image out;
    intact_status status;
    if (y.full == im->h && x.full == im->w) {
        status = cut(a, im, y, x, where, &out, err);
    } else { /* both sides change: the shorter one does, and the longer by at least as much */
        it_arena arena;
        it_arena_init(&arena, a);
        status = resample(a, &arena, im, y, x, where, &out, err);
        it_arena_release(&arena);
    }
    if (status == INTACT_OK) {
        it_image_free(a, im);
        *im = out;
    }
    return status;
}
