/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv.c: depthwise convolution, one filter a channel; the work is in the dwconv kernels. */
#include "run/mac.h"

static intact_status dwconv_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    it_mac_desc d;
    IT_TRY(it_conv_describe(p, i, true, &d, err));
    return it_mac_check(p, i, &d, err);
}

static uint64_t dwconv_macs(const it_prog *p, const it_pinstr *i)
{
    it_mac_desc d;
    return it_conv_describe(p, i, true, &d, NULL) == INTACT_OK ? it_mac_count(&d.g) : 0;
}

static const it_kern_conv *dwconv_pick(const it_kern *k, bool s16) { return s16 ? k->dwconv_s16 : k->dwconv_u8; }

static bool dwconv_takes(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_pinstr *next)
{
    it_mac_desc d;
    return it_conv_describe(p, i, true, &d, NULL) == INTACT_OK && it_mac_takes(kern, p, i, next, &d, dwconv_pick);
}

static bool dwconv_pitches(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_place *places)
{
    it_mac_desc d;
    return it_conv_describe(p, i, true, &d, NULL) == INTACT_OK && it_mac_pitches(kern, p, i, places, &d, dwconv_pick);
}

static intact_status dwconv_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    it_mac_desc d;
    IT_TRY(it_conv_describe(p, i, true, &d, err));
    return it_mac_prepare(prep, p, i, &d, dwconv_pick, err);
}

const it_instr it_instr_dwconv = {
    .name = "dwconv", .code = 2, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_dwconv_args), .fields = it_conv_fields, .fields_len = IT_CONV_FIELDS,
    .check = dwconv_check, .macs = dwconv_macs, .prepare = dwconv_prepare, .run = it_mac_run,
    .takes = dwconv_takes, .inplace_of = it_mac_inplace, .pitches = dwconv_pitches,
};
