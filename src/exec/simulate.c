/* SPDX-License-Identifier: Apache-2.0 */
/* simulate.c: quantization simulated in float: numbers become those that their codes stand for (fake quantization). */
#include <math.h>

#include "exec/exec_node.h"

bool it_exec_simulates(const it_exec *e, const it_value *v) { return e->opt.simulates && v->q && e->opt.simulates(e->opt.simulates_user, v); }

/* Ties toward +infinity, as the runtime rounds (docs/NUMERICS.md). Not-a-number passes. */
void it_exec_round(const it_value *v, const it_tensor *t)
{
    const it_quant *q = v->q;
    const float scale = q->scale[0], zero = (float)q->zero[0];
    const float lo = (q->type == INTACT_S16 ? -32767.0f : 0) - zero;
    const float hi = (q->type == INTACT_S16 ? 32767.0f : (float)((1 << q->bits) - 1)) - zero;
    int64_t len = it_tensor_len(t);
    float *x = t->data;
    for (int64_t i = 0; i < len; i++) {
        float c = floorf(x[i] / scale + 0.5f);
        c = c < lo ? lo : c;
        x[i] = scale * (c > hi ? hi : c);
    }
}

intact_status it_exec_dequantize(it_exec *e, const it_value *v, it_tensor *out, intact_error *err)
{
    const it_quant *q = v->q;
    int64_t len = it_tensor_len(&v->t), inner = 1;
    float *w = it_arena_new(&e->arena, (size_t)len * sizeof *w);
    if (!w) return it_fail_nomem(err, v->name, (size_t)len * sizeof *w);
    for (int i = q->axis + 1; q->axis >= 0 && i < v->t.rank; i++) inner *= v->t.dim[i];
    for (int64_t i = 0; i < len; i++) {
        int64_t c = q->axis < 0 ? 0 : i / inner % q->len;
        w[i] = q->scale[c] * (float)(q->codes[i] - q->zero[c]);
    }
    *out = v->t;
    out->data = w;
    return INTACT_OK;
}
