/* SPDX-License-Identifier: Apache-2.0 */
/* comm.h: several processes that train one network: what they ask of a message-passing library. Every process calls the same functions in the
** same order, from one thread. */
#ifndef IT_TRAIN_COMM_H
#define IT_TRAIN_COMM_H

#include "base/base.h"

typedef struct it_comm {
    void *user;
    uint32_t rank, size;
    /* The sum over all processes takes x's place; the same bits everywhere. */
    intact_status (*sum_f64)(void *user, double *x, size_t len, intact_error *err);
    /* Begins such a sum; x is not touched until wait. */
    intact_status (*start_f32)(void *user, float *x, size_t len, intact_error *err);
    intact_status (*wait)(void *user, intact_error *err); /* all that have begun */
    void (*stop_all)(void *user); /* this process cannot go on: nobody waits for it. Does not return */
    void (*close)(void *user);
} it_comm;

/* The processes that mpirun started this one with: NULL in *out when it did not, or it was alone. Fails (E_UNSUPPORTED) when there are several
** and the library was built without MPI. One call a process; it_comm_close at the end. */
INTACT_MUST_USE intact_status it_comm_open(const intact_alloc *a, it_comm **out, intact_error *err);
void it_comm_close(const intact_alloc *a, it_comm *c);

#endif
