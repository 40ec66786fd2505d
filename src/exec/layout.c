/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c: NCHW to NHWC and back: a transpose of a (C, H*W) matrix for each sample. */
#include <string.h>

#include "exec/buffers.h"

#define TILE 16 /* 16 floats are a cache line: a tile touches 16 lines on each side */

bool it_layout_same(const it_tensor *t)
{
    if (t->rank != 4) return true;
    return t->dim[1] <= 1 || t->dim[2] * t->dim[3] <= 1 || t->dim[0] == 0;
}

/* y (cols, rows) = x (rows, cols) transposed */
#define TRANSPOSE(name, T)                                                                                                        \
    static void name(const T *restrict x, T *restrict y, int64_t rows, int64_t cols)                                             \
    {                                                                                                                             \
        int64_t r = 0;                                                                                                            \
        for (; r + TILE <= rows; r += TILE) {                                                                                     \
            int64_t c = 0;                                                                                                        \
            for (; c + TILE <= cols; c += TILE)                                                                                   \
                for (int j = 0; j < TILE; j++)                                                                                    \
                    for (int i = 0; i < TILE; i++) y[(c + j) * rows + r + i] = x[(r + i) * cols + c + j];                         \
            for (; c < cols; c++)                                                                                                 \
                for (int i = 0; i < TILE; i++) y[c * rows + r + i] = x[(r + i) * cols + c];                                       \
        }                                                                                                                         \
        for (int64_t c = 0; c < cols; c++)                                                                                        \
            for (int64_t i = r; i < rows; i++) y[c * rows + i] = x[i * cols + c];                                                 \
    }
TRANSPOSE(transpose_1, uint8_t)
TRANSPOSE(transpose_2, uint16_t)
TRANSPOSE(transpose_4, uint32_t)
TRANSPOSE(transpose_8, uint64_t)

void it_layout_convert(const it_tensor *from, const it_tensor *to)
{
    size_t item = it_type_bytes(from->type);
    int64_t c = from->dim[1], hw = from->dim[2] * from->dim[3];
    int64_t rows = from->layout == IT_NHWC ? hw : c, cols = from->layout == IT_NHWC ? c : hw;
    if (it_layout_same(from) || from->layout == to->layout) {
        memcpy(to->data, from->data, it_tensor_bytes(from));
        return;
    }
    for (int64_t n = 0; n < from->dim[0]; n++) {
        const char *x = (const char *)from->data + (size_t)(n * c * hw) * item;
        char *y = (char *)to->data + (size_t)(n * c * hw) * item;
        switch (item) {
        case 1: transpose_1((const uint8_t *)x, (uint8_t *)y, rows, cols); break;
        case 2: transpose_2((const uint16_t *)x, (uint16_t *)y, rows, cols); break;
        case 4: transpose_4((const uint32_t *)x, (uint32_t *)y, rows, cols); break;
        default: transpose_8((const uint64_t *)x, (uint64_t *)y, rows, cols); break;
        }
    }
}
