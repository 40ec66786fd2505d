/* SPDX-License-Identifier: Apache-2.0 */
/* cast.h: element-by-element conversion, shared by cast and cast_like. */
#ifndef IT_CAST_H
#define IT_CAST_H

#include "op/elem.h"

/* Floats become integers toward zero (NaN 0, beyond int64 its nearest end); narrower integers keep the low bits; bool is x != 0. */
void it_cast_run(const it_tensor *x, const it_tensor *y);

#endif
