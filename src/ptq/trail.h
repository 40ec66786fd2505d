/* SPDX-License-Identifier: Apache-2.0 */
/* trail.h: what two networks, in float and as far as it is quantized, hold for every calibration sample just before a layer, so that the runs to the
** next layer begin there. Kept where it is small enough; otherwise what stands from earlier on stays. */
#ifndef IT_PTQ_TRAIL_H
#define IT_PTQ_TRAIL_H

#include "exec/exec.h"
#include "ptq/ptq.h"

/* Begins a round of runs to just before node to, for so many slots: one for each part of the samples in each network. it_trail_end ends it. */
INTACT_MUST_USE intact_status it_trail_begin(it_ptq *p, size_t to, size_t slots, intact_error *err);
void it_trail_end(it_ptq *p, bool all_ran);
/* Whether runs go on from the middle: nobody looks at inputs then, and a slot's samples are as many as it_trail_samples says. */
bool it_trail_has(const it_ptq *p);
uint32_t it_trail_samples(const it_ptq *p, size_t slot);
/* The run of a slot, of samples samples: from in, or from where its last one ended. Slots may be run by different threads. */
INTACT_MUST_USE intact_status it_trail_run(const it_ptq *p, size_t slot, it_exec *e, const it_tensor *in, uint32_t samples, intact_error *err);
void it_trail_free(it_ptq *p);

#endif
