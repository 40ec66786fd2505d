/* SPDX-License-Identifier: Apache-2.0 */
/* level_avx512vbmi: the table of kernels. */
#define KERN_LEVEL avx512vbmi
#define KERN_LEVEL_LIST "run/kern/x86/avx512vbmi_list.h"

#include "run/kern/level.h"
