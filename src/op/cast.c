/* SPDX-License-Identifier: Apache-2.0 */
/* cast: the input's elements as another type. args is an it_type. */
#include <string.h>

#include "op/cast.h"

static intact_status cast_parse(it_parse *p)
{
    int64_t to;
    if (!it_attr_has(p, "to")) return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "attribute to is missing; it names the type");
    IT_TRY(it_attr_int(p, "to", 0, &to));
    if (!it_type_of_onnx(to, p->n->args) || it_type_is_4bit(*(const it_type *)p->n->args))
        return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED,
                            "the type to cast to is %s (%lld); numbers from 8 to 64 bits and bool are supported",
                            it_type_onnx_name(to), (long long)to);
    return INTACT_OK;
}

static intact_status cast_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    (void)err;
    it_shape_copy(&out[0], in[0]);
    out[0].type = *(const it_type *)n->args;
    return INTACT_OK;
}

#define LOOP(T, expr)                                                                                                             \
    do {                                                                                                                          \
        for (int64_t i = 0; i < len; i++) ((T *)y->data)[i] = (T)(expr);                                                          \
        return;                                                                                                                   \
    } while (0)

static void from_int(const it_tensor *x, const it_tensor *y, int64_t len)
{
    switch (y->type) {
    case IT_BOOL: LOOP(uint8_t, it_tensor_get_int(x, i) != 0);
    case IT_I8:
    case IT_U8: LOOP(uint8_t, it_tensor_get_int(x, i));
    case IT_I16:
    case IT_U16: LOOP(uint16_t, it_tensor_get_int(x, i));
    case IT_I32:
    case IT_U32: LOOP(uint32_t, it_tensor_get_int(x, i));
    case IT_I64:
    case IT_U64: LOOP(uint64_t, it_tensor_get_int(x, i));
    case IT_F32: /* one rounding, not two by way of double */
        if (x->type == IT_U64) LOOP(float, ((const uint64_t *)x->data)[i]);
        LOOP(float, it_tensor_get_int(x, i));
    default:
        for (int64_t i = 0; i < len; i++) it_tensor_set(y, i, it_tensor_get(x, i));
    }
}

void it_cast_run(const it_tensor *x, const it_tensor *y)
{
    int64_t len = it_tensor_len(x);
    if (x->type == y->type) {
        if (x->data != y->data) memcpy(y->data, x->data, it_tensor_bytes(x));
    } else if (!it_type_is_float(x->type)) {
        from_int(x, y, len);
    } else if (x->type == IT_F16 && y->type == IT_F32) {
        LOOP(float, it_f16_to_f32(((const uint16_t *)x->data)[i]));
    } else if (x->type == IT_F32 && y->type == IT_F16) {
        LOOP(uint16_t, it_f32_to_f16(((const float *)x->data)[i]));
    } else {
        for (int64_t i = 0; i < len; i++) it_tensor_set(y, i, it_tensor_get(x, i));
    }
}

static intact_status cast_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)n;
    (void)err;
    it_cast_run(in[0], out[0]);
    return INTACT_OK;
}

const it_op it_op_cast = {
    .name = "cast", .onnx = "Cast", .since = 6,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_type), .parse = cast_parse, .infer = cast_infer, .forward = cast_forward, .layout = IT_LAYOUT_ANY,
    .hint = "keep activations float32 in the network; types are chosen here. Casts of shapes are computed when the input's shape is fixed",
};
