/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of the Reduce* operators: rows of the input, as doubles or int64, into accumulators that some dimensions share. */
#include "op/reduce.h"

#include <string.h>

enum { BLOCK = 512 }; /* values converted at a time */

intact_status it_reduce_parse_since(it_parse *p, int axes_input_since)
{
    it_reduce_args *a = p->n->args;
    int64_t keep, noop;
    IT_TRY(it_attr_int(p, "keepdims", 1, &keep));
    IT_TRY(it_attr_int(p, "noop_with_empty_axes", 0, &noop));
    a->keepdims = keep != 0;
    a->noop_if_empty = noop != 0;
    a->axes_input_since = axes_input_since;
    if (p->n->opset >= axes_input_since) return INTACT_OK;
    if (p->n->in_len > 1)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "%d inputs at opset %d; axes are an attribute before opset %d", p->n->in_len,
                            p->n->opset, axes_input_since);
    return it_attr_ints(p, "axes", &a->axes, &a->axes_len);
}

intact_status it_reduce_parse(it_parse *p) { return it_reduce_parse_since(p, 18); }

/* axes: input 1 or NULL. Reduced axes of x; *noop when the input is to be handed on. */
static intact_status axes_of(const it_node *n, const it_tensor *x, const it_tensor *axes, bool reduced[IT_RANK_MAX], bool *noop,
                             intact_error *err)
{
    const it_reduce_args *a = n->args;
    int64_t len = axes ? it_tensor_len(axes) : (int64_t)a->axes_len;
    memset(reduced, 0, IT_RANK_MAX * sizeof(*reduced));
    *noop = len == 0 && a->noop_if_empty;
    for (int k = 0; k < x->rank; k++) reduced[k] = len == 0 && !*noop;
    for (int64_t i = 0; i < len; i++) {
        int at;
        IT_TRY(it_axis(n, axes ? it_tensor_get_int(axes, i) : a->axes[i], x->rank, &at, err));
        if (reduced[at]) return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d is named twice", at);
        reduced[at] = true;
    }
    return INTACT_OK;
}

intact_status it_reduce_infer_types(const it_node *n, const it_tensor *const *in, uint32_t types, it_tensor *out, intact_error *err)
{
    const it_reduce_args *a = n->args;
    const it_tensor *x = in[0], *axes = it_elem_in(n, in, 1);
    bool reduced[IT_RANK_MAX], noop;
    IT_TRY(it_elem_check(n, in, 0, types, err));
    out[0].type = x->type;
    if (axes) {
        IT_TRY(it_elem_check(n, in, 1, IT_T(IT_I64), err));
        if (axes->rank > 1) return it_node_fail(n, err, INTACT_E_SHAPE, "the axes have %d dimensions; they must be a list", axes->rank);
        if (!axes->data && it_tensor_len(axes) != 0) {
            out[0].rank = IT_RANK_UNKNOWN;
            return INTACT_OK;
        }
    }
    IT_TRY(axes_of(n, x, axes, reduced, &noop, err));
    out[0].rank = 0;
    for (int k = 0; k < x->rank; k++)
        if (!reduced[k] || a->keepdims) out[0].dim[out[0].rank++] = reduced[k] ? 1 : x->dim[k];
    return INTACT_OK;
}

intact_status it_reduce_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return it_reduce_infer_types(n, in, IT_T_WIDE, out, err);
}

/* ---- values as doubles or int64 ---- */

static void load_real(const it_tensor *x, int64_t at, int64_t len, double *to)
{
    if (x->type == IT_F32) {
        const float *from = (const float *)x->data + at;
        for (int64_t i = 0; i < len; i++) to[i] = (double)from[i];
    } else if (x->type == IT_F64) {
        memcpy(to, (const double *)x->data + at, (size_t)len * sizeof(*to));
    } else {
        for (int64_t i = 0; i < len; i++) to[i] = it_tensor_get(x, at + i);
    }
}

/* flip: uint64 in an order that int64 compares rightly. */
static void load_int(const it_tensor *x, int64_t at, int64_t len, bool flip, int64_t *to)
{
    if (x->type == IT_I64 || x->type == IT_U64)
        memcpy(to, (const int64_t *)x->data + at, (size_t)len * sizeof(*to));
    else
        for (int64_t i = 0; i < len; i++) to[i] = it_tensor_get_int(x, at + i);
    if (flip)
        for (int64_t i = 0; i < len; i++) to[i] ^= INT64_MIN;
}

/* ---- the walk ---- */

