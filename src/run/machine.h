/* SPDX-License-Identifier: Apache-2.0 */
/* machine.h: what a loaded program is made of; shared by pack.c, info.c and session.c. */
#ifndef IT_MACHINE_H
#define IT_MACHINE_H

#include "run/program.h"

typedef struct it_step {
    const void *state;
    const char *kernel;
    uint64_t macs;
    uint32_t weight_bits; /* 0: no weights */
} it_step;

/* Where the bytes of a tensor are while a session runs. */
typedef enum it_place_kind {
    IT_PLACE_NOWHERE, /* never written */
    IT_PLACE_IN,      /* the caller's buffer of input `port`, never written to */
    IT_PLACE_OUT,     /* the caller's buffer of output `port` */
    IT_PLACE_WORK     /* the workspace, at batch * offset */
} it_place_kind;

struct it_place {
    it_place_kind kind;
    uint32_t port;
    size_t offset;
    uint32_t pitch; /* elements from a pixel (all but the last dimension) to the next, where it lies inside another tensor; 0: dense */
};

struct intact_program {
    const intact_alloc *alloc;
    it_prog prog;    /* without constants */
    it_arena arena;  /* states and packed weights */
    it_step *steps;  /* [instructions] */
    it_place *places; /* [tensors] */
    uint32_t ports_max;   /* most inputs or outputs of one instruction */
    size_t peak_bytes;    /* of the workspace, per sample; a multiple of 64 */
    size_t scratch_bytes; /* per thread; a multiple of 64 */
    intact_program_info info;
    void *map;
    size_t map_len;
};

/* Fills p->places, peak_bytes and info.bound_bytes from p->prog. */
INTACT_MUST_USE intact_status it_program_place(intact_program *p, intact_error *err);

#endif
