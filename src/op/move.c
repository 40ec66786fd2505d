/* SPDX-License-Identifier: Apache-2.0 */
/* move.c: strided copies by item size and the checks shared by operators that move elements. */
#include "op/move.h"

#include <stdio.h>
#include <string.h>

bool it_move_has(const it_node *n, const it_tensor *const *in, int k)
{
    return k < n->in_len && in[k] != NULL;
}

void it_move_set_unknown(const it_node *n, const it_tensor *const *in, it_tensor *out)
{
    for (int k = 0; k < n->out_len; k++)
        out[k] = (it_tensor){ .type = in[0]->type, .rank = IT_RANK_UNKNOWN, .layout = IT_PLAIN };
}

bool it_move_unknown(const it_node *n, const it_tensor *const *in, it_tensor *out)
{
    for (int k = 0; k < n->in_len; k++) {
        if (in[k] && in[k]->rank == IT_RANK_UNKNOWN) {
            it_move_set_unknown(n, in, out);
            return true;
        }
    }
    return false;
}

intact_status it_move_shape(const it_node *n, it_tensor *out, it_type type, int rank, const int64_t *dim, intact_error *err)
{
    char where[sizeof ((intact_error *)0)->where];

    if (rank > IT_RANK_MAX)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the output would have %d dimensions; at most %d are supported", rank,
                            IT_RANK_MAX);
    if (rank > 0 && dim != out->dim)
        memmove(out->dim, dim, (size_t)rank * sizeof(*dim));
    out->type = type;
    out->rank = rank;
    out->layout = IT_PLAIN;
    out->data = NULL;
    snprintf(where, sizeof(where), "%.120s (%.30s)", n->name, n->op->onnx);
    return it_shape_check(out, where, err);
}

intact_status it_move_ints(const it_node *n, const it_tensor *const *in, int k, const char *what, int64_t *to, int max, int *len,
                           bool *known, intact_error *err)
{
    const it_tensor *t = it_move_has(n, in, k) ? in[k] : NULL;

    if (!t)
        return it_node_fail(n, err, INTACT_E_FORMAT, "%s (input %d) is missing", what, k);
    if (it_type_is_float(t->type) || t->type == IT_BOOL)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%s has type %s; int64 is needed", what, it_type_name(t->type));
    if (t->rank > 1 || it_tensor_len(t) > max)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%s has %d dimensions and %lld elements; a list of at most %d is needed", what, t->rank,
                            (long long)it_tensor_len(t), max);
    *len = (int)it_tensor_len(t);
    *known = t->data != NULL || *len == 0;
    for (int i = 0; *known && i < *len; i++)
        to[i] = it_tensor_get_int(t, i);
    return INTACT_OK;
}

intact_status it_move_verify(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    it_tensor *tmp = it_arena_new(c->scratch, (size_t)n->out_len * sizeof(*tmp));

    if (!tmp)
        return it_fail_nomem(err, n->name, (size_t)n->out_len * sizeof(*tmp));
    IT_TRY(n->op->infer(n, in, tmp, err));
    for (int k = 0; k < n->out_len; k++) {
        if (out[k] && (tmp[k].rank == IT_RANK_UNKNOWN || tmp[k].type != out[k]->type || !it_tensor_same_shape(&tmp[k], out[k])))
            return it_node_fail(n, err, INTACT_E_SHAPE, "the content of an input asks for another shape of output %d than was inferred", k);
    }
    return INTACT_OK;
}

intact_status it_move_same_type(const it_node *n, const it_tensor *const *in, int k, intact_error *err)
{
    if (in[k]->type != in[0]->type)
        return it_node_fail(n, err, INTACT_E_SHAPE, "input %d has type %s; it must be input 0's, %s", k, it_type_name(in[k]->type),
                            it_type_name(in[0]->type));
    return INTACT_OK;
}

void it_move_order(const it_tensor *t, int order[IT_RANK_MAX])
{
    for (int k = 0; k < t->rank; k++)
        order[k] = k;
    if (t->layout == IT_NHWC && t->rank == 4) {
        order[1] = 2;
        order[2] = 3;
        order[3] = 1;
    }
}

void it_move_strides(const it_tensor *t, int64_t stride[IT_RANK_MAX])
{
    int order[IT_RANK_MAX];
    int64_t s = 1;

    it_move_order(t, order);
    for (int k = t->rank - 1; k >= 0; k--) {
        stride[order[k]] = s;
        s *= t->dim[order[k]];
    }
}

