/* SPDX-License-Identifier: Apache-2.0 */
/* The versions of level avxvnni: its parent's, then VERSION(kernel, avxvnni), one line for each kernel that it improves. */
#include "run/kern/x86/avx2_list.h"
VERSION(conv_u8, avxvnni)
VERSION(dense_u8, avxvnni)
VERSION(dense_codes_u8, avxvnni)
VERSION(peak_u8, avxvnni)
VERSION(conv_s16, avxvnni)
VERSION(dense_s16, avxvnni)
