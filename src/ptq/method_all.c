/* SPDX-License-Identifier: Apache-2.0 */
/* method_all.c: the lists of post-training methods. */
#include "ptq/method.h"

const it_ptq_method *const it_ptq_method_all[] = {
#define PTQ_METHOD(name) &it_ptq_method_##name,
#define WEIGHT_RANGE(name)
#define ROUNDING(name)
#define LEVELS(name)
#include "ptq/method_list.h"
#undef PTQ_METHOD
#undef WEIGHT_RANGE
    NULL
};

const it_weight_range *const it_weight_range_all[] = {
#define PTQ_METHOD(name)
#define WEIGHT_RANGE(name) &it_weight_range_##name,
#include "ptq/method_list.h"
#undef WEIGHT_RANGE
#undef ROUNDING
    NULL
};

const it_rounding *const it_rounding_all[] = {
#define WEIGHT_RANGE(name)
#define ROUNDING(name) &it_rounding_##name,
#include "ptq/method_list.h"
#undef ROUNDING
#undef LEVELS
    NULL
};

const it_levels *const it_levels_all[] = {
#define ROUNDING(name)
#define LEVELS(name) &it_levels_##name,
#include "ptq/method_list.h"
    NULL
};
