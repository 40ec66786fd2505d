/* SPDX-License-Identifier: Apache-2.0 */
/* preprocess.c: preprocessing as text ("imagenet,crop=192") and as numbers. */
#include "data/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/c_locale.h"

#define WHERE "preprocessing"
#define SIDE_MAX 16384u
#define TEXT_MAX 64 /* longest number or word */

static const struct {
    const char *name, *text;
} presets[] = {
    {"imagenet", "resize=256,crop=224,scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225,order=rgb"},
    {"tf", "resize=256,crop=224,scale=1/127.5,mean=1,order=rgb"},
    {"caffe", "resize=256,crop=224,scale=1,mean=104:117:123,order=bgr"},
    {"cifar", "scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225,order=rgb"},
    {"raw", "scale=1"},
    {"unit", "scale=1/255"},
};

static const char *const preset_names[] = {"imagenet", "tf", "caffe", "cifar", "raw", "unit"};

enum { KEY_RESIZE, KEY_CROP, KEY_SCALE, KEY_MEAN, KEY_STD, KEY_ORDER, KEY_COUNT };
static const char *const key_names[KEY_COUNT] = {"resize", "crop", "scale", "mean", "std", "order"};

typedef struct word { char s[TEXT_MAX]; } word; /* a piece of the text, ended by NUL; cut when longer */

static word word_of(const char *s, size_t len)
{
    word w = {{0}};
    memcpy(w.s, s, len < TEXT_MAX - 1 ? len : TEXT_MAX - 1);
    return w;
}

/* One decimal number that fills s[0..len); hexadecimal, "inf" and "nan" are not numbers here. */
static bool parse_decimal(const char *s, size_t len, double *wide, float *narrow)
{
    if (len == 0 || len >= TEXT_MAX)
        return false;
    word w = word_of(s, len);
    if (strspn(w.s, "0123456789+-.eE") != len)
        return false;
    char *end, *end2;
    *wide = strtod(w.s, &end);
    *narrow = strtof(w.s, &end2);
    return end == w.s + len && end2 == end && isfinite(*wide) && isfinite(*narrow);
}

/* "0.5" or "1/255". The quotient of two doubles rounded to float equals the float quotient (53 >= 2 * 24 + 2 bits). */
static bool parse_number(const char *s, size_t len, float *out)
{
    const char *slash = memchr(s, '/', len);
    double a, b;
    float narrow;
    if (!slash)
        return parse_decimal(s, len, &a, out);
    if (!parse_decimal(s, (size_t)(slash - s), &a, &narrow) || !parse_decimal(slash + 1, len - (size_t)(slash - s) - 1, &b, &narrow))
        return false;
    *out = (float)(a / b);
    return b != 0 && isfinite(*out);
}

static bool parse_list(const char *s, size_t len, float out[4], uint32_t *out_len)
{
    for (*out_len = 0; *out_len < 4;) {
        const char *colon = memchr(s, ':', len);
        size_t n = colon ? (size_t)(colon - s) : len;
        if (!parse_number(s, n, &out[*out_len]))
            return false;
        ++*out_len;
        if (!colon)
            return true;
        s += n + 1;
        len -= n + 1;
    }
    return false;
}

static bool parse_side(const char *s, size_t len, uint32_t *out)
{
    uint32_t v = 0;
    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (uint32_t)(s[i] - '0');
    }
    *out = v;
    return v <= SIDE_MAX;
}

static bool parse_crop(const char *s, size_t len, it_preprocess *p)
{
    const char *x = memchr(s, 'x', len);
    if (x)
        return parse_side(s, (size_t)(x - s), &p->crop_h) && parse_side(x + 1, len - (size_t)(x - s) - 1, &p->crop_w) &&
               (p->crop_h == 0) == (p->crop_w == 0);
    if (!parse_side(s, len, &p->crop_h))
        return false;
    p->crop_w = p->crop_h;
    return true;
}

static bool parse_std(const char *s, size_t len, it_preprocess *p)
{
    if (!parse_list(s, len, p->std, &p->std_len))
        return false;
    for (uint32_t i = 0; i < p->std_len; i++)
        if (!(p->std[i] > 0))
            return false;
    return true;
}

static bool parse_order(const char *s, size_t len, it_preprocess *p)
{
    if (len != 3 || (memcmp(s, "rgb", 3) != 0 && memcmp(s, "bgr", 3) != 0))
        return false;
    p->bgr = s[0] == 'b';
    return true;
}

static intact_status parse_value(int key, const char *s, size_t len, it_preprocess *p, intact_error *err)
{
    static const char *const wants[KEY_COUNT] = {
        "the shorter side in pixels, 1 to 16384 (0: leave)", "a side, 1 to 16384, or HxW (0: leave)",
        "a number above 0 or a fraction such as 1/255",      "1 to 4 numbers with colons between",
        "1 to 4 numbers above 0 with colons between",        "rgb or bgr",
    };
    bool good = false;
    switch (key) {
    case KEY_RESIZE: good = parse_side(s, len, &p->resize); break;
    case KEY_CROP: good = parse_crop(s, len, p); break;
    case KEY_SCALE: good = parse_number(s, len, &p->scale) && p->scale > 0; break;
    case KEY_MEAN: good = parse_list(s, len, p->mean, &p->mean_len); break;
    case KEY_STD: good = parse_std(s, len, p); break;
    case KEY_ORDER: good = parse_order(s, len, p); break;
    default: break;
    }
    if (!good)
        return it_fail(err, INTACT_E_ARG, WHERE, "%s=%s: the value must be %s", key_names[key], word_of(s, len).s, wants[key]);
    return INTACT_OK;
}