/* Dimensions of x outermost first, neighbours that are both reduced or both kept made one; step: of the accumulators, 0 when reduced. */
typedef struct walk {
    int rank;
    int64_t dim[IT_RANK_MAX], step[IT_RANK_MAX];
    bool reduced[IT_RANK_MAX];
} walk;

static void walk_of(const it_tensor *x, const bool *reduced, walk *w)
{
    w->rank = 0;
    for (int k = 0; k < x->rank; k++) {
        if (x->dim[k] == 1) continue;
        if (w->rank && w->reduced[w->rank - 1] == reduced[k]) {
            w->dim[w->rank - 1] *= x->dim[k];
        } else {
            w->dim[w->rank] = x->dim[k];
            w->reduced[w->rank++] = reduced[k];
        }
    }
    if (w->rank == 0) {
        w->dim[0] = 1;
        w->reduced[w->rank++] = true;
    }
    int64_t step = 1;
    for (int k = w->rank - 1; k >= 0; k--) {
        w->step[k] = w->reduced[k] ? 0 : step;
        if (!w->reduced[k]) step *= w->dim[k];
    }
}

typedef struct job {
    const it_tensor *x;
    const it_reduce_real *real;
    const it_reduce_int *whole; /* NULL: doubles */
    void *acc;
    const double *shift; /* by slot, subtracted from the values; NULL */
} job;

static void block_real(const job *j, int64_t at, int64_t len, bool reduced, int64_t slot)
{
    double buf[BLOCK], *acc = (double *)j->acc + slot;
    load_real(j->x, at, len, buf);
    if (j->shift)
        for (int64_t i = 0; i < len; i++) buf[i] -= j->shift[reduced ? slot : slot + i];
    if (reduced)
        *acc = j->real->fold(*acc, buf, len);
    else
        j->real->each(acc, buf, len);
}

static void block_int(const job *j, int64_t at, int64_t len, bool reduced, int64_t slot)
{
    int64_t buf[BLOCK], *acc = (int64_t *)j->acc + slot;
    load_int(j->x, at, len, j->whole->ordered && j->x->type == IT_U64, buf);
    if (reduced)
        *acc = j->whole->fold(*acc, buf, len);
    else
        j->whole->each(acc, buf, len);
}

/* One row of x, len values from at on, into the accumulators from slot on. */
static void row(const job *j, int64_t at, int64_t len, bool reduced, int64_t slot)
{
    for (int64_t done = 0; done < len; done += BLOCK) {
        int64_t part = len - done < BLOCK ? len - done : BLOCK, to = reduced ? slot : slot + done;
        if (j->whole)
            block_int(j, at + done, part, reduced, to);
        else
            block_real(j, at + done, part, reduced, to);
    }
}

static void walk_run(const job *j, const walk *w, int64_t slots)
{
    int inner = w->rank - 1;
    int64_t index[IT_RANK_MAX] = {0}, slot = 0, at = 0;
    for (int64_t i = 0; i < slots; i++) {
        if (j->whole)
            ((int64_t *)j->acc)[i] = j->whole->init;
        else
            ((double *)j->acc)[i] = j->real->init;
    }
    if (it_tensor_len(j->x) == 0) return;
    for (;;) {
        row(j, at, w->dim[inner], w->reduced[inner], slot);
        at += w->dim[inner];
        int k = inner - 1;
        while (k >= 0 && ++index[k] == w->dim[k]) {
            index[k] = 0;
            slot -= (w->dim[k] - 1) * w->step[k];
            k--;
        }
        if (k < 0) return;
        slot += w->step[k];
    }
}

