/* SPDX-License-Identifier: Apache-2.0 */
/* program.c: what must hold of every program before it is written or run.
**
**  P1  at most 65536 tensors, constants and instructions each; names and meta are there
**  P2  a tensor is u8, s16 or s32, of rank 1..8, dims[0] = 1, other dims >= 1, fewer than 2^31 elements
**  P3  its zero point is 0..255 for u8 and 0 otherwise; its scale is a finite positive single
**  P4  a constant has data, aligned for its type, and len >= 1; packed weights (bits 2..4) are whole rows, the bits behind a row's last
**      code are zero, and their table is an s8 constant of 1 << bits values, or as many for each row
**  P5  inputs are different tensors; there is at least one input and one output
**  P6  an instruction's numbers of inputs and outputs are its kind's, all indexes are in range
**  P7  every tensor that is read, by an instruction or as an output, was written before: by exactly one instruction, or it is an input
**  P8  every field of the arguments lies in its range
**  P9  the kind's own check holds: shapes, types, sizes of constants, accumulators proved */
#include "run/instr.h"

#include <inttypes.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "constants of a program file are used in place: little-endian machines only");

enum { ITEMS_MAX = 65536 };

const it_instr *const it_instr_all[] = {
#define INSTR(name, code) &it_instr_##name,
#include "run/instr_list.h"
#undef INSTR
    NULL
};

const it_instr *it_instr_by_code(uint32_t code)
{
    for (const it_instr *const *k = it_instr_all; *k; k++)
        if ((*k)->code == code)
            return *k;
    return NULL;
}

uint32_t it_instr_fields_least(const it_instr *kind)
{
    uint32_t n = kind->fields_len;
    while (n > 0 && kind->fields[n - 1].type == IT_F_CONST_OPT)
        n--;
    return n;
}

uint32_t it_pinstr_fields(const it_pinstr *i)
{
    uint32_t n = i->kind->fields_len, least = it_instr_fields_least(i->kind);
    while (n > least && it_field_const(i, &i->kind->fields[n - 1]) == IT_NO_CONST)
        n--;
    return n;
}

void it_prog_init(it_prog *p, const intact_alloc *alloc)
{
    memset(p, 0, sizeof *p);
    it_arena_init(&p->arena, alloc);
}

void it_prog_release(it_prog *p)
{
    const intact_alloc *a = p->arena.alloc;
    IT_VEC_FREE(a, p->tensors);
    IT_VEC_FREE(a, p->consts);
    IT_VEC_FREE(a, p->instrs);
    it_arena_release(&p->arena);
    it_prog_init(p, a);
}

uint64_t it_ptensor_elements(const it_ptensor *t)
{
    uint64_t n = 1;
    for (uint32_t k = 0; k < t->rank; k++)
        n *= t->dims[k];
    return n;
}

uint64_t it_pconst_bytes(const it_pconst *c)
{
    return c->bits ? c->rows * (uint64_t)it_codes_row_bytes(c->bits, c->len / c->rows) : c->len * intact_type_bytes(c->type);
}

it_codes it_pconst_codes(const it_prog *p, const it_pconst *c)
{
    const it_pconst *t = it_const(p, c->table);
    return (it_codes){ .data = c->data, .table = t->data, .bits = c->bits, .rows = c->rows, .row_len = (uint32_t)(c->len / c->rows),
                       .by_row = t->len != (uint64_t)1 << c->bits };
}

size_t it_ptensor_bytes(const it_ptensor *t) { return (size_t)it_ptensor_elements(t) * intact_type_bytes(t->type); }

void it_ptensor_nhwc(const it_ptensor *t, uint32_t hwc[3])
{
    hwc[0] = hwc[1] = hwc[2] = 1;
    for (uint32_t k = 1; k < t->rank; k++) {
        uint32_t from_end = t->rank - 1 - k;
        hwc[from_end > 2 ? 0 : 2 - from_end] *= t->dims[k];
    }
}

