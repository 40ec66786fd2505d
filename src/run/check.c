/* SPDX-License-Identifier: Apache-2.0 */
/* check.c: see check.h. */
#include "run/check.h"

#include <inttypes.h>
#include <stdio.h>

static const char *type_name(intact_type t)
{
    static const char *const names[] = { "u8", "s8", "s16", "s32" };
    return (unsigned)t < IT_LEN(names) ? names[t] : "?";
}

intact_status it_check_fail(const it_pinstr *i, intact_status code, intact_error *err, const char *fmt, ...)
{
    char where[160], message[480];
    snprintf(where, sizeof where, "%.120s (%s)", i->name, i->kind->name);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return it_fail(err, code, where, "%s", message);
}

intact_status it_check_type(const it_pinstr *i, const char *what, const it_ptensor *t, uint32_t mask, intact_error *err)
{
    if (mask >> t->type & 1)
        return INTACT_OK;
    return it_check_fail(i, INTACT_E_SHAPE, err, "%s is %s; %s is needed", what, type_name(t->type),
                         mask == IT_ON_U8 ? "u8" : mask == IT_ON_S16 ? "s16" : mask == IT_ON_CODES ? "u8 or s16" : "s32");
}

intact_status it_check_same_shape(const it_pinstr *i, const it_ptensor *x, const it_ptensor *y, intact_error *err)
{
    if (x->rank != y->rank)
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u dimensions, y %u; they must be the same", x->rank, y->rank);
    for (uint32_t k = 0; k < x->rank; k++)
        if (x->dims[k] != y->dims[k])
            return it_check_fail(i, INTACT_E_SHAPE, err, "dimension %u is %u in x, %u in y; they must be the same", k, x->dims[k],
                                 y->dims[k]);
    return INTACT_OK;
}

intact_status it_check_same_codes(const it_pinstr *i, const it_ptensor *x, const it_ptensor *y, intact_error *err)
{
    if (x->type != y->type)
        return it_check_fail(i, INTACT_E_SHAPE, err, "x is %s, y %s; this instruction copies codes", type_name(x->type),
                             type_name(y->type));
    if (x->zero_point != y->zero_point)
        return it_check_fail(i, INTACT_E_SHAPE, err, "zero points %d and %d differ; this instruction copies codes", x->zero_point,
                             y->zero_point);
    if (x->scale_bits != y->scale_bits)
        return it_check_fail(i, INTACT_E_SHAPE, err, "scales (bits 0x%08x and 0x%08x) differ; this instruction copies codes", x->scale_bits,
                             y->scale_bits);
    return INTACT_OK;
}

intact_status it_check_clamp(const it_pinstr *i, const it_ptensor *y, int32_t lo, int32_t hi, intact_error *err)
{
    int32_t least = y->type == INTACT_U8 ? 0 : IT_CODE_LO, most = y->type == INTACT_U8 ? 255 : IT_CODE_HI;
    if (lo < least || hi > most || lo > hi)
        return it_check_fail(i, INTACT_E_SHAPE, err, "clamp to %d..%d; it must lie in %d..%d", lo, hi, least, most);
    return INTACT_OK;
}

intact_status it_check_const(const it_prog *p, const it_pinstr *i, const char *what, uint32_t c, intact_type type, uint64_t len,
                             intact_error *err)
{
    const it_pconst *k = it_const(p, c);
    if (!k)
        return it_check_fail(i, INTACT_E_SHAPE, err, "%s is not there; %" PRIu64 " x %s is needed", what, len, type_name(type));
    if (k->bits != 0)
        return it_check_fail(i, INTACT_E_SHAPE, err, "%s is packed to %u bits; %" PRIu64 " x %s is needed", what, k->bits, len,
                             type_name(type));
    if (k->type != type || k->len != len)
        return it_check_fail(i, INTACT_E_SHAPE, err, "%s is %" PRIu64 " x %s; %" PRIu64 " x %s is needed", what, k->len, type_name(k->type),
                             len, type_name(type));
    return INTACT_OK;
}

