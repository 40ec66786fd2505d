/* SPDX-License-Identifier: Apache-2.0 */
/* quant.c: fitted levels: which code becomes which. */
#include "ir/ir.h"

void it_quant_nearest(const it_quant *q, uint8_t nearest[256])
{
    int at = 0;
    for (int c = 0; c < 256; c++) {
        while (q->levels && at + 1 < q->levels_len && 2 * c >= q->levels[at] + q->levels[at + 1])
            at++;
        nearest[c] = q->levels ? q->levels[at] : (uint8_t)c;
    }
}
