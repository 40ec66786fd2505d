/* SPDX-License-Identifier: Apache-2.0 */
/* What level neon improves over its parent: lines as in kern_list.h. */
KERN(conv_u8, const it_kern_conv)
KERN(dwconv_u8, const it_kern_conv)
KERN(dense_u8, const it_kern_conv)
KERN(add_u8, it_fn_add_u8)
KERN(mul_u8, it_fn_mul_u8)
KERN(lut_u8, it_fn_lut_u8)
KERN(max_u8, it_fn_max_u8)
KERN(sum_u8, it_fn_sum_u8)
KERN(mul_rows_u8, it_fn_mul_rows_u8)
KERN(sum_rows_u8, it_fn_sum_rows_u8)
KERN(max_taps_u8, it_fn_max_taps_u8)
KERN(peak_u8, it_fn_peak_u8)
