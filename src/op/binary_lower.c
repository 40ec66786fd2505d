/* SPDX-License-Identifier: Apache-2.0 */
/* Integer forms of operators of two tensors: both computed, or one a constant of one element or of one a channel. */
#include <math.h>
#include <string.h>

#include "op/binary.h"

typedef enum operand { BOTH_COMPUTED, CONST_ONE, CONST_CHANNEL, CONST_OTHER } operand;

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
    if ((*x)->is_const || !(*k)->t.data || !it_tensor_same_shape(&(*x)->t, &n->out[0]->t)) return CONST_OTHER;
    if (it_tensor_len(&(*k)->t) == 1) return CONST_ONE;
    return is_channel(&(*k)->t, &n->out[0]->t) ? CONST_CHANNEL : CONST_OTHER;
}

static intact_status fail_const(const it_node *n, const it_value *k, intact_error *err)
{
    char buf[128];
    return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the constant is %s; the integer form needs one value, or one per channel",
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
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "both operands are computed; the integer form needs a constant for one of them");
    if (kind != CONST_ONE) return fail_const(n, k, err);
    return lower_table(lw, n, x, k, const_first ? with_left : with_right, err);
}

/* ---- one constant per channel ---- */

/* Real parameters of y = (weight * x + bias) per channel. */
typedef struct affine { float *scale, *bias; int8_t *code; int64_t channels; } affine;

/* A depthwise convolution reads rank 3 or 4: a tensor of rank 2 is seen as one of height and width 1, others as they are. */
static intact_status emit_depthwise(it_lower *lw, const it_node *n, uint32_t x, uint32_t y, const it_conv_args *args, intact_error *err)
{
    const it_ptensor tx = lw->prog->tensors.items[x], ty = lw->prog->tensors.items[y];
    uint32_t a = x, b = y;
    if (tx.rank == 3 || tx.rank == 4) return it_lower_emit(lw, &it_instr_dwconv, n->name, &x, 1, &y, 1, args, err);
    uint64_t rest = 1;
    for (uint32_t i = 1; i + 1 < tx.rank; i++) rest *= tx.dims[i];
    if (rest > INT32_MAX)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "%llu positions; at most 2^31 are possible", (unsigned long long)rest);
    uint32_t channels = tx.dims[tx.rank - 1], dims[3] = {1, (uint32_t)rest, channels};
    it_copy_args flat = {.d0 = 1, .d1 = 1, .d2 = 1, .d3 = 1, .d4 = (uint32_t)rest, .d5 = channels, .s4 = (int32_t)channels, .s5 = 1};
    float sx, sy;
    memcpy(&sx, &tx.scale_bits, sizeof(sx));
    memcpy(&sy, &ty.scale_bits, sizeof(sy));
    IT_TRY(it_lower_temp(lw, n->in[0]->name, tx.type, 3, dims, sx, tx.zero_point, &a, err));
    IT_TRY(it_lower_temp(lw, n->out[0]->name, ty.type, 3, dims, sy, ty.zero_point, &b, err));
    IT_TRY(it_lower_emit(lw, &it_instr_copy, n->name, &x, 1, &a, 1, &flat, err));
    IT_TRY(it_lower_emit(lw, &it_instr_dwconv, n->name, &a, 1, &b, 1, args, err));
    return it_lower_emit(lw, &it_instr_copy, n->name, &b, 1, &y, 1, &flat, err);
}

static intact_status emit_affine(it_lower *lw, const it_node *n, const it_value *x, const affine *f, intact_error *err)
{
    const it_value *out = n->out[0];
    it_quant qw = {.type = INTACT_S8, .bits = 8, .axis = 0, .len = f->channels, .scale = f->scale};
    it_mac_consts mac;
    uint32_t tx, ty;
    size_t bytes = (size_t)f->channels * sizeof(int32_t);
    IT_TRY(it_lower_tensor(lw, x, &tx, err));
    IT_TRY(it_lower_tensor(lw, out, &ty, err));
    qw.zero = it_alloc_zero(lw->alloc, bytes);
    if (!qw.zero) return it_fail_nomem(err, n->name, bytes);
    intact_status st = it_lower_mac(lw, n, f->code, f->channels, 1, true, &qw, f->bias, x->q, out->q, &mac, err);
    it_alloc_free(lw->alloc, qw.zero, bytes);
    IT_TRY(st);
    it_conv_args args = {.group = 1, .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .weight = mac.weight,
                         .bias = mac.bias, .mult = mac.mult, .shift = mac.shift, .lo = mac.lo, .hi = mac.hi, .acc64 = mac.acc64};
    return emit_depthwise(lw, n, tx, ty, &args, err);
}