/* ---- the inner loops, one set for each item size ---- */

#define TILE 16

#define MOVE_FUNCTIONS(T)                                                                                                        \
    static void row_##T(void *dst, int64_t to, const void *src, int64_t from, int64_t len)                                       \
    {                                                                                                                             \
        T *d = dst;                                                                                                               \
        const T *s = src;                                                                                                         \
        for (int64_t i = 0; i < len; i++)                                                                                         \
            d[i * to] = s[i * from];                                                                                              \
    }                                                                                                                             \
    /* d(i, j) at i + j * to, s(i, j) at i * from + j: a transpose in cache-sized blocks */                                     \
    static void tile_##T(void *dst, int64_t to, const void *src, int64_t from, int64_t ni, int64_t nj)                           \
    {                                                                                                                             \
        T *d = dst;                                                                                                               \
        const T *s = src;                                                                                                         \
        for (int64_t jb = 0; jb < nj; jb += TILE) {                                                                               \
            int64_t je = jb + TILE < nj ? jb + TILE : nj;                                                                         \
            for (int64_t ib = 0; ib < ni; ib += TILE) {                                                                           \
                int64_t ie = ib + TILE < ni ? ib + TILE : ni;                                                                     \
                for (int64_t j = jb; j < je; j++)                                                                                 \
                    for (int64_t i = ib; i < ie; i++)                                                                             \
                        d[j * to + i] = s[i * from + j];                                                                          \
            }                                                                                                                     \
        }                                                                                                                         \
    }                                                                                                                             \
    static void pick_##T(void *dst, const void *src, const int64_t *at, int64_t len)                                             \
    {                                                                                                                             \
        T *d = dst;                                                                                                               \
        const T *s = src;                                                                                                         \
        for (int64_t i = 0; i < len; i++)                                                                                         \
            d[i] = s[at[i]];                                                                                                      \
    }
MOVE_FUNCTIONS(uint8_t)
MOVE_FUNCTIONS(uint16_t)
MOVE_FUNCTIONS(uint32_t)
MOVE_FUNCTIONS(uint64_t)

typedef struct mover {
    void (*row)(void *dst, int64_t to, const void *src, int64_t from, int64_t len);
    void (*tile)(void *dst, int64_t to, const void *src, int64_t from, int64_t ni, int64_t nj);
    void (*pick)(void *dst, const void *src, const int64_t *at, int64_t len);
} mover;

static const mover *mover_of(size_t item)
{
    static const mover all[] = {
        { row_uint8_t, tile_uint8_t, pick_uint8_t },
        { row_uint16_t, tile_uint16_t, pick_uint16_t },
        { row_uint32_t, tile_uint32_t, pick_uint32_t },
        { row_uint64_t, tile_uint64_t, pick_uint64_t },
    };
    return &all[item == 1 ? 0 : item == 2 ? 1 : item == 4 ? 2 : 3];
}

/* ---- strided copy ---- */

typedef struct loop { int64_t dim, to, from; } loop;

/* Sorted by the writes, outermost first; dims of 1 dropped, neighbours joined. Returns how many remain, -1 when there is nothing to do. */
static int loops_of(loop *l, int rank, const int64_t *dim, const int64_t *to, const int64_t *from)
{
    int len = 0, kept = 0;

    for (int k = 0; k < rank; k++) {
        int at = len;
        if (dim[k] == 0)
            return -1;
        if (dim[k] == 1)
            continue;
        while (at > 0 && l[at - 1].to < to[k]) {
            l[at] = l[at - 1];
            at--;
        }
        l[at] = (loop){ dim[k], to[k], from[k] };
        len++;
    }
    for (int k = 0; k < len; k++) {
        loop *p = kept > 0 ? &l[kept - 1] : NULL;
        if (p && p->to == l[k].to * l[k].dim && p->from == l[k].from * l[k].dim)
            *p = (loop){ p->dim * l[k].dim, l[k].to, l[k].from };
        else
            l[kept++] = l[k];
    }
    return kept;
}

