/* SPDX-License-Identifier: Apache-2.0 */
/* Building blocks of lowering: runtime tensors of values, constants, instructions, notes, tables of scalar functions. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op/lower.h"

#define CONST_LOOKS 256 /* constants that a new one is compared with */

void it_lower_init(it_lower *lw, const it_graph *g, it_prog *prog, const intact_alloc *alloc)
{
    int max_id = -1;
    memset(lw, 0, sizeof(*lw));
    lw->g = g;
    lw->prog = prog;
    lw->alloc = it_alloc_or_libc(alloc);
    for (size_t i = 0; i < g->values.len; i++)
        if (g->values.items[i] && g->values.items[i]->id > max_id)
            max_id = g->values.items[i]->id;
    /* Lives as long as the program's arena; when this fails the first it_lower_tensor() says so. */
    lw->tensor_of = it_arena_new(&prog->arena, ((size_t)max_id + 1) * sizeof(uint32_t));
    if (lw->tensor_of)
        memset(lw->tensor_of, 0xff, ((size_t)max_id + 1) * sizeof(uint32_t));
}

void it_lower_release(it_lower *lw)
{
    IT_VEC_FREE(lw->alloc, lw->notes);
    lw->notes.items = NULL;
    lw->notes.len = lw->notes.cap = 0;
}

int it_runtime_axis(int rank, int axis)
{
    if (rank < 3 || axis == 0)
        return axis;
    return axis == 1 ? rank - 1 : axis - 1;
}

void it_runtime_dims(const it_tensor *t, uint32_t dims[INTACT_RANK_MAX])
{
    for (int i = 0; i < t->rank && i < INTACT_RANK_MAX; i++)
        dims[it_runtime_axis(t->rank, i)] = (uint32_t)t->dim[i];
}

intact_status it_lower_temp(it_lower *lw, const char *name, intact_type type, uint32_t rank, const uint32_t *dims, float scale,
                            int32_t zero, uint32_t *out, intact_error *err)
{
    it_prog *p = lw->prog;
    it_ptensor t = { .type = type, .rank = rank, .zero_point = zero };
    if (rank == 0 || rank > INTACT_RANK_MAX)
        return it_fail(err, INTACT_E_UNSUPPORTED, name, "an integer tensor has 1 to %d dimensions, this one %u", INTACT_RANK_MAX, rank);
    memcpy(t.dims, dims, rank * sizeof(*dims));
    memcpy(&t.scale_bits, &scale, sizeof(scale));
    t.name = it_arena_text(&p->arena, name);
    if (!t.name || p->tensors.len >= UINT32_MAX - 1 || !IT_VEC_ROOM(p->arena.alloc, p->tensors))
        return it_fail_nomem(err, name, sizeof(t));
    *out = (uint32_t)p->tensors.len;
    p->tensors.items[p->tensors.len++] = t;
    return INTACT_OK;
}

/* What an integer tensor demands of a value. */
static intact_status check_value(const it_value *v, intact_error *err)
{
    const it_quant *q = v->q;
    if (!q || q->len != 1)
        return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "the value has %s, so it cannot be an integer tensor; "
                       "one scale and one zero point are needed", q ? "a scale per channel" : "no quantization parameters");
    if (q->type != INTACT_U8 && q->type != INTACT_S16)
        return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "activations are u8 or s16 in the runtime, not type %d", (int)q->type);
    if (!(q->scale[0] > 0) || !isfinite(q->scale[0]))
        return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "scale %g; a positive finite number is needed", (double)q->scale[0]);
    if (q->zero[0] < 0 || q->zero[0] > (q->type == INTACT_U8 ? 255 : 0))
        return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "zero point %d; %s is allowed", (int)q->zero[0],
                       q->type == INTACT_U8 ? "0..255" : "0 alone");
    if (v->t.rank < 1 || v->t.rank > INTACT_RANK_MAX)
        return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "%d dimensions; an integer tensor has 1 to %d and the batch first",
                       v->t.rank, INTACT_RANK_MAX);
    if (v->t.dim[0] != 1)
        return it_fail(err, INTACT_E_SHAPE, v->name, "first dimension is %lld; lowering needs a batch of 1 there",
                       (long long)v->t.dim[0]);
    for (int i = 0; i < v->t.rank; i++)
        if (v->t.dim[i] < 1 || v->t.dim[i] > INT32_MAX)
            return it_fail(err, INTACT_E_SHAPE, v->name, "dimension %d is %lld; 1 to 2147483647 is possible", i, (long long)v->t.dim[i]);
    return INTACT_OK;
}

