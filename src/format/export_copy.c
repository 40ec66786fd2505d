/* SPDX-License-Identifier: Apache-2.0 */
/* export_copy.c: strided copies as Reshape, Slice and Transpose where they are such, as Gather over the whole sample otherwise. */
#include <string.h>

#include "format/export.h"

enum { COPY_DIMS = 6, VIEW_DIMS = IT_RANK_MAX - 1 };

/* Element k of a sample of y (as ONNX orders it) is element from[k] of x's. */
typedef struct index_map { int64_t len, x_len; uint32_t *from; } index_map;

static bool find_map(it_exporter *e, const it_pinstr *i, index_map *m)
{
    const it_copy_args *a = i->args;
    const uint32_t d[COPY_DIMS] = { a->d0, a->d1, a->d2, a->d3, a->d4, a->d5 };
    const int32_t s[COPY_DIMS] = { a->s0, a->s1, a->s2, a->s3, a->s4, a->s5 };
    int64_t x_c, x_p, y_c, y_p;
    it_export_planes(it_in(e->p, i, 0), &x_c, &x_p);
    it_export_planes(it_out(e->p, i, 0), &y_c, &y_p);
    m->len = y_c * y_p;
    m->x_len = x_c * x_p;
    m->from = it_export_room(e, (size_t)m->len, sizeof *m->from);
    for (int64_t k = 0; m->from && k < m->len; k++) {
        int64_t rest = k % y_p * y_c + k / y_p, at = a->offset; /* in the program's order */
        for (int n = COPY_DIMS - 1; n >= 0; n--) {
            at += rest % d[n] * s[n];
            rest /= d[n];
        }
        m->from[k] = (uint32_t)(at % x_c * x_p + at / x_c);
    }
    return m->from != NULL;
}

/* ---- one Slice ---- */

typedef struct slice { int64_t start[IT_RANK_MAX], step[IT_RANK_MAX]; } slice;

/* Both have the same rank and every axis of y runs along the same one of x. dim[0] is the batch. */
static bool is_slice(const index_map *m, int rank, const int64_t *x, const int64_t *y, slice *s)
{
    int64_t x_stride[IT_RANK_MAX], y_stride[IT_RANK_MAX], sx = 1, sy = 1, at = m->from[0];
    for (int k = rank - 1; k > 0; k--) {
        x_stride[k] = sx;
        y_stride[k] = sy;
        s->start[k] = at / sx % x[k];
        int64_t step = y[k] > 1 ? (int64_t)m->from[sy] - at : sx;
        if (step < sx || step % sx != 0 || s->start[k] + (y[k] - 1) * (step / sx) >= x[k])
            return false;
        s->step[k] = step / sx;
        sx *= x[k];
        sy *= y[k];
    }
    for (int64_t n = 0; n < m->len; n++) {
        int64_t from = 0;
        for (int k = 1; k < rank; k++)
            from += (s->start[k] + n / y_stride[k] % y[k] * s->step[k]) * x_stride[k];
        if (from != m->from[n])
            return false;
    }
    return true;
}

/* The axes that are cut. dim: x's; taken: how many are left. */
static it_value *cut(it_exporter *e, it_value *v, int rank, const int64_t *dim, const int64_t *taken, const slice *s)
{
    int64_t starts[IT_RANK_MAX], ends[IT_RANK_MAX], axes[IT_RANK_MAX], steps[IT_RANK_MAX], len = 0;
    for (int k = 1; k < rank; k++) {
        if (taken[k] == dim[k])
            continue;
        starts[len] = s->start[k];
        ends[len] = s->start[k] + (taken[k] - 1) * s->step[k] + 1;
        axes[len] = k;
        steps[len++] = s->step[k];
    }
    if (len == 0)
        return v;
    it_value *from = it_export_dims(e, "_starts", starts, len), *to = it_export_dims(e, "_ends", ends, len);
    it_value *axis = it_export_dims(e, "_axes", axes, len), *step = it_export_dims(e, "_steps", steps, len);
    return it_export_node(e, "Slice", IT_EX_IN(v, from, to, axis, step), NULL);
}

/* ---- Reshape, Slice, Transpose, Reshape ---- */

/* y in order is dims over strides of x; those without effect left out. False: no such thing with positive, different strides. */
typedef struct strided { int len; int64_t dim[VIEW_DIMS], stride[VIEW_DIMS]; } strided; /* outermost first */

