/* SPDX-License-Identifier: Apache-2.0 */
/* level_avx2: the table of kernels. */
#define KERN_LEVEL avx2
#define KERN_LEVEL_LIST "run/kern/x86/avx2_list.h"

#include "run/kern/level.h"
