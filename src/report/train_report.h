/* SPDX-License-Identifier: Apache-2.0 */
/* train_report.h: what the report of a training run says, as plain records, and the two forms it takes. Texts are borrowed; a number that nobody
** measured is NAN. */
#ifndef IT_REPORT_TRAIN_H
#define IT_REPORT_TRAIN_H

#include "base/base.h"

typedef struct it_report_epoch {
    uint32_t epoch; /* from 1 */
    double loss, top1, val_top1, rate, norm, seconds, images_per_second, waited; /* shares as fractions */
    uint64_t images, skipped;
} it_report_epoch;

typedef struct it_report_setting { const char *key, *value; } it_report_setting;

typedef struct it_report_train {
    const char *network, *output, *network_sha, *output_sha; /* output_sha: NULL while the run goes on */
    const char *data, *val;                                  /* val: NULL where nothing is measured */
    uint64_t parameters, samples, val_samples, file_bytes, memory_bytes;
    uint32_t epochs_all;                                     /* of the run */
    double val_top1, val_top5, val_error;                    /* of the file that was written */
    const it_report_epoch *epochs;
    size_t epochs_len;
    const it_report_setting *settings;
    size_t settings_len;
} it_report_train;

INTACT_MUST_USE intact_status it_report_train_html(const it_report_train *r, const char *path, const intact_alloc *a, intact_error *err);
INTACT_MUST_USE intact_status it_report_train_json(const it_report_train *r, const char *path, const intact_alloc *a, intact_error *err);

#endif
