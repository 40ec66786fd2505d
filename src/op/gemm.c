/* SPDX-License-Identifier: Apache-2.0 */
/* gemm: y (M,N) = alpha * op(a) (M,K) * op(b) (K,N) + beta * c, c broadcast to (M,N). In integers dense, with b constant. */
#include <string.h>

#include "op/back.h"
#include "op/dense.h"
#include "op/dnnl.h"

typedef struct gemm_args { float alpha, beta; int64_t trans_a, trans_b; } gemm_args;

static intact_status gemm_parse(it_parse *p)
{
    gemm_args *a = p->n->args;
    IT_TRY(it_attr_float(p, "alpha", 1, &a->alpha));
    IT_TRY(it_attr_float(p, "beta", 1, &a->beta));
    IT_TRY(it_attr_int(p, "transA", 0, &a->trans_a));
    return it_attr_int(p, "transB", 0, &a->trans_b);
}

static const it_tensor *third(const it_node *n, const it_tensor *const *in) { return n->in_len > 2 ? in[2] : NULL; }

static intact_status gemm_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const gemm_args *g = n->args;
    const it_tensor *a = in[0], *b = in[1], *c = third(n, in), *both[2];
    char ab[160], bb[160];
    it_tensor all;
    IT_TRY(it_dense_check_type(n, a, b, err));
    if (a->rank != 2 || b->rank != 2 || a->dim[g->trans_a ? 0 : 1] != b->dim[g->trans_b ? 1 : 0])
        return it_node_fail(n, err, INTACT_E_SHAPE, "%s and %s (transA %lld, transB %lld) cannot be multiplied: two matrices with the same "
                            "inner dimension are needed", it_tensor_print(a, ab, sizeof(ab)), it_tensor_print(b, bb, sizeof(bb)),
                            (long long)g->trans_a, (long long)g->trans_b);
    out[0].type = a->type;
    out[0].rank = 2;
    out[0].dim[0] = a->dim[g->trans_a ? 1 : 0];
    out[0].dim[1] = b->dim[g->trans_b ? 0 : 1];
    if (!c)
        return INTACT_OK;
    both[0] = &out[0], both[1] = c;
    IT_TRY(it_broadcast(n, both, 2, &all, err));
    if (c->type != a->type || all.rank != 2 || all.dim[0] != out[0].dim[0] || all.dim[1] != out[0].dim[1])
        return it_node_fail(n, err, INTACT_E_SHAPE, "the third input %s does not broadcast to %s", it_tensor_print(c, ab, sizeof(ab)),
                            it_tensor_print(&out[0], bb, sizeof(bb)));
    return INTACT_OK;
}

/* y = beta * c */
#define DEFINE_FILL(name, T, BETA)                                                                                               \
    static void name(T *y, const it_tensor *out, const it_tensor *c, const T *from, BETA beta)                                   \
    {                                                                                                                            \
        int64_t stride[IT_RANK_MAX];                                                                                             \
        if (c)                                                                                                                   \
            it_broadcast_strides(c, out, stride);                                                                                \
        for (int64_t i = 0; i < out->dim[0]; i++)                                                                                \
            for (int64_t j = 0; j < out->dim[1]; j++)                                                                            \
                y[i * out->dim[1] + j] = c ? (T)(beta * from[i * stride[0] + j * stride[1]]) : 0;                                \
    }
DEFINE_FILL(fill_f32, float, float)
DEFINE_FILL(fill_f64, double, double)
DEFINE_FILL(fill_u64, uint64_t, uint64_t)

static intact_status run_f32(it_run_ctx *c, const it_node *n, const it_dnnl_mat *g, const it_tensor *const *in, it_tensor *out, float beta,
                             intact_error *err)
{
    const float *a, *b, *add = NULL;
    const it_tensor *t = third(n, in);
    float *y;
    IT_TRY(it_nn_f32(c, n, in[0], &a, err));
    IT_TRY(it_nn_f32(c, n, in[1], &b, err));
    IT_TRY(it_nn_f32_room(c, n, out, &y, err));
    if (t)
        IT_TRY(it_nn_f32(c, n, t, &add, err));
    IT_TRY(it_dense_round(c, n, &a, it_tensor_len(in[0]), &b, it_tensor_len(in[1]), err));
    fill_f32(y, out, t, add, beta);
    if (g->k > 0)
        IT_TRY(it_dnnl_matmul(n, g, a, b, y, err));
    it_nn_put_f32(out, y);
    return INTACT_OK;
}

