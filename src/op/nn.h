/* SPDX-License-Identifier: Apache-2.0 */
/* nn.h: what the neural-network operators share: element conversion, views over channels, plain matrix products, direct convolution. */
#ifndef IT_NN_H
#define IT_NN_H

#include "op/op.h"

/* t's elements as doubles or floats in ONNX order: its own bytes when they are that already, else a copy in c->scratch. */
INTACT_MUST_USE intact_status it_nn_f64(it_run_ctx *c, const it_node *n, const it_tensor *t, const double **out, intact_error *err);
INTACT_MUST_USE intact_status it_nn_f32(it_run_ctx *c, const it_node *n, const it_tensor *t, const float **out, intact_error *err);
/* Where to compute t's elements: its own bytes or scratch, which the put afterwards converts. */
INTACT_MUST_USE intact_status it_nn_f64_room(it_run_ctx *c, const it_node *n, const it_tensor *t, double **out, intact_error *err);
INTACT_MUST_USE intact_status it_nn_f32_room(it_run_ctx *c, const it_node *n, const it_tensor *t, float **out, intact_error *err);
void it_nn_put_f64(const it_tensor *t, const double *from);
void it_nn_put_f32(const it_tensor *t, const float *from);

INTACT_MUST_USE intact_status it_nn_float_only(const it_node *n, const it_tensor *t, intact_error *err); /* float16, float, double */
/* t has the dims (len of them) that role needs; "scale must be float[64]; it is float[32]". */
INTACT_MUST_USE intact_status it_nn_expect(const it_node *n, const it_tensor *t, const char *role, it_type type, int rank, const int64_t *dim,
                                           intact_error *err);

/* A tensor (N, C, spatial) as outer blocks of len positions and inner interleaved channels; channel of (o, i) is (o * inner + i) % C. */
typedef struct it_nn_view { int64_t channels, outer, len, inner; } it_nn_view;
it_nn_view it_nn_view_of(const it_tensor *t);

/* y(m,n) += sum_k a(m,k) * b(k,n); element (i,j) of a is a[i * rs_a + j * cs_a], of b likewise; y is dense. */
typedef struct it_nn_mat { int64_t m, n, k, rs_a, cs_a, rs_b, cs_b; } it_nn_mat;
void it_nn_matmul_f64(const it_nn_mat *g, const double *a, const double *b, double *y);
void it_nn_matmul_u64(const it_nn_mat *g, const uint64_t *a, const uint64_t *b, uint64_t *y); /* modulo 2^64: right for any integer type */
INTACT_MUST_USE intact_status it_nn_ints(it_run_ctx *c, const it_node *n, const it_tensor *t, const uint64_t **out, intact_error *err);
void it_nn_put_ints(const it_tensor *t, const uint64_t *from);

/* Convolution by its definition, or its transpose, for what the fast library does not do. The "small" side is the output of a convolution
** and the input of a transposed one: small position q touches q * stride - pad + k * dil of the big side. */
typedef struct it_nn_conv {
    int64_t batch, group, small_c, big_c; /* all channels, not per group */
    int64_t small[3], big[3], kernel[3], stride[3], dil[3], pad[3];
    bool transposed;
} it_nn_conv;
/* w: (small_c, big_c / group, kernel): ONNX's order for both kinds. bias may be NULL. */
void it_nn_conv_direct(const it_nn_conv *g, const double *x, const double *w, const double *bias, double *y);

#endif
