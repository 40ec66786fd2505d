/* SPDX-License-Identifier: Apache-2.0 */
/* Shape and loops of operators of one real number. */
#include "op/unary.h"

intact_status it_unary_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, 0, IT_T_FLOAT, err));
    it_shape_copy(&out[0], in[0]);
    return INTACT_OK;
}

static void run_f16(const it_node *n, const uint16_t *x, uint16_t *y, int64_t len, it_unary_f32 *f32)
{
    float buf[256];
    for (int64_t at = 0; at < len; at += 256) {
        int64_t part = len - at < 256 ? len - at : 256;
        for (int64_t i = 0; i < part; i++) buf[i] = it_f16_to_f32(x[at + i]);
        f32(n, buf, buf, part);
        it_elem_narrow(buf, y + at, part);
    }
}

intact_status it_unary_forward(const it_node *n, const it_tensor *x, it_tensor *y, it_unary_f32 *f32, it_unary_f64 *f64)
{
    int64_t len = it_tensor_len(x);
    if (x->type == IT_F32) {
        f32(n, x->data, y->data, len);
    } else if (x->type == IT_F16) {
        run_f16(n, x->data, y->data, len, f32);
    } else {
        const double *from = x->data;
        double *to = y->data;
        for (int64_t i = 0; i < len; i++) to[i] = f64(n, from[i]);
    }
    return INTACT_OK;
}
