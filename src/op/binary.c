/* SPDX-License-Identifier: Apache-2.0 */
/* Broadcasting loops over two tensors of any layout, and folds over many. */
#include <string.h>

#include "op/binary.h"

void it_binary_nest_of(const it_tensor *a, const it_tensor *b, const it_tensor *y, it_binary_nest *l)
{
    static const int nhwc[4] = {0, 2, 3, 1};
    int64_t sa[IT_RANK_MAX], sb[IT_RANK_MAX];
    bool channels_last = y->layout == IT_NHWC && y->rank == 4;
    it_elem_strides(a, y, sa);
    it_elem_strides(b, y, sb);
    l->rank = 0;
    for (int k = 0; k < y->rank; k++) {
        int i = channels_last ? nhwc[k] : k, top = l->rank - 1;
        if (y->dim[i] == 1) continue;
        if (top >= 0 && l->sa[top] == sa[i] * y->dim[i] && l->sb[top] == sb[i] * y->dim[i]) {
            l->dim[top] *= y->dim[i];
            l->sa[top] = sa[i];
            l->sb[top] = sb[i];
        } else {
            l->dim[l->rank] = y->dim[i];
            l->sa[l->rank] = sa[i];
            l->sb[l->rank++] = sb[i];
        }
    }
    if (l->rank == 0) *l = (it_binary_nest){.rank = 1, .dim = {1}, .sa = {1}, .sb = {1}};
}

static void run(const it_tensor *a, const it_tensor *b, it_tensor *y, it_binary_fn *fn)
{
    it_binary_nest l;
    if (it_tensor_len(y) == 0) return;
    it_binary_nest_of(a, b, y, &l);
    int inner = l.rank - 1;
    int64_t at[IT_RANK_MAX] = {0}, bytes = (int64_t)it_type_bytes(y->type);
    const char *pa = a->data, *pb = b->data;
    char *py = y->data;
    for (;;) {
        fn(py, pa, pb, l.dim[inner], l.sa[inner], l.sb[inner]);
        py += l.dim[inner] * bytes;
        int k = inner - 1;
        while (k >= 0 && ++at[k] == l.dim[k]) {
            at[k] = 0;
            pa -= (l.dim[k] - 1) * l.sa[k] * bytes;
            pb -= (l.dim[k] - 1) * l.sb[k] * bytes;
            k--;
        }
        if (k < 0) return;
        pa += l.sa[k] * bytes;
        pb += l.sb[k] * bytes;
    }
}

intact_status it_binary_infer(const it_node *n, const it_tensor *const *in, uint32_t types, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check_same(n, in, 2, types, err));
    out[0].type = in[0]->type;
    return it_broadcast(n, in, 2, &out[0], err);
}

intact_status it_binary_forward(it_run_ctx *c, const it_node *n, const it_tensor *a, const it_tensor *b, it_tensor *y,
                                it_binary_table table, intact_error *err)
{
    if (y->type != IT_F16) {
        run(a, b, y, table[y->type]);
        return INTACT_OK;
    }
    it_tensor wa, wb, wy = *y;
    IT_TRY(it_elem_cast(c, n, a, IT_F32, &wa, err));
    IT_TRY(it_elem_cast(c, n, b, IT_F32, &wb, err));
    wy.type = IT_F32;
    IT_TRY(it_elem_scratch(c, n, (size_t)it_tensor_len(y), sizeof(float), &wy.data, err));
    run(&wa, &wb, &wy, table[IT_F32]);
    it_elem_narrow(wy.data, y->data, it_tensor_len(y));
    return INTACT_OK;
}

intact_status it_variadic_infer(const it_node *n, const it_tensor *const *in, uint32_t types, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check_same(n, in, n->in_len, types, err));
    out[0].type = in[0]->type;
    return it_broadcast(n, in, n->in_len, &out[0], err);
}

static void divide_by(it_tensor *y, int divisor)
{
    int64_t len = it_tensor_len(y);
    float *f = y->data;
    double *d = y->data;
    if (y->type == IT_F32)
        for (int64_t i = 0; i < len; i++) f[i] /= (float)divisor;
    else
        for (int64_t i = 0; i < len; i++) d[i] /= divisor;
}

intact_status it_variadic_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *y, it_binary_table table,
                                  int divisor, intact_error *err)
{
    it_tensor acc = *y, next;
    bool half = y->type == IT_F16;
    it_type type = half ? IT_F32 : y->type;
    if (n->in_len == 1) {
        memcpy(y->data, in[0]->data, it_tensor_bytes(y));
        return INTACT_OK;
    }
    acc.type = type;
    if (half) IT_TRY(it_elem_scratch(c, n, (size_t)it_tensor_len(y), sizeof(float), &acc.data, err));
    for (int k = 1; k < n->in_len; k++) {
        it_tensor first = acc;
        if (k == 1) IT_TRY(it_elem_cast(c, n, in[0], type, &first, err));
        IT_TRY(it_elem_cast(c, n, in[k], type, &next, err));
        run(&first, &next, &acc, table[type]);
    }
    if (divisor != 1) divide_by(&acc, divisor); /* means are of floats only */
    if (half) it_elem_narrow(acc.data, y->data, it_tensor_len(y));
    return INTACT_OK;
}

intact_status it_binary_no_zero(const it_node *n, const it_tensor *t, intact_error *err)
{
    if (it_type_is_float(t->type)) return INTACT_OK;
    int64_t len = it_tensor_len(t);
    for (int64_t i = 0; i < len; i++)
        if (it_tensor_get_int(t, i) == 0)
            return it_node_fail(n, err, INTACT_E_ARG, "element %lld of the divisor is 0; integers cannot be divided by it", (long long)i);
    return INTACT_OK;
}