static bool is_strided(const index_map *m, strided *out)
{
    int64_t dim[VIEW_DIMS], stride[VIEW_DIMS], block = 1;
    int len = 0;
    while (block < m->len) {
        const int64_t step = (int64_t)m->from[block] - m->from[0];
        int64_t n = 2;
        while (n * block < m->len && (int64_t)m->from[n * block] - m->from[0] == n * step)
            n++;
        if (len == VIEW_DIMS || step <= 0 || m->len % (n * block) != 0)
            return false;
        dim[len] = n;
        stride[len++] = step;
        block *= n;
    }
    for (int64_t k = 0; k < m->len; k++) {
        int64_t rest = k, at = m->from[0];
        for (int n = 0; n < len; n++) {
            at += rest % dim[n] * stride[n];
            rest /= dim[n];
        }
        if (at != m->from[k])
            return false;
    }
    out->len = len;
    for (int n = 0; n < len; n++) {
        out->dim[n] = dim[len - 1 - n];
        out->stride[n] = stride[len - 1 - n];
    }
    return true;
}

/* x as a box in which every stride is an axis: its dims, the part that is taken of each, and which axis of the box each axis of y is. */
typedef struct box { int rank; int64_t dim[IT_RANK_MAX], taken[IT_RANK_MAX], axis[VIEW_DIMS]; slice s; } box;

static bool box_of(const index_map *m, const strided *s, box *b)
{
    int order[VIEW_DIMS]; /* by falling stride */
    for (int k = 0; k < s->len; k++) {
        int at = k;
        for (; at > 0 && s->stride[order[at - 1]] < s->stride[k]; at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
    int64_t above = m->x_len, offset = m->from[0];
    *b = (box){ .rank = 1, .dim = { 1 }, .taken = { 1 } };
    for (int k = 0; k <= s->len; k++) {
        const int64_t stride = k < s->len ? s->stride[order[k]] : 1;
        if (k == s->len && above == 1)
            break; /* nothing is left below the last stride */
        if (above % stride != 0 || b->rank == IT_RANK_MAX)
            return false;
        b->dim[b->rank] = above / stride;
        b->taken[b->rank] = k < s->len ? s->dim[order[k]] : 1;
        b->s.start[b->rank] = offset / stride;
        b->s.step[b->rank] = 1;
        if (b->s.start[b->rank] + b->taken[b->rank] > b->dim[b->rank])
            return false;
        offset %= stride;
        above = stride;
        if (k < s->len)
            b->axis[order[k]] = b->rank;
        b->rank++;
    }
    return true;
}

static bool same_dims(int rank_a, const int64_t *a, int rank_b, const int64_t *b)
{
    return rank_a == rank_b && memcmp(a, b, (size_t)rank_a * sizeof *a) == 0;
}

static it_value *through_box(it_exporter *e, it_value *v, int x_rank, const int64_t *x, int y_rank, const int64_t *y, const strided *s, const box *b)
{
    int64_t perm[IT_RANK_MAX] = { 0 }, dim[IT_RANK_MAX] = { 1 };
    bool moves = false, cuts = false;
    for (int k = 1; k < b->rank; k++) {
        perm[k] = k <= s->len ? b->axis[k - 1] : k;
        dim[k] = b->taken[perm[k]];
        moves |= perm[k] != k;
        cuts |= b->taken[k] != b->dim[k];
    }
    if (!moves && !cuts)
        return it_export_reshape(e, v, y_rank, y);
    if (!same_dims(x_rank, x, b->rank, b->dim))
        v = it_export_reshape(e, v, b->rank, b->dim);
    v = cut(e, v, b->rank, b->dim, b->taken, &b->s);
    if (moves)
        v = it_export_node(e, "Transpose", IT_EX_IN(v), IT_EX_ATTRS(IT_EX_INTS("perm", perm, b->rank)));
    return same_dims(y_rank, y, b->rank, dim) ? v : it_export_reshape(e, v, y_rank, y);
}

/* ---- anything else ---- */

static it_value *gather(it_exporter *e, it_value *v, const index_map *m, int y_rank, const int64_t *y)
{
    it_value *at = it_export_const(e, "_index", IT_I32, 1, &m->len, m->from); /* a sample has fewer than 2^31 elements */
    v = it_export_reshape(e, v, 2, (const int64_t[]){ 1, m->x_len });
    v = it_export_node(e, "Gather", IT_EX_IN(v, at), IT_EX_ATTRS(IT_EX_INT("axis", 1)));
    return it_export_reshape(e, v, y_rank, y);
}

void it_export_copy(it_exporter *e, const it_pinstr *i)
{
    index_map m;
    slice s;
    strided st;
    box b;
    int64_t x[IT_RANK_MAX], y[IT_RANK_MAX];
    const int x_rank = it_export_shape(it_in(e->p, i, 0), x), y_rank = it_export_shape(it_out(e->p, i, 0), y);
    it_value *v = it_export_codes(e, i->in[0]);
    if (!find_map(e, i, &m))
        return;
    if (x_rank == y_rank && is_slice(&m, x_rank, x, y, &s))
        v = cut(e, v, x_rank, x, y, &s);
    else if (is_strided(&m, &st) && box_of(&m, &st, &b))
        v = through_box(e, v, x_rank, x, y_rank, y, &st, &b);
    else
        v = gather(e, v, &m, y_rank, y);
    it_export_set_all(e, i->out[0], v);
}
