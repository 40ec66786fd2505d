/* SPDX-License-Identifier: Apache-2.0 */
/* Integer forms of operators of two tensors: both computed, or one a constant. */
#include <math.h>
#include <string.h>

#include "op/binary.h"

#define EACH_MAX (1 << 24) /* elements of a constant that has one for each of a sample, or for rows or columns of it */

typedef enum operand { BOTH_COMPUTED, CONST_ONE, CONST_CHANNEL, CONST_EACH, CONST_LARGER } operand;

/* One element a channel (axis 1) of y, counted from the right as broadcasting does. */
static bool is_channel(const it_tensor *t, const it_tensor *y)
{
    int shift = y->rank - t->rank;
    if (y->rank < 2 || shift < 0) return false;
    for (int k = 0; k < t->rank; k++)
        if (t->dim[k] != (k + shift == 1 ? y->dim[1] : 1)) return false;
    return shift <= 1;
}

/* What the operands are; x is the computed one, k the constant. */
static operand operand_of(const it_node *n, const it_value **x, const it_value **k, bool *const_first)
{
    *const_first = n->in[0]->is_const;
    *x = n->in[*const_first ? 1 : 0];
    *k = n->in[*const_first ? 0 : 1];
    if (!(*k)->is_const) return BOTH_COMPUTED;
    if ((*x)->is_const || !(*k)->t.data || !it_tensor_same_shape(&(*x)->t, &n->out[0]->t)) return CONST_LARGER;
    if (it_tensor_len(&(*k)->t) == 1) return CONST_ONE;
    return is_channel(&(*k)->t, &n->out[0]->t) ? CONST_CHANNEL : CONST_EACH;
}

static intact_status fail_const(const it_node *n, const it_value *x, const it_value *k, intact_error *err)
{
    char buf[128], bx[128];
    if (!it_tensor_same_shape(&x->t, &n->out[0]->t))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the constant is %s, the computed operand %s: the integer form needs that one to have "
                            "the result's shape; Expand it first", it_tensor_print(&k->t, buf, sizeof(buf)), it_tensor_print(&x->t, bx, sizeof(bx)));
    return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the constant is %s; the integer form needs one value, or one per channel (axis 1)",
                        it_tensor_print(&k->t, buf, sizeof(buf)));
}

/* A node that has the computed operand at 0, the constant at 1, and fn as its function of one number. */
static intact_status lower_table(it_lower *lw, const it_node *n, const it_value *x, const it_value *k, it_scalar_fn *fn, intact_error *err)
{
    it_op op = *n->op;
    it_node one = *n;
    it_value *in[2] = {(it_value *)x, (it_value *)k};
    op.scalar = fn;
    one.op = &op;
    one.in = in;
    return it_lower_scalar(lw, &one, err);
}

intact_status it_lower_const_operand(it_lower *lw, const it_node *n, it_scalar_fn *with_right, it_scalar_fn *with_left, intact_error *err)
{
    const it_value *x, *k;
    bool const_first;
    operand kind = operand_of(n, &x, &k, &const_first);
    if (kind == BOTH_COMPUTED)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "both operands are computed; the integer form needs a constant for one of them "
                            "(Add, Sub and Mul take two computed ones)");
    if (kind != CONST_ONE) return fail_const(n, x, k, err);
    return lower_table(lw, n, x, k, const_first ? with_left : with_right, err);
}

/* ---- one constant per channel, or per element ---- */

/* y = weight x + bias, where only one of them depends on the constant: which tells fill. */
typedef void affine_fill(double k, double *weight, double *bias);

/* For each element of a sample in runtime order the constant's element that meets it. */
static void each_element(const it_tensor *k, const it_tensor *y, affine_fill *fill, double *weight, double *bias)
{
    int64_t stride[IT_RANK_MAX], at[IT_RANK_MAX] = {0}, from = 0, len = it_tensor_len(y);
    int order[IT_RANK_MAX];
    it_broadcast_strides(k, y, stride);
    for (int a = 0; a < y->rank; a++) order[it_runtime_axis(y->rank, a)] = a;
    for (int64_t i = 0; i < len; i++) {
        fill(it_tensor_get(k, from), &weight[i], &bias[i]);
        for (int r = y->rank - 1; r >= 0; r--) {
            int a = order[r];
            from += stride[a];
            if (++at[a] < y->dim[a]) break;
            from -= stride[a] * y->dim[a];
            at[a] = 0;
        }
    }
}