static it_nn_mat strides(const it_dnnl_mat *g)
{
    it_nn_mat s = { .m = g->m, .n = g->n, .k = g->k };
    s.rs_a = g->trans_a ? 1 : g->lda;
    s.cs_a = g->trans_a ? g->lda : 1;
    s.rs_b = g->trans_b ? 1 : g->ldb;
    s.cs_b = g->trans_b ? g->ldb : 1;
    return s;
}

static intact_status run_f64(it_run_ctx *c, const it_node *n, const it_dnnl_mat *g, const it_tensor *const *in, it_tensor *out,
                             const gemm_args *args, intact_error *err)
{
    const double *a, *b, *add = NULL;
    const it_tensor *t = third(n, in);
    it_nn_mat s = strides(g);
    double *y;
    IT_TRY(it_nn_f64(c, n, in[0], &a, err));
    IT_TRY(it_nn_f64(c, n, in[1], &b, err));
    IT_TRY(it_nn_f64_room(c, n, out, &y, err));
    if (t)
        IT_TRY(it_nn_f64(c, n, t, &add, err));
    fill_f64(y, out, t, add, args->alpha != 0 ? (double)args->beta / args->alpha : args->beta);
    if (args->alpha != 0) {
        it_nn_matmul_f64(&s, a, b, y);
        for (int64_t i = 0; i < g->m * g->n; i++)
            y[i] *= args->alpha;
    }
    it_nn_put_f64(out, y);
    return INTACT_OK;
}

static intact_status run_ints(it_run_ctx *c, const it_node *n, const it_dnnl_mat *g, const it_tensor *const *in, it_tensor *out,
                              const gemm_args *args, intact_error *err)
{
    const uint64_t *a, *b, *add = NULL;
    const it_tensor *t = third(n, in);
    it_nn_mat s = strides(g);
    uint64_t *y;
    if (args->alpha != 1 || (args->beta != 1 && t))
        return run_f64(c, n, g, in, out, args, err); /* real factors: rounded once at the end */
    IT_TRY(it_nn_ints(c, n, in[0], &a, err));
    IT_TRY(it_nn_ints(c, n, in[1], &b, err));
    if (t)
        IT_TRY(it_nn_ints(c, n, t, &add, err));
    y = it_arena_new(c->scratch, (size_t)it_tensor_len(out) * sizeof(*y) + 1);
    if (!y)
        return it_fail_nomem(err, n->name, (size_t)it_tensor_len(out) * sizeof(*y));
    fill_u64(y, out, t, add, 1);
    it_nn_matmul_u64(&s, a, b, y);
    it_nn_put_ints(out, y);
    return INTACT_OK;
}

static intact_status gemm_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const gemm_args *args = n->args;
    it_dnnl_mat g = { .m = out[0]->dim[0], .n = out[0]->dim[1], .k = in[0]->dim[args->trans_a ? 0 : 1], .lda = in[0]->dim[1],
                      .ldb = in[1]->dim[1], .trans_a = args->trans_a, .trans_b = args->trans_b, .alpha = args->alpha, .beta = 1 };
    if (g.m == 0 || g.n == 0)
        return INTACT_OK;
    if (in[0]->type == IT_F32 || in[0]->type == IT_F16)
        return run_f32(c, n, &g, in, out[0], args->beta, err);
    return in[0]->type == IT_F64 ? run_f64(c, n, &g, in, out[0], args, err) : run_ints(c, n, &g, in, out[0], args, err);
}

static bool gemm_linear(const it_node *n, const it_tensor *x, it_linear *out)
{
    const gemm_args *a = n->args;
    return !a->trans_a && a->alpha == 1 && (a->beta == 1 || n->in_len < 3) && it_dense_linear(n, x, a->trans_b ? 0 : 1, out);
}

static int gemm_weight_axis(const it_node *n)
{
    return ((const gemm_args *)n->args)->trans_b ? 0 : 1;
}

static intact_status gemm_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const gemm_args *args = n->args;
    const it_tensor *w = &n->in[1]->t;
    it_dense_lower d = { .alpha = args->alpha };
    float *bias = NULL;
    intact_status st;
    if (args->trans_a)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "transA has no integer form; put the batch in the first dimension");
    IT_TRY(it_lower_weight_check(n, err));
    d.out_c = w->dim[args->trans_b ? 0 : 1];
    d.k = w->dim[args->trans_b ? 1 : 0];
    d.out_stride = args->trans_b ? d.k : 1;
    d.k_stride = args->trans_b ? 1 : d.out_c;
    IT_TRY(it_lower_bias(lw, n, d.out_c, &bias, err));
    for (int64_t i = 0; bias && i < d.out_c; i++)
        bias[i] *= args->beta;
    d.bias = bias;
    st = it_dense_lower_emit(lw, n, &d, err);
    it_alloc_free(lw->alloc, bias, (size_t)d.out_c * sizeof(float));
    return st;
}

