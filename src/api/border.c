/* SPDX-License-Identifier: Apache-2.0 */
/* border.c: real inputs of a network as codes. */
#include <math.h>

#include "api/api.h"

int32_t it_border_code(float x, float scale, int32_t zero, intact_type type, bool half_even)
{
    int32_t lo = type == INTACT_U8 ? 0 : -32767, hi = type == INTACT_U8 ? 255 : 32767;
    double v = half_even ? (double)nearbyintf(x / scale) : floor((double)x / (double)scale + 0.5);
    v += zero;
    return v >= hi ? hi : v > lo ? (int32_t)v : lo; /* not-a-number: lo */
}
