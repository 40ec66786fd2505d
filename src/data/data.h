/* SPDX-License-Identifier: Apache-2.0 */
/* data.h: data sets and preprocessing. Images are u8, interleaved, channels last; the same pixels feed the float network and, raw, the
** integer one. */
#ifndef IT_DATA_H
#define IT_DATA_H

#include "base/base.h"

/* ---- preprocessing ---- */

typedef struct it_preprocess {
    uint32_t resize;         /* shorter side; 0: leave */
    uint32_t crop_h, crop_w; /* centre crop; 0: leave */
    float scale;             /* (x * scale - mean) / std */
    uint32_t mean_len, std_len; /* 0, 1 or as many as channels */
    float mean[4], std[4];   /* in the order that the network sees */
    bool bgr;
    bool given;              /* false: nobody chose; the default (scale 1/255) is in place */
} it_preprocess;

/* "resize=256,crop=224,scale=1/255,mean=0.485:0.456:0.406,std=...,order=rgb", "imagenet", or a name followed by overrides
** ("imagenet,crop=192"). Unknown keys and names offer the nearest. */
INTACT_MUST_USE intact_status it_preprocess_parse(const char *text, it_preprocess *out, intact_error *err);
void it_preprocess_print(const it_preprocess *p, char *buf, size_t len); /* canonical text that parses to the same (and is then given) */
/* value of pixel x in network channel c */
float it_preprocess_value(const it_preprocess *p, uint32_t c, uint8_t x);

/* ---- images ---- */

typedef struct it_image { uint32_t h, w, c; uint8_t *px; } it_image; /* px owned, from alloc, h*w*c bytes */
void it_image_free(const intact_alloc *a, it_image *im);
/* JPEG or PNG by content, from memory. channels 1 or 3: converted. Sides are limited to 16384 and the area to 2^26. */
INTACT_MUST_USE intact_status it_image_decode(const intact_alloc *a, const void *bytes, size_t len, uint32_t channels, const char *where, it_image *out, intact_error *err);
INTACT_MUST_USE intact_status it_image_load(const intact_alloc *a, const char *path, uint32_t channels, it_image *out, intact_error *err);
/* Shorter side to size, bilinear with antialiasing (a triangle filter as wide as the reduction, both passes in 32-bit fixed point with
** 22 bits, rounded once per pass, as Pillow does it); then the centre crop. in is consumed. Nothing to do when it fits already. */
INTACT_MUST_USE intact_status it_image_prepare(const intact_alloc *a, const it_preprocess *p, it_image *im, const char *where, intact_error *err);

/* ---- data sets ---- */

typedef struct it_item {      /* one sample; exactly one of the two is set */
    it_image image;           /* not yet prepared */
    float *array; size_t len; /* npy inputs: taken as they are, elements of one sample */
} it_item;

typedef struct it_dataset it_dataset;
typedef struct it_data_kind { /* one file a kind, a line in data_list.h */
    const char *name;                                        /* "folder", "labels", "cifar", "idx", "npy" */
    const char *what;                                        /* "a folder with one sub-folder per class" */
    bool (*is)(const char *path);                            /* looks at the name and the first bytes */
    intact_status (*open)(it_dataset *d, const char *path, const char *labels, intact_error *err);
    intact_status (*read)(const it_dataset *d, size_t i, it_item *out, intact_error *err); /* thread-safe */
    void (*close)(it_dataset *d);
} it_data_kind;

struct it_dataset {
    const it_data_kind *kind;
    const intact_alloc *alloc;
    it_arena arena;
    size_t len;
    int32_t *label;           /* [len]; NULL: no labels */
    uint32_t classes;         /* largest label + 1, or the number of class folders */
    uint32_t channels;        /* what the network wants: 1 or 3 */
    uint32_t array_rank; uint64_t array_dim[8]; /* npy: shape of the whole array */
    const char **path; size_t name_at;          /* [len] of image files: path, and where in it the name begins */
    char *number; size_t number_bytes;          /* other samples: "sample 17", number_bytes apart */
    void *priv;
};

/* channels: 1 or 3 for images (0: 3). labels may be NULL. Fails with a sentence that says what was looked for. */
INTACT_MUST_USE intact_status it_dataset_open(const intact_alloc *a, const char *path, const char *labels, uint32_t channels, it_dataset **out, intact_error *err);
void it_dataset_close(it_dataset *d);
const char *it_dataset_name(const it_dataset *d, size_t i); /* "a/b.jpg" or "sample 17"; for messages */
void it_item_free(const it_dataset *d, it_item *it);
/* The n samples that calibration uses: the seed's choice, without repeats, in ascending order. n is cut to len. */
INTACT_MUST_USE intact_status it_dataset_pick(const it_dataset *d, size_t n, uint64_t seed, size_t **out, size_t *out_len, intact_error *err); /* free with it_alloc_free(out, out_len * sizeof(size_t)) */
/* SHA-256 over what identifies the set (names, sizes and bytes of the picked samples). */
INTACT_MUST_USE intact_status it_dataset_sha256(const it_dataset *d, const size_t *pick, size_t len, char out[65], intact_error *err);

/* ---- npy ---- */

typedef struct it_npy { char kind; uint32_t item_bytes; uint32_t rank; uint64_t dim[8]; bool fortran; const void *data; size_t len; } it_npy; /* data inside bytes; little-endian only */
INTACT_MUST_USE intact_status it_npy_parse(const void *bytes, size_t len, const char *where, it_npy *out, intact_error *err);
INTACT_MUST_USE intact_status it_npy_write(const char *path, char kind, uint32_t item_bytes, uint32_t rank, const uint64_t *dim, const void *data, intact_error *err);

#endif