/* One product of the backward pass, y = alpha op(a) op(b), of floats or doubles. */
static intact_status product(const it_node *n, const it_dnnl_mat *g, const it_tensor *a, const it_tensor *b, it_tensor *y, intact_error *err)
{
    it_nn_mat s = strides(g);
    double *to = y->data;
    if (g->k == 0 || y->type == IT_F64)
        memset(y->data, 0, it_tensor_bytes(y));
    if (g->k == 0 || g->m == 0 || g->n == 0)
        return INTACT_OK;
    if (y->type == IT_F32)
        return it_dnnl_matmul(n, g, a->data, b->data, y->data, err);
    it_nn_matmul_f64(&s, a->data, b->data, to);
    for (int64_t i = 0; i < g->m * g->n; i++)
        to[i] *= (double)g->alpha;
    return INTACT_OK;
}

/* With A = op(a), B = op(b): dA = alpha dy B^T, dB = alpha A^T dy, transposed once more where a or b is. */
static intact_status gemm_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                   it_tensor *const *dx, intact_error *err)
{
    const gemm_args *args = n->args;
    it_tensor rounded[3];
    const it_tensor *a = &rounded[0], *b = &rounded[1], *g = &rounded[2];
    IT_TRY(it_dense_round_back(c, n, in, dy[0], rounded, err));
    const bool ta = args->trans_a, tb = args->trans_b;
    const int64_t lda = a->dim[1], ldb = b->dim[1], len = out[0]->dim[1];
    it_dnnl_mat m = { .m = out[0]->dim[0], .n = a->dim[ta ? 0 : 1], .k = len, .lda = len, .ldb = ldb, .trans_b = !tb, .alpha = args->alpha };
    IT_TRY(it_back_float(n, g, err));
    if (dx[0] && ta) /* (K,M) = B (K,N) dy^T (N,M) */
        m = (it_dnnl_mat){ .m = a->dim[0], .n = a->dim[1], .k = len, .lda = ldb, .ldb = len, .trans_a = tb, .trans_b = true, .alpha = args->alpha };
    if (dx[0])
        IT_TRY(product(n, &m, ta ? b : g, ta ? g : b, dx[0], err));
    m = (it_dnnl_mat){ .m = b->dim[0], .n = b->dim[1], .k = out[0]->dim[0], .lda = lda, .ldb = len, .trans_a = !ta, .alpha = args->alpha };
    if (dx[1] && tb) /* (N,K) = dy^T (N,M) A (M,K) */
        m = (it_dnnl_mat){ .m = b->dim[0], .n = b->dim[1], .k = out[0]->dim[0], .lda = len, .ldb = lda, .trans_a = true, .trans_b = ta, .alpha = args->alpha };
    if (dx[1])
        IT_TRY(product(n, &m, tb ? g : a, tb ? a : g, dx[1], err));
    if (n->in_len < 3 || !dx[2])
        return INTACT_OK;
    IT_TRY(it_back_reduce(c, n, in[2], dy[0], dx[2], err));
    for (int64_t i = 0; args->beta != 1 && i < it_tensor_len(dx[2]); i++)
        it_tensor_set(dx[2], i, it_tensor_get(dx[2], i) * (double)args->beta);
    return INTACT_OK;
}

static const it_backward gemm_back = { .reads_in = 3, .gives = 7, .run = gemm_run_back };

const it_op it_op_gemm = {
    .name = "gemm", .onnx = "Gemm", .since = 7,
    .in_min = 2, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(gemm_args),
    .parse = gemm_parse, .infer = gemm_infer, .forward = gemm_forward, .lower = gemm_lower,
    .quant = { .role = IT_ROLE_DENSE, .clamps = true, .out = IT_Q_FREE, .weight_in = 1, .bias_in = 2, .weight_axis = gemm_weight_axis, .linear = gemm_linear,
               .in_types = 1u << INTACT_U8 | 1u << INTACT_S16, .out_types = 1u << INTACT_U8 | 1u << INTACT_S16 },
    .back = &gemm_back,
};
