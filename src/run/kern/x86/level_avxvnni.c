/* SPDX-License-Identifier: Apache-2.0 */
/* level_avxvnni: the table of kernels. */
#define KERN_LEVEL avxvnni
#define KERN_LEVEL_LIST "run/kern/x86/avxvnni_list.h"

#include "run/kern/level.h"
