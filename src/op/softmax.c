/* SPDX-License-Identifier: Apache-2.0 */
/* softmax: exp(x - max) / sum over an axis. In integers a table of exponentials and one division a value. */
#include <math.h>
#include <string.h>

#include "op/lower.h"
#include "op/softmax.h"

#define TABLE_MAX 4096 /* entries of the s16 table */

intact_status it_softmax_parse(it_parse *p)
{
    it_softmax_op_args *a = p->n->args;
    return it_attr_int(p, "axis", p->n->opset < 13 ? 1 : -1, &a->axis);
}

intact_status it_softmax_axes(const it_node *n, int rank, int *first, int *end, intact_error *err)
{
    const it_softmax_op_args *a = n->args;
    if (n->opset < 13 && a->axis == rank) { /* everything before the axis is the batch: sums of one element */
        *first = *end = rank;
        return INTACT_OK;
    }
    IT_TRY(it_axis(n, a->axis, rank, first, err));
    *end = n->opset < 13 ? rank : *first + 1;
    return INTACT_OK;
}

intact_status it_softmax_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    int first, end;
    IT_TRY(it_nn_float_only(n, in[0], err));
    IT_TRY(it_softmax_axes(n, in[0]->rank, &first, &end, err));
    it_shape_copy(&out[0], in[0]);
    return INTACT_OK;
}

/* One sum: len values at distance step. log: x - max - log(sum). */
static void one(const double *x, double *y, int64_t len, int64_t step, bool log_of)
{
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < len; i++)
        max = x[i * step] > max ? x[i * step] : max;
    for (int64_t i = 0; i < len; i++) {
        double e = exp(x[i * step] - max);
        sum += e;
        if (!log_of)
            y[i * step] = e;
    }
    if (log_of)
        sum = log(sum);
    for (int64_t i = 0; i < len; i++)
        y[i * step] = log_of ? x[i * step] - max - sum : y[i * step] / sum;
}

intact_status it_softmax_run(it_run_ctx *c, const it_node *n, const it_tensor *x, it_tensor *y, bool log_of, intact_error *err)
{
    const double *from;
    double *to;
    int first, end;
    int64_t outer = 1, len = 1, inner = 1;
    IT_TRY(it_softmax_axes(n, x->rank, &first, &end, err));
    for (int i = 0; i < x->rank; i++)
        *(i < first ? &outer : i < end ? &len : &inner) *= x->dim[i];
    IT_TRY(it_nn_f64(c, n, x, &from, err));
    IT_TRY(it_nn_f64_room(c, n, y, &to, err));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++)
            one(from + o * len * inner + i, to + o * len * inner + i, len, inner, log_of);
    it_nn_put_f64(y, to);
    return INTACT_OK;
}

static intact_status softmax_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    return it_softmax_run(c, n, in[0], out[0], false, err);
}

static void one_back(const double *y, const double *g, double *d, int64_t len, int64_t step, bool log_of)
{
    double sum = 0;
    for (int64_t i = 0; i < len; i++)
        sum += log_of ? g[i * step] : g[i * step] * y[i * step];
    for (int64_t i = 0; i < len; i++)
        d[i * step] = log_of ? g[i * step] - exp(y[i * step]) * sum : y[i * step] * (g[i * step] - sum);
}

intact_status it_softmax_back(it_back_ctx *c, const it_node *n, const it_tensor *y, const it_tensor *dy, it_tensor *dx, bool log_of, intact_error *err)
{
    it_run_ctx rc = { .alloc = c->alloc, .scratch = c->scratch };
    const double *from, *g;
    double *to;
    int first, end;
    int64_t outer = 1, len = 1, inner = 1;
    if (!dx)
        return INTACT_OK;
    IT_TRY(it_softmax_axes(n, y->rank, &first, &end, err));
    for (int i = 0; i < y->rank; i++)
        *(i < first ? &outer : i < end ? &len : &inner) *= y->dim[i];
    IT_TRY(it_nn_f64(&rc, n, y, &from, err));
    IT_TRY(it_nn_f64(&rc, n, dy, &g, err));
    IT_TRY(it_nn_f64_room(&rc, n, dx, &to, err));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++)
            one_back(from + o * len * inner + i, g + o * len * inner + i, to + o * len * inner + i, len, inner, log_of);
    it_nn_put_f64(dx, to);
    return INTACT_OK;
}

