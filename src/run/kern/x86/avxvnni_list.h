/* SPDX-License-Identifier: Apache-2.0 */
/* What level avxvnni improves over its parent: lines as in kern_list.h. */
KERN(conv_u8, const it_kern_conv)
KERN(dense_u8, const it_kern_conv)
KERN(dense_codes_u8, const it_kern_codes)
KERN(peak_u8, it_fn_peak_u8)
KERN(conv_s16, const it_kern_conv)
KERN(dense_s16, const it_kern_conv)
