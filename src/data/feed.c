/* SPDX-License-Identifier: Apache-2.0 */
/* feed.c: reads, prepares and normalizes samples in batches; both networks get the same pixels. */
#include <stdio.h>
#include <string.h>

#include "data/feed.h"

static intact_status build_table(it_feed *f, intact_error *err)
{
    uint32_t c_len = f->dim[0];
    if ((f->pre.mean_len > 1 && f->pre.mean_len != c_len) || (f->pre.std_len > 1 && f->pre.std_len != c_len))
        return it_fail(err, INTACT_E_ARG, "preprocessing", "mean has %u and std %u values, but the network takes %u channels; give one value or one per channel",
                       f->pre.mean_len, f->pre.std_len, c_len);
    f->table = it_alloc_new(f->alloc, (size_t)c_len * 256 * sizeof *f->table);
    if (!f->table)
        return it_fail_nomem(err, "preprocessing", (size_t)c_len * 256 * sizeof *f->table);
    for (uint32_t c = 0; c < c_len; c++)
        for (uint32_t x = 0; x < 256; x++)
            f->table[c * 256 + x] = it_preprocess_value(&f->pre, c, (uint8_t)x);
    return INTACT_OK;
}

static void print_dims(char *buf, size_t cap, const uint64_t *dim, uint32_t rank)
{
    size_t at = 0;
    buf[0] = 0;
    for (uint32_t i = 0; i < rank && at < cap; i++)
        at += (size_t)snprintf(buf + at, cap - at, "%s%llu", i ? "x" : "", (unsigned long long)dim[i]);
}

/* Arrays have the network's own shape behind their first dimension, or are flat rows of as many elements. */
static intact_status check_arrays(const it_feed *f, intact_error *err)
{
    uint32_t rank = f->data->array_rank - 1;
    const uint64_t *dim = f->data->array_dim + 1;
    bool same = rank == f->rank, flat = rank == 1 && dim[0] == f->elements;
    for (uint32_t i = 0; same && i < rank; i++)
        same = dim[i] == f->dim[i];
    if (same || flat)
        return INTACT_OK;
    char have[128], want[128];
    uint64_t wanted[8];
    for (uint32_t i = 0; i < f->rank; i++)
        wanted[i] = f->dim[i];
    print_dims(have, sizeof have, dim, rank);
    print_dims(want, sizeof want, wanted, f->rank);
    return it_fail(err, INTACT_E_SHAPE, "data", "a sample of the array is %s; the network takes %s, in this order", rank ? have : "a single number", want);
}

intact_status it_feed_open(it_feed *f, const intact_alloc *a, const it_dataset *d, const it_preprocess *pre, const size_t *pick, size_t len,
                           int32_t label_offset, uint32_t rank, const int64_t *dims, intact_error *err)
{
    *f = (it_feed){.data = d, .pre = *pre, .pick = pick, .len = len, .label_offset = label_offset, .alloc = a, .elements = 1};
    if (rank < 1 || rank > 8)
        return it_fail(err, INTACT_E_SHAPE, "data", "the network's input has %u dimensions; 1 to 8, batch first, can be fed", rank);
    f->rank = rank - 1;
    for (uint32_t i = 0; i < f->rank; i++) {
        if (dims[i + 1] < 1 || dims[i + 1] > INT32_MAX || f->elements > SIZE_MAX / 64 / (size_t)dims[i + 1])
            return it_fail(err, INTACT_E_SHAPE, "data", "dimension %u of the network's input is %lld", i + 1, (long long)dims[i + 1]);
        f->dim[i] = (uint32_t)dims[i + 1];
        f->elements *= f->dim[i];
    }
    f->arrays = d->array_rank > 0;
    if (f->arrays)
        return check_arrays(f, err);
    if (f->rank != 3 || (f->dim[0] != 1 && f->dim[0] != 3))
        return it_fail(err, INTACT_E_SHAPE, "data", "images feed networks with inputs (N,1,H,W) or (N,3,H,W); this one has %u dimensions%s; give it an .npy", rank,
                       f->rank == 3 ? " and another number of channels" : "");
    return build_table(f, err);
}