static intact_status fail_unknown(const char *what, const char *s, size_t len, const char *const *names, size_t names_len,
                                  intact_error *err)
{
    word w = word_of(s, len);
    char list[128] = "";
    for (size_t i = 0, at = 0; i < names_len && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    const char *near = it_nearest(w.s, names, names_len);
    if (near)
        return it_fail(err, INTACT_E_ARG, WHERE, "unknown %s \"%s\"; did you mean %s? Known: %s", what, w.s, near, list);
    return it_fail(err, INTACT_E_ARG, WHERE, "unknown %s \"%s\"; known: %s", what, w.s, list);
}

static int find(const char *s, size_t len, const char *const *names, size_t names_len)
{
    for (size_t i = 0; i < names_len; i++)
        if (strlen(names[i]) == len && memcmp(names[i], s, len) == 0)
            return (int)i;
    return -1;
}

/* text: "key=value,key=value", the first piece may be a preset's name. */
static intact_status parse_pieces(const char *text, bool allow_name, it_preprocess *p, intact_error *err)
{
    unsigned seen = 0;
    for (const char *s = text;; allow_name = false) {
        size_t len = strcspn(s, ",");
        const char *eq = memchr(s, '=', len);
        size_t key_len = eq ? (size_t)(eq - s) : len;
        if (!eq) {
            int preset = find(s, len, preset_names, IT_LEN(preset_names));
            if (preset < 0)
                return fail_unknown("name", s, len, preset_names, IT_LEN(preset_names), err);
            if (!allow_name)
                return it_fail(err, INTACT_E_ARG, WHERE, "\"%s\" must come first, with changes after it (%s,crop=192)",
                               preset_names[preset], preset_names[preset]);
            IT_TRY(parse_pieces(presets[preset].text, false, p, err));
        } else {
            int key = find(s, key_len, key_names, KEY_COUNT);
            if (key < 0)
                return fail_unknown("key", s, key_len, key_names, KEY_COUNT, err);
            if (seen & 1u << key)
                return it_fail(err, INTACT_E_ARG, WHERE, "%s is given twice", key_names[key]);
            seen |= 1u << key;
            IT_TRY(parse_value(key, eq + 1, len - key_len - 1, p, err));
        }
        if (s[len] == 0)
            return INTACT_OK;
        s += len + 1;
    }
}

intact_status it_preprocess_parse(const char *text, it_preprocess *out, intact_error *err)
{
    it_preprocess p = {.scale = 1.0f / 255.0f};
    intact_status status = INTACT_OK;
    if (text && text[0]) {
        it_c_locale c;
        it_c_locale_enter(&c);
        p.given = true;
        status = parse_pieces(text, true, &p, err);
        it_c_locale_leave(&c);
    }
    if (status == INTACT_OK)
        *out = p;
    return status;
}

/* The shortest text that parses to v: a plain decimal of few digits, else 1/n with n a multiple of one half, else up to 9 digits,
** which always suffice. */
static void print_number(float v, char out[TEXT_MAX])
{
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(out, TEXT_MAX, "%.*g", digits, (double)v);
        if (strtof(out, NULL) == v)
            break;
    }
    double n = nearbyint(2 / (double)v) / 2;
    if (strlen(out) > 6 && v > 0 && n >= 1 && n < 1e6 && (float)(1 / n) == v)
        snprintf(out, TEXT_MAX, "1/%.10g", n);
}

typedef struct printer { char *buf; size_t len, at; } printer;

static void put(printer *w, const char *s)
{
    for (; *s; s++)
        if (w->at + 1 < w->len)
            w->buf[w->at++] = *s;
}

static void put_list(printer *w, const char *key, const float *v, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        char number[TEXT_MAX];
        print_number(v[i], number);
        put(w, i ? ":" : key);
        put(w, number);
    }
}

void it_preprocess_print(const it_preprocess *p, char *buf, size_t len)
{
    if (len == 0)
        return;
    it_c_locale c;
    it_c_locale_enter(&c);
    printer w = {buf, len, 0};
    char text[TEXT_MAX];
    if (p->resize) {
        snprintf(text, sizeof text, "resize=%u,", p->resize);
        put(&w, text);
    }
    if (p->crop_h) {
        snprintf(text, sizeof text, p->crop_h == p->crop_w ? "crop=%u," : "crop=%ux%u,", p->crop_h, p->crop_w);
        put(&w, text);
    }
    put_list(&w, "scale=", &p->scale, 1);
    put_list(&w, ",mean=", p->mean, p->mean_len);
    put_list(&w, ",std=", p->std, p->std_len);
    if (p->bgr)
        put(&w, ",order=bgr");
    buf[w.at] = 0;
    it_c_locale_leave(&c);
}

float it_preprocess_value(const it_preprocess *p, uint32_t c, uint8_t x)
{
    float v = (float)x * p->scale;
    if (p->mean_len)
        v -= p->mean[c < p->mean_len ? c : p->mean_len - 1];
    if (p->std_len)
        v /= p->std[c < p->std_len ? c : p->std_len - 1];
    return v;
}
