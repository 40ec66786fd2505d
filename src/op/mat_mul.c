/* SPDX-License-Identifier: Apache-2.0 */
/* mat_mul: numpy's matmul: stacks of matrices with broadcasting; a vector gets a dimension that is dropped again. */
#include <string.h>

#include "op/back.h"
#include "op/dense.h"
#include "op/dnnl.h"

/* The product as m x k times k x n, repeated over out's leading dims. */
typedef struct shape {
    int64_t m, n, k;
    it_tensor lead_a, lead_b, lead; /* stacks; lead is the broadcast */
} shape;

static intact_status shapes(const it_node *n, const it_tensor *a, const it_tensor *b, shape *s, it_tensor *out, intact_error *err)
{
    const it_tensor *leads[2] = { &s->lead_a, &s->lead_b };
    char ab[160], bb[160];
    int64_t k_b;
    if (a->rank < 1 || b->rank < 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "scalars cannot be multiplied as matrices; use Mul");
    s->lead_a = *a;
    s->lead_b = *b;
    s->lead_a.rank = a->rank > 2 ? a->rank - 2 : 0;
    s->lead_b.rank = b->rank > 2 ? b->rank - 2 : 0;
    s->m = a->rank > 1 ? a->dim[a->rank - 2] : 1;
    s->k = a->dim[a->rank - 1];
    k_b = b->rank > 1 ? b->dim[b->rank - 2] : b->dim[0];
    s->n = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    if (s->k != k_b)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%s and %s cannot be multiplied: inner dimensions %lld and %lld differ",
                            it_tensor_print(a, ab, sizeof(ab)), it_tensor_print(b, bb, sizeof(bb)), (long long)s->k, (long long)k_b);
    IT_TRY(it_broadcast(n, leads, 2, &s->lead, err));
    *out = s->lead;
    out->data = NULL;
    out->type = a->type;
    if (a->rank > 1)
        out->dim[out->rank++] = s->m;
    if (b->rank > 1)
        out->dim[out->rank++] = s->n;
    return INTACT_OK;
}

static intact_status mat_mul_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    shape s;
    it_tensor y;
    IT_TRY(it_dense_check_type(n, in[0], in[1], err));
    IT_TRY(shapes(n, in[0], in[1], &s, &y, err));
    it_shape_copy(&out[0], &y);
    return INTACT_OK;
}

/* Calls `body` with the element offsets at_a, at_b, at_y of each product of the stack. */
#define FOR_STACK(s, body)                                                                                                       \
    do {                                                                                                                         \
        int64_t sa_[IT_RANK_MAX], sb_[IT_RANK_MAX], len_ = it_tensor_len(&(s)->lead);                                            \
        it_broadcast_strides(&(s)->lead_a, &(s)->lead, sa_);                                                                     \
        it_broadcast_strides(&(s)->lead_b, &(s)->lead, sb_);                                                                     \
        for (int64_t i_ = 0; i_ < len_; i_++) {                                                                                  \
            int64_t rest_ = i_, at_a = 0, at_b = 0, at_y = i_ * (s)->m * (s)->n;                                                 \
            for (int d_ = (s)->lead.rank - 1; d_ >= 0; d_--) {                                                                   \
                at_a += rest_ % (s)->lead.dim[d_] * sa_[d_] * (s)->m * (s)->k;                                                   \
                at_b += rest_ % (s)->lead.dim[d_] * sb_[d_] * (s)->k * (s)->n;                                                   \
                rest_ /= (s)->lead.dim[d_];                                                                                      \
            }                                                                                                                    \
            body                                                                                                                 \
        }                                                                                                                        \
    } while (0)

