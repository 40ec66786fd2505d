/* SPDX-License-Identifier: Apache-2.0 */
/* dnnl_port.h: what the forward and the backward convolutions of oneDNN share: tensors between two layouts, primitives with their scratchpad. */
#ifndef IT_DNNL_PORT_H
#define IT_DNNL_PORT_H

#include <dnnl.h>

#include "op/dnnl.h"

/* oneDNN takes its thread count from OpenMP's setting of the calling thread: one for what stands between the two. */
int it_dnnl_threads_one(void);
void it_dnnl_threads_restore(int before);

/* The library's own failures are of memory or of a bug; shapes were checked before. */
INTACT_MUST_USE intact_status it_dnnl_fail(const it_node *n, dnnl_status_t st, const char *what, intact_error *err);

typedef struct it_dnnl_home { const intact_alloc *alloc; dnnl_engine_t engine; dnnl_stream_t stream; } it_dnnl_home;
dnnl_status_t it_dnnl_home_make(it_dnnl_home *h, const intact_alloc *alloc);
void it_dnnl_home_free(it_dnnl_home *h);

/* A primitive and its scratchpad, which is ours: the library's own belongs to the thread that made the primitive, and workers may hand
** executors on. */
typedef struct it_dnnl_unit {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t prim;
    dnnl_memory_t scratch;
    void *buf;
    size_t buf_bytes;
} it_dnnl_unit;
/* op_desc: a dnnl_convolution_desc_t or its like; hint: the forward description of a backward one, else NULL. */
dnnl_status_t it_dnnl_unit_make(const it_dnnl_home *h, it_dnnl_unit *u, const void *op_desc, const_dnnl_primitive_desc_t hint);
void it_dnnl_unit_free(const it_dnnl_home *h, it_dnnl_unit *u);
dnnl_status_t it_dnnl_unit_run(const it_dnnl_home *h, const it_dnnl_unit *u, const dnnl_exec_arg_t *args, int len); /* len at most 7 */

/* A tensor as the user has it and as the primitive wants it, with a reorder between when they differ. */
typedef struct it_dnnl_port {
    dnnl_memory_desc_t user_md;
    dnnl_memory_t user, prim; /* the same object when no reorder is needed */
    dnnl_primitive_t reorder;
    void *buf;
    size_t buf_bytes;
} it_dnnl_port;
/* user_md is set; what: the primitive's side. to_user: the primitive writes and the reorder brings it to the user. */
dnnl_status_t it_dnnl_port_make(const it_dnnl_home *h, it_dnnl_port *p, const it_dnnl_unit *u, dnnl_query_t what, bool to_user);
dnnl_status_t it_dnnl_port_move(const it_dnnl_home *h, it_dnnl_port *p, bool to_user);
void it_dnnl_port_free(const it_dnnl_home *h, it_dnnl_port *p);
dnnl_status_t it_dnnl_set_data(const it_dnnl_home *h, dnnl_memory_t m, const void *data);

/* The tensors of a convolution: as they are, and as the primitive may choose them: channels-last activations are taken as they are, for plain
** ones and for weights the library chooses and a reorder stands between. */
typedef struct it_dnnl_conv_md {
    dnnl_memory_desc_t x, w, y, want_x, want_w, want_y;
    dnnl_dims_t stride, dil, pad_l, pad_r;
} it_dnnl_conv_md;
/* result: the tensor that stays float32 where operands are bfloat16. */
typedef enum it_dnnl_result { IT_DNNL_Y, IT_DNNL_DX, IT_DNNL_DW } it_dnnl_result;
dnnl_status_t it_dnnl_conv_describe(const it_dnnl_conv_spec *c, it_dnnl_result result, it_dnnl_conv_md *md);

typedef union it_dnnl_conv_desc { dnnl_convolution_desc_t conv; dnnl_deconvolution_desc_t deconv; } it_dnnl_conv_desc;
/* The forward primitive's description; bias may be NULL. */
dnnl_status_t it_dnnl_conv_forward_desc(const it_dnnl_conv_spec *c, const it_dnnl_conv_md *md, dnnl_prop_kind_t kind, const dnnl_memory_desc_t *bias,
                                        it_dnnl_conv_desc *out);

#endif
