/* SPDX-License-Identifier: Apache-2.0 */
/* batch_normalization.h: what the operator's inference and training forms share. */
#ifndef IT_BATCH_NORMALIZATION_H
#define IT_BATCH_NORMALIZATION_H

#include "op/back.h"

typedef struct it_bn_args { float epsilon, momentum; int64_t training; } it_bn_args;
enum { IT_BN_SCALE = 1, IT_BN_BIAS, IT_BN_MEAN, IT_BN_VAR };

extern const it_across it_bn_across; /* op/batch_normalization_train.c */

#endif
