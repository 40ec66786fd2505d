/* SPDX-License-Identifier: Apache-2.0 */
/* type.c: element types, half precision, tensors seen element by element. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ir/ir.h"

static const struct {
    const char *name;
    uint8_t bytes, is_float;
} TYPES[IT_TYPE_COUNT] = {
    [IT_F32] = {"float", 4, 1}, [IT_F64] = {"double", 8, 1}, [IT_F16] = {"float16", 2, 1}, [IT_BOOL] = {"bool", 1, 0},
    [IT_I8] = {"int8", 1, 0},   [IT_U8] = {"uint8", 1, 0},   [IT_I16] = {"int16", 2, 0},   [IT_U16] = {"uint16", 2, 0},
    [IT_I32] = {"int32", 4, 0}, [IT_U32] = {"uint32", 4, 0}, [IT_I64] = {"int64", 8, 0},   [IT_U64] = {"uint64", 8, 0},
    [IT_I4] = {"int4", 1, 0},   [IT_U4] = {"uint4", 1, 0},
};

size_t it_type_bytes(it_type t) { return TYPES[t].bytes; }
const char *it_type_name(it_type t) { return (unsigned)t < IT_TYPE_COUNT ? TYPES[t].name : "no type"; }
bool it_type_is_float(it_type t) { return TYPES[t].is_float; }

/* TensorProto.DataType by its number; type -1: not ours. */
static const struct {
    const char *name;
    int8_t type;
} ONNX_TYPES[] = {
    {"undefined", -1}, {"float", IT_F32}, {"uint8", IT_U8}, {"int8", IT_I8}, {"uint16", IT_U16}, {"int16", IT_I16},
    {"int32", IT_I32}, {"int64", IT_I64}, {"string", -1}, {"bool", IT_BOOL}, {"float16", IT_F16}, {"double", IT_F64},
    {"uint32", IT_U32}, {"uint64", IT_U64}, {"complex64", -1}, {"complex128", -1}, {"bfloat16", -1}, {"float8e4m3fn", -1},
    {"float8e4m3fnuz", -1}, {"float8e5m2", -1}, {"float8e5m2fnuz", -1}, {"uint4", IT_U4}, {"int4", IT_I4}, {"float4e2m1", -1},
};

bool it_type_of_onnx(int64_t code, it_type *out)
{
    if (code < 0 || code >= (int64_t)IT_LEN(ONNX_TYPES) || ONNX_TYPES[code].type < 0) return false;
    *out = (it_type)ONNX_TYPES[code].type;
    return true;
}

const char *it_type_onnx_name(int64_t code)
{
    return code < 0 || code >= (int64_t)IT_LEN(ONNX_TYPES) ? "of an unknown number" : ONNX_TYPES[code].name;
}

int it_type_to_onnx(it_type t)
{
    for (int i = 0; i < (int)IT_LEN(ONNX_TYPES); i++)
        if (ONNX_TYPES[i].type == (int)t) return i;
    return 0;
}

float it_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff, bits;
    if (e == 31)
        bits = sign | 0x7f800000u | m << 13;
    else if (e)
        bits = sign | (e + 112) << 23 | m << 13;
    else {
        float f = (float)m * 0x1p-24f; /* exact: subnormal halves are normal singles */
        return sign ? -f : f;
    }
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

uint16_t it_f32_to_f16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    uint32_t sign = bits >> 16 & 0x8000, a = bits & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00); /* 65520 and more round to infinity */
    if (a < 0x38800000u) { /* below 2^-14: adding 0.5 leaves the rounded subnormal in the low bits, ties to even */
        float x;
        memcpy(&x, &a, 4);
        x += 0.5f;
        memcpy(&a, &x, 4);
        return (uint16_t)(sign | (a - 0x3f000000u));
    }
    return (uint16_t)(sign | (a - 0x38000000u + 0xfff + (a >> 13 & 1)) >> 13);
}

/* Through single precision rounded to odd, so that the second rounding sees whether bits were lost. */
static uint16_t f64_to_f16(double d)
{
    float f = (float)d;
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if (isfinite(d) && isfinite(f) && (double)f != d && !(bits & 1)) {
        bits += fabs((double)f) < fabs(d) ? 1 : (uint32_t)-1;
        memcpy(&f, &bits, 4);
    }
    return it_f32_to_f16(f);
}

/* Toward zero; outside the range of int64 the nearest end, NaN 0. Narrower types keep the low bits. */
static int64_t f64_to_s64(double v)
{
    if (v != v) return 0;
    if (v >= 0x1p63) return INT64_MAX;
    return v <= -0x1p63 ? INT64_MIN : (int64_t)v;
}

