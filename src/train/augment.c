/* SPDX-License-Identifier: Apache-2.0 */
/* augment.c: crop, flip, cutout. */
#include "train/augment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const WORDS[] = { "crop", "flip", "cutout", "none" };

static intact_status read_number(const char *text, const char *word, const char *digits, size_t len, uint32_t *out, intact_error *err)
{
    uint32_t n = 0;
    for (size_t i = 0; i < len && n < 100000; i++) {
        if (digits[i] < '0' || digits[i] > '9') return it_fail(err, INTACT_E_ARG, text, "%s=%.*s; a number of pixels is needed", word, (int)len, digits);
        n = 10 * n + (uint32_t)(digits[i] - '0');
    }
    if (len == 0 || n < 1 || n > 4096) return it_fail(err, INTACT_E_ARG, text, "%s=%.*s; 1 to 4096 pixels are possible", word, (int)len, digits);
    *out = n;
    return INTACT_OK;
}

intact_status it_augment_parse(const char *text, it_augment *out, intact_error *err)
{
    *out = (it_augment){ .crop = 0 };
    for (const char *at = text; *at;) {
        const size_t len = strcspn(at, ","), name = strcspn(at, ",=");
        const char *digits = at + name + (at[name] == '='), *word = NULL;
        const size_t digits_len = (size_t)(at + len - digits);
        for (size_t i = 0; i < IT_LEN(WORDS); i++)
            if (strlen(WORDS[i]) == name && memcmp(WORDS[i], at, name) == 0) word = WORDS[i];
        if (!word) {
            char buf[32];
            snprintf(buf, sizeof buf, "%.*s", (int)(name < 31 ? name : 31), at);
            const char *near = it_nearest(buf, WORDS, IT_LEN(WORDS));
            return it_fail(err, INTACT_E_ARG, text, "\"%s\" is no augmentation%s%s%s; crop=PIXELS, flip, cutout=PIXELS and none are", buf, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        }
        if (at[name] == '=' && (word == WORDS[1] || word == WORDS[3])) return it_fail(err, INTACT_E_ARG, text, "%s takes no number", word);
        if (word == WORDS[0]) IT_TRY(read_number(text, word, digits, digits_len, &out->crop, err));
        if (word == WORDS[1]) out->flip = true;
        if (word == WORDS[2]) IT_TRY(read_number(text, word, digits, digits_len, &out->cutout, err));
        at += len + (at[len] == ',');
    }
    return INTACT_OK;
}

static void move(uint8_t *px, uint8_t *spare, int64_t h, int64_t w, int64_t c, int64_t down, int64_t right)
{
    const int64_t first = right > 0 ? right : 0, last = w + (right < 0 ? right : 0);
    memcpy(spare, px, (size_t)(h * w * c));
    memset(px, 0, (size_t)(h * w * c));
    for (int64_t y = 0; y < h && first < last; y++)
        if (y >= down && y < h + down) memcpy(px + (y * w + first) * c, spare + ((y - down) * w + first - right) * c, (size_t)((last - first) * c));
}

static void flip(uint8_t *px, int64_t h, int64_t w, int64_t c)
{
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w / 2; x++)
            for (int64_t k = 0; k < c; k++) {
                uint8_t *a = px + (y * w + x) * c + k, *b = px + (y * w + w - 1 - x) * c + k, keep = *a;
                *a = *b;
                *b = keep;
            }
}

void it_augment_pixels(const it_augment *a, it_rng *r, uint8_t *px, uint8_t *spare, uint32_t h, uint32_t w, uint32_t c)
{
    if (a->crop) {
        const int64_t down = (int64_t)it_rng_below(r, 2 * a->crop + 1) - a->crop, right = (int64_t)it_rng_below(r, 2 * a->crop + 1) - a->crop;
        move(px, spare, h, w, c, down, right);
    }
    if (a->flip && it_rng_below(r, 2)) flip(px, h, w, c);
}

void it_augment_values(const it_augment *a, it_rng *r, float *x, uint32_t h, uint32_t w, uint32_t c)
{
    if (!a->cutout) return;
    const int64_t side = a->cutout, top = (int64_t)it_rng_below(r, h) - side / 2, left = (int64_t)it_rng_below(r, w) - side / 2;
    for (int64_t k = 0; k < c; k++)
        for (int64_t i = top < 0 ? 0 : top; i < top + side && i < h; i++)
            for (int64_t j = left < 0 ? 0 : left; j < left + side && j < w; j++) x[(k * h + i) * w + j] = 0;
}
