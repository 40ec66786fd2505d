/* SPDX-License-Identifier: Apache-2.0 */
/* mul.c: y = a * b, element by element, with one rounding; b may be broadcast (attention gates). */
#include "run/broadcast.h"
#include "run/check.h"
#include "run/kern/lines.h"

enum { ROWS_FOR_LINES = 16 }; /* fewer rows that share b do not pay for finding lines */

typedef struct mul_state {
    it_pair pair; /* first */
    it_mul_consts k;
    it_fn_mul_u8 *kern;
    it_fn_mul_rows_u8 *kern_rows;
} mul_state;

static intact_status mul_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_mul_args *g = i->args;
    return it_broadcast_check(p, i, g->lo, g->hi, err);
}

/* |a - z_a| < 2^15, so the product of both is below 2^30; times |m| < 2^31 and plus the rounding term of 2^61 it stays below 2^62. */
IT_INLINE void mul_row_as(const mul_state *s, const void *a, size_t a_at, const void *b, size_t b_at, void *y, size_t n, intact_type ta,
                          intact_type tb, intact_type ty)
{
    const it_mul_consts k = s->k;
    const int64_t half = (int64_t)1 << (k.shift - 1);
    const size_t step = s->pair.c.b_step;
    for (size_t j = 0; j < n; j++) {
        int64_t v = (int64_t)((it_load(a, ta, a_at + j) - k.z_a) * (it_load(b, tb, b_at + j * step) - k.z_b)) * k.mult;
        it_store(y, ty, a_at + j, it_clamp_s32(((v + half) >> k.shift) + k.z_y, k.lo, k.hi));
    }
}

static void mul_row(const it_pair *p, const void *a, size_t a_at, const void *b, size_t b_at, void *y, size_t n)
{
    const mul_state *s = (const mul_state *)p;
    if (p->a == INTACT_S16 && p->b == INTACT_S16 && p->y == INTACT_S16)
        mul_row_as(s, a, a_at, b, b_at, y, n, INTACT_S16, INTACT_S16, INTACT_S16);
    else
        mul_row_as(s, a, a_at, b, b_at, y, n, p->a, p->b, p->y);
}

static void mul_row_u8(const it_pair *p, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n)
{
    const mul_state *s = (const mul_state *)p;
    s->kern(a, b, y, n, &s->k);
}

static void mul_rows_u8(const it_pair *p, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n)
{
    const mul_state *s = (const mul_state *)p;
    s->kern_rows(a, b, y, rows, n, &s->k);
}

typedef struct mul_job { it_pack_job job; mul_state *s; it_lines *lines; } mul_job;

static void mul_find_lines(it_pack_job *job, uint8_t *temp)
{
    mul_job *j = (mul_job *)job;
    (void)temp;
    if (it_lines_find(&j->s->k, j->lines))
        j->s->k.lines = j->lines;
}

static intact_status prepare_lines(it_prep *prep, mul_state *s, const it_pinstr *i, intact_error *err)
{
    mul_job *job = it_arena_new(prep->arena, sizeof *job);
    it_lines *lines = it_arena_new(prep->arena, sizeof *lines);
    if (!job || !lines)
        return it_fail_nomem(err, i->name, sizeof *job + sizeof *lines);
    *job = (mul_job){ .job = { .next = prep->jobs, .run = mul_find_lines }, .s = s, .lines = lines };
    prep->jobs = &job->job;
    prep->packed_bytes += sizeof *lines;
    return INTACT_OK;
}

static intact_status mul_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_mul_args *g = i->args;
    mul_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->pair = it_pair_of(p, i);
    s->pair.row = mul_row;
    s->pair.row_u8 = mul_row_u8;
    s->k = (it_mul_consts){ .z_a = it_in(p, i, 0)->zero_point, .z_b = it_in(p, i, 1)->zero_point, .mult = g->mult,
                            .shift = (int32_t)g->shift, .z_y = it_out(p, i, 0)->zero_point, .lo = g->lo, .hi = g->hi };
    s->kern = prep->kern->mul_u8;
    s->kern_rows = prep->kern->mul_rows_u8;
    if (s->pair.codes)
        prep->kernel = "mul_u8";
    if (s->pair.codes && s->pair.c.shared) {
        s->pair.rows_u8 = mul_rows_u8;
        prep->kernel = "mul_rows_u8";
        if (s->pair.c.rows >= ROWS_FOR_LINES && prep->kern->cpu != INTACT_CPU_SCALAR) /* plain C has no use for them */
            IT_TRY(prepare_lines(prep, s, i, err));
    }
    return INTACT_OK;
}

static void mul_run(const void *state, const it_frame *f) { it_pair_run(&((const mul_state *)state)->pair, f); }

static const it_field mul_fields[] = {
    IT_FIELD(it_mul_args, mult, I32, -(int64_t)INT32_MAX, INT32_MAX),
    IT_FIELD(it_mul_args, shift, U32, 1, 62),
    IT_FIELD(it_mul_args, lo, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_mul_args, hi, I32, IT_CODE_LO, IT_CODE_HI),
};

const it_instr it_instr_mul = {
    .name = "mul", .code = 5, .in_min = 2, .in_max = 2, .out_len = 1,
    .args_bytes = sizeof(it_mul_args), .fields = mul_fields, .fields_len = IT_LEN(mul_fields),
    .check = mul_check, .prepare = mul_prepare, .run = mul_run, .inplace_of = it_pair_inplace,
};
