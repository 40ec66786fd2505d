/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering of reshapes: row-major order means the same bytes, channels-last order often does not, and then a strided copy is made. */
#include <math.h>
#include <string.h>

#include "op/lower.h"

#define COPY_DIMS 6

/* Factors of one sample, slowest first, with the stride that each has in the source. */
typedef struct walk {
    int len;
    int64_t dim[2 * IT_RANK_MAX], stride[2 * IT_RANK_MAX];
} walk;

static void walk_add(walk *w, int64_t dim, int64_t stride)
{
    if (dim == 1)
        return;
    if (w->len > 0 && w->stride[w->len - 1] == stride * dim) { /* the two are one longer dimension */
        w->dim[w->len - 1] *= dim;
        w->stride[w->len - 1] = stride;
        return;
    }
    w->dim[w->len] = dim;
    w->stride[w->len++] = stride;
}

static bool walk_is_identity(const walk *w) { return w->len == 0 || (w->len == 1 && w->stride[0] == 1); }

/* Stride of ONNX axis k of one sample in the runtime's order. */
static int64_t runtime_stride(const it_tensor *t, int k)
{
    int at = it_runtime_axis(t->rank, k);
    int64_t stride = 1;
    for (int i = 1; i < t->rank; i++)
        if (it_runtime_axis(t->rank, i) > at)
            stride *= t->dim[i];
    return stride;
}

/* ONNX axis at runtime position i. */
static int onnx_axis(int rank, int i)
{
    if (rank < 3 || i == 0)
        return i;
    return i == rank - 1 ? 1 : i + 1;
}

/* Common refinement of the two row-major factorizations: piece p is a factor of both axis in_axis[p] and axis out_axis[p]. */
typedef struct pieces {
    int len;
    int64_t dim[2 * IT_RANK_MAX], stride[2 * IT_RANK_MAX]; /* stride in the source's runtime order */
    int out_axis[2 * IT_RANK_MAX];
} pieces;

/* False when some axis boundary of one shape falls inside a factor of the other that it does not divide. */
static bool refine(const it_tensor *in, const it_tensor *out, pieces *p)
{
    int i = in->rank, j = out->rank; /* from the fastest axis to the slowest; a and b: what is left of the current ones */
    int64_t a = 1, b = 1, inner = 1;
    p->len = 0;
    for (;;) {
        int64_t f;
        while (a == 1 && i > 1) {
            a = in->dim[--i];
            inner = runtime_stride(in, i);
        }
        while (b == 1 && j > 1)
            b = out->dim[--j];
        if (a == 1 && b == 1)
            return true;
        f = a < b ? a : b;
        if (f == 1 || a % f != 0 || b % f != 0)
            return false;
        p->dim[p->len] = f;
        p->stride[p->len] = inner;
        p->out_axis[p->len++] = j;
        inner *= f;
        a /= f;
        b /= f;
    }
}

/* Walk over y in its runtime order, reading x in its runtime order. */
static bool walk_direct(const it_tensor *in, const it_tensor *out, walk *w)
{
    pieces p;
    w->len = 0;
    if (!refine(in, out, &p))
        return false;
    for (int r = 1; r < out->rank; r++)
        for (int k = p.len - 1; k >= 0; k--) /* pieces are fastest first */
            if (p.out_axis[k] == onnx_axis(out->rank, r))
                walk_add(w, p.dim[k], p.stride[k]);
    return w->len <= COPY_DIMS;
}

static void walk_to_rows(const it_tensor *in, walk *w)
{
    w->len = 0;
    for (int k = 1; k < in->rank; k++)
        walk_add(w, in->dim[k], runtime_stride(in, k));
}

static void walk_from_rows(const it_tensor *out, walk *w)
{
    w->len = 0;
    for (int r = 1; r < out->rank; r++) {
        int axis = onnx_axis(out->rank, r);
        int64_t stride = 1;
        for (int k = axis + 1; k < out->rank; k++)
            stride *= out->dim[k];
        walk_add(w, out->dim[axis], stride);
    }
}

static intact_status emit_copy(it_lower *lw, const it_node *n, const walk *w, uint32_t x, uint32_t y, intact_error *err)
{
    uint32_t d[COPY_DIMS];
    int32_t s[COPY_DIMS] = { 0 };
    it_copy_args a = { 0 };
    if (w->len > COPY_DIMS)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the reordering needs %d loops; a copy instruction has %d", w->len, COPY_DIMS);
    for (int i = 0; i < COPY_DIMS; i++)
        d[i] = 1;
    for (int i = 0; i < w->len; i++) {
        d[COPY_DIMS - w->len + i] = (uint32_t)w->dim[i];
        s[COPY_DIMS - w->len + i] = (int32_t)w->stride[i];
    }
    a.d0 = d[0], a.d1 = d[1], a.d2 = d[2], a.d3 = d[3], a.d4 = d[4], a.d5 = d[5];
    a.s0 = s[0], a.s1 = s[1], a.s2 = s[2], a.s3 = s[3], a.s4 = s[4], a.s5 = s[5];
    return it_lower_emit(lw, &it_instr_copy, n->name, &x, 1, &y, 1, &a, err);
}