static intact_status run_f32(it_run_ctx *c, const it_node *n, shape *s, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const float *a, *b;
    float *y;
    it_dnnl_mat g = { .m = s->m, .n = s->n, .k = s->k, .lda = s->k, .ldb = s->n, .alpha = 1, .beta = 0 };
    IT_TRY(it_nn_f32(c, n, in[0], &a, err));
    IT_TRY(it_nn_f32(c, n, in[1], &b, err));
    IT_TRY(it_nn_f32_room(c, n, out, &y, err));
    IT_TRY(it_dense_round(c, n, &a, it_tensor_len(in[0]), &b, it_tensor_len(in[1]), err));
    if (it_tensor_len(&s->lead_b) == 1) { /* one matrix for all: the stack is one tall product */
        g.m *= it_tensor_len(&s->lead_a);
        IT_TRY(it_dnnl_matmul(n, &g, a, b, y, err));
    } else {
        FOR_STACK(s, { IT_TRY(it_dnnl_matmul(n, &g, a + at_a, b + at_b, y + at_y, err)); });
    }
    it_nn_put_f32(out, y);
    return INTACT_OK;
}

static intact_status run_f64(it_run_ctx *c, const it_node *n, shape *s, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const double *a, *b;
    double *y;
    it_nn_mat g = { .m = s->m, .n = s->n, .k = s->k, .rs_a = s->k, .cs_a = 1, .rs_b = s->n, .cs_b = 1 };
    IT_TRY(it_nn_f64(c, n, in[0], &a, err));
    IT_TRY(it_nn_f64(c, n, in[1], &b, err));
    IT_TRY(it_nn_f64_room(c, n, out, &y, err));
    memset(y, 0, (size_t)it_tensor_len(out) * sizeof(*y));
    FOR_STACK(s, { it_nn_matmul_f64(&g, a + at_a, b + at_b, y + at_y); });
    it_nn_put_f64(out, y);
    return INTACT_OK;
}

static intact_status run_ints(it_run_ctx *c, const it_node *n, shape *s, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const uint64_t *a, *b;
    uint64_t *y = it_arena_new(c->scratch, (size_t)it_tensor_len(out) * sizeof(*y) + 1); /* zeroed */
    it_nn_mat g = { .m = s->m, .n = s->n, .k = s->k, .rs_a = s->k, .cs_a = 1, .rs_b = s->n, .cs_b = 1 };
    if (!y)
        return it_fail_nomem(err, n->name, (size_t)it_tensor_len(out) * sizeof(*y));
    IT_TRY(it_nn_ints(c, n, in[0], &a, err));
    IT_TRY(it_nn_ints(c, n, in[1], &b, err));
    FOR_STACK(s, { it_nn_matmul_u64(&g, a + at_a, b + at_b, y + at_y); });
    it_nn_put_ints(out, y);
    return INTACT_OK;
}

static intact_status mat_mul_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    shape s;
    it_tensor y;
    IT_TRY(shapes(n, in[0], in[1], &s, &y, err));
    if (it_tensor_len(out[0]) == 0)
        return INTACT_OK;
    if (s.k == 0) {
        memset(out[0]->data, 0, it_tensor_bytes(out[0]));
        return INTACT_OK;
    }
    if (in[0]->type == IT_F32 || in[0]->type == IT_F16)
        return run_f32(c, n, &s, in, out[0], err);
    return in[0]->type == IT_F64 ? run_f64(c, n, &s, in, out[0], err) : run_ints(c, n, &s, in, out[0], err);
}

static bool mat_mul_linear(const it_node *n, const it_tensor *x, it_linear *out) { return it_dense_linear(n, x, 1, out); }

static int mat_mul_weight_axis(const it_node *n)
{
    int rank = n->in[1] ? n->in[1]->t.rank : 2;
    return rank > 0 ? rank - 1 : 0;
}

static intact_status mat_mul_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_tensor *x = &n->in[0]->t, *w = &n->in[1]->t;
    it_dense_lower d = { .alpha = 1 };
    char wb[160];
    if (!n->in[1]->is_const)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the second operand is %s; the integer form needs a constant matrix there "
                            "(attention has none: convolutions and constant matrices do)",
                            n->in[0]->is_const ? "computed and the first a constant: Transpose both and swap them" : "computed, too");
    IT_TRY(it_lower_weight_check(n, err));
    if (w->rank != 2)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "weight %s; the integer form needs one matrix (K,N), the same for all",
                            it_tensor_print(w, wb, sizeof(wb)));
    if (x->rank < 2)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the first operand has %d dimensions; the integer form needs a batch and at least one more",
                            x->rank);
    d.k = w->dim[0];
    if (d.k < 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the matrices are empty");
    d.rows = it_tensor_len(x) / d.k;
    d.out_c = w->dim[1];
    d.out_stride = 1;
    d.k_stride = d.out_c;
    return it_dense_lower_emit(lw, n, &d, err);
}

