/* SPDX-License-Identifier: Apache-2.0 */
/* comm.c: the processes of one training run, by MPI where the library was built with it. */
#include "train/comm.h"

#include <stdlib.h>

/* What the usual starters of processes tell them: Open MPI, and others by PMI. */
static long processes_started(void)
{
    static const char *const NAMES[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE" };
    for (size_t i = 0; i < IT_LEN(NAMES); i++) {
        const char *text = getenv(NAMES[i]);
        if (text) return strtol(text, NULL, 10);
    }
    return 1;
}

#ifdef INTACT_MPI
#include <mpi.h>

enum { PENDING_MAX = 64 };

typedef struct mpi_user { MPI_Request pending[PENDING_MAX]; int len; } mpi_user;

static intact_status check(int rc, const char *what, intact_error *err)
{
    char text[MPI_MAX_ERROR_STRING];
    int len = 0;
    if (rc == MPI_SUCCESS) return INTACT_OK;
    MPI_Error_string(rc, text, &len);
    return it_fail(err, INTACT_E_IO, "MPI", "%s failed: %.*s", what, len, text);
}

static intact_status mpi_wait(void *user, intact_error *err)
{
    mpi_user *u = user;
    const int len = u->len;
    u->len = 0;
    return check(MPI_Waitall(len, u->pending, MPI_STATUSES_IGNORE), "a sum of gradients", err);
}

static intact_status mpi_sum_f64(void *user, double *x, size_t len, intact_error *err)
{
    (void)user;
    if (len > INT32_MAX) return it_fail(err, INTACT_E_UNSUPPORTED, "MPI", "%zu numbers at once; 2^31 - 1 are possible", len);
    return check(MPI_Allreduce(MPI_IN_PLACE, x, (int)len, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD), "a sum", err);
}

static intact_status mpi_start_f32(void *user, float *x, size_t len, intact_error *err)
{
    mpi_user *u = user;
    if (len > INT32_MAX) return it_fail(err, INTACT_E_UNSUPPORTED, "MPI", "%zu parameters at once; 2^31 - 1 are possible", len);
    if (u->len == PENDING_MAX) IT_TRY(mpi_wait(u, err));
    return check(MPI_Iallreduce(MPI_IN_PLACE, x, (int)len, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &u->pending[u->len++]), "a sum of gradients", err);
}

static void mpi_stop_all(void *user)
{
    (void)user;
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
}

static void mpi_close(void *user)
{
    (void)user;
    MPI_Finalize();
}

static intact_status open_mpi(const intact_alloc *a, it_comm **out, intact_error *err)
{
    int provided, rank, size;
    IT_TRY(check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), "its start", err));
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    it_comm *c = it_alloc_zero(a, sizeof *c + sizeof(mpi_user));
    if (!c) {
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE); /* the others would wait */
        return it_fail_nomem(err, "MPI", sizeof *c);
    }
    *c = (it_comm){ .user = c + 1, .rank = (uint32_t)rank, .size = (uint32_t)size, .sum_f64 = mpi_sum_f64, .start_f32 = mpi_start_f32, .wait = mpi_wait, .stop_all = mpi_stop_all,
                    .close = mpi_close };
    *out = c;
    return INTACT_OK;
}

static size_t comm_bytes(void) { return sizeof(it_comm) + sizeof(mpi_user); }
#else
static intact_status open_mpi(const intact_alloc *a, it_comm **out, intact_error *err)
{
    (void)a, (void)out;
    return it_fail(err, INTACT_E_UNSUPPORTED, "MPI", "%ld processes were started together, and this build knows no MPI: build with cmake -DINTACT_MPI=ON, or start one process", processes_started());
}

static size_t comm_bytes(void) { return sizeof(it_comm); }
#endif

intact_status it_comm_open(const intact_alloc *a, it_comm **out, intact_error *err)
{
    *out = NULL;
    return processes_started() > 1 ? open_mpi(a, out, err) : INTACT_OK;
}

void it_comm_close(const intact_alloc *a, it_comm *c)
{
    if (!c) return;
    c->close(c->user);
    it_alloc_free(a, c, comm_bytes());
}
