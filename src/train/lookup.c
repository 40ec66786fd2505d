/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c: the lists of losses, optimizers and schedules, and looking one up by name. */
#include <string.h>

#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"

const it_loss *const it_loss_all[] = {
#define LOSS(name) &it_loss_##name,
#include "train/loss_list.h"
#undef LOSS
    NULL
};

const it_optimizer *const it_optimizer_all[] = {
#define OPTIMIZER(name) &it_optimizer_##name,
#include "train/optimizer_list.h"
#undef OPTIMIZER
    NULL
};

const it_schedule *const it_schedule_all[] = {
#define SCHEDULE(name) &it_schedule_##name,
#include "train/schedule_list.h"
#undef SCHEDULE
    NULL
};

#define FIND(type)                                                   \
    const type *type##_find(const char *name)                        \
    {                                                                \
        for (size_t i = 0; type##_all[i]; i++)                       \
            if (strcmp(type##_all[i]->name, name) == 0) return type##_all[i]; \
        return NULL;                                                 \
    }
FIND(it_loss)
FIND(it_optimizer)
FIND(it_schedule)
