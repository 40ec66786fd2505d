/* SPDX-License-Identifier: Apache-2.0 */
/* augment.c: the list of augmentations: as text, and one after another on an image. */
#include "train/augment.h"

#include <stdio.h>
#include <string.h>

const it_augmentation *const it_augment_all[] = {
#define AUGMENT(name) &it_augmentation_##name,
#include "train/augment_list.h"
#undef AUGMENT
    NULL
};

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

static intact_status unknown(const char *text, const char *word, size_t len, intact_error *err)
{
    const char *names[IT_AUGMENT_COUNT + 1] = { NULL };
    char list[256] = "", buf[32];
    size_t at = 0;
    for (size_t i = 0; i < IT_AUGMENT_COUNT; i++) {
        names[i] = it_augment_all[i]->name;
        if (at < sizeof list) at += (size_t)snprintf(list + at, sizeof list - at, "%s%s, ", names[i], it_augment_all[i]->number ? "=PIXELS" : "");
    }
    names[IT_AUGMENT_COUNT] = "none";
    snprintf(buf, sizeof buf, "%.*s", (int)(len < 31 ? len : 31), word);
    const char *near = it_nearest(buf, names, IT_LEN(names));
    return it_fail(err, INTACT_E_ARG, text, "\"%s\" is no augmentation%s%s%s; %snone are", buf, near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
                   list);
}

/* One word with or without a number: at, len bytes. */
static intact_status read_one(const char *text, const char *at, size_t len, it_augment *out, intact_error *err)
{
    const size_t name = strcspn(at, ",=");
    const bool has = at[name] == '=';
    for (size_t i = 0; i < IT_AUGMENT_COUNT; i++) {
        const it_augmentation *a = it_augment_all[i];
        if (strlen(a->name) != name || memcmp(a->name, at, name) != 0) continue;
        if (a->number) return read_number(text, a->name, at + name + has, len - name - has, &out->amount[i], err);
        if (has) return it_fail(err, INTACT_E_ARG, text, "%s takes no number", a->name);
        out->amount[i] = 1;
        return INTACT_OK;
    }
    return len == 4 && memcmp(at, "none", 4) == 0 ? INTACT_OK : unknown(text, at, name, err);
}

intact_status it_augment_parse(const char *text, it_augment *out, intact_error *err)
{
    *out = (it_augment){ .amount = { 0 } };
    for (const char *at = text; *at;) {
        const size_t len = strcspn(at, ",");
        IT_TRY(read_one(text, at, len, out, err));
        at += len + (at[len] == ',');
    }
    return INTACT_OK;
}

void it_augment_print(const it_augment *a, char *buf, size_t len)
{
    size_t at = 0;
    snprintf(buf, len, "none");
    for (size_t i = 0; i < IT_AUGMENT_COUNT; i++) {
        const it_augmentation *x = it_augment_all[i];
        if (!a->amount[i] || at >= len) continue;
        at += (size_t)snprintf(buf + at, len - at, "%s%s", at ? "," : "", x->name);
        if (x->number && at < len) at += (size_t)snprintf(buf + at, len - at, "=%u", a->amount[i]);
    }
}

bool it_augment_any(const it_augment *a)
{
    for (size_t i = 0; i < IT_AUGMENT_COUNT; i++)
        if (a->amount[i]) return true;
    return false;
}

void it_augment_pixels(const it_augment *a, it_rng *r, uint8_t *px, uint8_t *spare, uint32_t h, uint32_t w, uint32_t c)
{
    for (size_t i = 0; i < IT_AUGMENT_COUNT; i++)
        if (a->amount[i] && it_augment_all[i]->pixels) it_augment_all[i]->pixels(a->amount[i], r, px, spare, h, w, c);
}

void it_augment_values(const it_augment *a, it_rng *r, float *x, uint32_t h, uint32_t w, uint32_t c)
{
    for (size_t i = 0; i < IT_AUGMENT_COUNT; i++)
        if (a->amount[i] && it_augment_all[i]->values) it_augment_all[i]->values(a->amount[i], r, x, h, w, c);
}