static intact_status check_tensor(const it_ptensor *t, uint32_t index, intact_error *err)
{
    if (!t->name)
        return it_fail(err, INTACT_E_FORMAT, "program", "tensor %u has no name", index);
    if (t->type != INTACT_U8 && t->type != INTACT_S16 && t->type != INTACT_S32)
        return it_fail(err, INTACT_E_FORMAT, t->name, "tensor %u has type %d; u8, s16 and s32 are possible", index, (int)t->type);
    if (t->rank < 1 || t->rank > INTACT_RANK_MAX)
        return it_fail(err, INTACT_E_SHAPE, t->name, "tensor %u has %u dimensions; 1 to %d are possible", index, t->rank, INTACT_RANK_MAX);
    if (t->dims[0] != 1)
        return it_fail(err, INTACT_E_SHAPE, t->name, "dimension 0 (batch) of tensor %u is %u; a program states one sample", index,
                       t->dims[0]);
    uint64_t n = 1;
    for (uint32_t k = 0; k < t->rank; k++) {
        n *= t->dims[k]; /* below 2^31 * 2^32 */
        if (n == 0 || n > INT32_MAX)
            return it_fail(err, INTACT_E_SHAPE, t->name, "tensor %u has %" PRIu64 " elements up to dimension %u; 1 to 2^31-1 are possible",
                           index, n, k);
    }
    if (t->zero_point < 0 || t->zero_point > (t->type == INTACT_U8 ? 255 : 0))
        return it_fail(err, INTACT_E_FORMAT, t->name, "zero point %d of tensor %u; it must be %s", t->zero_point, index,
                       t->type == INTACT_U8 ? "0..255" : "0");
    if (t->scale_bits == 0 || t->scale_bits >= 0x7f800000u)
        return it_fail(err, INTACT_E_FORMAT, t->name, "the scale of tensor %u (bits 0x%08x) is not a finite positive number", index,
                       t->scale_bits);
    return INTACT_OK;
}

/* Bits of a row behind its last code. */
static bool has_spare_bits(const it_pconst *c, uint64_t row)
{
    uint64_t row_len = c->len / c->rows, bytes = it_codes_row_bytes(c->bits, row_len);
    uint32_t used = (uint32_t)(row_len % 8 * c->bits % 8);
    return used != 0 && ((const uint8_t *)c->data)[(row + 1) * bytes - 1] >> used != 0;
}

static intact_status check_packed(const it_prog *p, const it_pconst *c, uint32_t index, intact_error *err)
{
    if (c->type != INTACT_S8 || c->bits < 2 || c->bits > 4)
        return it_fail(err, INTACT_E_FORMAT, "program", "constant %u has codes of %u bits for type %d; 2 to 4 bits for s8 are possible",
                       index, c->bits, (int)c->type);
    if (c->rows == 0 || c->len % c->rows != 0)
        return it_fail(err, INTACT_E_FORMAT, "program", "constant %u has %" PRIu64 " codes in %u rows; rows must be whole", index, c->len,
                       c->rows);
    const it_pconst *t = c->table < p->consts.len ? &p->consts.items[c->table] : NULL;
    uint64_t levels = (uint64_t)1 << c->bits;
    if (!t || t->type != INTACT_S8 || t->bits != 0 || (t->len != levels && t->len != levels * c->rows))
        return it_fail(err, INTACT_E_FORMAT, "program",
                       "the table of constant %u is constant %u; it must be s8 with %" PRIu64 " values, or as many for each of %u rows",
                       index, c->table, levels, c->rows);
    for (uint64_t row = 0; row < c->rows; row++)
        if (has_spare_bits(c, row))
            return it_fail(err, INTACT_E_FORMAT, "program", "constant %u, row %" PRIu64 ": the bits behind the last code must be zero",
                           index, row);
    return INTACT_OK;
}

static intact_status check_const(const it_prog *p, const it_pconst *c, uint32_t index, intact_error *err)
{
    if ((unsigned)c->type > INTACT_S32)
        return it_fail(err, INTACT_E_FORMAT, "program", "constant %u has type %d; 0 to 3 are possible", index, (int)c->type);
    if (!c->data || c->len == 0 || c->len > INT32_MAX)
        return it_fail(err, INTACT_E_FORMAT, "program", "constant %u has %" PRIu64 " elements; 1 to 2^31-1 are possible", index, c->len);
    if ((uintptr_t)c->data % intact_type_bytes(c->type) != 0)
        return it_fail(err, INTACT_E_FORMAT, "program", "constant %u is not aligned for its type", index);
    if (c->bits != 0)
        return check_packed(p, c, index, err);
    if (c->rows != 0 || c->table != 0)
        return it_fail(err, INTACT_E_FORMAT, "program", "constant %u is not packed but has %u rows and table %u", index, c->rows, c->table);
    return INTACT_OK;
}

static intact_status check_fields(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    for (uint32_t k = 0; k < i->kind->fields_len; k++) {
        const it_field *f = &i->kind->fields[k];
        uint32_t bits;
        memcpy(&bits, (const char *)i->args + f->offset, 4);
        int64_t v = f->type == IT_F_I32 ? (int64_t)(int32_t)bits : (int64_t)bits;
        if (f->type == IT_F_CONST_OPT && bits == IT_NO_CONST)
            continue;
        if (f->type == IT_F_CONST || f->type == IT_F_CONST_OPT) {
            if (bits >= p->consts.len)
                return it_fail(err, INTACT_E_FORMAT, i->name, "%s: %s is constant %u; the program has %zu", i->kind->name, f->name, bits,
                               p->consts.len);
        } else if (v < f->lo || v > f->hi) {
            return it_fail(err, INTACT_E_FORMAT, i->name, "%s: %s is %" PRId64 "; %" PRId64 " to %" PRId64 " are possible", i->kind->name,
                           f->name, v, f->lo, f->hi);
        }
    }
    return INTACT_OK;
}

