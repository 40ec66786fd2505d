/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c: strided copy inside a sample: slices, transposes, reshapes between channels-last and row-major order. */
#include <inttypes.h>
#include <string.h>

#include "run/check.h"
#include "run/rows.h"

enum { COPY_DIMS = 6 };

/* Dimensions of 1 left out and neighbours that step alike merged; the innermost is dims[len - 1]. */
typedef struct copy_state {
    uint32_t len, dims[COPY_DIMS];
    int64_t strides[COPY_DIMS]; /* of x, in elements */
    uint64_t offset, rows;      /* rows: per sample, all dimensions but the innermost */
    uint64_t x_elements;
    size_t bytes; /* of an element */
} copy_state;

static void copy_args(const it_copy_args *a, uint32_t d[COPY_DIMS], int32_t s[COPY_DIMS])
{
    memcpy(d, &a->d0, COPY_DIMS * sizeof *d);
    memcpy(s, &a->s0, COPY_DIMS * sizeof *s);
}

static intact_status copy_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_copy_args *a = i->args;
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES | 1u << INTACT_S32, err));
    IT_TRY(it_check_same_codes(i, x, y, err));
    uint32_t d[COPY_DIMS];
    int32_t s[COPY_DIMS];
    copy_args(a, d, s);
    uint64_t n = 1;
    int64_t least = a->offset, most = a->offset; /* six terms below 2^62 / 2^31 each: dims and strides have 31 bits, and see n below */
    for (int k = 0; k < COPY_DIMS; k++) {
        n *= d[k];
        if (n > INT32_MAX)
            return it_check_fail(i, INTACT_E_SHAPE, err, "the dimensions multiply to 2^31 or more");
        int64_t reach = (int64_t)(d[k] - 1) * s[k];
        least += reach < 0 ? reach : 0;
        most += reach > 0 ? reach : 0;
        if (least < 0 || most >= (int64_t)it_ptensor_elements(x))
            return it_check_fail(i, INTACT_E_SHAPE, err, "elements %" PRId64 " to %" PRId64 " of x are read; it has %" PRIu64, least, most,
                                 it_ptensor_elements(x));
    }
    if (n != it_ptensor_elements(y))
        return it_check_fail(i, INTACT_E_SHAPE, err, "the dimensions multiply to %" PRIu64 "; y has %" PRIu64 " elements", n,
                             it_ptensor_elements(y));
    return INTACT_OK;
}

static intact_status copy_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_copy_args *a = i->args;
    copy_state *c;
    IT_STATE_NEW(prep, c, i, err);
    uint32_t d[COPY_DIMS];
    int32_t s[COPY_DIMS];
    copy_args(a, d, s);
    for (int k = 0; k < COPY_DIMS; k++) {
        if (d[k] == 1)
            continue;
        if (c->len > 0 && c->strides[c->len - 1] == (int64_t)s[k] * d[k]) {
            c->dims[c->len - 1] *= d[k];
            c->strides[c->len - 1] = s[k];
        } else {
            c->dims[c->len] = d[k];
            c->strides[c->len++] = s[k];
        }
    }
    if (c->len == 0) {
        c->dims[0] = 1;
        c->strides[0] = 1;
        c->len = 1;
    }
    c->rows = 1;
    for (uint32_t k = 0; k + 1 < c->len; k++)
        c->rows *= c->dims[k];
    c->offset = a->offset;
    c->x_elements = it_ptensor_elements(it_in(p, i, 0));
    c->bytes = intact_type_bytes(it_in(p, i, 0)->type);
    return INTACT_OK;
}

/* Where row `row` of the batch begins in x. */
static int64_t row_at(const copy_state *c, uint64_t row)
{
    int64_t at = (int64_t)(row / c->rows * c->x_elements + c->offset);
    uint64_t r = row % c->rows;
    for (uint32_t k = c->len - 1; k-- > 0;) {
        at += (int64_t)(r % c->dims[k]) * c->strides[k];
        r /= c->dims[k];
    }
    return at;
}

static void copy_row(const copy_state *c, const uint8_t *x, int64_t at, uint8_t *y)
{
    const uint32_t n = c->dims[c->len - 1];
    const int64_t step = c->strides[c->len - 1];
    if (step == 1)
        memcpy(y, x + (size_t)at * c->bytes, n * c->bytes);
    else if (c->bytes == 1)
        for (uint32_t j = 0; j < n; j++)
            y[j] = x[at + j * step];
    else if (c->bytes == 2)
        for (uint32_t j = 0; j < n; j++)
            ((int16_t *)(void *)y)[j] = ((const int16_t *)(const void *)x)[at + j * step];
    else
        for (uint32_t j = 0; j < n; j++)
            ((int32_t *)(void *)y)[j] = ((const int32_t *)(const void *)x)[at + j * step];
}

static void copy_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const copy_state *c = w->state;
    const size_t row_bytes = c->dims[c->len - 1] * c->bytes;
    (void)thread;
    for (uint64_t r = begin; r < end; r++)
        copy_row(c, w->f->in[0], row_at(c, r), (uint8_t *)w->f->out[0] + r * row_bytes);
}

static void copy_run(const void *state, const it_frame *f)
{
    const copy_state *c = state;
    it_rows_for(f, c->rows * f->batch, 2 * c->dims[c->len - 1] * c->bytes, copy_rows, c);
}

#define DIM(name) IT_FIELD(it_copy_args, name, U32, 1, INT32_MAX)
#define STRIDE(name) IT_FIELD(it_copy_args, name, I32, INT32_MIN, INT32_MAX)
static const it_field copy_fields[] = {
    DIM(d0), DIM(d1), DIM(d2), DIM(d3), DIM(d4), DIM(d5), STRIDE(s0), STRIDE(s1), STRIDE(s2), STRIDE(s3), STRIDE(s4), STRIDE(s5),
    IT_FIELD(it_copy_args, offset, U32, 0, INT32_MAX),
};
_Static_assert(sizeof(it_copy_args) == 13 * 4 && offsetof(it_copy_args, s0) == 6 * 4, "copy_args() reads the dimensions as one array");

const it_instr it_instr_copy = {
    .name = "copy", .code = 10, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_copy_args), .fields = copy_fields, .fields_len = IT_LEN(copy_fields),
    .check = copy_check, .prepare = copy_prepare, .run = copy_run,
};
