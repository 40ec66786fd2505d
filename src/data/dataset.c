/* SPDX-License-Identifier: Apache-2.0 */
/* dataset.c: a data set of any kind: opening, names, the seed's choice, the checksum. */
#include "data/kind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DATA(name) extern const it_data_kind it_data_##name;
#include "data/data_list.h"
#undef DATA

static const it_data_kind *const kinds[] = {
#define DATA(name) &it_data_##name,
#include "data/data_list.h"
#undef DATA
};

static intact_status kind_of(const char *path, const it_data_kind **out, intact_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return it_fail(err, INTACT_E_IO, path, "cannot open the data set: %s", strerror(errno));
    char list[400] = "";
    for (size_t i = 0, at = 0; i < IT_LEN(kinds); i++) {
        if (kinds[i]->is(path)) {
            *out = kinds[i];
            return INTACT_OK;
        }
        if (at < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? "; " : "", kinds[i]->what);
    }
    return it_fail(err, INTACT_E_DATA, path, "not a data set that can be read; looked for: %s", list);
}

intact_status it_dataset_open(const intact_alloc *a, const char *path, const char *labels, uint32_t channels, it_dataset **out,
                              intact_error *err)
{
    const it_data_kind *kind;
    *out = NULL;
    IT_TRY(kind_of(path, &kind, err));
    it_dataset *d = it_alloc_zero(a, sizeof *d);
    if (!d)
        return it_fail_nomem(err, path, sizeof *d);
    d->kind = kind;
    d->alloc = a;
    d->channels = channels ? channels : 3;
    it_arena_init(&d->arena, a);
    intact_status status = kind->open(d, path, labels, err);
    if (status != INTACT_OK) {
        it_dataset_close(d);
        return status;
    }
    *out = d;
    return INTACT_OK;
}

void it_dataset_close(it_dataset *d)
{
    if (!d)
        return;
    const intact_alloc *a = d->alloc;
    if (d->priv && d->kind->close)
        d->kind->close(d);
    it_arena_release(&d->arena);
    it_alloc_free(a, d, sizeof *d);
}

const char *it_dataset_name(const it_dataset *d, size_t i)
{
    return d->path ? d->path[i] + d->name_at : d->number + i * d->number_bytes;
}

void it_item_free(const it_dataset *d, it_item *it)
{
    it_image_free(d->alloc, &it->image);
    it_alloc_free(d->alloc, it->array, it->len * sizeof *it->array);
    *it = (it_item){0};
}

/* Selection sampling: sample i is taken with probability (still wanted) / (still left). One pass, no memory, ascending by itself. */
intact_status it_dataset_pick(const it_dataset *d, size_t n, uint64_t seed, size_t **out, size_t *out_len, intact_error *err)
{
    if (n > d->len)
        n = d->len;
    size_t *pick = it_alloc_new(d->alloc, n * sizeof *pick); /* n <= len, whose labels fit into memory */
    if (!pick)
        return it_fail_nomem(err, "choice of samples", n * sizeof *pick);
    it_rng rng;
    it_rng_seed(&rng, seed);
    for (size_t i = 0, taken = 0; taken < n; i++)
        if (it_rng_below(&rng, d->len - i) < n - taken)
            pick[taken++] = i;
    *out = pick;
    *out_len = n;
    return INTACT_OK;
}

static void add_u64(it_sha256 *s, uint64_t v)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(v >> 8 * i);
    it_sha256_add(s, b, sizeof b);
}

/* Name with its NUL, size, bytes: of the file where there is one, else of the pixels or numbers as read. An unreadable sample, which its
** users will skip, counts as one of 2^64 - 1 bytes. */
static intact_status add_sample(const it_dataset *d, size_t i, it_sha256 *s, intact_error *err)
{
    const char *name = it_dataset_name(d, i);
    it_sha256_add(s, name, strlen(name) + 1);
    if (d->path) {
        it_map map;
        intact_status st = it_map_open(d->path[i], &map, err);
        if (st == INTACT_E_IO || st == INTACT_E_DATA) {
            add_u64(s, UINT64_MAX);
            return INTACT_OK;
        }
        IT_TRY(st);
        add_u64(s, map.len);
        it_sha256_add(s, map.data, map.len);
        it_map_close(&map);
        return INTACT_OK;
    }
    it_item item = {0};
    intact_status st = d->kind->read(d, i, &item, err);
    if (st == INTACT_E_IO || st == INTACT_E_DATA) {
        add_u64(s, UINT64_MAX);
        return INTACT_OK;
    }
    IT_TRY(st);
    size_t bytes = item.array ? item.len * sizeof *item.array : (size_t)item.image.h * item.image.w * item.image.c;
    add_u64(s, bytes);
    it_sha256_add(s, item.array ? (const void *)item.array : item.image.px, bytes);
    it_item_free(d, &item);
    return INTACT_OK;
}

intact_status it_dataset_sha256(const it_dataset *d, const size_t *pick, size_t len, char out[65], intact_error *err)
{
    it_sha256 s;
    it_sha256_init(&s);
    for (size_t i = 0; i < len; i++) {
        if (pick[i] >= d->len)
            return it_fail(err, INTACT_E_ARG, "choice of samples", "sample %zu was chosen from %zu", pick[i], d->len);
        IT_TRY(add_sample(d, pick[i], &s, err));
    }
    it_sha256_hex(&s, out);
    return INTACT_OK;
}