intact_status it_lower_tensor(it_lower *lw, const it_value *v, uint32_t *out, intact_error *err)
{
    uint32_t dims[INTACT_RANK_MAX];
    if (!lw->tensor_of)
        return it_fail_nomem(err, v->name, lw->g->values.len * sizeof(uint32_t));
    if (lw->tensor_of[v->id] == UINT32_MAX) {
        IT_TRY(check_value(v, err));
        it_runtime_dims(&v->t, dims);
        IT_TRY(it_lower_temp(lw, v->name, v->q->type, (uint32_t)v->t.rank, dims, v->q->scale[0], v->q->zero[0], &lw->tensor_of[v->id],
                             err));
    }
    *out = lw->tensor_of[v->id];
    return INTACT_OK;
}

void it_lower_alias(it_lower *lw, const it_value *out, uint32_t tensor)
{
    if (lw->tensor_of)
        lw->tensor_of[out->id] = tensor;
}

intact_status it_lower_const_new(it_lower *lw, intact_type type, uint64_t len, const void *data, uint32_t *out, intact_error *err)
{
    it_prog *p = lw->prog;
    size_t bytes;
    uint8_t *room;
    if (len > SIZE_MAX / 16 || !it_mul_size((size_t)len, intact_type_bytes(type), &bytes))
        return it_fail_nomem(err, "constant", SIZE_MAX);
    room = it_arena_new(&p->arena, bytes + IT_ALIGN);
    if (!room || p->consts.len >= UINT32_MAX - 1 || !IT_VEC_ROOM(p->arena.alloc, p->consts))
        return it_fail_nomem(err, "constant", bytes);
    room += (IT_ALIGN - (uintptr_t)room % IT_ALIGN) % IT_ALIGN;
    memcpy(room, data, bytes);
    *out = (uint32_t)p->consts.len;
    p->consts.items[p->consts.len++] = (it_pconst){ .type = type, .len = len, .data = room };
    return INTACT_OK;
}

/* The same constant once more: steps of a recurrent layer share theirs. The latest ones are looked at first, and not all of a large program's. */
bool it_lower_const_find(const it_lower *lw, const it_pconst *want, size_t bytes, uint32_t *out)
{
    const it_prog *p = lw->prog;
    const size_t looks = p->consts.len < CONST_LOOKS ? p->consts.len : CONST_LOOKS;
    for (size_t i = p->consts.len; i-- > p->consts.len - looks;) {
        const it_pconst *c = &p->consts.items[i];
        if (c->type == want->type && c->len == want->len && c->bits == want->bits && c->rows == want->rows && c->table == want->table &&
            memcmp(c->data, want->data, bytes) == 0) {
            *out = (uint32_t)i;
            return true;
        }
    }
    return false;
}

intact_status it_lower_const(it_lower *lw, intact_type type, uint64_t len, const void *data, uint32_t *out, intact_error *err)
{
    size_t bytes;
    if (len > SIZE_MAX / 16 || !it_mul_size((size_t)len, intact_type_bytes(type), &bytes))
        return it_fail_nomem(err, "constant", SIZE_MAX);
    if (it_lower_const_find(lw, &(it_pconst){ .type = type, .len = len, .data = data }, bytes, out))
        return INTACT_OK;
    return it_lower_const_new(lw, type, len, data, out, err);
}

