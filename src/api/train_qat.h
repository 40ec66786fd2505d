/* SPDX-License-Identifier: Apache-2.0 */
/* train_qat.h: the part of a training run that ends in an integer program. */
#ifndef IT_API_TRAIN_QAT_H
#define IT_API_TRAIN_QAT_H

#include "api/train_job.h"
#include "qat/qat.h"

/* Options in words: bits, method, output's name. Nothing when the run is a float one. */
INTACT_MUST_USE intact_status it_api_train_qat_check(const it_train_job *j, intact_error *err);
/* Calibrates; the trainer's hooks are set. Data is open, the trainer not made. */
INTACT_MUST_USE intact_status it_api_train_qat_open(it_train_job *j, intact_error *err);
/* The program as it stands, into j->bytes. */
INTACT_MUST_USE intact_status it_api_train_qat_pack(it_train_job *j, intact_error *err);
INTACT_MUST_USE intact_status it_api_train_qat_measure(it_train_job *j, intact_error *err);

#endif