/* The instruction sums over the runtime's last dimension: the axes summed here must be that one, others of length 1 aside. */
static intact_status check_axes(const it_node *n, const it_tensor *x, intact_error *err)
{
    int first, end, last = x->rank >= 3 ? 1 : x->rank - 1;
    IT_TRY(it_softmax_axes(n, x->rank, &first, &end, err));
    for (int i = 0; i < x->rank; i++)
        if (x->dim[i] != 1 && (i >= first && i < end) != (i == last))
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the sum runs over axes %d..%d and not over the channels (axis %d) alone; "
                                "Transpose before and after it", first, end - 1, last);
    return INTACT_OK;
}

/* exp(-S * d) in Q31 for distances d = index << shift; from the second entry on the middle of what an index stands for. */
static void fill_table(uint32_t *table, int len, int shift, double scale)
{
    for (int i = 0; i < len; i++) {
        double d = i == 0 ? 0 : (double)((int64_t)i << shift) + ((int64_t)1 << shift) / 2.0 - 0.5;
        table[i] = (uint32_t)floor(exp(-scale * d) * 0x1p31 + 0.5);
    }
}

static intact_status table_const(it_lower *lw, const it_quant *qx, it_softmax_args *a, intact_error *err)
{
    uint32_t table[TABLE_MAX];
    double scale = qx->scale[0];
    int len = 256, shift = 0;
    if (qx->type == INTACT_S16) {
        /* exp(-22.2) * 2^31 rounds to 0: nothing is lost when the table ends there, or at the largest distance 65534. */
        while (((int64_t)TABLE_MAX << shift) <= 65534 && scale * (double)((int64_t)(TABLE_MAX - 1) << shift) < 22.2)
            shift++;
        len = TABLE_MAX;
    }
    fill_table(table, len, shift, scale);
    a->d_shift = (uint32_t)shift;
    return it_lower_const(lw, INTACT_S32, (uint64_t)len, table, &a->table, err);
}

static intact_status softmax_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_value *in = n->in[0], *out = n->out[0];
    it_softmax_args a = { 0 };
    uint32_t x, y, mid, dims[INTACT_RANK_MAX];
    double one_code;
    it_quant q;
    float scale;
    int32_t zero = 0, most;
    IT_TRY(it_lower_tensor(lw, in, &x, err));
    IT_TRY(it_lower_tensor(lw, out, &y, err));
    IT_TRY(check_axes(n, &in->t, err));
    IT_TRY(table_const(lw, in->q, &a, err));
    most = out->q->type == INTACT_U8 ? 255 : 32767;
    one_code = floor(1.0 / out->q->scale[0] + 0.5);
    if (out->q->zero[0] == 0 && one_code >= 1 && one_code <= most + 1 && !it_lower_clamps(n, out->q)) {
        a.y_one = one_code > most ? most : (int32_t)one_code; /* 1/256 and 1/32768 are usual scales, too: 1 itself saturates */
        return it_lower_emit(lw, &it_instr_softmax, n->name, &x, 1, &y, 1, &a, err);
    }
    a.y_one = most;
    scale = 1.0f / (float)most;
    q = (it_quant){ .type = out->q->type, .bits = out->q->bits, .axis = -1, .len = 1, .scale = &scale, .zero = &zero };
    it_runtime_dims(&out->t, dims);
    IT_TRY(it_lower_temp(lw, out->name, q.type, (uint32_t)out->t.rank, dims, scale, 0, &mid, err));
    IT_TRY(it_lower_emit(lw, &it_instr_softmax, n->name, &x, 1, &mid, 1, &a, err));
    return it_lower_requantize(lw, n, mid, &q, out, err);
}

static intact_status softmax_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out,
                                      const it_tensor *const *dy, it_tensor *const *dx, intact_error *err)
{
    (void)in;
    return it_softmax_back(c, n, out[0], dy[0], dx[0], false, err);
}

static const it_backward softmax_back = { .reads_out = 1, .gives = 1, .run = softmax_run_back };

const it_op it_op_softmax = {
    .name = "softmax", .onnx = "Softmax", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_softmax_op_args),
    .parse = it_softmax_parse, .infer = it_softmax_infer, .forward = softmax_forward, .lower = softmax_lower,
    .quant = { .role = IT_ROLE_SOFTMAX, .out = IT_Q_FIXED, .fixed_lo = 0, .fixed_hi = 1, .in_types = 1u << INTACT_U8 | 1u << INTACT_S16,
               .out_types = 1u << INTACT_U8 | 1u << INTACT_S16 },
    .back = &softmax_back,
};