/* y = weight(c) x + bias(c), where only one of them depends on the channel: which tells fill. */
typedef void affine_fill(double k, double *weight, double *bias);

static intact_status lower_affine(it_lower *lw, const it_node *n, const it_value *x, const it_value *k, affine_fill *fill,
                                  intact_error *err)
{
    int64_t len = it_tensor_len(&k->t);
    size_t bytes = (size_t)len * (2 * sizeof(float) + 1);
    float *room = it_alloc_new(lw->alloc, bytes);
    if (!room) return it_fail_nomem(err, n->name, bytes);
    affine f = {.scale = room, .bias = room + len, .code = (int8_t *)(room + 2 * len), .channels = len};
    intact_status st = INTACT_OK;
    for (int64_t c = 0; c < len && st == INTACT_OK; c++) {
        double w, b;
        fill(it_tensor_get(&k->t, c), &w, &b);
        if (!isfinite(w) || !isfinite(b))
            st = it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the constant of channel %lld gives no finite result", (long long)c);
        double size = fabs(w) > 0x1p-100 ? fabs(w) : 0; /* smaller ones act as 0 on any 16-bit code */
        f.scale[c] = (float)((size > 0 ? size : 1.0) / 127);
        f.code[c] = size == 0 ? 0 : w > 0 ? 127 : -127;
        f.bias[c] = (float)b;
    }
    if (st == INTACT_OK) st = emit_affine(lw, n, x, &f, err);
    it_alloc_free(lw->alloc, room, bytes);
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
                            "%s and %s: in integers one operand must have the result's shape and the other as many dimensions",
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

intact_status it_lower_sum_of_two(it_lower *lw, const it_node *n, int sign, it_scalar_fn *with_right, it_scalar_fn *with_left,
                                  intact_error *err)
{
    const it_value *x, *k;
    bool const_first, swapped;
    operand kind = operand_of(n, &x, &k, &const_first);
    if (kind == CONST_ONE) return it_lower_const_operand(lw, n, with_right, with_left, err);
    if (kind == CONST_CHANNEL) return lower_affine(lw, n, x, k, sign > 0 ? fill_add : const_first ? fill_sub_from : fill_sub, err);
    if (kind == CONST_OTHER) return fail_const(n, k, err);
    it_add_args g = {0};
    uint32_t in[2], y;
    IT_TRY(two_tensors(lw, n, in, &y, &swapped, err));
    double out = (double)n->out[0]->q->scale[0], a = (double)n->in[0]->q->scale[0] / out, b = sign * (double)n->in[1]->q->scale[0] / out;
    IT_TRY(two_multipliers(n, swapped ? b : a, swapped ? a : b, &g, err));
    it_clamp_codes(n->out[0]->q, n->clamp_lo, n->clamp_hi, &g.lo, &g.hi);
    return it_lower_emit(lw, &it_instr_add, n->name, in, 2, &y, 1, &g, err);
}

intact_status it_lower_product(it_lower *lw, const it_node *n, bool divide, it_scalar_fn *with_right, it_scalar_fn *with_left,
                               intact_error *err)
{
    const it_value *x, *k;
    bool const_first, swapped;
    operand kind = operand_of(n, &x, &k, &const_first);
    if (kind == CONST_ONE) return it_lower_const_operand(lw, n, with_right, with_left, err);
    if (kind == CONST_CHANNEL && !(divide && const_first)) return lower_affine(lw, n, x, k, divide ? fill_div : fill_mul, err);
    if (kind != BOTH_COMPUTED && divide && const_first) return it_lower_channel_table(lw, n, with_right, with_left, err);
    if (kind != BOTH_COMPUTED) return fail_const(n, k, err);
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
