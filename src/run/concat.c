/* SPDX-License-Identifier: Apache-2.0 */
/* concat.c: inputs one after another along one axis: runs of bytes, copied. */
#include <string.h>

#include "run/check.h"
#include "run/rows.h"

typedef struct concat_state {
    uint32_t in_len;
    uint64_t outer;      /* runs per sample */
    size_t run_bytes;    /* of y: the sum of the inputs' */
    const size_t *bytes; /* [in_len]: a run of each input */
    const size_t *at;    /* [in_len]: where it goes in y's run */
} concat_state;

static intact_status concat_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_concat_args *a = i->args;
    const it_ptensor *y = it_out(p, i, 0);
    IT_TRY(it_check_type(i, "y", y, IT_ON_CODES | 1u << INTACT_S32, err));
    if (a->axis >= y->rank)
        return it_check_fail(i, INTACT_E_SHAPE, err, "axis %u of %u dimensions", a->axis, y->rank);
    uint64_t sum = 0;
    for (uint32_t k = 0; k < i->in_len; k++) {
        const it_ptensor *x = it_in(p, i, k);
        IT_TRY(it_check_same_codes(i, x, y, err));
        if (x->rank != y->rank)
            return it_check_fail(i, INTACT_E_SHAPE, err, "input %u has %u dimensions, y %u", k, x->rank, y->rank);
        for (uint32_t d = 0; d < y->rank; d++)
            if (d != a->axis && x->dims[d] != y->dims[d])
                return it_check_fail(i, INTACT_E_SHAPE, err, "dimension %u is %u in input %u, %u in y", d, x->dims[d], k, y->dims[d]);
        sum += x->dims[a->axis];
    }
    if (sum != y->dims[a->axis])
        return it_check_fail(i, INTACT_E_SHAPE, err, "dimension %u of y is %u; the inputs add up to %llu", a->axis, y->dims[a->axis],
                             (unsigned long long)sum);
    return INTACT_OK;
}

static intact_status concat_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_concat_args *a = i->args;
    const it_ptensor *y = it_out(p, i, 0);
    concat_state *s;
    IT_STATE_NEW(prep, s, i, err);
    size_t *sizes = it_arena_new(prep->arena, 2 * (size_t)i->in_len * sizeof *sizes);
    if (!sizes)
        return it_fail_nomem(err, i->name, 2 * (size_t)i->in_len * sizeof *sizes);
    s->in_len = i->in_len;
    s->outer = 1;
    for (uint32_t d = 1; d < a->axis; d++)
        s->outer *= y->dims[d];
    for (uint32_t k = 0; k < i->in_len; k++) {
        sizes[k] = it_ptensor_bytes(it_in(p, i, k)) / s->outer;
        sizes[i->in_len + k] = s->run_bytes;
        s->run_bytes += sizes[k];
    }
    s->bytes = sizes;
    s->at = sizes + i->in_len;
    return INTACT_OK;
}

/* Copies of a size known to the compiler: channels of small inputs come in runs of a few dozen bytes. */
static void copy_runs(uint8_t *y, size_t y_step, const uint8_t *x, size_t bytes, uint64_t n)
{
    switch (bytes) {
#define RUNS(size) case size: for (uint64_t r = 0; r < n; r++) memcpy(y + r * y_step, x + r * size, size); break;
    RUNS(8) RUNS(12) RUNS(16) RUNS(24) RUNS(32) RUNS(48) RUNS(64)
#undef RUNS
    default:
        for (uint64_t r = 0; r < n; r++)
            memcpy(y + r * y_step, x + r * bytes, bytes);
    }
}

static void concat_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const concat_state *s = w->state;
    (void)thread;
    for (uint32_t k = 0; k < s->in_len; k++)
        copy_runs((uint8_t *)w->f->out[0] + begin * s->run_bytes + s->at[k], s->run_bytes,
                  (const uint8_t *)w->f->in[k] + begin * s->bytes[k], s->bytes[k], end - begin);
}

static void concat_run(const void *state, const it_frame *f)
{
    const concat_state *s = state;
    it_rows_for(f, s->outer * f->batch, 2 * s->run_bytes, concat_rows, s);
}

static const it_field concat_fields[] = { IT_FIELD(it_concat_args, axis, U32, 1, INTACT_RANK_MAX - 1) };

const it_instr it_instr_concat = {
    .name = "concat", .code = 8, .in_min = 1, .in_max = IT_INSTR_IN_MAX, .out_len = 1,
    .args_bytes = sizeof(it_concat_args), .fields = concat_fields, .fields_len = IT_LEN(concat_fields),
    .check = concat_check, .prepare = concat_prepare, .run = concat_run,
};