/* The loop to pair with the innermost one for a blocked transpose; -1 when there is none. */
static int partner_of(const loop *l, int len)
{
    if (l[len - 1].to != 1 || l[len - 1].from == 1)
        return -1;
    for (int k = 0; k < len - 1; k++) {
        if (l[k].from == 1)
            return k;
    }
    return -1;
}

void it_move_items(void *dst, const void *src, size_t item, int rank, const int64_t *dim, const int64_t *to, const int64_t *from)
{
    loop l[IT_MOVE_DIMS], in, pair = { 0 };
    int64_t at[IT_MOVE_DIMS] = { 0 };
    const mover *m = mover_of(item);
    uint8_t *d = dst;
    const uint8_t *s = src;
    int len = loops_of(l, rank, dim, to, from), partner;

    if (len < 0)
        return;
    if (len == 0) {
        memcpy(d, s, item);
        return;
    }
    partner = partner_of(l, len);
    in = l[--len];
    if (partner >= 0) {
        pair = l[partner];
        memmove(&l[partner], &l[partner + 1], (size_t)(len - 1 - partner) * sizeof(*l));
        len--;
    }
    for (;;) {
        int k = len - 1;
        if (partner >= 0)
            m->tile(d, pair.to, s, in.from, in.dim, pair.dim);
        else if (in.to == 1 && in.from == 1)
            memcpy(d, s, (size_t)in.dim * item);
        else
            m->row(d, in.to, s, in.from, in.dim);
        for (; k >= 0; k--) {
            d += l[k].to * (int64_t)item;
            s += l[k].from * (int64_t)item;
            if (++at[k] < l[k].dim)
                break;
            d -= l[k].dim * l[k].to * (int64_t)item;
            s -= l[k].dim * l[k].from * (int64_t)item;
            at[k] = 0;
        }
        if (k < 0)
            return;
    }
}

/* The longest stretch of at that reads neighbours: [*begin, *end). */
static void longest_run(const int64_t *at, int64_t len, int64_t *begin, int64_t *end)
{
    int64_t start = 0;

    *begin = *end = 0;
    for (int64_t i = 1; i <= len; i++) {
        if (i < len && at[i] == at[i - 1] + 1)
            continue;
        if (i - start > *end - *begin) {
            *begin = start;
            *end = i;
        }
        start = i;
    }
}

void it_move_lookup(void *dst, const void *src, size_t item, int rank, const int64_t *dim, int64_t *const *at)
{
    int64_t index[IT_RANK_MAX] = { 0 }, row, begin, end;
    const mover *m = mover_of(item);
    uint8_t *d = dst;

    for (int k = 0; k < rank; k++) {
        if (dim[k] == 0)
            return;
    }
    if (rank == 0) {
        memcpy(dst, src, item);
        return;
    }
    row = dim[rank - 1];
    longest_run(at[rank - 1], row, &begin, &end);
    for (;;) {
        const int64_t *last = at[rank - 1];
        const uint8_t *s = src;
        int k = rank - 2;
        for (int j = 0; j < rank - 1; j++)
            s += at[j][index[j]] * (int64_t)item;
        m->pick(d, s, last, begin);
        memcpy(d + begin * (int64_t)item, s + last[begin] * (int64_t)item, (size_t)(end - begin) * item);
        m->pick(d + end * (int64_t)item, s, last + end, row - end);
        d += row * (int64_t)item;
        for (; k >= 0 && ++index[k] == dim[k]; k--)
            index[k] = 0;
        if (k < 0)
            return;
    }
}

void it_move_fill(void *dst, const void *value, size_t item, int64_t len)
{
    static const uint64_t zero;

    if (len <= 0)
        return;
    if (memcmp(value, &zero, item) == 0)
        memset(dst, 0, (size_t)len * item);
    else if (item == 1)
        memset(dst, *(const uint8_t *)value, (size_t)len);
    else
        mover_of(item)->row(dst, 1, value, 0, len);
}

intact_status it_move_bytes(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    if (it_tensor_bytes(in[0]) != it_tensor_bytes(out[0]))
        return it_node_fail(n, err, INTACT_E_SHAPE, "the input has %lld elements, the output %lld", (long long)it_tensor_len(in[0]),
                            (long long)it_tensor_len(out[0]));
    if (out[0]->data != in[0]->data && it_tensor_bytes(in[0]))
        memcpy(out[0]->data, in[0]->data, it_tensor_bytes(in[0]));
    return INTACT_OK;
}
