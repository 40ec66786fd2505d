/* SPDX-License-Identifier: Apache-2.0 */
/* What level avx512vbmi improves over its parent: lines as in kern_list.h. */
KERN(lut_u8, it_fn_lut_u8)
KERN(mul_rows_u8, it_fn_mul_rows_u8)
KERN(dwconv_u8, const it_kern_conv)