intact_status it_lower_emit(it_lower *lw, const it_instr *kind, const char *layer, const uint32_t *in, uint32_t in_len,
                            const uint32_t *out, uint32_t out_len, const void *args, intact_error *err)
{
    it_prog *p = lw->prog;
    it_pinstr i = { .kind = kind, .in_len = in_len, .out_len = out_len };
    i.name = it_arena_text(&p->arena, layer);
    i.in = it_arena_copy(&p->arena, in, in_len * sizeof(*in));
    i.out = it_arena_copy(&p->arena, out, out_len * sizeof(*out));
    i.args = kind->args_bytes ? it_arena_copy(&p->arena, args, kind->args_bytes) : it_arena_new(&p->arena, 4);
    if (!i.name || !i.in || !i.out || !i.args || !IT_VEC_ROOM(p->arena.alloc, p->instrs))
        return it_fail_nomem(err, layer, sizeof(i));
    p->instrs.items[p->instrs.len++] = i;
    return INTACT_OK;
}

intact_status it_lower_note(it_lower *lw, const char *layer, const char *fmt, ...)
{
    char buf[512];
    it_note note;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    note.layer = it_arena_text(&lw->prog->arena, layer);
    note.text = it_arena_text(&lw->prog->arena, buf);
    if (!note.layer || !note.text || !IT_VEC_ROOM(lw->alloc, lw->notes))
        return INTACT_E_NOMEM;
    lw->notes.items[lw->notes.len++] = note;
    return INTACT_OK;
}

/* ---- codes of real numbers ---- */

/* Nearest code, ties toward +infinity, within the type; NaN gives the zero point. */
static int32_t code_of(double real, double scale, int32_t zero, int32_t lo, int32_t hi)
{
    double q = floor(real / scale + 0.5) + zero;
    if (isnan(q))
        return zero;
    return q <= lo ? lo : q >= hi ? hi : (int32_t)q;
}

static void code_range(const it_quant *q, int32_t *lo, int32_t *hi)
{
    *lo = q->type == INTACT_U8 ? 0 : -32767;
    *hi = q->type != INTACT_U8 ? 32767 : q->bits >= 1 && q->bits < 8 ? (1 << q->bits) - 1 : 255;
}

void it_clamp_codes(const it_quant *q, float lo, float hi, int32_t *code_lo, int32_t *code_hi)
{
    int32_t min, max;
    code_range(q, &min, &max);
    *code_lo = code_of(lo, q->scale[0], q->zero[0], min, max);
    *code_hi = code_of(hi, q->scale[0], q->zero[0], min, max);
    if (lo == -INFINITY)
        *code_lo = min;
    if (hi == INFINITY)
        *code_hi = max;
}

/* Code of f(x), the node's fused clamp included. */
static int32_t scalar_code(const it_node *n, float x, double scale, int32_t zero, int32_t min, int32_t max)
{
    float y = n->op->scalar(n, x);
    if (y < n->clamp_lo)
        y = n->clamp_lo;
    if (y > n->clamp_hi)
        y = n->clamp_hi;
    return code_of(y, scale, zero, min, max);
}

static intact_status lut_from_u8(it_lower *lw, const it_node *n, uint32_t *table, intact_error *err)
{
    const it_quant *qx = n->in[0]->q, *qy = n->out[0]->q;
    uint8_t t8[256];
    int16_t t16[256];
    int32_t min, max;
    uint8_t nearest[256];
    code_range(qy, &min, &max);
    it_quant_nearest(qy, nearest);
    for (int q = 0; q < 256; q++) {
        int32_t code = scalar_code(n, (float)((double)qx->scale[0] * (q - qx->zero[0])), qy->scale[0], qy->zero[0], min, max);
        t8[q] = nearest[code & 255];
        t16[q] = (int16_t)code;
    }
    return it_lower_const(lw, qy->type, 256, qy->type == INTACT_U8 ? (const void *)t8 : t16, table, err);
}

/* From s16 the table gives s16 at scale_y; a u8 output is requantized from there. */
static intact_status lut_from_s16(it_lower *lw, const it_node *n, double scale_y, uint32_t *table, intact_error *err)
{
    int16_t t[513];
    for (int i = 0; i < 513; i++)
        t[i] = (int16_t)scalar_code(n, (float)((double)n->in[0]->q->scale[0] * (i * 128 - 32768)), scale_y, 0, -32767, 32767);
    return it_lower_const(lw, INTACT_S16, 513, t, table, err);
}

