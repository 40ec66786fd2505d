/* SPDX-License-Identifier: Apache-2.0 */
/* The versions of level neondot: its parent's, then VERSION(kernel, neondot), one line for each kernel that it improves. */
#include "run/kern/arm/neon_list.h"
VERSION(conv_u8, neondot)
VERSION(dense_u8, neondot)
VERSION(peak_u8, neondot)
