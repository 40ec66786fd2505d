/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_avx512vbmi: the same with tables by byte permutations. */
#include "run/kern/x86/dw_avx512.h"

const it_kern_conv it_kern_dwconv_u8_avx512vbmi = CONV_VERSION("dwconv_u8_avx512vbmi_2x64", dw_can, dw);
