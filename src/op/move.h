/* SPDX-License-Identifier: Apache-2.0 */
/* move.h: what the operators that only move elements share: strided copies by item size, and the same as copy instructions. */
#ifndef IT_MOVE_H
#define IT_MOVE_H

#include "op/lower.h"

#define IT_MOVE_DIMS 16 /* tile and depth_to_space split axes in two */

/* ---- checks ---- */

/* Input k is there. */
bool it_move_has(const it_node *n, const it_tensor *const *in, int k);
/* True when an input's shape is not known: all outputs are marked unknown, with input 0's type. */
bool it_move_unknown(const it_node *n, const it_tensor *const *in, it_tensor *out);
void it_move_set_unknown(const it_node *n, const it_tensor *const *in, it_tensor *out);
/* Shape, type and layout of one output; dim may be out->dim. Fails when the shape is impossible. */
INTACT_MUST_USE intact_status it_move_shape(const it_node *n, it_tensor *out, it_type type, int rank, const int64_t *dim,
                                            intact_error *err);
/* Content of integer input k (rank 0 or 1, at most max elements); *known false, *len set, when there is no content. what names it. */
INTACT_MUST_USE intact_status it_move_ints(const it_node *n, const it_tensor *const *in, int k, const char *what, int64_t *to, int max,
                                           int *len, bool *known, intact_error *err);
/* Before a forward whose output shape depends on content: infers again and compares with the outputs at hand. */
INTACT_MUST_USE intact_status it_move_verify(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                             intact_error *err);
/* Fails unless in[k] has in[0]'s type. */
INTACT_MUST_USE intact_status it_move_same_type(const it_node *n, const it_tensor *const *in, int k, intact_error *err);
/* An index in -len..len-1 to 0..len-1; false when outside. */
static inline bool it_move_index(int64_t *i, int64_t len)
{
    if (*i < 0)
        *i += len;
    return *i >= 0 && *i < len;
}

/* ---- moving ---- */

/* Axes in the order of memory, outermost first. */
void it_move_order(const it_tensor *t, int order[IT_RANK_MAX]);
/* Elements between neighbours along each ONNX axis. */
void it_move_strides(const it_tensor *t, int64_t stride[IT_RANK_MAX]);
/* Copies prod(dim) items of 1, 2, 4 or 8 bytes; strides in items, `from` may be negative or 0. At most IT_MOVE_DIMS dims, any order. */
void it_move_items(void *dst, const void *src, size_t item, int rank, const int64_t *dim, const int64_t *to, const int64_t *from);
/* dst, dense with dims dim, reads src at the sum of at[k][index k] (items). */
void it_move_lookup(void *dst, const void *src, size_t item, int rank, const int64_t *dim, int64_t *const *at);
/* len copies of one item. */
void it_move_fill(void *dst, const void *value, size_t item, int64_t len);
/* The bytes of in 0 as out 0: forward of reshape and its kin. */
intact_status it_move_bytes(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err);

/* ---- lowering ---- */

/* Runtime tensor of in[k]; constants are refused. */
INTACT_MUST_USE intact_status it_move_source(it_lower *lw, const it_node *n, int k, uint32_t *x, intact_error *err);
/* The same with the parameters of `as`, requantized when they differ: for what writes codes of the output itself. */
INTACT_MUST_USE intact_status it_move_source_as(it_lower *lw, const it_node *n, int k, const it_value *as, uint32_t *x, intact_error *err);
/* Where to write `to`, moved from `from`'s bytes: its own tensor, or a temporary with from's parameters when the two differ. */
INTACT_MUST_USE intact_status it_move_target(it_lower *lw, const it_node *n, const it_value *from, const it_value *to, uint32_t *y,
                                             intact_error *err);
/* After the write: requantizes the temporary into `to`'s tensor when there is one. */
INTACT_MUST_USE intact_status it_move_finish(it_lower *lw, const it_node *n, const it_value *from, const it_value *to, uint32_t y,
                                             intact_error *err);
bool it_move_same_quant(const it_value *a, const it_value *b);
/* Elements between neighbours along each ONNX axis of a sample in runtime order; 0 for the batch. */
void it_move_runtime_strides(const it_tensor *t, int64_t stride[IT_RANK_MAX]);
/* ONNX axes in runtime order. */
void it_move_runtime_order(int rank, int order[IT_RANK_MAX]);
/* One copy instruction; dims in y's runtime order, the batch left out. Neighbours that join are joined; more than six are refused. */
INTACT_MUST_USE intact_status it_move_copy(it_lower *lw, const it_node *n, uint32_t x, uint32_t y, int len, const int64_t *dim,
                                           const int64_t *stride, int64_t offset, intact_error *err);
/* out[k] read from in 0: stride[a] is the step in in 0 along out's ONNX axis a (its batch ignored). Target, copy and finish in one. */
INTACT_MUST_USE intact_status it_move_emit(it_lower *lw, const it_node *n, int k, const int64_t *stride, int64_t offset, intact_error *err);

#define IT_MOVE_TYPES (1u << INTACT_U8 | 1u << INTACT_S16)

#endif
