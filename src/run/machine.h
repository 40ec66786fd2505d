/* SPDX-License-Identifier: Apache-2.0 */
/* machine.h: what a loaded program is made of; shared by pack.c, info.c and session.c. */
#ifndef IT_MACHINE_H
#define IT_MACHINE_H

#include "run/place.h"

typedef struct it_step {
    const void *state;
    const char *kernel;
    uint64_t macs;
    uint32_t weight_bits; /* 0: no weights */
} it_step;

struct intact_program {
    const intact_alloc *alloc;
    it_prog prog;    /* without constants */
    it_arena arena;  /* states and packed weights */
    it_step *steps;  /* [instructions] */
    it_place *places; /* [tensors] */
    uint32_t *at_ports;   /* tensors in buffers of the caller */
    uint8_t *by_sample;   /* [instructions]: samples of some tensor are further apart than it knows: one after another, at batch 1 */
    uint32_t at_ports_len;
    uint32_t ports_max;   /* most inputs or outputs of one instruction */
    size_t peak_bytes;    /* of the workspace, per sample; a multiple of 64 */
    size_t scratch_bytes; /* per thread; a multiple of 64 */
    intact_program_info info;
};

/* Lets the instructions of p->prog take what follows them, where kern's level can (it_instr.takes). The new ones live in p->arena. */
INTACT_MUST_USE intact_status it_program_fuse(intact_program *p, const it_kern *kern, intact_error *err);
/* Fills p->places, at_ports, by_sample, peak_bytes and info.bound_bytes from p->prog; puts its instructions into an order that needs less
** memory where there is one. separate: neither that nor tensors that lie in others. */
INTACT_MUST_USE intact_status it_program_place(intact_program *p, const it_kern *kern, bool separate, intact_error *err);

#endif
