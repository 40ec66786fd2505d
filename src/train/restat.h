/* SPDX-License-Identifier: Apache-2.0 */
/* restat.h: the running statistics of batch normalizations measured again, for weights that did not stand while they were gathered. */
#ifndef IT_TRAIN_RESTAT_H
#define IT_TRAIN_RESTAT_H

#include "train/pipe.h"
#include "train/train.h"

/* Statistics become those of this many samples of feed (all when there are fewer), chosen by seed, not changed at random. Processes that share batches
** take their stretches of each, and end with the same statistics. */
INTACT_MUST_USE intact_status it_restat_run(it_train *t, const it_feed *feed, size_t batch, uint64_t samples, uint64_t seed, uint32_t feeders,
                                             intact_error *err);

#endif