static int64_t clamp_s64(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

static void store_int(it_tensor *y, const int64_t *acc, int64_t count, const it_reduce_int *whole)
{
    int64_t len = it_tensor_len(y);
    for (int64_t i = 0; i < len; i++) {
        int64_t v = whole->finish ? whole->finish(acc[i], count) : acc[i];
        switch (y->type) { /* sums keep the low bits, ordered results only leave the type where nothing was reduced */
        case IT_I32: ((int32_t *)y->data)[i] = (int32_t)(whole->ordered ? clamp_s64(v, INT32_MIN, INT32_MAX) : v); break;
        case IT_U32: ((uint32_t *)y->data)[i] = (uint32_t)(whole->ordered ? clamp_s64(v, 0, UINT32_MAX) : v); break;
        case IT_I8: ((int8_t *)y->data)[i] = (int8_t)clamp_s64(v, INT8_MIN, INT8_MAX); break;
        case IT_U8: ((uint8_t *)y->data)[i] = (uint8_t)clamp_s64(v, 0, UINT8_MAX); break;
        case IT_BOOL: ((uint8_t *)y->data)[i] = (uint8_t)clamp_s64(v, 0, 1); break;
        case IT_U64: ((int64_t *)y->data)[i] = whole->ordered ? v ^ INT64_MIN : v; break;
        default: ((int64_t *)y->data)[i] = v; break;
        }
    }
}

static void store_real(it_tensor *y, const double *acc, const double *shift, int64_t count, const it_reduce_real *real)
{
    int64_t len = it_tensor_len(y);
    for (int64_t i = 0; i < len; i++) {
        double v = real->finish ? real->finish(acc[i], count) : acc[i];
        it_tensor_set(y, i, shift ? v + shift[i] : v);
    }
}

intact_status it_reduce_forward(it_run_ctx *c, const it_node *n, const it_tensor *x, const it_tensor *axes, it_tensor *y,
                                const it_reduce_real *real, const it_reduce_int *whole, intact_error *err)
{
    bool reduced[IT_RANK_MAX], noop;
    int64_t count = 1, slots = it_tensor_len(y);
    walk w;
    if (it_type_is_float(x->type)) whole = NULL;
    job j = {.x = x, .real = real, .whole = whole};
    IT_TRY(axes_of(n, x, axes, reduced, &noop, err));
    if (noop) {
        memcpy(y->data, x->data, it_tensor_bytes(x));
        return INTACT_OK;
    }
    for (int k = 0; k < x->rank; k++)
        if (reduced[k]) count *= x->dim[k];
    walk_of(x, reduced, &w);
    IT_TRY(it_elem_scratch(c, n, (size_t)slots, sizeof(double), &j.acc, err));
    if (!whole && real->first) {
        void *shift = j.acc;
        j.real = real->first;
        walk_run(&j, &w, slots);
        for (int64_t i = 0; i < slots; i++)
            if (!isfinite(((double *)shift)[i])) ((double *)shift)[i] = 0;
        j.shift = shift;
        j.real = real;
        IT_TRY(it_elem_scratch(c, n, (size_t)slots, sizeof(double), &j.acc, err));
    }
    walk_run(&j, &w, slots);
    if (whole)
        store_int(y, j.acc, count, whole);
    else
        store_real(y, j.acc, j.shift, count, real);
    return INTACT_OK;
}

/* ---- backward ---- */

intact_status it_reduce_back(const it_node *n, const it_tensor *x, const it_tensor *axes, const it_tensor *dy, it_tensor *dx, bool mean, intact_error *err)
{
    bool reduced[IT_RANK_MAX], noop;
    int64_t count = 1, index[IT_RANK_MAX] = {0}, slot = 0, at = 0;
    walk w;
    IT_TRY(it_back_float(n, dy, err));
    IT_TRY(axes_of(n, x, axes, reduced, &noop, err));
    for (int k = 0; k < x->rank; k++)
        if (reduced[k]) count *= x->dim[k];
    if (it_tensor_len(dx) == 0) return INTACT_OK;
    walk_of(x, reduced, &w);
    const int inner = w.rank - 1;
    const double by = mean ? 1.0 / (double)count : 1.0;
    for (int k = 0; k >= 0;) {
        for (int64_t i = 0; i < w.dim[inner]; i++) {
            int64_t from = w.reduced[inner] ? slot : slot + i;
            if (dy->type == IT_F32)
                ((float *)dx->data)[at + i] = (float)((double)((const float *)dy->data)[from] * by);
            else
                ((double *)dx->data)[at + i] = ((const double *)dy->data)[from] * by;
        }
        at += w.dim[inner];
        for (k = inner - 1; k >= 0 && ++index[k] == w.dim[k]; k--) {
            index[k] = 0;
            slot -= (w.dim[k] - 1) * w.step[k];
        }
        if (k >= 0) slot += w.step[k];
    }
    return INTACT_OK;
}

/* ---- for lowering ---- */

bool it_reduce_axes_known(const it_node *n, bool reduced[IT_RANK_MAX])
{
    const it_tensor *axes = n->in_len > 1 && n->in[1] ? &n->in[1]->t : NULL;
    bool noop;
    if (axes && !axes->data) return false;
    return axes_of(n, &n->in[0]->t, axes, reduced, &noop, NULL) == INTACT_OK;
}

bool it_reduce_is_spatial(const it_node *n)
{
    bool reduced[IT_RANK_MAX];
    int rank = n->in[0]->t.rank;
    if (rank < 3 || rank > 4 || !it_reduce_axes_known(n, reduced)) return false;
    for (int k = 0; k < rank; k++)
        if (reduced[k] != (k >= 2)) return false;
    return true;
}
