/* SPDX-License-Identifier: Apache-2.0 */
/* nn.c: element conversion, plain matrix products and direct convolution for the neural-network operators. */
#include <string.h>

#include "op/nn.h"

static intact_status scratch(it_run_ctx *c, const it_node *n, const it_tensor *t, size_t size, void **out, intact_error *err)
{
    size_t bytes = (size_t)it_tensor_len(t) * size;
    *out = it_arena_new(c->scratch, bytes ? bytes : 1);
    return *out ? INTACT_OK : it_fail_nomem(err, n->name, bytes);
}

intact_status it_nn_f64(it_run_ctx *c, const it_node *n, const it_tensor *t, const double **out, intact_error *err)
{
    int64_t len = it_tensor_len(t);
    double *room;
    *out = t->data;
    if (t->type == IT_F64)
        return INTACT_OK;
    IT_TRY(scratch(c, n, t, sizeof(double), (void **)&room, err));
    if (t->type == IT_F32)
        for (int64_t i = 0; i < len; i++)
            room[i] = ((const float *)t->data)[i];
    else
        for (int64_t i = 0; i < len; i++)
            room[i] = it_tensor_get(t, i);
    *out = room;
    return INTACT_OK;
}

intact_status it_nn_f32(it_run_ctx *c, const it_node *n, const it_tensor *t, const float **out, intact_error *err)
{
    int64_t len = it_tensor_len(t);
    float *room;
    *out = t->data;
    if (t->type == IT_F32)
        return INTACT_OK;
    IT_TRY(scratch(c, n, t, sizeof(float), (void **)&room, err));
    for (int64_t i = 0; i < len; i++)
        room[i] = (float)it_tensor_get(t, i);
    *out = room;
    return INTACT_OK;
}

intact_status it_nn_f64_room(it_run_ctx *c, const it_node *n, const it_tensor *t, double **out, intact_error *err)
{
    *out = t->data;
    return t->type == IT_F64 ? INTACT_OK : scratch(c, n, t, sizeof(double), (void **)out, err);
}

intact_status it_nn_f32_room(it_run_ctx *c, const it_node *n, const it_tensor *t, float **out, intact_error *err)
{
    *out = t->data;
    return t->type == IT_F32 ? INTACT_OK : scratch(c, n, t, sizeof(float), (void **)out, err);
}

void it_nn_put_f64(const it_tensor *t, const double *from)
{
    int64_t len = it_tensor_len(t);
    if ((const void *)from == t->data)
        return;
    if (t->type == IT_F32)
        for (int64_t i = 0; i < len; i++)
            ((float *)t->data)[i] = (float)from[i];
    else
        for (int64_t i = 0; i < len; i++)
            it_tensor_set(t, i, from[i]);
}

void it_nn_put_f32(const it_tensor *t, const float *from)
{
    int64_t len = it_tensor_len(t);
    if ((const void *)from != t->data)
        for (int64_t i = 0; i < len; i++)
            it_tensor_set(t, i, from[i]);
}

intact_status it_nn_float_only(const it_node *n, const it_tensor *t, intact_error *err)
{
    if (t->type == IT_F32 || t->type == IT_F64 || t->type == IT_F16)
        return INTACT_OK;
    return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the input is of type %s; float16, float or double is needed", it_type_name(t->type));
}

intact_status it_nn_expect(const it_node *n, const it_tensor *t, const char *role, it_type type, int rank, const int64_t *dim,
                           intact_error *err)
{
    it_tensor want = { .type = type, .rank = rank };
    char have_buf[160], want_buf[160];
    if (rank > 0)
        memcpy(want.dim, dim, (size_t)rank * sizeof(*dim));
    if (t->type == type && it_tensor_same_shape(t, &want))
        return INTACT_OK;
    return it_node_fail(n, err, INTACT_E_SHAPE, "%s is %s; it must be %s", role, it_tensor_print(t, have_buf, sizeof(have_buf)),
                        it_tensor_print(&want, want_buf, sizeof(want_buf)));
}

it_nn_view it_nn_view_of(const it_tensor *t)
{
    it_nn_view v = { .channels = t->rank > 1 ? t->dim[1] : 1, .outer = t->rank > 0 ? t->dim[0] : 1, .len = 1 };
    for (int i = 2; i < t->rank; i++)
        v.len *= t->dim[i];
    if (t->layout == IT_NHWC)
        v.inner = v.channels;
    else {
        v.inner = 1;
        v.outer *= v.channels;
    }
    return v;
}

