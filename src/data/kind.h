/* SPDX-License-Identifier: Apache-2.0 */
/* kind.h: what the kinds of data sets share. */
#ifndef IT_KIND_H
#define IT_KIND_H

#include "base/file.h"
#include "data/data.h"

#define IT_CLASS_MAX (1 << 20) /* a class index of a label file stays below */

/* ---- paths ---- */

bool it_data_is_folder(const char *path);
bool it_data_is_image_name(const char *name);                     /* .jpg .jpeg .png in any case, not hidden */
size_t it_data_head(const char *path, void *buf, size_t len);     /* first bytes of a regular file; 0 when there are none */

/* ---- a file's bytes, gunzipped when it begins as gzip does ---- */

typedef struct it_data_bytes {
    it_map map;
    uint8_t *own; /* [len] when it was compressed */
    const uint8_t *data;
    size_t len;
} it_data_bytes;

INTACT_MUST_USE intact_status it_data_bytes_open(const intact_alloc *a, const char *path, it_data_bytes *out, intact_error *err);
void it_data_bytes_close(const intact_alloc *a, it_data_bytes *b);
/* The first out_len bytes of what a gzip file's first len bytes hold; how many came. */
size_t it_data_gunzip_head(const void *bytes, size_t len, void *out, size_t out_len);

/* ---- samples ---- */

/* Image kinds: 1 or 3 channels. */
INTACT_MUST_USE intact_status it_data_check_channels(const it_dataset *d, const char *where, intact_error *err);
/* Names for samples that have numbers only. */
INTACT_MUST_USE intact_status it_data_number(it_dataset *d, const char *where, intact_error *err);
/* A label for each sample from an .npy array of integers or an IDX file; also sets classes. */
INTACT_MUST_USE intact_status it_data_labels_load(it_dataset *d, const char *path, intact_error *err);
/* Largest label + 1, at least what classes is. */
void it_data_count_classes(it_dataset *d);

/* ---- samples that are image files ---- */

typedef struct it_data_files { /* grows while a folder is read */
    struct it_data_file { const char *path; int32_t label; } *items;
    size_t len, cap;
} it_data_files;

INTACT_MUST_USE intact_status it_data_files_add(it_dataset *d, it_data_files *f, const char *path, int32_t label, intact_error *err);
/* Moves the list into d and frees it; names begin name_at bytes into a path. */
INTACT_MUST_USE intact_status it_data_files_end(it_dataset *d, it_data_files *f, size_t name_at, bool labelled, intact_error *err);
intact_status it_data_files_read(const it_dataset *d, size_t i, it_item *out, intact_error *err);

#endif
