/* SPDX-License-Identifier: Apache-2.0 */
/* cifar.c: a binary batch of CIFAR-10 (label, 1024 red, 1024 green, 1024 blue) or CIFAR-100 (coarse label, fine label, the same). */
#include "data/kind.h"

#include <string.h>
#include <sys/stat.h>

#include "data/image.h"

#define SIDE 32u
#define PLANE (SIDE * SIDE)

typedef struct cifar {
    it_map map;
    size_t record, label_at; /* bytes a record; where in it the label is */
} cifar;

static bool cifar_is(const char *path)
{
    struct stat st;
    size_t len = strlen(path);
    return len > 4 && strcmp(path + len - 4, ".bin") == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The position of the first record whose label is not below classes, or the number of records. */
static size_t first_bad(const cifar *x, size_t classes)
{
    const uint8_t *p = x->map.data;
    size_t n = x->map.len / x->record, i = 0;
    while (i < n && p[i * x->record + x->label_at] < classes)
        i++;
    return i;
}

static intact_status parse(it_dataset *d, cifar *x, const char *path, intact_error *err)
{
    size_t classes = 10, len = x->map.len;
    if (len == 0)
        return it_fail(err, INTACT_E_DATA, path, "the batch is empty");
    x->record = 1 + 3 * PLANE;
    x->label_at = 0;
    if (len % x->record != 0 || (len % (x->record + 1) == 0 && first_bad(x, classes) < len / x->record)) {
        x->record++;
        x->label_at = 1;
        classes = 100;
    }
    if (len % x->record != 0)
        return it_fail(err, INTACT_E_DATA, path,
                       "%zu bytes are no whole number of CIFAR-10 records of 3073 bytes (%zu are left over) nor of CIFAR-100 records of 3074 (%zu)",
                       len, len % (1 + 3 * PLANE), len % (2 + 3 * PLANE));
    size_t bad = first_bad(x, classes);
    d->len = len / x->record;
    if (bad < d->len)
        return it_fail(err, INTACT_E_DATA, path, "record %zu has label %u; CIFAR-%zu has 0 to %zu", bad,
                       ((const uint8_t *)x->map.data)[bad * x->record + x->label_at], classes, classes - 1);
    d->classes = (uint32_t)classes;
    return INTACT_OK;
}

static intact_status cifar_open(it_dataset *d, const char *path, const char *labels, intact_error *err)
{
    IT_TRY(it_data_check_channels(d, path, err));
    if (labels)
        return it_fail(err, INTACT_E_ARG, path, "a CIFAR batch holds its labels itself; leave out %s", labels);
    cifar *x = it_arena_new(&d->arena, sizeof *x);
    if (!x)
        return it_fail_nomem(err, path, sizeof *x);
    IT_TRY(it_map_open(path, &x->map, err));
    d->priv = x;
    IT_TRY(parse(d, x, path, err));
    d->label = it_arena_new(&d->arena, d->len * sizeof *d->label);
    if (!d->label)
        return it_fail_nomem(err, path, d->len * sizeof *d->label);
    for (size_t i = 0; i < d->len; i++)
        d->label[i] = ((const uint8_t *)x->map.data)[i * x->record + x->label_at];
    return it_data_number(d, path, err);
}

static intact_status cifar_read(const it_dataset *d, size_t i, it_item *out, intact_error *err)
{
    const cifar *x = d->priv;
    const uint8_t *r = (const uint8_t *)x->map.data + i * x->record + x->label_at + 1, *g = r + PLANE, *b = g + PLANE;
    uint8_t rgb[3 * PLANE];
    *out = (it_item){0};
    IT_TRY(it_image_new(d->alloc, SIDE, SIDE, d->channels, it_dataset_name(d, i), &out->image, err));
    uint8_t *dst = d->channels == 3 ? out->image.px : rgb;
    for (size_t p = 0; p < PLANE; p++) {
        dst[3 * p] = r[p];
        dst[3 * p + 1] = g[p];
        dst[3 * p + 2] = b[p];
    }
    if (d->channels == 1)
        it_image_gray_from_rgb(out->image.px, rgb, PLANE);
    return INTACT_OK;
}

static void cifar_close(it_dataset *d) { it_map_close(&((cifar *)d->priv)->map); }

const it_data_kind it_data_cifar = {
    .name = "cifar", .what = "a CIFAR-10 or CIFAR-100 binary batch (.bin)",
    .is = cifar_is, .open = cifar_open, .read = cifar_read, .close = cifar_close,
};
