/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: finding the cases that others made, running one set of inputs, comparing. */
#ifndef IT_TESTS_CONFORMANCE_H
#define IT_TESTS_CONFORMANCE_H

#include "exec/exec.h"
#include "format/format.h"

/* The first folder that exists: $env/below, $INTACT_DATA/../<fallback>/below, $INTACT_SOURCE/../shared/<fallback>/below. */
bool find_folder(const char *env, const char *fallback, const char *below, char *out, size_t len);
bool exists(const char *path);

typedef struct tolerance { double rel, abs, of_max; } tolerance; /* |a - b| <= abs + rel * |b| + of_max * max|b| */

/* Runs model on folder/test_data_set_* and compares all outputs. what: why it failed. */
bool run_case(const char *model, const char *folder, tolerance tol, char *what, size_t what_len);

#endif
