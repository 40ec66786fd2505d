/* SPDX-License-Identifier: Apache-2.0 */
/* lower_parts.c: weights with zero points. Code minus zero point lies in -255..255: where 8 bits hold it that is the weight, else it is a sum of two
** or three weights of 8 bits, which read the same input, repeated. The sum stays one accumulator, so the result is exact. */
#include <string.h>

#include "op/lower.h"

static int32_t difference(const it_quant *q, int64_t i, int64_t inner)
{
    return q->codes[i] - q->zero[q->len == 1 ? 0 : i / inner % q->len];
}

/* Parts are filled one after another, so all of a weight's have its sign: 255 = 127 + 127 + 1, -255 = -128 - 127. */
static int8_t take_part(int32_t *rest, int32_t least)
{
    int32_t v = *rest > 127 ? 127 : *rest < least ? least : *rest;
    *rest -= v;
    return (int8_t)v;
}

static int parts_of(const it_quant *q, int64_t len, int64_t inner, int32_t least)
{
    int most = 1;
    for (int64_t i = 0; i < len && most < 3; i++) {
        int32_t rest = difference(q, i, inner);
        int parts = 0;
        do take_part(&rest, least);
        while (++parts < 3 && rest);
        most = parts > most ? parts : most;
    }
    return most;
}

intact_status it_lower_parts(it_lower *lw, const it_node *n, const it_value *w, bool negated, it_weight_parts *out, intact_error *err)
{
    const it_quant *q = w->q;
    int64_t len = it_tensor_len(&w->t), inner = 1;
    int32_t least = negated ? -127 : -128;
    bool zeros = false;
    for (int64_t k = 0; k < q->len; k++) zeros = zeros || q->zero[k] != 0;
    *out = (it_weight_parts){ .len = 1, .codes = q->codes, .q = *q };
    if (!zeros && !negated)
        return INTACT_OK;
    for (int k = q->axis + 1; q->axis >= 0 && k < w->t.rank; k++) inner *= w->t.dim[k];
    out->len = parts_of(q, len, inner, least);
    int8_t *codes = it_arena_new(&lw->prog->arena, (size_t)len * (size_t)out->len + 1);
    out->q.zero = it_arena_new(&lw->prog->arena, (size_t)q->len * sizeof *q->zero); /* zeros */
    if (!codes || !out->q.zero)
        return it_fail_nomem(err, n->name, (size_t)len * (size_t)out->len);
    for (int64_t i = 0; i < len; i++) {
        int32_t rest = difference(q, i, inner);
        for (int p = 0; p < out->len; p++) codes[p * len + i] = take_part(&rest, least);
    }
    out->codes = codes;
    out->q.bits = zeros ? 8 : q->bits;
    if (out->len > 1 && it_lower_note(lw, n->name,
                                      "its weights' codes less their zero points need more than 8 bits: they become the sum of %d weights each, so the layer "
                                      "multiplies %d times as much; weights quantized symmetrically would not", out->len, out->len) != INTACT_OK)
        return it_fail_nomem(err, n->name, sizeof(it_note));
    return INTACT_OK;
}

intact_status it_lower_repeat(it_lower *lw, const it_node *n, uint32_t x, int times, uint32_t *out, intact_error *err)
{
    *out = x;
    if (times == 1)
        return INTACT_OK;
    const it_ptensor t = lw->prog->tensors.items[x];
    uint32_t dims[INTACT_RANK_MAX];
    uint64_t elements = it_ptensor_elements(&t);
    float scale;
    memcpy(dims, t.dims, sizeof dims);
    memcpy(&scale, &t.scale_bits, sizeof scale);
    if (elements * (uint64_t)times > INT32_MAX)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "its input, repeated %d times for weights with zero points, has more than 2^31 elements", times);
    dims[t.rank - 1] *= (uint32_t)times;
    IT_TRY(it_lower_temp(lw, t.name, t.type, t.rank, dims, scale, t.zero_point, out, err));
    it_copy_args copy = { .d0 = 1, .d1 = 1, .d2 = 1, .d3 = 1, .d4 = (uint32_t)elements, .d5 = (uint32_t)times, .s4 = 1 };
    return it_lower_emit(lw, &it_instr_copy, n->name, &x, 1, out, 1, &copy, err);
}