static intact_status emit_requantize(it_lower *lw, const it_node *n, uint32_t x, double scale_x, uint32_t y, const it_quant *qy,
                                     float lo, float hi, intact_error *err)
{
    it_requantize_args a = { 0 };
    it_mult m;
    IT_TRY(it_mult_of(scale_x / (double)qy->scale[0], 31, &m, n->name, err));
    a.mult = m.m;
    a.shift = (uint32_t)m.s;
    it_clamp_codes(qy, lo, hi, &a.lo, &a.hi);
    return it_lower_emit(lw, &it_instr_requantize, n->name, &x, 1, &y, 1, &a, err);
}

intact_status it_lower_scalar(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_value *in = n->in[0], *out = n->out[0];
    it_lut_args a;
    uint32_t x, y, mid, dims[INTACT_RANK_MAX];
    int32_t lo, hi;
    float scale;
    if (!n->op->scalar)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "no function of one number to make a table from");
    IT_TRY(it_lower_tensor(lw, in, &x, err));
    IT_TRY(it_lower_tensor(lw, out, &y, err));
    if (in->q->type == INTACT_U8) {
        IT_TRY(lut_from_u8(lw, n, &a.table, err));
        return it_lower_emit(lw, &it_instr_lut, n->name, &x, 1, &y, 1, &a, err);
    }
    if (out->q->type == INTACT_S16) {
        IT_TRY(lut_from_s16(lw, n, out->q->scale[0], &a.table, err));
        return it_lower_emit(lw, &it_instr_lut, n->name, &x, 1, &y, 1, &a, err);
    }
    code_range(out->q, &lo, &hi);
    lo = out->q->zero[0] - lo;
    hi = hi - out->q->zero[0];
    scale = (float)((double)out->q->scale[0] * (lo > hi ? lo : hi) / 32767.0); /* the larger end of y's range becomes 32767 */
    it_runtime_dims(&out->t, dims);
    IT_TRY(it_lower_temp(lw, out->name, INTACT_S16, (uint32_t)out->t.rank, dims, scale, 0, &mid, err));
    IT_TRY(lut_from_s16(lw, n, scale, &a.table, err));
    IT_TRY(it_lower_emit(lw, &it_instr_lut, n->name, &x, 1, &mid, 1, &a, err));
    return emit_requantize(lw, n, mid, scale, y, out->q, -INFINITY, INFINITY, err);
}

bool it_lower_same_quant(const it_quant *a, const it_quant *b)
{
    return a && b && a->type == b->type && a->len == 1 && b->len == 1 && a->scale[0] == b->scale[0] && a->zero[0] == b->zero[0] &&
           a->levels_len == b->levels_len && (!a->levels || memcmp(a->levels, b->levels, (size_t)a->levels_len) == 0);
}

intact_status it_lower_requantize(it_lower *lw, const it_node *n, uint32_t x, const it_quant *qx, const it_value *out, intact_error *err)
{
    uint32_t y = 0;
    IT_TRY(it_lower_tensor(lw, out, &y, err));
    return emit_requantize(lw, n, x, qx->scale[0], y, out->q, n->clamp_lo, n->clamp_hi, err);
}

bool it_lower_clamps(const it_node *n, const it_quant *q)
{
    int32_t lo, hi, min, max;
    it_clamp_codes(q, n->clamp_lo, n->clamp_hi, &lo, &hi);
    it_clamp_codes(q, -INFINITY, INFINITY, &min, &max);
    return lo > min || hi < max;
}

intact_status it_lower_pass(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_value *in = n->in[0], *out = n->out[0];
    uint32_t x = 0;
    IT_TRY(it_lower_tensor(lw, in, &x, err));
    /* A graph input handed out as it is still needs an instruction that writes the output. */
    if (it_lower_same_quant(in->q, out->q) && !it_lower_clamps(n, out->q) && !(in->is_input && out->is_output)) {
        it_lower_alias(lw, out, x);
        return INTACT_OK;
    }
    return it_lower_requantize(lw, n, x, in->q, out, err);
}
