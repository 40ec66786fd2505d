/* SPDX-License-Identifier: Apache-2.0 */
/* kind.c: what the kinds of data sets share: paths, names, labels, image files. */
#include "data/kind.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/image.h"

bool it_data_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool it_data_is_image_name(const char *name)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".png"};
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    size_t len = strlen(base);
    for (size_t i = 0; i < IT_LEN(ends); i++)
        if (len > strlen(ends[i]) && base[0] != '.' && strcasecmp(base + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

size_t it_data_head(const char *path, void *buf, size_t len)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, buf, len);
    close(fd);
    return got > 0 ? (size_t)got : 0;
}

intact_status it_data_check_channels(const it_dataset *d, const char *where, intact_error *err)
{
    if (d->channels != 1 && d->channels != 3)
        return it_fail(err, INTACT_E_ARG, where, "the network takes %u channels; images have 1 or 3. Give arrays as .npy", d->channels);
    return INTACT_OK;
}

intact_status it_data_number(it_dataset *d, const char *where, intact_error *err)
{
    d->number_bytes = (size_t)snprintf(NULL, 0, "sample %zu", d->len) + 1;
    size_t bytes;
    d->number = it_mul_size(d->len, d->number_bytes, &bytes) ? it_arena_new(&d->arena, bytes) : NULL;
    if (!d->number)
        return it_fail_nomem(err, where, d->len);
    for (size_t i = 0; i < d->len; i++)
        snprintf(d->number + i * d->number_bytes, d->number_bytes, "sample %zu", i);
    return INTACT_OK;
}

/* ---- labels ---- */

void it_data_count_classes(it_dataset *d)
{
    for (size_t i = 0; i < d->len; i++)
        if (d->label[i] >= 0 && (uint32_t)d->label[i] >= d->classes)
            d->classes = (uint32_t)d->label[i] + 1;
}

/* Integer i of an array of bytes-wide items; anything above the limit reads as the limit, which the caller refuses. */
static int64_t npy_integer(const it_npy *n, size_t i)
{
    const uint8_t *p = (const uint8_t *)n->data + i * n->item_bytes;
    uint64_t v = 0;
    for (uint32_t b = n->item_bytes; b-- > 0;)
        v = v << 8 | p[b];
    if (n->kind == 'i' && n->item_bytes < 8 && v >> (8 * n->item_bytes - 1))
        v |= ~(uint64_t)0 << 8 * n->item_bytes;
    if (n->kind != 'i' && v > INT64_MAX)
        return INT64_MAX;
    return (int64_t)v;
}

static intact_status npy_labels(const it_data_bytes *b, const char *path, it_npy *out, intact_error *err)
{
    IT_TRY(it_npy_parse(b->data, b->len, path, out, err));
    if (out->kind == 'f')
        return it_fail(err, INTACT_E_DATA, path, "labels are class numbers; this array holds floating-point numbers");
    if (out->rank < 1 || out->rank > 2 || (out->rank == 2 && out->dim[1] != 1))
        return it_fail(err, INTACT_E_DATA, path, "labels are an array of one dimension, one integer a sample; this one has %u dimensions",
                       out->rank);
    return INTACT_OK;
}

/* IDX: 00 00 08 01, a big-endian count, then a byte a label */
static intact_status idx_labels(const it_data_bytes *b, const char *path, it_npy *out, intact_error *err)
{
    if (b->len < 8 || memcmp(b->data, "\0\0\x08\x01", 4) != 0)
        return it_fail(err, INTACT_E_DATA, path, "not a label file: neither an .npy array of integers nor IDX labels (00 00 08 01)");
    uint64_t n = (uint64_t)b->data[4] << 24 | b->data[5] << 16 | b->data[6] << 8 | b->data[7];
    if (n != b->len - 8)
        return it_fail(err, INTACT_E_DATA, path, "the header promises %llu labels; %zu follow", (unsigned long long)n, b->len - 8);
    *out = (it_npy){.kind = 'u', .item_bytes = 1, .rank = 1, .dim = {n}, .data = b->data + 8, .len = b->len - 8};
    return INTACT_OK;
}

static intact_status labels_fill(it_dataset *d, const it_npy *n, const char *path, intact_error *err)
{
    if (n->dim[0] != d->len)
        return it_fail(err, INTACT_E_DATA, path, "%llu labels for %zu samples", (unsigned long long)n->dim[0], d->len);
    d->label = it_arena_new(&d->arena, d->len * sizeof *d->label);
    if (!d->label)
        return it_fail_nomem(err, path, d->len * sizeof *d->label);
    for (size_t i = 0; i < d->len; i++) {
        int64_t v = npy_integer(n, i);
        if (v < 0 || v >= IT_CLASS_MAX)
            return it_fail(err, INTACT_E_DATA, path, "sample %zu has label %lld; classes are 0 to %d", i, (long long)v, IT_CLASS_MAX - 1);
        d->label[i] = (int32_t)v;
    }
    it_data_count_classes(d);
    return INTACT_OK;
}

intact_status it_data_labels_load(it_dataset *d, const char *path, intact_error *err)
{
    it_data_bytes b;
    it_npy n;
    IT_TRY(it_data_bytes_open(d->alloc, path, &b, err));
    bool npy = b.len >= 6 && memcmp(b.data, "\x93NUMPY", 6) == 0;
    intact_status status = npy ? npy_labels(&b, path, &n, err) : idx_labels(&b, path, &n, err);
    if (status == INTACT_OK)
        status = labels_fill(d, &n, path, err);
    it_data_bytes_close(d->alloc, &b);
    return status;
}

/* ---- image files ---- */

intact_status it_data_files_add(it_dataset *d, it_data_files *f, const char *path, int32_t label, intact_error *err)
{
    if (!IT_VEC_ROOM(d->alloc, *f))
        return it_fail_nomem(err, path, f->len * 2 * sizeof *f->items);
    f->items[f->len++] = (struct it_data_file){path, label};
    return INTACT_OK;
}

intact_status it_data_files_end(it_dataset *d, it_data_files *f, size_t name_at, bool labelled, intact_error *err)
{
    d->len = f->len;
    d->name_at = name_at;
    d->path = it_arena_new(&d->arena, d->len * sizeof *d->path);
    d->label = labelled ? it_arena_new(&d->arena, d->len * sizeof *d->label) : NULL;
    if (!d->path || (labelled && !d->label))
        return it_fail_nomem(err, "list of images", d->len * sizeof *d->path);
    for (size_t i = 0; i < d->len; i++) {
        d->path[i] = f->items[i].path;
        if (labelled)
            d->label[i] = f->items[i].label;
    }
    IT_VEC_FREE(d->alloc, *f);
    *f = (it_data_files){0};
    if (labelled)
        it_data_count_classes(d);
    return INTACT_OK;
}

intact_status it_data_files_read(const it_dataset *d, size_t i, it_item *out, intact_error *err)
{
    it_map map;
    *out = (it_item){0};
    IT_TRY(it_map_open(d->path[i], &map, err));
    intact_status status = it_image_decode(d->alloc, map.data, map.len, d->channels, it_dataset_name(d, i), &out->image, err);
    it_map_close(&map);
    return status;
}
