/* SPDX-License-Identifier: Apache-2.0 */
/* dense_codes_avx2: dense layers with weights of 2 to 4 bits, looked up with vpshufb and multiplied with vpmaddubsw, which is exact as
** long as no weight is beyond 64: codes_mac.h. */
#include "run/kern/x86/codes256.h"

#define V_SPLITS 1
#define V_WIDE 0
#define V_DOT(acc, x, w) _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1)))

#include "run/kern/x86/codes_mac.h"

const it_kern_codes it_kern_dense_codes_u8_avx2 = { "dense_codes_u8_avx2", codes_packed_bytes, codes_pack, codes_units, codes_scratch_bytes,
                                                    codes_run };