static intact_status lower_affine(it_lower *lw, const it_node *n, const it_value *x, const it_value *k, bool each, affine_fill *fill,
                                  intact_error *err)
{
    int64_t len = each ? it_tensor_len(&x->t) : it_tensor_len(&k->t);
    size_t bytes = (size_t)len * 2 * sizeof(double);
    if (len > EACH_MAX)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "a constant for each of %lld elements; the integer form takes 2^24, or one per channel",
                            (long long)len);
    double *weight = it_alloc_new(lw->alloc, bytes);
    if (!weight) return it_fail_nomem(err, n->name, bytes);
    double *bias = weight + len;
    if (each)
        each_element(&k->t, &x->t, fill, weight, bias);
    else
        for (int64_t c = 0; c < len; c++) fill(it_tensor_get(&k->t, c), &weight[c], &bias[c]);
    intact_status st = it_lower_affine(lw, n, x, len, weight, bias, err);
    it_alloc_free(lw->alloc, weight, bytes);
    return st;
}

static void fill_add(double k, double *w, double *b) { *w = 1; *b = k; }
static void fill_sub(double k, double *w, double *b) { *w = 1; *b = -k; }
static void fill_sub_from(double k, double *w, double *b) { *w = -1; *b = k; }
static void fill_mul(double k, double *w, double *b) { *w = k; *b = 0; }
static void fill_div(double k, double *w, double *b) { *w = 1 / k; *b = 0; }

/* ---- a table per channel ---- */

static intact_status emit_channel_table(it_lower *lw, const it_node *n, const it_value *x, const it_value *k, it_scalar_fn *fn,
                                        uint8_t *table, int32_t *source, intact_error *err)
{
    const it_value *out = n->out[0];
    int64_t len = it_tensor_len(&k->t);
    float c;
    it_value item = *k, *in[2] = {(it_value *)x, &item};
    it_node one = *n;
    it_pixels_args a;
    uint32_t tx, ty;
    one.in = in;
    item.t = (it_tensor){.type = IT_F32, .rank = 0, .data = &c};
    for (int64_t i = 0; i < len; i++) {
        c = (float)it_tensor_get(&k->t, i);
        source[i] = (int32_t)i;
        for (int q = 0; q < 256; q++) {
            double y = (double)fn(&one, (float)((double)x->q->scale[0] * (q - x->q->zero[0])));
            y = y < (double)n->clamp_lo ? (double)n->clamp_lo : y > (double)n->clamp_hi ? (double)n->clamp_hi : y;
            int32_t unused, code;
            it_clamp_codes(out->q, (float)y, (float)y, &code, &unused);
            table[i * 256 + q] = (uint8_t)code;
        }
    }
    IT_TRY(it_lower_tensor(lw, x, &tx, err));
    IT_TRY(it_lower_tensor(lw, out, &ty, err));
    IT_TRY(it_lower_const(lw, INTACT_U8, (uint64_t)len * 256, table, &a.table, err));
    IT_TRY(it_lower_const(lw, INTACT_S32, (uint64_t)len, source, &a.source, err));
    return it_lower_emit(lw, &it_instr_pixels, n->name, &tx, 1, &ty, 1, &a, err);
}

intact_status it_lower_channel_table(it_lower *lw, const it_node *n, it_scalar_fn *with_right, it_scalar_fn *with_left, intact_error *err)
{
    const it_value *x, *k;
    bool const_first;
    operand kind = operand_of(n, &x, &k, &const_first);
    if (kind != CONST_CHANNEL) return it_lower_const_operand(lw, n, with_right, with_left, err);
    if (!x->q || !n->out[0]->q || x->q->type != INTACT_U8 || n->out[0]->q->type != INTACT_U8)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "one constant per channel needs 8-bit input and output");
    size_t len = (size_t)it_tensor_len(&k->t), bytes = len * (256 + sizeof(int32_t));
    int32_t *room = it_alloc_new(lw->alloc, bytes);
    if (!room) return it_fail_nomem(err, n->name, bytes);
    intact_status st = emit_channel_table(lw, n, x, k, const_first ? with_left : with_right, (uint8_t *)(room + len), room, err);
    it_alloc_free(lw->alloc, room, bytes);
    return st;
}

/* ---- two computed operands ---- */

/* Runtime tensors of both operands, the one of the output's shape first; *swapped tells. */
static intact_status two_tensors(it_lower *lw, const it_node *n, uint32_t in[2], uint32_t *y, bool *swapped, intact_error *err)
{
    const it_value *a = n->in[0], *b = n->in[1], *out = n->out[0];
    *swapped = !it_tensor_same_shape(&a->t, &out->t);
    if (*swapped) {
        a = n->in[1];
        b = n->in[0];
    }
    if (!it_tensor_same_shape(&a->t, &out->t) || a->t.rank != b->t.rank) {
        char ta[128], tb[128];
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "%s and %s: in integers one operand must have the result's shape and the other as many dimensions; "
                            "Reshape or Expand the smaller one",
                            it_tensor_print(&n->in[0]->t, ta, sizeof(ta)), it_tensor_print(&n->in[1]->t, tb, sizeof(tb)));
    }
    IT_TRY(it_lower_tensor(lw, a, &in[0], err));
    IT_TRY(it_lower_tensor(lw, b, &in[1], err));
    return it_lower_tensor(lw, out, y, err);
}

