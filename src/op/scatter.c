/* SPDX-License-Identifier: Apache-2.0 */
/* scatter: ScatterElements under the name it had in opsets 9 and 10; also the reductions that the scatter operators share. */
#include "op/scatter.h"

#include <string.h>

intact_status it_scatter_parse(it_parse *p, it_scatter_how *out)
{
    static const char *const names[] = { "none", "add", "mul", "max", "min" };
    const char *how = names[0];
    int len = p->n->opset >= 18 ? 5 : 3;

    if (p->n->opset >= 16)
        IT_TRY(it_attr_str(p, "reduction", names[0], &how));
    for (int k = 0; k < len; k++) {
        if (strcmp(how, names[k]) == 0) {
            *out = (it_scatter_how)k;
            return INTACT_OK;
        }
    }
    return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "reduction \"%s\" is unknown at opset %d; none, add%s are", how, p->n->opset,
                        len == 5 ? ", mul, max and min" : " and mul");
}

/* Integers are combined as 64-bit unsigned, where wrapping is defined, and cut to their size. */
#define COMBINE(T, W)                                                                          \
    static void combine_##T(it_scatter_how how, T *to, const T *from, int64_t len)            \
    {                                                                                           \
        for (int64_t i = 0; i < len; i++) {                                                     \
            T a = to[i], b = from[i];                                                           \
            switch (how) {                                                                      \
            case IT_SCATTER_ADD: to[i] = (T)((W)a + (W)b); break;                               \
            case IT_SCATTER_MUL: to[i] = (T)((W)a * (W)b); break;                               \
            case IT_SCATTER_MAX: to[i] = b > a || b != b ? b : a; break;                        \
            case IT_SCATTER_MIN: to[i] = b < a || b != b ? b : a; break;                        \
            default: to[i] = b; break;                                                          \
            }                                                                                   \
        }                                                                                       \
    }
COMBINE(float, float)
COMBINE(double, double)
COMBINE(int8_t, uint64_t)
COMBINE(uint8_t, uint64_t)
COMBINE(int16_t, uint64_t)
COMBINE(uint16_t, uint64_t)
COMBINE(int32_t, uint64_t)
COMBINE(uint32_t, uint64_t)
COMBINE(int64_t, uint64_t)
COMBINE(uint64_t, uint64_t)

static void combine_half(it_scatter_how how, uint16_t *to, const uint16_t *from, int64_t len)
{
    for (int64_t i = 0; i < len; i++) {
        float a = it_f16_to_f32(to[i]), b = it_f16_to_f32(from[i]);
        combine_float(how, &a, &b, 1);
        to[i] = it_f32_to_f16(a);
    }
}

/* The sum of truth values is their or, the product their and. */
static void combine_bool(it_scatter_how how, uint8_t *to, const uint8_t *from, int64_t len)
{
    for (int64_t i = 0; i < len; i++)
        to[i] = how == IT_SCATTER_ADD || how == IT_SCATTER_MAX ? to[i] || from[i] : to[i] && from[i];
}

void it_scatter_combine(it_type type, it_scatter_how how, void *to, const void *from, int64_t len)
{
    if (how == IT_SCATTER_SET) {
        memcpy(to, from, (size_t)len * it_type_bytes(type));
        return;
    }
    switch (type) {
    case IT_F32: combine_float(how, to, from, len); break;
    case IT_F64: combine_double(how, to, from, len); break;
    case IT_F16: combine_half(how, to, from, len); break;
    case IT_BOOL: combine_bool(how, to, from, len); break;
    case IT_I8: combine_int8_t(how, to, from, len); break;
    case IT_U8: combine_uint8_t(how, to, from, len); break;
    case IT_I16: combine_int16_t(how, to, from, len); break;
    case IT_U16: combine_uint16_t(how, to, from, len); break;
    case IT_I32: combine_int32_t(how, to, from, len); break;
    case IT_U32: combine_uint32_t(how, to, from, len); break;
    case IT_I64: combine_int64_t(how, to, from, len); break;
    default: combine_uint64_t(how, to, from, len); break;
    }
}

const it_op it_op_scatter = {
    .name = "scatter", .onnx = "Scatter", .since = 9, .until = 10,
    .in_min = 3, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_scatter_args),
    .parse = it_scatter_elements_parse, .infer = it_scatter_elements_infer, .forward = it_scatter_elements_forward,
    .hint = "a Concat or a Pad writes at constant places in integers",
};
