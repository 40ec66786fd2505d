/* SPDX-License-Identifier: Apache-2.0 */
/* merge_copies.c: a copy of a copy reads the first one's input instead, where one set of strides says the same (a channel shuffle is a
** reshape, a transpose and a reshape); copies that nobody reads any more go. */
#include "lower/build.h"
#include "run/instr.h"

enum { DIMS = 6 };

typedef struct strided { /* dims from the outermost to the innermost */
    int len;
    int64_t dim[DIMS], stride[DIMS], offset;
} strided;

static strided strided_of(const it_copy_args *a)
{
    const int64_t d[DIMS] = { a->d0, a->d1, a->d2, a->d3, a->d4, a->d5 }, s[DIMS] = { a->s0, a->s1, a->s2, a->s3, a->s4, a->s5 };
    strided r = { .offset = a->offset };
    for (int k = 0; k < DIMS; k++)
        if (d[k] > 1) {
            r.dim[r.len] = d[k];
            r.stride[r.len++] = s[k];
        }
    return r;
}

static bool add_dim(strided *r, int64_t dim, int64_t stride)
{
    if (dim == 1)
        return true;
    if (r->len > 0 && r->stride[r->len - 1] == stride * dim) {
        r->dim[r->len - 1] *= dim;
        r->stride[r->len - 1] = stride;
        return true;
    }
    if (r->len == DIMS)
        return false;
    r->dim[r->len] = dim;
    r->stride[r->len++] = stride;
    return true;
}

/* Appends to r what dim steps of `stride` through a's output are in a's input: the steps stay in one dimension of a, or fill it and go on. */
static bool follow(const strided *a, int64_t dim, int64_t stride, strided *r)
{
    if (stride == 0)
        return add_dim(r, dim, 0);
    int64_t place = 1;
    for (int j = a->len - 1; stride > 0 && j >= 0; place *= a->dim[j--]) {
        if (stride >= place * a->dim[j])
            continue;
        if (stride % place != 0)
            return false;
        const int64_t q = stride / place, room = (a->dim[j] + q - 1) / q;
        if (dim <= room)
            return add_dim(r, dim, q * a->stride[j]);
        return a->dim[j] % q == 0 && dim % room == 0 && follow(a, dim / room, stride * room, r) && add_dim(r, room, q * a->stride[j]);
    }
    return false;
}

/* Where element `at` in the order of s is read. */
static int64_t read_at(const strided *s, int64_t at)
{
    int64_t from = s->offset;
    for (int k = s->len - 1; k >= 0; k--) {
        from += at % s->dim[k] * s->stride[k];
        at /= s->dim[k];
    }
    return from;
}

static bool compose(const strided *a, const strided *b, strided *r)
{
    *r = (strided){ .offset = read_at(a, b->offset) };
    int64_t n = 1;
    for (int k = 0; k < b->len; k++) {
        if (!follow(a, b->dim[k], b->stride[k], r))
            return false;
        n *= b->dim[k];
    }
    for (int64_t at = 0; at < n; at++) /* steps of two dimensions of b may meet in one of a and carry: rare, so looked for, not computed */
        if (read_at(r, at) != read_at(a, read_at(b, at)))
            return false;
    return true;
}

static it_copy_args args_of(const strided *r)
{
    uint32_t d[DIMS];
    int32_t s[DIMS] = { 0 };
    for (int k = 0; k < DIMS; k++)
        d[k] = 1;
    for (int k = 0; k < r->len; k++) {
        d[DIMS - r->len + k] = (uint32_t)r->dim[k];
        s[DIMS - r->len + k] = (int32_t)r->stride[k];
    }
    return (it_copy_args){ d[0], d[1], d[2], d[3], d[4], d[5], s[0], s[1], s[2], s[3], s[4], s[5], (uint32_t)r->offset };
}

static const it_pinstr *producer_of(const it_prog *p, size_t before, uint32_t tensor)
{
    while (before-- > 0)
        if (p->instrs.items[before].out[0] == tensor)
            return &p->instrs.items[before];
    return NULL;
}

static bool is_read(const it_prog *p, size_t after, uint32_t tensor)
{
    for (uint32_t k = 0; k < p->outputs_len; k++)
        if (p->outputs[k] == tensor)
            return true;
    for (size_t i = after; i < p->instrs.len; i++)
        for (uint32_t k = 0; k < p->instrs.items[i].in_len; k++)
            if (p->instrs.items[i].in[k] == tensor)
                return true;
    return false;
}

intact_status it_lower_merge_copies(it_prog *p, intact_error *err)
{
    for (size_t i = 0; i < p->instrs.len; i++) {
        it_pinstr *b = &p->instrs.items[i];
        const it_pinstr *a = b->kind == &it_instr_copy ? producer_of(p, i, b->in[0]) : NULL;
        if (!a || a->kind != &it_instr_copy)
            continue;
        const strided first = strided_of(a->args), second = strided_of(b->args);
        strided both;
        if (!compose(&first, &second, &both))
            continue;
        it_copy_args *args = it_arena_new(&p->arena, sizeof *args);
        if (!args)
            return it_fail_nomem(err, b->name, sizeof *args);
        *args = args_of(&both);
        b->args = args;
        b->in = a->in;
    }
    for (size_t i = p->instrs.len; i-- > 0;) {
        const it_pinstr *c = &p->instrs.items[i];
        if (c->kind != &it_instr_copy || is_read(p, i + 1, c->out[0]))
            continue;
        p->instrs.len--;
        for (size_t k = i; k < p->instrs.len; k++)
            p->instrs.items[k] = p->instrs.items[k + 1];
    }
    return INTACT_OK;
}
