/* SPDX-License-Identifier: Apache-2.0 */
/* simulate.c: quantization simulated in float: numbers become those that their codes stand for (fake quantization). */
#include <string.h>

#include "exec/exec_node.h"

bool it_exec_simulates(const it_exec *e, const it_value *v) { return e->opt.simulates && v->q && e->opt.simulates(e->opt.simulates_user, v); }

/* floor(x / scale + 1/2) within lo..hi, whole numbers of less than 2^22, without a call or a branch: adding 1.5 * 2^23 rounds to a whole number,
** one too large where what is left is negative. Not-a-number stays. */
static inline float code_of(float x, float scale, float lo, float hi)
{
    const float whole = 0x1.8p23f;
    float t = x / scale + 0.5f;
    t = t < lo ? lo : t;
    t = t > hi ? hi : t;
    float r = (t + whole) - whole, left = t - r;
    uint32_t bits;
    memcpy(&bits, &left, sizeof bits);
    return r - (float)(int32_t)(bits >> 31);
}

/* The nearest code of the 8-bit grid, then the level nearest to it. */
static void round_to_levels(const it_quant *q, float *x, int64_t len)
{
    const float scale = q->scale[0], zero = (float)q->zero[0];
    uint8_t nearest[256];
    float level[256];
    it_quant_nearest(q, nearest);
    for (int c = 0; c < 256; c++)
        level[c] = scale * ((float)nearest[c] - zero);
    for (int64_t i = 0; i < len; i++) {
        float c = code_of(x[i], scale, -zero, 255 - zero);
        if (c == c)
            x[i] = level[(int)(c + zero)];
    }
}

/* Ties toward +infinity, as the runtime rounds (docs/NUMERICS.md). Not-a-number passes. */
void it_exec_round(const it_value *v, const it_tensor *t)
{
    const it_quant *q = v->q;
    const float scale = q->scale[0], zero = (float)q->zero[0];
    const float lo = (q->type == INTACT_S16 ? -32767.0f : 0) - zero;
    const float hi = (q->type == INTACT_S16 ? 32767.0f : (float)((1 << q->bits) - 1)) - zero;
    int64_t len = it_tensor_len(t);
    float *x = t->data;
    if (q->levels) {
        round_to_levels(q, x, len);
        return;
    }
    for (int64_t i = 0; i < len; i++)
        x[i] = scale * code_of(x[i], scale, lo, hi);
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
