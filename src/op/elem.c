/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers shared by elementwise, reducing and recurrent operators. */
#include "op/elem.h"

#include <stdio.h>

const it_tensor *it_elem_in(const it_node *n, const it_tensor *const *in, int k)
{
    return k < n->in_len ? in[k] : NULL;
}

/* "float16, float, int64" of a set of types. */
static const char *types_print(uint32_t types, char *buf, size_t len)
{
    size_t at = 0;
    buf[0] = 0;
    for (int t = 0; t < IT_TYPE_COUNT; t++) {
        if (!(types & IT_T(t))) continue;
        int wrote = snprintf(buf + at, len - at, "%s%s", at ? ", " : "", it_type_name((it_type)t));
        if (wrote < 0 || (size_t)wrote >= len - at) break;
        at += (size_t)wrote;
    }
    return buf;
}

intact_status it_elem_check(const it_node *n, const it_tensor *const *in, int k, uint32_t types, intact_error *err)
{
    const it_tensor *t = it_elem_in(n, in, k);
    if (!t) return it_node_fail(n, err, INTACT_E_SHAPE, "input %d is left out; the operator needs it", k);
    if (!(types & IT_T(t->type))) {
        char buf[160];
        return it_node_fail(n, err, INTACT_E_SHAPE, "input %d has type %s; it may be %s", k, it_type_name(t->type),
                            types_print(types, buf, sizeof(buf)));
    }
    return INTACT_OK;
}

intact_status it_elem_check_same(const it_node *n, const it_tensor *const *in, int len, uint32_t types, intact_error *err)
{
    for (int k = 0; k < len; k++) {
        IT_TRY(it_elem_check(n, in, k, types, err));
        if (in[k]->type != in[0]->type)
            return it_node_fail(n, err, INTACT_E_SHAPE, "input 0 has type %s and input %d %s; all inputs must have the same type",
                                it_type_name(in[0]->type), k, it_type_name(in[k]->type));
    }
    return INTACT_OK;
}

intact_status it_elem_scratch(it_run_ctx *c, const it_node *n, size_t len, size_t size, void **out, intact_error *err)
{
    size_t bytes = 0;
    *out = it_mul_size(len, size, &bytes) ? it_arena_new(c->scratch, bytes ? bytes : 1) : NULL;
    return *out ? INTACT_OK : it_fail_nomem(err, n->name, bytes);
}

intact_status it_elem_cast(it_run_ctx *c, const it_node *n, const it_tensor *t, it_type type, it_tensor *out, intact_error *err)
{
    *out = *t;
    if (t->type == type) return INTACT_OK;
    int64_t len = it_tensor_len(t);
    out->type = type;
    IT_TRY(it_elem_scratch(c, n, (size_t)len, it_type_bytes(type), &out->data, err));
    if (t->type == IT_F16 && type == IT_F32) {
        const uint16_t *from = t->data;
        float *to = out->data;
        for (int64_t i = 0; i < len; i++) to[i] = it_f16_to_f32(from[i]);
    } else if (type == IT_I64) {
        int64_t *to = out->data;
        for (int64_t i = 0; i < len; i++) to[i] = it_tensor_get_int(t, i);
    } else {
        for (int64_t i = 0; i < len; i++) it_tensor_set(out, i, it_tensor_get(t, i));
    }
    return INTACT_OK;
}

void it_elem_narrow(const float *from, uint16_t *to, int64_t len)
{
    for (int64_t i = 0; i < len; i++) to[i] = it_f32_to_f16(from[i]);
}

void it_elem_strides(const it_tensor *t, const it_tensor *out, int64_t stride[IT_RANK_MAX])
{
    static const int nhwc[4] = {1, 3, 2, 0}; /* axes from the innermost out */
    int64_t step = 1;
    int shift = out->rank - t->rank;
    for (int i = 0; i < out->rank; i++) stride[i] = 0;
    for (int i = 0; i < t->rank; i++) {
        int axis = t->layout == IT_NHWC && t->rank == 4 ? nhwc[i] : t->rank - 1 - i;
        stride[axis + shift] = t->dim[axis] == 1 ? 0 : step;
        step *= t->dim[axis];
    }
}
