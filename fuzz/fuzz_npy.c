/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_npy.c: any bytes as an .npy file: an array inside the bytes or a sentence. */
#include <stdlib.h>

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    intact_error err = {0};
    it_npy n;
    if (it_npy_parse(data, len, "fuzz", &n, &err) != INTACT_OK) {
        if (err.code == INTACT_OK || !err.message[0])
            abort();
        return 0;
    }
    const uint8_t *p = n.data;
    volatile uint8_t sum = 0;
    if (n.rank > 8 || p < data || n.len > (size_t)(data + len - p))
        abort();
    for (size_t i = 0; i < n.len; i++)
        sum = (uint8_t)(sum + p[i]);
    return 0;
}
