/* SPDX-License-Identifier: Apache-2.0 */
/* unroll.h: recurrent layers become the steps that they take, in operators that have an integer form. */
#ifndef IT_PASS_UNROLL_H
#define IT_PASS_UNROLL_H

#include "pass/pass.h"

/* LSTM, GRU and RNN nodes of an inferred graph become, step after step, matrix products, tables, products and sums. What stands for the same
** thing in every step shares quantization parameters (it_value.like), sums before gates and the cell state ask for 16 bits (it_value.wide), and
** a step's matrix products repeat those of the first (it_node.repeats). Fails (E_UNSUPPORTED) on forms that it does not know, naming the node.
** Float training and evaluation keep the operators themselves: this belongs before quantization. The graph is sorted and inferred again. */
INTACT_MUST_USE intact_status it_unroll_run(it_graph *g, size_t *layers, intact_error *err);

#endif
