/* SPDX-License-Identifier: Apache-2.0 */
/* level_neon: the table of kernels. */
#define KERN_LEVEL neon
#define KERN_LEVEL_LIST "run/kern/arm/neon_list.h"

#include "run/kern/level.h"