/* The k loop is outside the n loop so that b's rows are read in order. */
void it_nn_matmul_f64(const it_nn_mat *g, const double *a, const double *b, double *y)
{
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t k = 0; k < g->k; k++) {
            double v = a[m * g->rs_a + k * g->cs_a];
            for (int64_t j = 0; j < g->n; j++)
                y[m * g->n + j] += v * b[k * g->rs_b + j * g->cs_b];
        }
}

void it_nn_matmul_u64(const it_nn_mat *g, const uint64_t *a, const uint64_t *b, uint64_t *y)
{
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t k = 0; k < g->k; k++) {
            uint64_t v = a[m * g->rs_a + k * g->cs_a];
            for (int64_t j = 0; j < g->n; j++)
                y[m * g->n + j] += v * b[k * g->rs_b + j * g->cs_b];
        }
}

intact_status it_nn_ints(it_run_ctx *c, const it_node *n, const it_tensor *t, const uint64_t **out, intact_error *err)
{
    int64_t len = it_tensor_len(t);
    uint64_t *room;
    IT_TRY(scratch(c, n, t, sizeof(uint64_t), (void **)&room, err));
    for (int64_t i = 0; i < len; i++)
        room[i] = t->type == IT_U64 ? ((const uint64_t *)t->data)[i] : (uint64_t)it_tensor_get_int(t, i);
    *out = room;
    return INTACT_OK;
}

void it_nn_put_ints(const it_tensor *t, const uint64_t *from)
{
    int64_t len = it_tensor_len(t);
    size_t bytes = it_type_bytes(t->type);
    for (int64_t i = 0; i < len; i++) { /* truncation keeps the low bytes, which is wrapping in every width */
        uint8_t *to = (uint8_t *)t->data + (size_t)i * bytes;
        uint8_t v8 = (uint8_t)from[i];
        uint16_t v16 = (uint16_t)from[i];
        uint32_t v32 = (uint32_t)from[i];
        memcpy(to, bytes == 8 ? (const void *)&from[i] : bytes == 4 ? (const void *)&v32 : bytes == 2 ? (const void *)&v16 : &v8, bytes);
    }
}

/* One pair of planes through one kernel. */
static void direct_planes(const it_nn_conv *g, const double *x, const double *w, double *y)
{
    const int64_t *s = g->small, *b = g->big, *k = g->kernel;
    for (int64_t q0 = 0; q0 < s[0]; q0++)
        for (int64_t q1 = 0; q1 < s[1]; q1++)
            for (int64_t q2 = 0; q2 < s[2]; q2++) {
                int64_t at = (q0 * s[1] + q1) * s[2] + q2;
                for (int64_t t = 0; t < k[0] * k[1] * k[2]; t++) {
                    int64_t p0 = q0 * g->stride[0] - g->pad[0] + t / (k[1] * k[2]) * g->dil[0];
                    int64_t p1 = q1 * g->stride[1] - g->pad[1] + t / k[2] % k[1] * g->dil[1];
                    int64_t p2 = q2 * g->stride[2] - g->pad[2] + t % k[2] * g->dil[2];
                    int64_t far = (p0 * b[1] + p1) * b[2] + p2;
                    if (p0 < 0 || p0 >= b[0] || p1 < 0 || p1 >= b[1] || p2 < 0 || p2 >= b[2])
                        continue;
                    if (g->transposed)
                        y[far] += x[at] * w[t];
                    else
                        y[at] += x[far] * w[t];
                }
            }
}

void it_nn_conv_direct(const it_nn_conv *g, const double *x, const double *w, const double *bias, double *y)
{
    int64_t len_small = g->small[0] * g->small[1] * g->small[2], len_big = g->big[0] * g->big[1] * g->big[2];
    int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2], out_c = g->transposed ? g->big_c : g->small_c;
    int64_t len_y = g->transposed ? len_big : len_small, big_per = g->big_c / g->group, small_per = g->small_c / g->group;
    for (int64_t c = 0; c < g->batch * out_c; c++)
        for (int64_t i = 0; i < len_y; i++)
            y[c * len_y + i] = bias ? bias[c % out_c] : 0;
    for (int64_t n = 0; n < g->batch; n++)
        for (int64_t sc = 0; sc < g->small_c; sc++)
            for (int64_t j = 0; j < big_per; j++) {
                int64_t at_small = (n * g->small_c + sc) * len_small, at_big = (n * g->big_c + sc / small_per * big_per + j) * len_big;
                direct_planes(g, x + (g->transposed ? at_small : at_big), w + (sc * big_per + j) * taps,
                              y + (g->transposed ? at_big : at_small));
            }
}
