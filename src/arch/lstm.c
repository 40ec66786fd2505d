/* SPDX-License-Identifier: Apache-2.0 */
/* lstm: an image read row by row: one recurrent layer, and a dense one on its last state. gru: the same with gated recurrent units. */
#include "arch/build.h"

#define HIDDEN 128

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    x = it_build_recurrent(b, it_build_rows(b, x), a->depth == 4 ? "LSTM" : "GRU", a->depth, HIDDEN);
    return it_build_dense(b, x, b->classes, IT_ACT_NONE);
}

const it_arch it_arch_lstm = {
    .name = "lstm", .summary = "128 long short-term memory cells read an image row by row",
    .input = {1, 28, 28}, .classes = 10, .depth = 4, .make = make, /* depth: gates */
};
const it_arch it_arch_gru = {
    .name = "gru", .summary = "128 gated recurrent units read an image row by row",
    .input = {1, 28, 28}, .classes = 10, .depth = 3, .make = make,
};