intact_status it_check_scales(const it_prog *p, const it_pinstr *i, uint32_t mult, uint32_t shift, uint64_t len, bool acc64,
                              intact_error *err)
{
    IT_TRY(it_check_const(p, i, "mult", mult, INTACT_S32, len, err));
    IT_TRY(it_check_const(p, i, "shift", shift, INTACT_S32, len, err));
    const int32_t *m = it_const(p, mult)->data, *s = it_const(p, shift)->data;
    for (uint64_t c = 0; c < len; c++) {
        bool m_ok = acc64 ? m[c] > -(1 << 15) && m[c] < 1 << 15 : m[c] == 0 || m[c] >= 1 << 30;
        if (!m_ok)
            return it_check_fail(i, INTACT_E_FORMAT, err, "multiplier %" PRIu64 " is %d; %s", c, m[c],
                                 acc64 ? "with 64-bit accumulators it must be below 2^15" : "it must be 0 or in 2^30..2^31-1");
        if (s[c] < 1 || s[c] > 62)
            return it_check_fail(i, INTACT_E_FORMAT, err, "shift %" PRIu64 " is %d; it must be in 1..62", c, s[c]);
    }
    return INTACT_OK;
}

intact_status it_check_levels(const it_prog *p, const it_pinstr *i, uint32_t thresholds, uint32_t levels, uint64_t rows, intact_error *err)
{
    const it_pconst *y = it_const(p, levels), *t = it_const(p, thresholds);
    if (!y || !t)
        return it_check_fail(i, INTACT_E_SHAPE, err, "%s without %s; both are needed, or neither", y ? "levels" : "thresholds",
                             y ? "thresholds" : "levels");
    if (y->len < 2 || y->len > IT_LEVELS_MAX)
        return it_check_fail(i, INTACT_E_SHAPE, err, "%" PRIu64 " levels; 2 to %d are possible", y->len, IT_LEVELS_MAX);
    IT_TRY(it_check_const(p, i, "levels", levels, INTACT_U8, y->len, err));
    const uint64_t steps = y->len - 1;
    IT_TRY(it_check_const(p, i, "thresholds", thresholds, INTACT_S32, rows * steps, err));
    const int32_t *v = t->data;
    for (uint64_t k = 1; k < rows * steps; k++)
        if (k % steps != 0 && v[k - 1] > v[k])
            return it_check_fail(i, INTACT_E_FORMAT, err, "threshold %" PRIu64 " of channel %" PRIu64 " is %d, after %d; they must ascend",
                                 k % steps, k / steps, v[k], v[k - 1]);
    return INTACT_OK;
}

intact_status it_check_window(const it_pinstr *i, const char *what, const it_window *w, intact_error *err)
{
    /* every term is below 2^31 * 2^24 or so: no overflow in 64 bits */
    uint64_t padded = (uint64_t)w->in + w->before + w->after, reach = (uint64_t)w->dil * (w->k - 1) + 1;
    if (padded >= 1u << 30)
        return it_check_fail(i, INTACT_E_UNSUPPORTED, err, "%s %u with padding %u and %u; the sum must be below 2^30", what, w->in,
                             w->before, w->after);
    if (reach > padded)
        return it_check_fail(i, INTACT_E_SHAPE, err, "the window spans %" PRIu64 " but %s with padding is %" PRIu64, reach, what, padded);
    uint64_t out = (padded - reach) / w->stride + 1;
    if (out != w->out)
        return it_check_fail(i, INTACT_E_SHAPE, err,
                             "%s of y is %u; input %u, window %u, stride %u, dilation %u, padding %u and %u give %" PRIu64, what, w->out,
                             w->in, w->k, w->stride, w->dil, w->before, w->after, out);
    return INTACT_OK;
}
