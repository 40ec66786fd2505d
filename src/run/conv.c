/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c: convolution with any number of groups; the work is in the conv kernels. */
#include "run/mac.h"

static intact_status conv_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    it_mac_desc d;
    IT_TRY(it_conv_describe(p, i, false, &d, err));
    return it_mac_check(p, i, &d, err);
}

static uint64_t conv_macs(const it_prog *p, const it_pinstr *i)
{
    it_mac_desc d;
    return it_conv_describe(p, i, false, &d, NULL) == INTACT_OK ? it_mac_count(&d.g) : 0;
}

static const it_kern_conv *conv_pick(const it_kern *k, bool s16) { return s16 ? k->conv_s16 : k->conv_u8; }

static bool conv_takes(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_pinstr *next)
{
    it_mac_desc d;
    return it_conv_describe(p, i, false, &d, NULL) == INTACT_OK && it_mac_takes(kern, p, i, next, &d, conv_pick);
}

static bool conv_pitches(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_place *places)
{
    it_mac_desc d;
    return it_conv_describe(p, i, false, &d, NULL) == INTACT_OK && it_mac_pitches(kern, p, i, places, &d, conv_pick);
}

static intact_status conv_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    it_mac_desc d;
    IT_TRY(it_conv_describe(p, i, false, &d, err));
    return it_mac_prepare(prep, p, i, &d, conv_pick, err);
}

const it_instr it_instr_conv = {
    .name = "conv", .code = 1, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_conv_args), .fields = it_conv_fields, .fields_len = IT_CONV_FIELDS,
    .check = conv_check, .macs = conv_macs, .prepare = conv_prepare, .run = it_mac_run,
    .takes = conv_takes, .inplace_of = it_mac_inplace, .pitches = conv_pitches,
};
