/* SPDX-License-Identifier: Apache-2.0 */
/* Index of the largest or smallest value along an axis. */
#include "op/arg.h"

intact_status it_arg_parse(it_parse *p)
{
    it_arg_args *a = p->n->args;
    int64_t keep, last;
    IT_TRY(it_attr_int(p, "axis", 0, &a->axis));
    IT_TRY(it_attr_int(p, "keepdims", 1, &keep));
    IT_TRY(it_attr_int(p, "select_last_index", 0, &last));
    a->keepdims = keep != 0;
    a->last = last != 0;
    return INTACT_OK;
}

intact_status it_arg_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_arg_args *a = n->args;
    int axis;
    IT_TRY(it_elem_check(n, in, 0, IT_T_NUMBER, err));
    IT_TRY(it_axis(n, a->axis, in[0]->rank, &axis, err));
    if (in[0]->dim[axis] == 0 && it_tensor_len(in[0]) == 0)
        return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d has no elements to choose from", axis);
    out[0].type = IT_I64;
    out[0].rank = 0;
    for (int k = 0; k < in[0]->rank; k++)
        if (k != axis || a->keepdims) out[0].dim[out[0].rank++] = k == axis ? 1 : in[0]->dim[k];
    return INTACT_OK;
}

/* One row of inner candidates a step, so that any axis reads memory in order. best: scratch for inner values. */
#define ARG(id, suffix, T)                                                                                                        \
    static void arg_##suffix(const T *x, int64_t *y, T *best, int64_t len, int64_t inner, bool smallest, bool last)               \
    {                                                                                                                             \
        for (int64_t i = 0; i < inner; i++) {                                                                                     \
            best[i] = x[i];                                                                                                       \
            y[i] = 0;                                                                                                             \
        }                                                                                                                         \
        for (int64_t k = 1; k < len; k++)                                                                                         \
            for (int64_t i = 0; i < inner; i++) {                                                                                 \
                T v = x[k * inner + i];                                                                                           \
                if ((smallest ? v < best[i] : v > best[i]) || (last && v == best[i])) {                                           \
                    best[i] = v;                                                                                                  \
                    y[i] = k;                                                                                                     \
                }                                                                                                                 \
            }                                                                                                                     \
    }
IT_EACH_REAL(ARG)
IT_EACH_SIGNED(ARG)
IT_EACH_UNSIGNED(ARG)
#undef ARG

intact_status it_arg_forward(it_run_ctx *c, const it_node *n, const it_tensor *x, it_tensor *y, bool smallest, intact_error *err)
{
    const it_arg_args *a = n->args;
    int axis;
    it_tensor wide;
    void *best;
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    IT_TRY(it_elem_cast(c, n, x, x->type == IT_F16 ? IT_F32 : x->type, &wide, err));
    int64_t outer = 1, inner = 1, len = x->dim[axis];
    for (int k = 0; k < axis; k++) outer *= x->dim[k];
    for (int k = axis + 1; k < x->rank; k++) inner *= x->dim[k];
    IT_TRY(it_elem_scratch(c, n, (size_t)inner, it_type_bytes(wide.type), &best, err));
    for (int64_t o = 0; o < outer; o++) {
        int64_t *to = (int64_t *)y->data + o * inner;
        switch (wide.type) {
#define RUN(id, suffix, T)                                                                                                        \
        case id: arg_##suffix((const T *)wide.data + o * len * inner, to, best, len, inner, smallest, a->last); break;
            IT_EACH_REAL(RUN)
            IT_EACH_SIGNED(RUN)
            IT_EACH_UNSIGNED(RUN)
#undef RUN
        default: break; /* infer lets nothing else through */
        }
    }
    return INTACT_OK;
}

/* From (N, rest) as the instruction gives it to runtime order, where axis 1 of the output comes last. */
static intact_status emit_order(it_lower *lw, const it_node *n, uint32_t from, intact_error *err)
{
    const it_tensor *t = &n->out[0]->t;
    uint32_t y, dims[INTACT_RANK_MAX], d[6] = {1, 1, 1, 1, 1, 1};
    int32_t s[6] = {0};
    it_runtime_dims(t, dims);
    IT_TRY(it_lower_temp(lw, n->out[0]->name, INTACT_S32, (uint32_t)t->rank, dims, 1.0f, 0, &y, err));
    int64_t step = 1;
    for (int k = t->rank - 1; k >= 1; k--) { /* at most 6 axes: x has one more, and the batch */
        int at = 6 - t->rank + it_runtime_axis(t->rank, k);
        d[at] = (uint32_t)t->dim[k];
        s[at] = (int32_t)step;
        step *= t->dim[k];
    }
    if (step > INT32_MAX) return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "%lld indexes; at most 2^31 are possible", (long long)step);
    it_copy_args a = {d[0], d[1], d[2], d[3], d[4], d[5], s[0], s[1], s[2], s[3], s[4], s[5], 0};
    IT_TRY(it_lower_emit(lw, &it_instr_copy, n->name, &from, 1, &y, 1, &a, err));
    it_lower_alias(lw, n->out[0], y);
    return INTACT_OK;
}

/* The instruction takes the last runtime dimension, which is axis 1, and gives the others in runtime order. */
intact_status it_arg_lower(it_lower *lw, const it_node *n, bool smallest, intact_error *err)
{
    const it_arg_args *a = n->args;
    const it_value *x = n->in[0], *out = n->out[0];
    int axis;
    uint32_t tx, ty, dims[INTACT_RANK_MAX], rank = (uint32_t)x->t.rank;
    IT_TRY(it_axis(n, a->axis, x->t.rank, &axis, err));
    if (axis != 1)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "axis %d; the integer form chooses among channels, axis 1", axis);
    IT_TRY(it_lower_tensor(lw, x, &tx, err));
    it_runtime_dims(&x->t, dims);
    bool drop = !a->keepdims && rank >= 3;
    dims[rank - 1] = 1;
    IT_TRY(it_lower_temp(lw, out->name, INTACT_S32, drop ? rank - 1 : rank, dims, 1.0f, 0, &ty, err));
    it_argmax_args args = {.smallest = smallest, .last = a->last};
    IT_TRY(it_lower_emit(lw, &it_instr_argmax, n->name, &tx, 1, &ty, 1, &args, err));
    if (drop && rank > 3) return emit_order(lw, n, ty, err);
    it_lower_alias(lw, out, ty);
    return INTACT_OK;
}
