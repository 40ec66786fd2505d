/* SPDX-License-Identifier: Apache-2.0 */
/* level_avx512vnni: the table of kernels. */
#define KERN_LEVEL avx512vnni
#define KERN_LEVEL_LIST "run/kern/x86/avx512vnni_list.h"

#include "run/kern/level.h"
