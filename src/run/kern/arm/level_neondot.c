/* SPDX-License-Identifier: Apache-2.0 */
/* level_neondot: the table of kernels. */
#define KERN_LEVEL neondot
#define KERN_LEVEL_LIST "run/kern/arm/neondot_list.h"

#include "run/kern/level.h"
