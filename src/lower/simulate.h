/* SPDX-License-Identifier: Apache-2.0 */
/* simulate.h: a quantized network computed node by node on integer codes, without the program that lowering makes of it: no fusion, no plan of memory, no
** copies left out. It gives the codes of every value, which the program's must equal (docs/NUMERICS.md).
**
** A layer with weights is its operator's own float arithmetic on whole numbers: codes less zero points times weights' codes, in single precision while
** top * sum |w| < 2^24, in double beyond (exact below 2^53), then the bias code and one rounding with the multiplier that lowering gives this node
** alone. Every other node is lowered alone and run by the reference kernels; so are layers whose scales lowering had to raise, and those that take several
** instructions (weights in parts). */
#ifndef IT_SIMULATE_H
#define IT_SIMULATE_H

#include "op/lower.h"

typedef struct it_sim it_sim;

/* g is what it_lower_build takes, and is borrowed. */
INTACT_MUST_USE intact_status it_sim_new(const it_graph *g, const intact_alloc *a, it_sim **out, intact_error *err);
void it_sim_free(it_sim *s);
/* in: codes of each graph input of one sample in runtime order (channels last). */
INTACT_MUST_USE intact_status it_sim_run(it_sim *s, const void *const *in, intact_error *err);
/* Codes of a value, u8 or s16 as v->q says, runtime order; NULL: it has none (constants, shapes). Valid until the next run. */
const void *it_sim_codes(const it_sim *s, const it_value *v);
/* How many layers ran as arithmetic of their own: the others are the reference kernels'. */
size_t it_sim_layers(const it_sim *s);

#endif
