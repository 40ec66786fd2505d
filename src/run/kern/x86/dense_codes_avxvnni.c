/* SPDX-License-Identifier: Apache-2.0 */
/* dense_codes_avxvnni: dense layers with weights of 2 to 4 bits, looked up with vpshufb and multiplied with the VEX form of vpdpbusd. */
#include "run/kern/x86/codes256.h"

#define V_SPLITS 0
#define V_WIDE 0
#define V_DOT(acc, x, w) _mm256_dpbusd_avx_epi32(acc, x, w)

#include "run/kern/x86/codes_mac.h"

const it_kern_codes it_kern_dense_codes_u8_avxvnni = { "dense_codes_u8_avxvnni", codes_packed_bytes, codes_pack, codes_units,
                                                       codes_scratch_bytes, codes_run };
