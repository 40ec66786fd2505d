/* SPDX-License-Identifier: Apache-2.0 */
/* concat.c: inputs one after another along one axis: runs of bytes, copied where they do not lie in the output already. */
#include <string.h>

#include "run/check.h"
#include "run/rows.h"
#include "run/views.h"

/* A run of an input: what one step along the dimensions before the axis has of it. */
typedef struct part {
    uint32_t in;       /* which input */
    size_t bytes, at;  /* of a run; where it goes in y's */
    size_t step;       /* from a run to the next */
} part;

/* Inputs that lie in y already are no parts. */
typedef struct concat_state {
    uint32_t parts_len;
    uint64_t outer; /* runs per sample */
    size_t step;    /* from a run of y to the next */
    size_t bytes;   /* of a run, all parts */
    const part *parts;
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

/* What in[k] is in out[0]; `at`: how much of the axis the inputs before it take. False: no view. */
static bool part_view(const it_prog *p, const it_pinstr *i, uint32_t k, uint32_t at, it_view *v)
{
    const uint32_t axis = ((const it_concat_args *)i->args)->axis;
    const it_ptensor *y = it_out(p, i, 0);
    *v = (it_view){ .in = i->out[0] };
    if (axis + 1 == y->rank) {
        v->channel = at;
        return true;
    }
    uint64_t outer = 1, inner = 1;
    for (uint32_t d = 1; d < y->rank; d++)
        *(d < axis ? &outer : &inner) *= d == axis ? 1 : y->dims[d];
    it_view_run(y, it_in(p, i, k), at * inner, v);
    return outer == 1;
}

static void concat_views(const it_prog *p, const it_pinstr *i, void (*found)(void *user, uint32_t t, const it_view *v), void *user)
{
    const uint32_t axis = ((const it_concat_args *)i->args)->axis;
    for (uint32_t k = 0, at = 0; k < i->in_len; at += it_in(p, i, k++)->dims[axis]) {
        it_view v;
        if (part_view(p, i, k, at, &v))
            found(user, i->in[k], &v);
    }
}

/* Bytes from a run of t to the next; pitches only along the last dimension, where runs are pixels. */
static size_t run_step(const it_place *at, const it_ptensor *t, uint64_t outer)
{
    return at->pitch ? at->pitch * intact_type_bytes(t->type) : it_ptensor_bytes(t) / outer;
}

static intact_status concat_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const uint32_t axis = ((const it_concat_args *)i->args)->axis;
    const it_ptensor *y = it_out(p, i, 0);
    concat_state *s;
    IT_STATE_NEW(prep, s, i, err);
    part *parts = it_arena_new(prep->arena, i->in_len * sizeof *parts);
    if (!parts)
        return it_fail_nomem(err, i->name, i->in_len * sizeof *parts);
    s->outer = 1;
    for (uint32_t d = 1; d < axis; d++)
        s->outer *= y->dims[d];
    size_t at = 0;
    for (uint32_t k = 0, along = 0; k < i->in_len; along += it_in(p, i, k++)->dims[axis]) {
        const it_ptensor *x = it_in(p, i, k);
        const size_t bytes = it_ptensor_bytes(x) / s->outer;
        it_view v;
        if (!part_view(p, i, k, along, &v) || !it_view_holds(p, prep->places, i->in[k], &v)) {
            parts[s->parts_len++] = (part){ k, bytes, at, run_step(&prep->places[i->in[k]], x, s->outer) };
            s->bytes += bytes;
        }
        at += bytes;
    }
    s->step = run_step(&prep->places[i->out[0]], y, s->outer);
    s->parts = parts;
    prep->kernel = s->parts_len ? "c" : "in place";
    return INTACT_OK;
}

static bool concat_pitches(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_place *places)
{
    const uint32_t axis = ((const it_concat_args *)i->args)->axis;
    bool all = true; /* lie in y already */
    (void)kern;
    for (uint32_t k = 0, along = 0; k < i->in_len && axis + 1 < it_out(p, i, 0)->rank; along += it_in(p, i, k++)->dims[axis]) {
        it_view v;
        all = all && part_view(p, i, k, along, &v) && it_view_holds(p, places, i->in[k], &v);
    }
    return all;
}

/* Copies of a size known to the compiler: channels of small inputs come in runs of a few dozen bytes. */
static void copy_runs(uint8_t *y, size_t y_step, const uint8_t *x, size_t x_step, size_t bytes, uint64_t n)
{
    switch (bytes) {
#define RUNS(size) case size: for (uint64_t r = 0; r < n; r++) memcpy(y + r * y_step, x + r * x_step, size); break;
    RUNS(8) RUNS(12) RUNS(16) RUNS(24) RUNS(32) RUNS(48) RUNS(64)
#undef RUNS
    default:
        for (uint64_t r = 0; r < n; r++)
            memcpy(y + r * y_step, x + r * x_step, bytes);
    }
}

static void concat_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const concat_state *s = w->state;
    (void)thread;
    for (uint32_t k = 0; k < s->parts_len; k++) {
        const part *t = &s->parts[k];
        copy_runs((uint8_t *)w->f->out[0] + begin * s->step + t->at, s->step, (const uint8_t *)w->f->in[t->in] + begin * t->step, t->step,
                  t->bytes, end - begin);
    }
}

static void concat_run(const void *state, const it_frame *f)
{
    const concat_state *s = state;
    if (s->parts_len)
        it_rows_for(f, s->outer * f->batch, 2 * s->bytes, concat_rows, s);
}

static const it_field concat_fields[] = { IT_FIELD(it_concat_args, axis, U32, 1, INTACT_RANK_MAX - 1) };

const it_instr it_instr_concat = {
    .name = "concat", .code = 8, .in_min = 1, .in_max = IT_INSTR_IN_MAX, .out_len = 1,
    .args_bytes = sizeof(it_concat_args), .fields = concat_fields, .fields_len = IT_LEN(concat_fields),
    .check = concat_check, .prepare = concat_prepare, .run = concat_run, .pitches = concat_pitches,
    .views = concat_views,
};
