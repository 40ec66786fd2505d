/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c: strided copy inside a sample: slices, transposes, reshapes between channels-last and row-major order. */
#include <inttypes.h>
#include <string.h>

#include "run/check.h"
#include "run/rows.h"
#include "run/views.h"

enum { COPY_DIMS = 6, COPY_TILE = 16, COPY_GROUPS = 64 };

typedef enum copy_how {
    COPY_ROW,        /* a row of elements that lie apart */
    COPY_TRANSPOSE,  /* the innermost two dimensions at once */
    COPY_RUNS,       /* by a kernel: bytes that lie side by side, for many rows along the dimension around them */
    COPY_INTERLEAVE  /* by a kernel: a transpose of bytes to two columns, for many rows along the dimension around it */
} copy_how;

/* Dimensions of 1 left out and neighbours that step alike merged; the innermost is dims[len - 1]. */
typedef struct copy_state {
    uint32_t len, dims[COPY_DIMS];
    int64_t strides[COPY_DIMS]; /* of x, in elements */
    uint64_t offset, rows;      /* rows: per sample, all dimensions but those of a row */
    uint64_t x_elements;
    copy_how how;
    uint32_t row_dims;          /* the innermost dimensions that make a row */
    uint64_t row_bytes;
    size_t bytes; /* of an element */
    it_fn_copy_rows_u8 *kern_rows;
    it_fn_interleave_u8 *kern_interleave;
    bool idle;    /* y lies in x: nothing moves */
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

/* A transpose of much is cut into rows, so that threads can share it. */
static void split_groups(copy_state *c)
{
    const uint32_t at = c->len - 2;
    if (c->how != COPY_TRANSPOSE || c->len == COPY_DIMS || c->dims[at] <= COPY_GROUPS || c->dims[at] % COPY_GROUPS != 0)
        return;
    c->dims[c->len] = c->dims[at + 1];
    c->strides[c->len++] = c->strides[at + 1];
    c->dims[at + 1] = COPY_GROUPS;
    c->strides[at + 1] = 1;
    c->dims[at] /= COPY_GROUPS;
    c->strides[at] = COPY_GROUPS;
}

static void merge_dims(copy_state *c, const it_copy_args *a)
{
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
}

static void choose_how(copy_state *c)
{
    const uint32_t last = c->len - 1;
    if (c->strides[last] == 1)
        c->how = COPY_RUNS;
    else if (c->len >= 2 && c->strides[last - 1] == 1)
        c->how = c->dims[last] == 2 && c->bytes == 1 ? COPY_INTERLEAVE : COPY_TRANSPOSE;
    else
        c->how = COPY_ROW;
    c->row_dims = c->how == COPY_TRANSPOSE || c->how == COPY_INTERLEAVE ? 2 : 1;
}

/* What y is in x; false: no view. */
static bool find_view(const it_prog *p, const it_pinstr *i, it_view *v)
{
    const it_copy_args *a = i->args;
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const uint32_t all[COPY_DIMS] = { a->d0, a->d1, a->d2, a->d3, a->d4, a->d5 };
    const int32_t steps[COPY_DIMS] = { a->s0, a->s1, a->s2, a->s3, a->s4, a->s5 };
    uint64_t dims[COPY_DIMS + 1];
    int64_t strides[COPY_DIMS + 1];
    uint32_t len = 0;
    for (uint32_t k = 0; k < COPY_DIMS; k++) {
        if (all[k] == 1)
            continue;
        if (len > 0 && strides[len - 1] == (int64_t)steps[k] * all[k]) {
            dims[len - 1] *= all[k];
            strides[len - 1] = steps[k];
        } else {
            dims[len] = all[k];
            strides[len++] = steps[k];
        }
    }
    const uint32_t c = it_channels(x);
    *v = (it_view){ .in = i->in[0] };
    if (len == 0 || (len == 1 && strides[0] == 1)) {
        it_view_run(x, y, a->offset, v);
        return true;
    }
    if (len == 1) { /* one channel of each pixel */
        dims[1] = 1;
        strides[len++] = 1;
    }
    if (len != 2 || strides[1] != 1 || strides[0] != c || dims[1] != it_channels(y) || a->offset % c + dims[1] > c)
        return false;
    v->first = a->offset / c;
    v->channel = a->offset % c;
    return true;
}

static void copy_views(const it_prog *p, const it_pinstr *i, void (*found)(void *user, uint32_t t, const it_view *v), void *user)
{
    it_view v;
    if (find_view(p, i, &v))
        found(user, i->out[0], &v);
}

static intact_status copy_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_copy_args *a = i->args;
    copy_state *c;
    IT_STATE_NEW(prep, c, i, err);
    it_view view;
    if (find_view(p, i, &view) && it_view_holds(p, prep->places, i->out[0], &view)) {
        c->idle = true;
        prep->kernel = "in place";
        return INTACT_OK;
    }
    merge_dims(c, a);
    c->bytes = intact_type_bytes(it_in(p, i, 0)->type);
    c->kern_rows = prep->kern->copy_rows_u8;
    c->kern_interleave = prep->kern->interleave_u8;
    choose_how(c);
    split_groups(c);
    c->rows = 1;
    c->row_bytes = c->bytes;
    for (uint32_t k = 0; k < c->len; k++)
        *(k + c->row_dims < c->len ? &c->rows : &c->row_bytes) *= c->dims[k];
    c->offset = a->offset;
    c->x_elements = it_ptensor_elements(it_in(p, i, 0));
    return INTACT_OK;
}

