/* SPDX-License-Identifier: Apache-2.0 */
/* lower_levels.c: activations of a few fitted levels: thresholds on accumulators, or a table behind what has no accumulator. Both give the level
** nearest to the code that the 8-bit grid would have. */
#include <string.h>

#include "op/lower.h"

/* The least v whose code z + scaled(v), clamped to lo..hi, is code or more; INT32_MAX when none is: no accumulator is that large. */
static int32_t least_reaching(int32_t code, int64_t m, int32_t s, int32_t z, int32_t lo, int32_t hi)
{
    int64_t least = INT32_MIN, most = INT32_MAX;
    if (hi < code)
        return INT32_MAX;
    while (lo < code && least < most) { /* scaled() grows with v: halving finds the place */
        int64_t v = (least + most) >> 1;
        if (z + ((v * m + ((int64_t)1 << (s - 1))) >> s) >= code)
            most = v;
        else
            least = v + 1;
    }
    return (int32_t)least;
}

intact_status it_lower_thresholds(it_lower *lw, const it_node *n, int64_t out_c, const int32_t *mult, const int32_t *shift, const it_quant *qy,
                                  int32_t lo, int32_t hi, uint32_t *thresholds, uint32_t *levels, intact_error *err)
{
    const int64_t steps = qy->levels_len - 1;
    const size_t bytes = (size_t)(out_c * steps) * sizeof(int32_t);
    int32_t *t = it_alloc_new(lw->alloc, bytes);
    if (!t)
        return it_fail_nomem(err, n->name, bytes);
    for (int64_t c = 0; c < out_c; c++)
        for (int64_t k = 0; k < steps; k++) /* from the middle on a code belongs to the upper level */
            t[c * steps + k] = least_reaching((qy->levels[k] + qy->levels[k + 1] + 1) / 2, mult[c], shift[c], qy->zero[0], lo, hi);
    intact_status st = it_lower_const(lw, INTACT_S32, (uint64_t)(out_c * steps), t, thresholds, err);
    it_alloc_free(lw->alloc, t, bytes);
    return st == INTACT_OK ? it_lower_const(lw, INTACT_U8, (uint64_t)qy->levels_len, qy->levels, levels, err) : st;
}

/* ---- behind other operators ---- */

enum { CHAIN_MAX = 16 }; /* moves one after another that are looked through */

static const it_pinstr *writer_of(const it_prog *p, uint32_t t)
{
    for (size_t i = p->instrs.len; i-- > 0;)
        for (uint32_t k = 0; k < p->instrs.items[i].out_len; k++)
            if (p->instrs.items[i].out[k] == t)
                return &p->instrs.items[i];
    return NULL;
}

/* All codes of constant id are levels of q. */
static bool are_levels(const it_prog *p, uint32_t id, const it_quant *q)
{
    const it_pconst *c = &p->consts.items[id];
    for (uint64_t i = 0; i < c->len; i++)
        if (!memchr(q->levels, ((const uint8_t *)c->data)[i], (size_t)q->levels_len))
            return false;
    return true;
}

/* What tensor t holds are levels of q: its instruction chooses among them, or moves what does. */
static bool holds_levels(const it_prog *p, uint32_t t, const it_quant *q, int depth)
{
    const it_pinstr *i = writer_of(p, t);
    if (!i || depth == CHAIN_MAX)
        return false;
    if (i->kind == &it_instr_conv || i->kind == &it_instr_dwconv) {
        const it_conv_args *a = i->args;
        return a->levels != IT_NO_CONST && are_levels(p, a->levels, q);
    }
    if (i->kind == &it_instr_dense) {
        const it_dense_args *a = i->args;
        return a->levels != IT_NO_CONST && are_levels(p, a->levels, q);
    }
    if (i->kind == &it_instr_lut)
        return are_levels(p, ((const it_lut_args *)i->args)->table, q);
    if (i->kind != &it_instr_copy && i->kind != &it_instr_concat && i->kind != &it_instr_maxpool)
        return false;
    for (uint32_t k = 0; k < i->in_len; k++)
        if (!holds_levels(p, i->in[k], q, depth + 1))
            return false;
    return true;
}

intact_status it_lower_to_levels(it_lower *lw, const it_node *n, const it_value *v, intact_error *err)
{
    if (!v || !v->q || !v->q->levels || lw->tensor_of[v->id] == UINT32_MAX)
        return INTACT_OK;
    uint32_t x = lw->tensor_of[v->id], y;
    if (holds_levels(lw->prog, x, v->q, 0))
        return INTACT_OK;
    it_ptensor *t = &lw->prog->tensors.items[x];
    const char *name = t->name;
    t->name = it_arena_printf(&lw->prog->arena, "%s.grid", name);
    if (!t->name)
        return it_fail_nomem(err, n->name, strlen(name) + 8);
    uint8_t nearest[256];
    it_lut_args a;
    uint32_t dims[INTACT_RANK_MAX];
    memcpy(dims, t->dims, sizeof dims);
    it_quant_nearest(v->q, nearest);
    IT_TRY(it_lower_temp(lw, name, INTACT_U8, t->rank, dims, v->q->scale[0], v->q->zero[0], &y, err));
    IT_TRY(it_lower_const(lw, INTACT_U8, 256, nearest, &a.table, err));
    lw->tensor_of[v->id] = y;
    return it_lower_emit(lw, &it_instr_lut, n->name, &x, 1, &y, 1, &a, err);
}
