/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_avx512vnni: u8 depthwise convolution, 64 channels of two pixels at once. */
#include "run/kern/x86/dw_avx512.h"

const it_kern_conv it_kern_dwconv_u8_avx512vnni = CONV_VERSION("dwconv_u8_avx512vnni_2x64", dw_can, dw);