/* P6 to P9 of one instruction; written[t] is 1 for tensors that have a value. */
static intact_status check_instr(const it_prog *p, const it_pinstr *i, uint32_t index, uint8_t *written, intact_error *err)
{
    if (!i->kind || !i->name || !i->in || !i->out || (!i->args && i->kind->args_bytes))
        return it_fail(err, INTACT_E_FORMAT, "program", "instruction %u is incomplete", index);
    const it_instr *kind = i->kind;
    if (i->in_len < kind->in_min || i->in_len > kind->in_max || i->out_len != kind->out_len)
        return it_fail(err, INTACT_E_FORMAT, i->name, "instruction %u (%s) has %u inputs and %u outputs; it takes %u to %u and gives %u",
                       index, kind->name, i->in_len, i->out_len, kind->in_min, kind->in_max, kind->out_len);
    for (uint32_t k = 0; k < i->in_len; k++) {
        if (i->in[k] >= p->tensors.len)
            return it_fail(err, INTACT_E_FORMAT, i->name, "instruction %u (%s) reads tensor %u; there are %zu", index, kind->name, i->in[k],
                           p->tensors.len);
        if (!written[i->in[k]])
            return it_fail(err, INTACT_E_FORMAT, i->name, "instruction %u (%s) reads tensor %u before it has a value", index, kind->name,
                           i->in[k]);
    }
    for (uint32_t k = 0; k < i->out_len; k++) {
        if (i->out[k] >= p->tensors.len)
            return it_fail(err, INTACT_E_FORMAT, i->name, "instruction %u (%s) writes tensor %u; there are %zu", index, kind->name,
                           i->out[k], p->tensors.len);
        if (written[i->out[k]])
            return it_fail(err, INTACT_E_FORMAT, i->name, "instruction %u (%s) writes tensor %u, which has a value already", index,
                           kind->name, i->out[k]);
        written[i->out[k]] = 1;
    }
    IT_TRY(check_fields(p, i, err));
    return kind->check(p, i, err);
}

static intact_status check_order(const it_prog *p, uint8_t *written, intact_error *err)
{
    for (uint32_t k = 0; k < p->inputs_len; k++) {
        if (p->inputs[k] >= p->tensors.len)
            return it_fail(err, INTACT_E_FORMAT, "program", "input %u is tensor %u; there are %zu", k, p->inputs[k], p->tensors.len);
        if (written[p->inputs[k]])
            return it_fail(err, INTACT_E_FORMAT, "program", "input %u is tensor %u, which is an input already", k, p->inputs[k]);
        written[p->inputs[k]] = 1;
    }
    for (uint32_t k = 0; k < p->instrs.len; k++)
        IT_TRY(check_instr(p, &p->instrs.items[k], k, written, err));
    for (uint32_t k = 0; k < p->outputs_len; k++)
        if (p->outputs[k] >= p->tensors.len || !written[p->outputs[k]])
            return it_fail(err, INTACT_E_FORMAT, "program", "output %u is tensor %u, which never gets a value", k, p->outputs[k]);
    return INTACT_OK;
}

intact_status it_prog_check(const it_prog *p, intact_error *err)
{
    if (p->tensors.len > ITEMS_MAX || p->consts.len > ITEMS_MAX || p->instrs.len > ITEMS_MAX || p->inputs_len > ITEMS_MAX ||
        p->outputs_len > ITEMS_MAX)
        return it_fail(err, INTACT_E_UNSUPPORTED, "program",
                       "%zu tensors, %zu constants, %zu instructions; at most %d of each are possible", p->tensors.len, p->consts.len,
                       p->instrs.len, ITEMS_MAX);
    if (!p->meta || p->inputs_len == 0 || p->outputs_len == 0)
        return it_fail(err, INTACT_E_FORMAT, "program", "%u inputs, %u outputs, %s; at least one of each and a meta text are needed",
                       p->inputs_len, p->outputs_len, p->meta ? "meta" : "no meta");
    for (uint32_t k = 0; k < p->tensors.len; k++)
        IT_TRY(check_tensor(&p->tensors.items[k], k, err));
    for (uint32_t k = 0; k < p->consts.len; k++)
        IT_TRY(check_const(p, &p->consts.items[k], k, err));
    uint8_t *written = it_alloc_zero(p->arena.alloc, p->tensors.len);
    if (!written)
        return it_fail_nomem(err, "program", p->tensors.len);
    intact_status st = check_order(p, written, err);
    it_alloc_free(p->arena.alloc, written, p->tensors.len);
    return st;
}
