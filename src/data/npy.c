/* SPDX-License-Identifier: Apache-2.0 */
/* npy.c: an .npy array as a data set: its first dimension counts the samples, which reach the network as they are. */
#include "data/kind.h"

#include <math.h>
#include <string.h>

typedef struct npy {
    it_map map;
    it_npy array;
    size_t elements; /* a sample */
} npy;

static bool npy_is(const char *path)
{
    char head[6];
    return it_data_head(path, head, sizeof head) == sizeof head && memcmp(head, "\x93NUMPY", 6) == 0;
}

static intact_status check(it_dataset *d, npy *x, const char *path, intact_error *err)
{
    const it_npy *n = &x->array;
    if (n->fortran && n->rank > 1)
        return it_fail(err, INTACT_E_DATA, path, "the array is in Fortran order; save it with numpy.ascontiguousarray");
    if (n->rank == 0 || n->len == 0)
        return it_fail(err, INTACT_E_DATA, path, "the array has %u dimensions and %zu bytes; its first dimension must count the samples",
                       n->rank, n->len);
    d->len = n->dim[0];
    x->elements = n->len / n->item_bytes / d->len;
    d->array_rank = n->rank;
    memcpy(d->array_dim, n->dim, sizeof d->array_dim);
    return INTACT_OK;
}

static intact_status npy_open(it_dataset *d, const char *path, const char *labels, intact_error *err)
{
    npy *x = it_arena_new(&d->arena, sizeof *x);
    if (!x)
        return it_fail_nomem(err, path, sizeof *x);
    IT_TRY(it_map_open(path, &x->map, err));
    d->priv = x;
    IT_TRY(it_npy_parse(x->map.data, x->map.len, path, &x->array, err));
    IT_TRY(check(d, x, path, err));
    if (labels)
        IT_TRY(it_data_labels_load(d, labels, err));
    return it_data_number(d, path, err);
}

/* IEEE half: 1 sign, 5 exponent (bias 15), 10 fraction bits; every value is exact in single. */
static float from_half(const uint8_t *p)
{
    uint32_t h = p[0] | (uint32_t)p[1] << 8, exponent = h >> 10 & 31, fraction = h & 1023;
    float v = exponent == 0    ? ldexpf((float)fraction, -24)
              : exponent == 31 ? (fraction ? NAN : INFINITY)
                               : ldexpf((float)(1024 + fraction), (int)exponent - 25);
    return h & 0x8000 ? -v : v;
}

#define CONVERT(type)                        \
    for (size_t i = 0; i < len; i++) {       \
        type v;                              \
        memcpy(&v, p + i * sizeof v, sizeof v); \
        out[i] = (float)v;                   \
    }                                        \
    break

/* Elements may lie at any address: the header decides. Doubles too large for float become infinite, and are refused by the caller. */
static void convert(const it_npy *n, const uint8_t *p, float *out, size_t len)
{
    switch ((n->kind == 'f' ? 16u : n->kind == 'i' ? 32u : 0u) + n->item_bytes) {
    case 1: CONVERT(uint8_t);
    case 2: CONVERT(uint16_t);
    case 4: CONVERT(uint32_t);
    case 8: CONVERT(uint64_t);
    case 32 + 1: CONVERT(int8_t);
    case 32 + 2: CONVERT(int16_t);
    case 32 + 4: CONVERT(int32_t);
    case 32 + 8: CONVERT(int64_t);
    case 16 + 4: CONVERT(float);
    case 16 + 8: CONVERT(double);
    default: /* half */
        for (size_t i = 0; i < len; i++)
            out[i] = from_half(p + 2 * i);
    }
}

static intact_status npy_read(const it_dataset *d, size_t i, it_item *out, intact_error *err)
{
    const npy *x = d->priv;
    *out = (it_item){0};
    size_t bytes;
    float *array = it_mul_size(x->elements, sizeof(float), &bytes) ? it_alloc_new(d->alloc, bytes) : NULL;
    if (!array)
        return it_fail_nomem(err, it_dataset_name(d, i), x->elements);
    convert(&x->array, (const uint8_t *)x->array.data + i * x->elements * x->array.item_bytes, array, x->elements);
    for (size_t e = 0; e < x->elements; e++) {
        if (isfinite(array[e]))
            continue;
        float v = array[e];
        it_alloc_free(d->alloc, array, bytes);
        return it_fail(err, INTACT_E_DATA, it_dataset_name(d, i), "element %zu is %g; a network's input must be finite", e, (double)v);
    }
    out->array = array;
    out->len = x->elements;
    return INTACT_OK;
}

static void npy_close(it_dataset *d) { it_map_close(&((npy *)d->priv)->map); }

const it_data_kind it_data_npy = {
    .name = "npy", .what = "an .npy array whose first dimension counts the samples",
    .is = npy_is, .open = npy_open, .read = npy_read, .close = npy_close,
};
