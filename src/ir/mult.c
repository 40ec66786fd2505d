/* SPDX-License-Identifier: Apache-2.0 */
/* mult.c: a real multiplier as an integer and a shift (architecture, Numerics: "Requantization is defined once"). */
#include <math.h>

#include "ir/ir.h"

intact_status it_mult_of(double real, int bits, it_mult *out, const char *where, intact_error *err)
{
    if (bits != 31 && bits != 15) return it_fail(err, INTACT_E_ARG, where, "a multiplier of %d bits; it has 31 or 15", bits);
    if (!isfinite(real)) return it_fail(err, INTACT_E_UNSUPPORTED, where, "the multiplier %g is not finite", real);
    int e;
    double f = frexp(real, &e); /* real = f * 2^e, 1/2 <= |f| < 1 */
    if (fabs(real) < 0x1p-32) {
        *out = (it_mult){.m = 0, .s = bits + 31};
        return INTACT_OK;
    }
    double m = round(ldexp(f, bits));
    if (fabs(m) == ldexp(1, bits)) { /* rounded up to the next power of two */
        m /= 2;
        e++;
    }
    int s = bits - e;
    if (s < 1)
        return it_fail(err, INTACT_E_UNSUPPORTED, where, "the multiplier %g is too large; it must be below 2^%d", real, bits - 1);
    *out = (it_mult){.m = (int32_t)m, .s = s};
    return INTACT_OK;
}
