/* SPDX-License-Identifier: Apache-2.0 */
/* The versions of level avx512vbmi: its parent's, then VERSION(kernel, avx512vbmi), one line for each kernel that it improves. */
#include "run/kern/x86/avx512vnni_list.h"
VERSION(lut_u8, avx512vbmi)
VERSION(mul_rows_u8, avx512vbmi)
VERSION(dwconv_u8, avx512vbmi)
