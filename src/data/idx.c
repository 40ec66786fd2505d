/* SPDX-License-Identifier: Apache-2.0 */
/* idx.c: IDX images as MNIST and Fashion-MNIST come, plain or gzip; the labels lie beside them.
**
**   OFFSET  SIZE  MEANING (numbers big-endian)
**      0      4   00 00, type (08: u8), number of dimensions (03)
**      4     12   images, height, width
**     16          a byte a pixel
*/
#include "data/kind.h"

#include <string.h>
#include <sys/stat.h>

#include "data/image.h"

#define HEAD_BYTES 16
#define HEAD_READ 512 /* enough of a gzip file for its own header and ours */

typedef struct idx {
    it_data_bytes bytes;
    uint32_t h, w;
} idx;

static bool idx_is(const char *path)
{
    uint8_t head[HEAD_READ], magic[4];
    size_t len = it_data_head(path, head, sizeof head);
    if (len >= 4 && memcmp(head, "\x1f\x8b", 2) == 0)
        len = it_data_gunzip_head(head, len, magic, sizeof magic);
    else
        memcpy(magic, head, sizeof magic * (len >= 4));
    return len >= 4 && magic[0] == 0 && magic[1] == 0 && magic[2] >= 8 && magic[2] <= 14 && magic[3] >= 1 && magic[3] <= 8;
}

static uint32_t big32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static intact_status parse(it_dataset *d, idx *x, const char *path, intact_error *err)
{
    const uint8_t *p = x->bytes.data;
    if (x->bytes.len >= 4 && p[3] == 1)
        return it_fail(err, INTACT_E_DATA, path,
                       "these are labels (one dimension); give the file of the images, the labels beside it are found");
    if (x->bytes.len < HEAD_BYTES || memcmp(p, "\0\0\x08\x03", 4) != 0)
        return it_fail(err, INTACT_E_DATA, path,
                       "IDX images have bytes (type 08) in 3 dimensions (count, height, width); this has type %02x, %u",
                       x->bytes.len >= 4 ? p[2] : 0, x->bytes.len >= 4 ? p[3] : 0);
    uint64_t n = big32(p + 4), h = big32(p + 8), w = big32(p + 12);
    IT_TRY(it_image_check(h, w, path, err));
    if (n == 0)
        return it_fail(err, INTACT_E_DATA, path, "the file holds no images");
    if (n * h * w != x->bytes.len - HEAD_BYTES) /* < 2^32 * 2^26 */
        return it_fail(err, INTACT_E_DATA, path, "the header promises %llu images of %llu x %llu; %zu bytes follow", (unsigned long long)n,
                       (unsigned long long)h, (unsigned long long)w, x->bytes.len - HEAD_BYTES);
    x->h = (uint32_t)h;
    x->w = (uint32_t)w;
    d->len = n;
    return INTACT_OK;
}

/* train-images-idx3-ubyte.gz -> train-labels-idx1-ubyte, with and without .gz; NULL in *out when neither is there. */
static intact_status find_labels(it_dataset *d, const char *path, const char **out, intact_error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *images = strstr(base, "images");
    *out = NULL;
    if (!images)
        return INTACT_OK;
    char *name = it_arena_printf(&d->arena, "%.*slabels%s", (int)(images - path), path, images + strlen("images"));
    if (!name)
        return it_fail_nomem(err, path, strlen(path));
    char *rank = strstr(name + (base - path), "idx3");
    if (rank)
        rank[3] = '1';
    size_t len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, ".gz") == 0)
        name[len - 3] = 0;
    const char *packed = it_arena_printf(&d->arena, "%s.gz", name);
    if (!packed)
        return it_fail_nomem(err, path, len);
    struct stat st;
    bool gz_first = strlen(path) > 3 && strcmp(path + strlen(path) - 3, ".gz") == 0;
    for (int i = 0; i < 2 && !*out; i++) {
        const char *candidate = (i == 0) == gz_first ? packed : name;
        if (stat(candidate, &st) == 0)
            *out = candidate;
    }
    return INTACT_OK;
}

static intact_status idx_open(it_dataset *d, const char *path, const char *labels, intact_error *err)
{
    IT_TRY(it_data_check_channels(d, path, err));
    idx *x = it_arena_new(&d->arena, sizeof *x);
    if (!x)
        return it_fail_nomem(err, path, sizeof *x);
    IT_TRY(it_data_bytes_open(d->alloc, path, &x->bytes, err));
    d->priv = x;
    IT_TRY(parse(d, x, path, err));
    if (!labels)
        IT_TRY(find_labels(d, path, &labels, err));
    if (labels)
        IT_TRY(it_data_labels_load(d, labels, err));
    return it_data_number(d, path, err);
}

static intact_status idx_read(const it_dataset *d, size_t i, it_item *out, intact_error *err)
{
    const idx *x = d->priv;
    size_t pixels = (size_t)x->h * x->w;
    *out = (it_item){0};
    IT_TRY(it_image_new(d->alloc, x->h, x->w, d->channels, it_dataset_name(d, i), &out->image, err));
    const uint8_t *src = x->bytes.data + HEAD_BYTES + i * pixels;
    if (d->channels == 1)
        memcpy(out->image.px, src, pixels);
    else
        it_image_rgb_from_gray(out->image.px, src, pixels);
    return INTACT_OK;
}

static void idx_close(it_dataset *d) { it_data_bytes_close(d->alloc, &((idx *)d->priv)->bytes); }

const it_data_kind it_data_idx = {
    .name = "idx", .what = "IDX images (...-images-idx3-ubyte, also .gz)",
    .is = idx_is, .open = idx_open, .read = idx_read, .close = idx_close,
};
