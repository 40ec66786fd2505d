/* SPDX-License-Identifier: Apache-2.0 */
/* back.c: what the gradients of elementwise, broadcasting and view operators share. */
#include <string.h>

#include "op/binary_back.h"
#include "op/unary_back.h"

intact_status it_back_float(const it_node *n, const it_tensor *t, intact_error *err)
{
    if (t->type == IT_F32 || t->type == IT_F64)
        return INTACT_OK;
    return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "type %s has no gradient; train in float or double", it_type_name(t->type));
}

intact_status it_back_bytes(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                            it_tensor *const *dx, intact_error *err)
{
    (void)c, (void)in, (void)out;
    if (!dx[0])
        return INTACT_OK;
    if (!dy[0]) /* only a further output had a gradient */
        memset(dx[0]->data, 0, it_tensor_bytes(dx[0]));
    else if (it_tensor_bytes(dy[0]) != it_tensor_bytes(dx[0]))
        return it_node_fail(n, err, INTACT_E_SHAPE, "the gradient has %lld elements, the input %lld", (long long)it_tensor_len(dy[0]),
                            (long long)it_tensor_len(dx[0]));
    else if (dx[0]->data != dy[0]->data)
        memcpy(dx[0]->data, dy[0]->data, it_tensor_bytes(dx[0]));
    return INTACT_OK;
}

const it_backward it_back_view = { .gives = 1, .pass = 1, .run = it_back_bytes };

/* ---- one input ---- */

intact_status it_unary_back(const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy, it_tensor *const *dx,
                            it_unary_back_f32 *f32, it_unary_back_f64 *f64, intact_error *err)
{
    const void *g, *x, *y;
    if (!dx[0])
        return INTACT_OK;
    IT_TRY(it_back_float(n, dy[0], err));
    g = dy[0]->data;
    x = in[0]->data ? in[0]->data : g; /* as long; the expression has no x then */
    y = out[0]->data ? out[0]->data : g;
    if (dy[0]->type == IT_F32)
        f32(n, x, y, g, dx[0]->data, it_tensor_len(dy[0]));
    else
        f64(n, x, y, g, dx[0]->data, it_tensor_len(dy[0]));
    return INTACT_OK;
}

/* ---- two inputs ---- */

intact_status it_binary_back(it_back_ctx *c, const it_node *n, const it_tensor *a, const it_tensor *b, const it_tensor *dy, it_tensor *dx, int k,
                             const it_binary_back_fns *fns, intact_error *err)
{
    it_binary_nest l;
    int64_t ia = 0, ib = 0, at[IT_RANK_MAX] = { 0 }, len = it_tensor_len(dx), item = (int64_t)it_type_bytes(dy->type);
    double *acc = NULL;
    const char *pg = dy->data;
    IT_TRY(it_back_float(n, dy, err));
    if (len != it_tensor_len(dy)) {
        acc = it_arena_new(c->scratch, (size_t)len * sizeof(*acc) + 1);
        if (!acc)
            return it_fail_nomem(err, n->name, (size_t)len * sizeof(*acc));
    }
    it_binary_nest_of(a, b, dy, &l);
    for (int inner = l.rank - 1, j = 0; it_tensor_len(dy) && j >= 0; pg += l.dim[inner] * item) {
        int64_t id = k ? ib : ia;
        it_binary_back_row row = { .d = acc ? NULL : (char *)dx->data + id * item, .acc = acc ? acc + id : NULL, .g = pg,
                                   .a = a->data ? (const char *)a->data + ia * item : NULL, .b = b->data ? (const char *)b->data + ib * item : NULL,
                                   .len = l.dim[inner], .sa = l.sa[inner], .sb = l.sb[inner] };
        (dy->type == IT_F32 ? fns->f32 : fns->f64)(&row);
        for (j = inner - 1; j >= 0 && ++at[j] == l.dim[j]; j--) {
            at[j] = 0;
            ia -= (l.dim[j] - 1) * l.sa[j];
            ib -= (l.dim[j] - 1) * l.sb[j];
        }
        if (j >= 0) {
            ia += l.sa[j];
            ib += l.sb[j];
        }
    }
    for (int64_t i = 0; acc && i < len; i++)
        if (dx->type == IT_F32)
            ((float *)dx->data)[i] = (float)acc[i];
        else
            ((double *)dx->data)[i] = acc[i];
    return INTACT_OK;
}

IT_BINARY_BACK(0, sum, g)
intact_status it_back_reduce(it_back_ctx *c, const it_node *n, const it_tensor *x, const it_tensor *dy, it_tensor *dx, intact_error *err)
{
    static const it_binary_back_fns sum = { sum_0_f32, sum_0_f64 };
    it_tensor shape = *x;
    shape.data = NULL;
    if (it_tensor_len(x) == it_tensor_len(dy) && x->layout == dy->layout) {
        IT_TRY(it_back_float(n, dy, err));
        if (dx->data != dy->data)
            memcpy(dx->data, dy->data, it_tensor_bytes(dx));
        return INTACT_OK;
    }
    return it_binary_back(c, n, &shape, &shape, dy, dx, 0, &sum, err);
}