void it_feed_close(it_feed *f)
{
    if (f->table)
        it_alloc_free(f->alloc, f->table, (size_t)f->dim[0] * 256 * sizeof *f->table);
    f->table = NULL;
}

void it_feed_floats(const it_feed *f, const uint8_t *pixels, float *out)
{
    uint32_t c_len = f->dim[0];
    size_t area = (size_t)f->dim[1] * f->dim[2];
    for (uint32_t c = 0; c < c_len; c++) {
        const float *table = f->table + c * 256;
        const uint8_t *px = pixels + (f->pre.bgr ? c_len - 1 - c : c);
        for (size_t i = 0; i < area; i++)
            out[c * area + i] = table[px[i * c_len]];
    }
}

/* The network's size is part of the contract: say which preprocessing would make it fit. */
static intact_status check_size(const it_feed *f, const it_image *im, const char *where, intact_error *err)
{
    if (im->c == f->dim[0] && im->h == f->dim[1] && im->w == f->dim[2])
        return INTACT_OK;
    return it_fail(err, INTACT_E_SHAPE, where, "the image is %ux%u after preprocessing, the network takes %ux%u; --preprocess must say what the network was trained with: imagenet, tf or caffe, "
                   "with resize= and crop= behind for other sizes (imagenet,resize=%u,crop=%ux%u), or all of it", im->w, im->h, f->dim[2], f->dim[1],
                   (f->dim[1] < f->dim[2] ? f->dim[1] : f->dim[2]) * 8 / 7, f->dim[1], f->dim[2]);
}

static intact_status read_one(const it_feed *f, size_t sample, uint8_t *pixels, float *floats, intact_error *err)
{
    it_item item = {0};
    IT_TRY(f->data->kind->read(f->data, sample, &item, err));
    intact_status st = INTACT_OK;
    if (f->arrays) {
        if (floats)
            memcpy(floats, item.array, f->elements * sizeof *floats);
    } else {
        const char *where = it_dataset_name(f->data, sample);
        st = it_image_prepare(f->alloc, &f->pre, &item.image, where, err);
        if (st == INTACT_OK)
            st = check_size(f, &item.image, where, err);
        if (st == INTACT_OK) {
            memcpy(pixels, item.image.px, f->elements);
            if (floats)
                it_feed_floats(f, pixels, floats);
        }
    }
    it_item_free(f->data, &item);
    return st;
}

intact_status it_feed_batch(const it_feed *f, size_t first, uint8_t *pixels, float *floats, it_batch *out, intact_error *err)
{
    *out = (it_batch){0};
    for (size_t i = first; i < f->len && i < first + IT_FEED_BATCH; i++) {
        size_t sample = f->pick ? f->pick[i] : i;
        intact_error why = {.code = INTACT_OK};
        intact_status st = read_one(f, sample, pixels ? pixels + out->len * f->elements : NULL, floats ? floats + out->len * f->elements : NULL, &why);
        if (st == INTACT_E_DATA || (st == INTACT_E_IO && !f->io_ends)) {
            if (f->on_skip)
                f->on_skip(f->on_skip_user, why.where, why.message);
            if (out->skipped++ == 0)
                snprintf(out->skipped_why, sizeof out->skipped_why, "%s: %s", why.where, why.message);
            continue;
        }
        if (st != INTACT_OK) {
            if (err)
                *err = why;
            return st;
        }
        int32_t label = f->data->label ? f->data->label[sample] : -1;
        int64_t moved = (int64_t)label + f->label_offset;
        out->label[out->len] = label < 0 || moved < 0 ? -1 : moved > INT32_MAX ? INT32_MAX : (int32_t)moved;
        out->sample[out->len++] = sample;
    }
    return INTACT_OK;
}
