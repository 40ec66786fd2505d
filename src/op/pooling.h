/* SPDX-License-Identifier: Apache-2.0 */
/* pooling.h: windows over (N, C, spatial): maximum, average and p-norm, in float and in integers. */
#ifndef IT_POOLING_H
#define IT_POOLING_H

#include "op/back.h"
#include "op/lower.h"
#include "op/nn.h"

typedef struct it_pooling_args {
    it_window win;
    int64_t p;              /* LpPool: the norm */
    bool count_include_pad; /* AveragePool */
    bool column_major;      /* MaxPool: indices run down columns first */
} it_pooling_args;

typedef enum it_pooling_kind { IT_POOLING_MAX, IT_POOLING_AVERAGE, IT_POOLING_NORM } it_pooling_kind;

/* Output shape of a windowed pool, or (global) all spatial dims 1. */
INTACT_MUST_USE intact_status it_pooling_infer(const it_node *n, const it_tensor *x, bool global, it_tensor *out, intact_error *err);
/* The window of this node over x; global: the whole of x. */
INTACT_MUST_USE intact_status it_pooling_window(const it_node *n, const it_tensor *x, bool global, it_window *win, intact_error *err);
/* index (int64, plain, same shape as y) may be NULL; only with MAX. Layouts of x and y are the same. */
INTACT_MUST_USE intact_status it_pooling_run(it_run_ctx *c, const it_node *n, it_pooling_kind kind, const it_window *win, const it_tensor *x,
                                             it_tensor *y, int64_t *index, intact_error *err);
/* dx of a maximum (to the first tap that has it) or an average; x is read for the maximum only, y never. Layouts are the same. */
INTACT_MUST_USE intact_status it_pooling_back(const it_node *n, it_pooling_kind kind, const it_window *win, const it_tensor *x, const it_tensor *y,
                                              const it_tensor *dy, it_tensor *dx, intact_error *err);
INTACT_MUST_USE intact_status it_pooling_lower(it_lower *lw, const it_node *n, it_pooling_kind kind, bool global, intact_error *err);

/* back of the pools: <name>_back. */
#define IT_POOLING_BACK(name, kind, global, reads)                                                                                \
    static intact_status name##_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, \
                                         const it_tensor *const *dy, it_tensor *const *dx, intact_error *err)                     \
    {                                                                                                                             \
        it_window win;                                                                                                            \
        (void)c;                                                                                                                  \
        if (!dx[0]) return INTACT_OK;                                                                                             \
        IT_TRY(it_pooling_window(n, in[0], global, &win, err));                                                                   \
        return it_pooling_back(n, kind, &win, in[0], out[0], dy[0], dx[0], err);                                                  \
    }                                                                                                                             \
    static const it_backward name##_back = { .reads_in = (reads), .gives = 1, .run = name##_run_back };

#endif
