/* SPDX-License-Identifier: Apache-2.0 */
/* dense.c: fully connected layer: every sample of x, of any rank, is one row of K codes. */
#include "run/check.h"
#include "run/mac.h"

static it_mac_desc dense_describe(const it_prog *p, const it_pinstr *i)
{
    const it_dense_args *a = i->args;
    it_mac_desc d = {
        .g = { .in_h = 1,
               .in_w = 1,
               .in_c = (uint32_t)it_ptensor_elements(it_in(p, i, 0)),
               .out_h = 1,
               .out_w = 1,
               .out_c = (uint32_t)it_ptensor_elements(it_out(p, i, 0)),
               .group = 1,
               .kh = 1,
               .kw = 1,
               .stride_h = 1,
               .stride_w = 1,
               .dil_h = 1,
               .dil_w = 1,
               .in_zero = it_in(p, i, 0)->zero_point },
        .weight = a->weight,
        .bias = a->bias,
        .mult = a->mult,
        .shift = a->shift,
        .acc64 = a->acc64,
        .thresholds = a->thresholds,
        .levels = a->levels,
        .lo = a->lo,
        .hi = a->hi,
        .dense = true,
    };
    it_mac_set_fixes(p, a->fixes, &d);
    return d;
}

static intact_status dense_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    it_mac_desc d = dense_describe(p, i);
    return it_mac_check(p, i, &d, err);
}

static uint64_t dense_macs(const it_prog *p, const it_pinstr *i)
{
    it_mac_desc d = dense_describe(p, i);
    return it_mac_count(&d.g);
}

static const it_kern_conv *dense_pick(const it_kern *k, bool s16) { return s16 ? k->dense_s16 : k->dense_u8; }

static bool dense_takes(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_pinstr *next)
{
    it_mac_desc d = dense_describe(p, i);
    return it_mac_takes(kern, p, i, next, &d, dense_pick);
}

static intact_status dense_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    it_mac_desc d = dense_describe(p, i);
    return it_mac_prepare(prep, p, i, &d, dense_pick, err);
}

static const it_field dense_fields[] = {
    IT_FIELD_CONST(it_dense_args, weight, CONST, PARAMETERS),
    IT_FIELD_CONST(it_dense_args, bias, CONST, PARAMETERS),
    IT_FIELD_CONST(it_dense_args, mult, CONST_OPT, PACKED),
    IT_FIELD_CONST(it_dense_args, shift, CONST_OPT, PACKED),
    IT_FIELD(it_dense_args, lo, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_dense_args, hi, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_dense_args, acc64, U32, 0, 1),
    IT_FIELD_CONST(it_dense_args, thresholds, CONST_OPT, PACKED),
    IT_FIELD_CONST(it_dense_args, levels, CONST_OPT, LEVELS),
    IT_FIELD_CONST(it_dense_args, fixes, CONST_OPT, RUN),
};

const it_instr it_instr_dense = {
    .name = "dense", .code = 3, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_dense_args), .fields = dense_fields, .fields_len = IT_LEN(dense_fields),
    .check = dense_check, .macs = dense_macs, .prepare = dense_prepare, .run = it_mac_run,
    .takes = dense_takes, .inplace_of = it_mac_inplace,
};