/* Multipliers a and b with one shift, the larger with 31 bits. */
static intact_status two_multipliers(const it_node *n, double a, double b, it_add_args *g, intact_error *err)
{
    int e;
    double most = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    if (!isfinite(most) || most >= 0x1p30)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the operands' scales are %g and %g of the result's; they must be below 2^30",
                            fabs(a), fabs(b));
    frexp(most, &e);
    int s = 31 - e > 62 ? 62 : 31 - e;
    if (round(ldexp(most, s)) >= 0x1p31) s--; /* rounded up to the next power of two */
    g->m_a = (int32_t)round(ldexp(a, s));
    g->m_b = (int32_t)round(ldexp(b, s));
    g->shift = (uint32_t)s;
    return INTACT_OK;
}

/* The codes that float arithmetic with these scales gives. */
static void fit(const it_node *n, bool swapped, it_add_args *g)
{
    const it_quant *q[3] = {n->in[0]->q, n->in[1]->q, n->out[0]->q};
    for (int k = 0; k < 3; k++)
        if (q[k]->type != INTACT_U8) return;
    it_fit_sum f = {q[0]->scale[0], q[1]->scale[0], q[2]->scale[0], q[0]->zero[0], q[1]->zero[0], q[2]->zero[0]};
    it_add_args straight = *g;
    if (swapped) straight.m_a = g->m_b, straight.m_b = g->m_a;
    it_lower_fit_sum(&f, &straight);
    g->m_a = swapped ? straight.m_b : straight.m_a;
    g->m_b = swapped ? straight.m_a : straight.m_b;
}

intact_status it_lower_sum_of_two(it_lower *lw, const it_node *n, int sign, it_scalar_fn *with_right, it_scalar_fn *with_left,
                                  intact_error *err)
{
    const it_value *x, *k;
    bool const_first, swapped;
    operand kind = operand_of(n, &x, &k, &const_first);
    if (kind == CONST_ONE) return it_lower_const_operand(lw, n, with_right, with_left, err);
    if (kind == CONST_CHANNEL || kind == CONST_EACH)
        return lower_affine(lw, n, x, k, kind == CONST_EACH, sign > 0 ? fill_add : const_first ? fill_sub_from : fill_sub, err);
    if (kind == CONST_LARGER) return fail_const(n, x, k, err);
    it_add_args g = {0};
    uint32_t in[2], y;
    IT_TRY(two_tensors(lw, n, in, &y, &swapped, err));
    double out = (double)n->out[0]->q->scale[0], a = (double)n->in[0]->q->scale[0] / out, b = sign * (double)n->in[1]->q->scale[0] / out;
    IT_TRY(two_multipliers(n, swapped ? b : a, swapped ? a : b, &g, err));
    it_clamp_codes(n->out[0]->q, n->clamp_lo, n->clamp_hi, &g.lo, &g.hi);
    if (sign > 0) fit(n, swapped, &g);
    return it_lower_emit(lw, &it_instr_add, n->name, in, 2, &y, 1, &g, err);
}

intact_status it_lower_product(it_lower *lw, const it_node *n, bool divide, it_scalar_fn *with_right, it_scalar_fn *with_left,
                               intact_error *err)
{
    const it_value *x, *k;
    bool const_first, swapped;
    operand kind = operand_of(n, &x, &k, &const_first);
    if (kind == CONST_ONE) return it_lower_const_operand(lw, n, with_right, with_left, err);
    if ((kind == CONST_CHANNEL || kind == CONST_EACH) && !(divide && const_first))
        return lower_affine(lw, n, x, k, kind == CONST_EACH, divide ? fill_div : fill_mul, err);
    if (kind == CONST_EACH)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "one constant an element is divided; the integer form divides one, or one per channel. "
                            "A Mul of the constant and a Reciprocal has an integer form");
    if (kind == CONST_CHANNEL) return it_lower_channel_table(lw, n, with_right, with_left, err);
    if (kind != BOTH_COMPUTED) return fail_const(n, x, k, err);
    if (divide)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "division by a computed tensor has no integer form; multiply by its Reciprocal");
    it_mul_args g = {0};
    it_mult m;
    uint32_t in[2], y;
    IT_TRY(two_tensors(lw, n, in, &y, &swapped, err));
    IT_TRY(it_mult_of((double)n->in[0]->q->scale[0] * (double)n->in[1]->q->scale[0] / (double)n->out[0]->q->scale[0], 31, &m, n->name,
                      err));
    g.mult = m.m;
    g.shift = (uint32_t)m.s;
    it_clamp_codes(n->out[0]->q, n->clamp_lo, n->clamp_hi, &g.lo, &g.hi);
    return it_lower_emit(lw, &it_instr_mul, n->name, in, 2, &y, 1, &g, err);
}