/* in's runtime bytes into tensor y, which has out's runtime dims. */
static intact_status emit_reorder(it_lower *lw, const it_node *n, uint32_t x, uint32_t y, intact_error *err)
{
    const it_value *in = n->in[0], *out = n->out[0];
    uint32_t rows, dims[2] = { 1, (uint32_t)it_tensor_len(&in->t) };
    walk w;
    if (walk_direct(&in->t, &out->t, &w))
        return emit_copy(lw, n, &w, x, y, err);
    IT_TRY(it_lower_temp(lw, n->name, in->q->type, 2, dims, in->q->scale[0], in->q->zero[0], &rows, err));
    walk_to_rows(&in->t, &w);
    IT_TRY(emit_copy(lw, n, &w, x, rows, err));
    walk_from_rows(&out->t, &w);
    return emit_copy(lw, n, &w, rows, y, err);
}

/* ---- matrix layers behind a flattening ---- */

static bool is_dense(const it_node *n)
{
    return n->op == &it_op_gemm || n->op == &it_op_mat_mul;
}

/* (1,C,spatial) to (1,K) with C and spatial both above 1, nothing done on the way. */
static bool is_flattening(const it_node *r)
{
    const it_tensor *in, *out;
    if (!r || !r->op->view || r->in_len < 1 || !r->in[0] || !r->out[0] || r->in[0]->is_const)
        return false;
    in = &r->in[0]->t;
    out = &r->out[0]->t;
    return in->rank >= 3 && out->rank == 2 && in->dim[0] == 1 && out->dim[0] == 1 && in->dim[1] > 1 && it_tensor_len(in) > in->dim[1] &&
           it_tensor_len(in) == out->dim[1] && it_lower_same_quant(r->in[0]->q, r->out[0]->q) && !it_lower_clamps(r, r->out[0]->q);
}

/* Reads v only as the data of a matrix layer with quantized constant weights. */
static bool reads_as_dense(const it_node *n, const it_value *v)
{
    for (int i = 1; i < n->in_len; i++)
        if (n->in[i] == v)
            return false;
    return is_dense(n) && n->in_len >= 2 && n->in[0] == v && n->in[1] && n->in[1]->is_const && n->in[1]->q && n->in[1]->q->codes;
}

static bool read_by_dense_only(const it_lower *lw, const it_value *v)
{
    if (v->is_output)
        return false;
    for (size_t i = 0; i < lw->g->nodes.len; i++) {
        const it_node *n = lw->g->nodes.items[i];
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k] == v && !reads_as_dense(n, v))
                return false;
    }
    return true;
}

const it_value *it_lower_dense_source(const it_lower *lw, const it_value *x)
{
    return is_flattening(x->producer) && read_by_dense_only(lw, x) ? x->producer->in[0] : x;
}

/* Every reader takes the tensor's bytes in order and does not mind its dims. */
static bool dims_do_not_matter(const it_lower *lw, const it_value *v)
{
    if (v->is_output)
        return false;
    for (size_t i = 0; i < lw->g->nodes.len; i++) {
        const it_node *n = lw->g->nodes.items[i];
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k] == v && !reads_as_dense(n, v) && !(n->op->view && k == 0))
                return false;
    }
    return true;
}

static bool same_runtime_dims(const it_tensor *a, const it_tensor *b)
{
    uint32_t da[INTACT_RANK_MAX], db[INTACT_RANK_MAX];
    if (a->rank != b->rank)
        return false;
    it_runtime_dims(a, da);
    it_runtime_dims(b, db);
    return memcmp(da, db, (size_t)a->rank * sizeof(*da)) == 0;
}

intact_status it_lower_reshape(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_value *in = n->in[0], *out = n->out[0];
    bool plain = it_lower_same_quant(in->q, out->q) && !it_lower_clamps(n, out->q), alias;
    uint32_t x, y, mid, dims[INTACT_RANK_MAX];
    walk w;
    IT_TRY(it_lower_tensor(lw, in, &x, err));
    if (it_tensor_len(&in->t) != it_tensor_len(&out->t) || it_tensor_len(&in->t) > INT32_MAX)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld elements cannot be reshaped to %lld (at most 2147483647)",
                            (long long)it_tensor_len(&in->t), (long long)it_tensor_len(&out->t));
    alias = walk_direct(&in->t, &out->t, &w) && walk_is_identity(&w) && !(in->is_input && out->is_output) &&
            (same_runtime_dims(&in->t, &out->t) || dims_do_not_matter(lw, out));
    if (plain && (alias || it_lower_dense_source(lw, out) == in)) {
        it_lower_alias(lw, out, x);
        return INTACT_OK;
    }
    IT_TRY(it_lower_tensor(lw, out, &y, err));
    if (plain)
        return emit_reorder(lw, n, x, y, err);
    it_runtime_dims(&out->t, dims);
    IT_TRY(it_lower_temp(lw, out->name, in->q->type, (uint32_t)out->t.rank, dims, in->q->scale[0], in->q->zero[0], &mid, err));
    IT_TRY(emit_reorder(lw, n, x, mid, err));
    return it_lower_requantize(lw, n, mid, in->q, out, err);
}
