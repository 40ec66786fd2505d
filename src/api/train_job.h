/* SPDX-License-Identifier: Apache-2.0 */
/* train_job.h: a training run as the files of this verb share it. */
#ifndef IT_API_TRAIN_JOB_H
#define IT_API_TRAIN_JOB_H

#include <stdio.h>

#include "api/api.h"
#include "qat/qat.h"
#include "train/loop.h"
#include "train/teacher.h"

#define IT_TRAIN_SETTINGS_MAX 40

/* What decides about the result, as text: compared when a run resumes, shown in the report, kept in the network that is written. */
typedef struct it_train_setting { char key[24], value[264]; } it_train_setting;

/* In the checkpoint beside the trainer's own state. */
typedef struct it_train_kept {
    uint64_t settings_len;
    it_train_setting settings[IT_TRAIN_SETTINGS_MAX];
    intact_train_epoch epochs[]; /* one for each of the run; those to come are zero */
} it_train_kept;

typedef struct it_train_link { it_value *to; it_train_learned from; } it_train_link; /* a constant of the written network */

typedef struct it_train_job {
    intact_ctx *c;
    const intact_train_options *o;
    intact_train_result *out;
    const char *model_path;
    char model_sha[65], teacher_sha[65], checkpoint[4096];
    char *meta;              /* provenance of the network that is written; from malloc */
    it_comm *comm;           /* processes that train together; NULL: this one alone */
    it_arena arena;
    /* options, resolved (train_options.c) */
    it_train_options spec;
    it_schedule_spec schedule;
    it_augment augment;
    uint32_t batch, feeders;
    uint64_t restat;
    /* networks (train_net.c) */
    intact_model m;          /* that learns; its graph has fused clamps */
    it_graph base;           /* that is written */
    bool m_open, base_open, teacher_open;
    it_train_link *links;
    size_t links_len;
    it_train *t;
    it_qat *qat;             /* NULL: a float training */
    it_graph teacher_graph;
    it_teacher *teacher;
    float *statistics;       /* while they are measured anew */
    void *bytes; size_t len; /* the network as it was last measured, an ONNX file */
    intact_eval_result eval; /* of these bytes; n 0: not measured */
    /* the run (train_run.c) */
    it_source data, val;
    size_t *pick, pick_len;  /* of the training data, where it is limited */
    it_train_kept *kept;
    size_t kept_bytes;
    uint32_t done;           /* epochs in kept */
    FILE *metrics;
    double start, epoch_start, epoch_waited;
    uint64_t epoch_images, epoch_skipped, saved;
} it_train_job;

/* Of processes that train together one writes and speaks. */
static inline bool it_api_train_speaks(const it_train_job *j) { return !j->comm || j->comm->rank == 0; }

INTACT_MUST_USE intact_status it_api_train_options(it_train_job *j, intact_error *err);
/* Into kept, when networks and data are open. */
void it_api_train_settings(it_train_job *j);
INTACT_MUST_USE intact_status it_api_train_same_settings(it_train_job *j, const it_train_kept *then, const char *path, intact_error *err);

INTACT_MUST_USE intact_status it_api_train_read(it_train_job *j, intact_error *err);
INTACT_MUST_USE intact_status it_api_train_make(it_train_job *j, intact_error *err); /* the trainer; data is open */
/* The network as it would be written now, into bytes. */
INTACT_MUST_USE intact_status it_api_train_snapshot(it_train_job *j, intact_error *err);
INTACT_MUST_USE intact_status it_api_train_measure(it_train_job *j, intact_error *err); /* of bytes on val, into eval */
void it_api_train_close(it_train_job *j);

INTACT_MUST_USE intact_status it_api_train_run(it_train_job *j, intact_error *err);
INTACT_MUST_USE intact_status it_api_train_report(const it_train_job *j, intact_error *err);

#endif
