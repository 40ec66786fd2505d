/* SPDX-License-Identifier: Apache-2.0 */
/* export_tensor.c: tensors of a program in an exported network: their shape, their codes, the real numbers behind them. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "format/export.h"

int it_export_shape(const it_ptensor *t, int64_t dim[IT_RANK_MAX])
{
    const uint32_t last = t->rank - 1;
    for (uint32_t k = 0; k < t->rank; k++)
        dim[k] = t->rank < 3 || k == 0 ? t->dims[k] : k == 1 ? t->dims[last] : t->dims[k - 1];
    return (int)t->rank;
}

void it_export_planes(const it_ptensor *t, int64_t *channels, int64_t *positions)
{
    *channels = t->rank > 1 ? t->dims[t->rank - 1] : 1;
    *positions = (int64_t)it_ptensor_elements(t) / *channels;
}

it_type it_export_type(intact_type t)
{
    return t == INTACT_U8 ? IT_U8 : t == INTACT_S16 ? IT_I16 : IT_I64; /* s32 holds indexes, which ONNX has as int64 */
}

double it_export_scale_of(const it_ptensor *t)
{
    float s;
    memcpy(&s, &t->scale_bits, sizeof s);
    return (double)s;
}

double it_export_factor(int32_t m, uint32_t s) { return ldexp((double)m, -(int)s); }

/* Scales are singles, a multiplier was rounded to 31 bits or, where add aligns two, to fewer. */
bool it_export_near(double a, double b) { return fabs(a - b) <= 1e-6 * fabs(b); }

static const it_ptensor *tensor(const it_exporter *e, uint32_t t) { return &e->p->tensors.items[t]; }

static it_value *one_about(it_exporter *e, uint32_t t, const char *end, it_type type, double v)
{
    e->about = e->name[t];
    it_value *c = it_export_one(e, end, type, v);
    e->about = NULL;
    return c;
}

it_value *it_export_scale(it_exporter *e, uint32_t t)
{
    if (!e->scale[t])
        e->scale[t] = one_about(e, t, "_scale", IT_F32, it_export_scale_of(tensor(e, t)));
    return e->scale[t];
}

it_value *it_export_zero(it_exporter *e, uint32_t t)
{
    if (!e->zero[t])
        e->zero[t] = one_about(e, t, "_zero_point", it_export_type(tensor(e, t)->type), tensor(e, t)->zero_point);
    return e->zero[t];
}

it_value *it_export_codes(it_exporter *e, uint32_t t)
{
    if (!e->codes[t])
        it_export_fail(e, "tensor %s is read here, but it is known as raw pixels only; export with pixels as the input", tensor(e, t)->name);
    return e->codes[t];
}

/* The one DequantizeLinear of t bears t's name: it is what the float network computes there. */
it_value *it_export_real(it_exporter *e, uint32_t t)
{
    if (e->real[t])
        return e->real[t];
    it_value *x = it_export_codes(e, t), *scale = it_export_scale(e, t), *zero = it_export_zero(e, t);
    e->about = e->name[t];
    it_value *y = it_export_node(e, "DequantizeLinear", IT_EX_IN(x, scale, zero), NULL);
    e->about = NULL;
    if (y)
        y->name = e->name[t];
    return e->real[t] = y;
}

it_value *it_export_real_at(it_exporter *e, uint32_t t, double scale)
{
    if (it_export_near(scale, it_export_scale_of(tensor(e, t))))
        return it_export_real(e, t);
    if (scale == 0) { /* a share that rounds to nothing: real codes keep the shape */
        it_value *nothing = it_export_one(e, "_nothing", IT_F32, 0), *x = it_export_real(e, t);
        return it_export_node(e, "Mul", IT_EX_IN(x, nothing), NULL);
    }
    if (!(fabs(scale) >= (double)FLT_MIN && fabs(scale) <= (double)FLT_MAX))
        it_export_fail(e, "its multiplier asks for a scale of %g, which is no normal float", scale);
    it_value *x = it_export_codes(e, t), *s = it_export_one(e, "_in_scale", IT_F32, fabs(scale)), *zero = it_export_zero(e, t);
    it_value *y = it_export_node(e, "DequantizeLinear", IT_EX_IN(x, s, zero), NULL);
    return scale < 0 ? it_export_node(e, "Neg", IT_EX_IN(y), NULL) : y;
}

void it_export_set_all(it_exporter *e, uint32_t t, it_value *v) { e->codes[t] = v; }

static void limits(const it_ptensor *t, int32_t *lo, int32_t *hi)
{
    *lo = t->type == INTACT_U8 ? 0 : -32767;
    *hi = t->type == INTACT_U8 ? 255 : 32767;
}

/* ONNX Runtime clips uint8 but not int16. */
void it_export_set(it_exporter *e, uint32_t t, it_value *v, int32_t lo, int32_t hi)
{
    const it_ptensor *pt = tensor(e, t);
    int32_t least, most;
    limits(pt, &least, &most);
    if (lo > least || hi < most) {
        bool wide = pt->type != INTACT_U8;
        it_type type = wide ? IT_I32 : IT_U8;
        it_value *from = it_export_one(e, "_min", type, lo), *to = it_export_one(e, "_max", type, hi);
        v = it_export_node(e, "Clip", IT_EX_IN(wide ? it_export_cast(e, v, type) : v, from, to), NULL);
        v = wide ? it_export_cast(e, v, IT_I16) : v;
    }
    it_export_set_all(e, t, v);
}

/* What lies beyond all codes saturates. int16 has -32768, which the program has not: it may stand where the program says -32767. */
void it_export_quantize(it_exporter *e, uint32_t t, it_value *real, int32_t lo, int32_t hi)
{
    const it_ptensor *pt = tensor(e, t);
    it_value *scale = it_export_scale(e, t), *zero = it_export_zero(e, t);
    if (pt->type == INTACT_U8) {
        it_export_set(e, t, it_export_node(e, "QuantizeLinear", IT_EX_IN(real, scale, zero), NULL), lo, hi);
        return;
    }
    const double s = it_export_scale_of(pt);
    if (lo == 0 && hi == 32767) {
        real = it_export_node(e, "Relu", IT_EX_IN(real), NULL);
    } else if (lo > -32767 || hi < 32767) {
        it_value *from = it_export_one(e, "_min", IT_F32, s * lo), *to = it_export_one(e, "_max", IT_F32, s * hi);
        real = it_export_node(e, "Clip", IT_EX_IN(real, from, to), NULL);
    }
    it_export_set_all(e, t, it_export_node(e, "QuantizeLinear", IT_EX_IN(real, scale, zero), NULL));
}

it_value *it_export_from_rows(it_exporter *e, uint32_t t, it_value *v)
{
    const it_ptensor *pt = tensor(e, t);
    int64_t channels, positions, dim[IT_RANK_MAX], rows[IT_RANK_MAX], perm[IT_RANK_MAX];
    int rank = it_export_shape(pt, dim);
    it_export_planes(pt, &channels, &positions);
    if (rank < 3 || channels == 1 || positions == 1)
        return it_export_reshape(e, v, rank, dim);
    for (int k = 0; k < rank; k++) {
        rows[k] = pt->dims[k];
        perm[k] = k == 0 ? 0 : k == 1 ? rank - 1 : k - 1;
    }
    v = it_export_reshape(e, v, rank, rows);
    return it_export_node(e, "Transpose", IT_EX_IN(v), IT_EX_ATTRS(IT_EX_INTS("perm", perm, rank)));
}