/* A position in x that goes through rows in order. */
typedef struct copy_walk {
    uint64_t sample;
    int64_t at;
    uint32_t index[COPY_DIMS];
} copy_walk;

static copy_walk walk_to(const copy_state *c, uint64_t row)
{
    copy_walk w = { .sample = row / c->rows };
    uint64_t r = row % c->rows;
    w.at = (int64_t)(w.sample * c->x_elements + c->offset);
    for (uint32_t k = c->len - c->row_dims; k-- > 0;) {
        w.index[k] = (uint32_t)(r % c->dims[k]);
        w.at += (int64_t)w.index[k] * c->strides[k];
        r /= c->dims[k];
    }
    return w;
}

/* On by n rows, as many as the innermost dimension outside of a row still has at least. */
static void walk_on(const copy_state *c, copy_walk *w, uint32_t n)
{
    for (uint32_t k = c->len - c->row_dims; k-- > 0; n = 1) {
        w->at += n * c->strides[k];
        if ((w->index[k] += n) < c->dims[k])
            return;
        w->at -= (int64_t)c->dims[k] * c->strides[k];
        w->index[k] = 0;
    }
    w->sample++;
    w->at = (int64_t)(w->sample * c->x_elements + c->offset);
}

/* A row whose elements lie `step` apart. */
#define STRIDED(type) \
    for (uint32_t j = 0; j < n; j++) \
        ((type *)(void *)y)[j] = ((const type *)(const void *)x)[(int64_t)j * step]

/* n groups of k elements: those of a group lie `step` apart, groups one after another (a transpose). */
#define GROUPS(type) \
    do { \
        type *to = (type *)(void *)y; \
        const type *from = (const type *)(const void *)x; \
        if (k == 2) { \
            const type *other = from + step; \
            for (uint32_t j = 0; j < n; j++) { \
                to[2 * j] = from[j]; \
                to[2 * j + 1] = other[j]; \
            } \
        } else \
            for (uint32_t j0 = 0; j0 < n; j0 += COPY_TILE) \
                for (uint32_t i0 = 0; i0 < k; i0 += COPY_TILE) \
                    for (uint32_t j = j0; j < n && j < j0 + COPY_TILE; j++) \
                        for (uint32_t i = i0; i < k && i < i0 + COPY_TILE; i++) \
                            to[(size_t)j * k + i] = from[j + (int64_t)i * step]; \
    } while (0)

static void copy_row(const copy_state *c, const uint8_t *restrict x, uint8_t *restrict y)
{
    const uint32_t n = c->dims[c->len - 1];
    const int64_t step = c->strides[c->len - 1];
    if (c->bytes == 1)
        STRIDED(uint8_t);
    else if (c->bytes == 2)
        STRIDED(uint16_t);
    else
        STRIDED(uint32_t);
}

static void copy_groups(const copy_state *c, const uint8_t *restrict x, uint8_t *restrict y)
{
    const uint32_t n = c->dims[c->len - 2], k = c->dims[c->len - 1];
    const int64_t step = c->strides[c->len - 1];
    if (c->bytes == 1)
        GROUPS(uint8_t);
    else if (c->bytes == 2)
        GROUPS(uint16_t);
    else
        GROUPS(uint32_t);
}

/* n rows, `pitch` bytes from one to the next in x. */
static void copy_some(const copy_state *c, const uint8_t *x, int64_t pitch, uint8_t *y, uint32_t n)
{
    if (c->how == COPY_RUNS) {
        c->kern_rows(x, (ptrdiff_t)pitch, y, (ptrdiff_t)c->row_bytes, n, c->row_bytes);
        return;
    }
    if (c->how == COPY_INTERLEAVE) {
        c->kern_interleave(x, (ptrdiff_t)c->strides[c->len - 1], (ptrdiff_t)pitch, y, n, c->dims[c->len - 2]);
        return;
    }
    for (; n > 0; n--, x += pitch, y += c->row_bytes)
        if (c->how == COPY_TRANSPOSE)
            copy_groups(c, x, y);
        else
            copy_row(c, x, y);
}

static void copy_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const copy_state *c = w->state;
    copy_walk at = walk_to(c, begin);
    const uint8_t *x = w->f->in[0];
    uint8_t *y = (uint8_t *)w->f->out[0] + begin * c->row_bytes;
    const uint32_t outer = c->len - c->row_dims; /* dimensions */
    (void)thread;
    for (uint32_t r = begin, n; r < end; r += n, y += n * c->row_bytes) {
        n = outer > 0 ? c->dims[outer - 1] - at.index[outer - 1] : 1;
        n = n < end - r ? n : end - r;
        copy_some(c, x + at.at * (int64_t)c->bytes, outer > 0 ? c->strides[outer - 1] * (int64_t)c->bytes : 0, y, n);
        walk_on(c, &at, n);
    }
}

static void copy_run(const void *state, const it_frame *f)
{
    const copy_state *c = state;
    if (!c->idle)
        it_rows_for(f, c->rows * f->batch, 2 * c->row_bytes, copy_rows, c);
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
    .check = copy_check, .prepare = copy_prepare, .run = copy_run, .views = copy_views,
};