/* dx += op(a) op(b) for one pair of the stack, of floats or doubles; offsets in elements. */
static intact_status add_product(const it_node *n, const it_dnnl_mat *g, const it_tensor *a, int64_t at_a, const it_tensor *b, int64_t at_b, it_tensor *to,
                                 int64_t at, intact_error *err)
{
    it_nn_mat s = { .m = g->m, .n = g->n, .k = g->k, .rs_a = g->trans_a ? 1 : g->lda, .cs_a = g->trans_a ? g->lda : 1, .rs_b = g->trans_b ? 1 : g->ldb,
                    .cs_b = g->trans_b ? g->ldb : 1 };
    if (to->type == IT_F32)
        return it_dnnl_matmul(n, g, (const float *)a->data + at_a, (const float *)b->data + at_b, (float *)to->data + at, err);
    it_nn_matmul_f64(&s, (const double *)a->data + at_a, (const double *)b->data + at_b, (double *)to->data + at);
    return INTACT_OK;
}

/* da = dy b^T, db = a^T dy, summed where the stack is broadcast. */
static intact_status mat_mul_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                      it_tensor *const *dx, intact_error *err)
{
    shape s;
    it_tensor y, rounded[3];
    (void)out;
    IT_TRY(it_back_float(n, dy[0], err));
    IT_TRY(shapes(n, in[0], in[1], &s, &y, err));
    for (int k = 0; k < 2; k++)
        if (dx[k])
            memset(dx[k]->data, 0, it_tensor_bytes(dx[k]));
    if (it_tensor_len(dy[0]) == 0 || s.k == 0)
        return INTACT_OK;
    IT_TRY(it_dense_round_back(c, n, in, dy[0], rounded, err));
    if (it_tensor_len(&s.lead_b) == 1) { /* one matrix for all: the stack is one tall product */
        s.m *= it_tensor_len(&s.lead_a);
        s.lead = s.lead_a = s.lead_b = (it_tensor){ .rank = 0 };
    }
    it_dnnl_mat ga = { .m = s.m, .n = s.k, .k = s.n, .lda = s.n, .ldb = s.n, .trans_b = true, .alpha = 1, .beta = 1 };
    it_dnnl_mat gb = { .m = s.k, .n = s.n, .k = s.m, .lda = s.k, .ldb = s.n, .trans_a = true, .alpha = 1, .beta = 1 };
    FOR_STACK(&s, {
        if (dx[0])
            IT_TRY(add_product(n, &ga, &rounded[2], at_y, &rounded[1], at_b, dx[0], at_a, err));
        if (dx[1])
            IT_TRY(add_product(n, &gb, &rounded[0], at_a, &rounded[2], at_y, dx[1], at_b, err));
    });
    return INTACT_OK;
}

static const it_backward mat_mul_back = { .reads_in = 3, .gives = 3, .run = mat_mul_run_back };

const it_op it_op_mat_mul = {
    .name = "mat_mul", .onnx = "MatMul", .since = 1,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = mat_mul_infer, .forward = mat_mul_forward, .lower = mat_mul_lower,
    .quant = { .role = IT_ROLE_DENSE, .clamps = true, .out = IT_Q_FREE, .weight_in = 1, .weight_axis = mat_mul_weight_axis, .linear = mat_mul_linear,
               .in_types = 1u << INTACT_U8 | 1u << INTACT_S16, .out_types = 1u << INTACT_U8 | 1u << INTACT_S16 },
    .back = &mat_mul_back,
};
