/* SPDX-License-Identifier: Apache-2.0 */
/* argmax.c: index of the largest or smallest value along the last dimension. */
#include <inttypes.h>

#include "run/check.h"
#include "run/rows.h"

typedef struct argmax_state {
    it_argmax_args a;
    uint32_t c;
    uint64_t rows; /* per sample */
    intact_type x;
} argmax_state;

static intact_status argmax_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "y", y, 1u << INTACT_S32, err));
    if (x->rank < 2 || it_ptensor_elements(y) != it_ptensor_elements(x) / x->dims[x->rank - 1])
        return it_check_fail(i, INTACT_E_SHAPE, err,
                             "x has %u dimensions and y %" PRIu64 " elements; y needs one for each position but the last dimension",
                             x->rank, it_ptensor_elements(y));
    return INTACT_OK;
}

static intact_status argmax_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0);
    argmax_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->a = *(const it_argmax_args *)i->args;
    s->c = x->dims[x->rank - 1];
    s->rows = it_ptensor_elements(x) / s->c;
    s->x = x->type;
    return INTACT_OK;
}

static int32_t argmax_row(const argmax_state *s, const void *x, size_t at)
{
    int32_t best = it_load(x, s->x, at), index = 0;
    for (uint32_t j = 1; j < s->c; j++) {
        int32_t v = it_load(x, s->x, at + j);
        if (s->a.smallest ? v < best : v > best) {
            best = v;
            index = (int32_t)j;
        } else if (s->a.last && v == best) {
            index = (int32_t)j;
        }
    }
    return index;
}

static void argmax_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const argmax_state *s = w->state;
    (void)thread;
    for (uint64_t r = begin; r < end; r++)
        ((int32_t *)w->f->out[0])[r] = argmax_row(s, w->f->in[0], r * s->c);
}

static void argmax_run(const void *state, const it_frame *f)
{
    const argmax_state *s = state;
    it_rows_for(f, s->rows * f->batch, 4ull * s->c, argmax_rows, s);
}

static const it_field argmax_fields[] = { IT_FIELD(it_argmax_args, smallest, U32, 0, 1), IT_FIELD(it_argmax_args, last, U32, 0, 1) };

const it_instr it_instr_argmax = {
    .name = "argmax", .code = 16, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_argmax_args), .fields = argmax_fields, .fields_len = IT_LEN(argmax_fields),
    .check = argmax_check, .prepare = argmax_prepare, .run = argmax_run,
};
