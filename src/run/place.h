/* SPDX-License-Identifier: Apache-2.0 */
/* place.h: where the bytes of a tensor are while a session runs. */
#ifndef IT_PLACE_H
#define IT_PLACE_H

#include "run/program.h"

typedef enum it_place_kind {
    IT_PLACE_NOWHERE, /* never written */
    IT_PLACE_IN,      /* the caller's buffer of input `port`, never written to */
    IT_PLACE_OUT,     /* the caller's buffer of output `port` */
    IT_PLACE_WORK     /* the workspace, at batch * offset */
} it_place_kind;

/* A tensor has bytes of its own or lies in another's, its root: the inputs of a concat in its output, slices in what they are slices of.
** Sample n begins at buffer of the root + inside + n * step. */
struct it_place {
    it_place_kind kind;
    uint32_t port;
    size_t offset;
    uint32_t root; /* the tensor itself, where it has bytes of its own */
    uint32_t pitch; /* elements from a pixel (all but the last dimension) to the next, where others' lie between; 0: dense, or one pixel */
    size_t inside, step; /* bytes */
};

#endif