int64_t it_tensor_len(const it_tensor *t)
{
    int64_t len = 1;
    for (int i = 0; i < t->rank; i++) len *= t->dim[i];
    return len;
}

size_t it_tensor_bytes(const it_tensor *t) { return (size_t)it_tensor_len(t) * it_type_bytes(t->type); }

bool it_tensor_same_shape(const it_tensor *a, const it_tensor *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

double it_tensor_get(const it_tensor *t, int64_t i)
{
    switch (t->type) {
    case IT_F32: return (double)((const float *)t->data)[i];
    case IT_F64: return ((const double *)t->data)[i];
    case IT_F16: return (double)it_f16_to_f32(((const uint16_t *)t->data)[i]);
    case IT_U64: return (double)((const uint64_t *)t->data)[i];
    default: return (double)it_tensor_get_int(t, i);
    }
}

int64_t it_tensor_get_int(const it_tensor *t, int64_t i)
{
    switch (t->type) {
    case IT_BOOL:
    case IT_U4:
    case IT_U8: return ((const uint8_t *)t->data)[i];
    case IT_I4:
    case IT_I8: return ((const int8_t *)t->data)[i];
    case IT_I16: return ((const int16_t *)t->data)[i];
    case IT_U16: return ((const uint16_t *)t->data)[i];
    case IT_I32: return ((const int32_t *)t->data)[i];
    case IT_U32: return ((const uint32_t *)t->data)[i];
    case IT_I64: return ((const int64_t *)t->data)[i];
    case IT_U64: return (int64_t)((const uint64_t *)t->data)[i];
    default: return f64_to_s64(it_tensor_get(t, i));
    }
}

void it_tensor_set(const it_tensor *t, int64_t i, double v)
{
    switch (t->type) {
    case IT_F32: ((float *)t->data)[i] = (float)v; return;
    case IT_F64: ((double *)t->data)[i] = v; return;
    case IT_F16: ((uint16_t *)t->data)[i] = f64_to_f16(v); return;
    case IT_BOOL: ((uint8_t *)t->data)[i] = v != 0; return;
    case IT_I4:
    case IT_U4:
    case IT_I8:
    case IT_U8: ((uint8_t *)t->data)[i] = (uint8_t)f64_to_s64(v); return;
    case IT_I16:
    case IT_U16: ((uint16_t *)t->data)[i] = (uint16_t)f64_to_s64(v); return;
    case IT_I32:
    case IT_U32: ((uint32_t *)t->data)[i] = (uint32_t)f64_to_s64(v); return;
    case IT_U64: ((uint64_t *)t->data)[i] = v >= 0x1p64 ? UINT64_MAX : v >= 0x1p63 ? (uint64_t)v : (uint64_t)f64_to_s64(v); return;
    default: ((int64_t *)t->data)[i] = f64_to_s64(v); return;
    }
}

const char *it_tensor_print(const it_tensor *t, char *buf, size_t len)
{
    if (!len) return "";
    int at = snprintf(buf, len, "%s[", it_type_name(t->type));
    if (t->rank < 0) {
        snprintf(buf, len, "%s[?]", it_type_name(t->type));
        return buf;
    }
    for (int i = 0; i < t->rank && at > 0 && (size_t)at < len; i++)
        at += snprintf(buf + at, len - (size_t)at, "%s%lld", i ? "," : "", (long long)t->dim[i]);
    if (at > 0 && (size_t)at < len) snprintf(buf + at, len - (size_t)at, "]");
    return buf;
}

intact_status it_shape_check(const it_tensor *t, const char *where, intact_error *err)
{
    if (t->rank < 0 || t->rank > IT_RANK_MAX)
        return it_fail(err, INTACT_E_UNSUPPORTED, where, "%d dimensions; 0 to %d are supported", t->rank, IT_RANK_MAX);
    int64_t len = 1;
    for (int i = 0; i < t->rank; i++) {
        int64_t d = t->dim[i];
        if (d < 0) return it_fail(err, INTACT_E_SHAPE, where, "dimension %d is %lld; it must not be negative", i, (long long)d);
        /* a zero is left out of the product, so that an empty tensor cannot hide dimensions that overflow later */
        if (d == 0) continue;
        if (d > ((int64_t)1 << 40) / len)
            return it_fail(err, INTACT_E_SHAPE, where, "dimension %d is %lld, which makes more than 2^40 elements", i, (long long)d);
        len *= d;
    }
    return INTACT_OK;
}
