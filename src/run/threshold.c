/* SPDX-License-Identifier: Apache-2.0 */
/* threshold.c: multi-threshold of codes: how many of a channel's thresholds a code reaches chooses one of up to 16 levels. */
#include <stdio.h>

#include "run/check.h"
#include "run/table.h"

enum { WIDE_LEAST = 64 }; /* channels that a kernel gets at least: fewer are repeated, so that no vector is nearly empty */

typedef struct threshold_state {
    it_table t; /* u8 with thresholds for all channels: a table; kern is NULL otherwise */
    it_steps steps;
    size_t n; /* channels side by side: a multiple of x's, or any number where all are alike */
    uint64_t elements;
    it_fn_threshold_u8 *run_u8;
    it_fn_threshold_s16 *run_s16;
    bool wide; /* x is s16 */
    uint8_t entries[256];
} threshold_state;

static uint32_t channels_of(const it_ptensor *x) { return x->dims[x->rank - 1]; }

static intact_status threshold_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_threshold_args *a = i->args;
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "y", y, IT_ON_U8, err));
    IT_TRY(it_check_same_shape(i, x, y, err));
    const bool all = it_const(p, a->thresholds)->len + 1 == it_const(p, a->levels)->len;
    return it_check_levels(p, i, a->thresholds, a->levels, all ? 1 : channels_of(x), err);
}

/* t <= x is x > t - 1; beyond 16 bits no code passes, or every one. */
static int16_t over_of(int32_t t) { return (int16_t)it_clamp_s32((int64_t)t - 1, INT16_MIN, INT16_MAX); }

/* Of the level whose version kern has: "threshold_u8_avx2". NULL without memory. */
static const char *kernel_name(it_arena *arena, const it_kern *kern, bool wide)
{
    enum { BYTES = 40 };
    char *name = it_arena_new(arena, BYTES);
    for (const it_kern *above; (above = it_kern_parent(kern)) && above->threshold_u8 == kern->threshold_u8 &&
                               above->threshold_s16 == kern->threshold_s16;)
        kern = above;
    if (name)
        snprintf(name, BYTES, "threshold_%s_%s", wide ? "s16" : "u8", kern->cpu == INTACT_CPU_SCALAR ? "ref" : intact_cpu_name(kern->cpu));
    return name;
}

static intact_status make_steps(threshold_state *s, it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_threshold_args *a = i->args;
    const it_pconst *levels = it_const(p, a->levels), *thresholds = it_const(p, a->thresholds);
    const int32_t *t = thresholds->data;
    const uint32_t len = (uint32_t)levels->len - 1, rows = (uint32_t)(thresholds->len / len); /* 1, or the channels */
    s->n = (size_t)rows * (rows < WIDE_LEAST ? (WIDE_LEAST - 1) / rows + 1 : 1);
    s->steps.pitch = it_round_up(s->n, IT_ALIGN / sizeof(int16_t)); /* every row aligned */
    int16_t *over = it_arena_raw(prep->arena, len * s->steps.pitch * sizeof *over);
    prep->kernel = kernel_name(prep->arena, prep->kern, s->wide);
    if (!over || !prep->kernel)
        return it_fail_nomem(err, i->name, len * s->steps.pitch * sizeof *over);
    for (uint32_t k = 0; k < len; k++)
        for (size_t j = 0; j < s->n; j++)
            over[k * s->steps.pitch + j] = over_of(t[j % rows * len + k]);
    s->steps.over = over;
    prep->packed_bytes = len * s->steps.pitch * sizeof *over;
    return INTACT_OK;
}

static intact_status threshold_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_threshold_args *a = i->args;
    const it_pconst *levels = it_const(p, a->levels), *thresholds = it_const(p, a->thresholds);
    const it_ptensor *x = it_in(p, i, 0);
    threshold_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->wide = x->type == INTACT_S16;
    s->elements = it_ptensor_elements(x);
    s->steps.len = (uint32_t)levels->len - 1;
    for (uint32_t k = 0; k <= s->steps.len; k++)
        s->steps.levels[k] = ((const uint8_t *)levels->data)[k];
    if (s->wide || thresholds->len != s->steps.len) {
        s->run_u8 = prep->kern->threshold_u8;
        s->run_s16 = prep->kern->threshold_s16;
        return make_steps(s, prep, p, i, err);
    }
    s->t = (it_table){ .y = INTACT_U8, .entries = s->entries, .elements = s->elements, .kern = prep->kern->lut_u8 };
    for (int32_t v = 0; v < 256; v++) {
        uint32_t passed = 0;
        for (uint32_t k = 0; k < s->steps.len; k++)
            passed += ((const int32_t *)thresholds->data)[k] <= v;
        s->entries[v] = s->steps.levels[passed];
    }
    return INTACT_OK;
}

static void run_steps(const threshold_state *s, const it_frame *f, size_t at, size_t rows, size_t n)
{
    uint8_t *y = (uint8_t *)f->out[0] + at;
    if (s->wide)
        s->run_s16((const int16_t *)f->in[0] + at, y, rows, n, &s->steps);
    else
        s->run_u8((const uint8_t *)f->in[0] + at, y, rows, n, &s->steps);
}

/* Rows of n elements; the last of all may be shorter. */
static void threshold_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const threshold_state *s = w->state;
    const size_t all = s->elements * w->f->batch, at = begin * s->n, to = end * s->n < all ? end * s->n : all;
    const size_t rows = (to - at) / s->n, rest = (to - at) % s->n;
    (void)thread;
    run_steps(s, w->f, at, rows, s->n);
    if (rest)
        run_steps(s, w->f, to - rest, 1, rest);
}

static void threshold_run(const void *state, const it_frame *f)
{
    const threshold_state *s = state;
    if (s->t.kern)
        it_table_run(&s->t, f);
    else
        it_rows_for(f, (s->elements * f->batch + s->n - 1) / s->n, (s->wide ? 3 : 2) * s->n, threshold_rows, s);
}

static const it_field threshold_fields[] = {
    IT_FIELD_CONST(it_threshold_args, thresholds, CONST, PACKED),
    IT_FIELD_CONST(it_threshold_args, levels, CONST, PACKED),
};

const it_instr it_instr_threshold = {
    .name = "threshold", .code = 17, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_threshold_args), .fields = threshold_fields, .fields_len = IT_LEN(threshold_fields),
    .check = threshold_check, .prepare = threshold_prepare, .run = threshold_run, .inplace = true,
};
