/* SPDX-License-Identifier: Apache-2.0 */
/* lower.h: what an operator's lower() uses to emit instructions. Runtime order of dims: rank >= 3 channels last, (N,C,rest) -> (N,rest,C). */
#ifndef IT_LOWER_H
#define IT_LOWER_H

#include "op/op.h"
#include "run/instr.h"

typedef struct it_note { const char *layer, *text; } it_note;

typedef struct it_lower {
    const it_graph *g;
    it_prog *prog;             /* being built */
    uint32_t *tensor_of;       /* [value id]: runtime tensor, UINT32_MAX when none yet */
    struct { it_note *items; size_t len, cap; } notes; /* "scale of channel 3 raised": reported to the user */
    const intact_alloc *alloc;
} it_lower;

/* Runtime tensor of a value (made from its shape and v->q on first use, in runtime order). Fails when v has no quantization. */
INTACT_MUST_USE intact_status it_lower_tensor(it_lower *lw, const it_value *v, uint32_t *out, intact_error *err);
/* An extra tensor; dims in runtime order. */
INTACT_MUST_USE intact_status it_lower_temp(it_lower *lw, const char *name, intact_type type, uint32_t rank, const uint32_t *dims,
                                            float scale, int32_t zero, uint32_t *out, intact_error *err);
/* The output value is the very tensor of the input (identity, dropout, trivial reshape with the same runtime dims). */
void it_lower_alias(it_lower *lw, const it_value *out, uint32_t tensor);
/* A constant: len elements, copied; one that is there already serves again. */
INTACT_MUST_USE intact_status it_lower_const(it_lower *lw, intact_type type, uint64_t len, const void *data, uint32_t *out, intact_error *err);
/* The same, always one of its own, which may be changed. */
INTACT_MUST_USE intact_status it_lower_const_new(it_lower *lw, intact_type type, uint64_t len, const void *data, uint32_t *out, intact_error *err);
/* A constant that equals want, whose content is bytes long, among the latest ones. */
bool it_lower_const_find(const it_lower *lw, const it_pconst *want, size_t bytes, uint32_t *out);
/* Appends an instruction; args is kind->args_bytes, copied. */
INTACT_MUST_USE intact_status it_lower_emit(it_lower *lw, const it_instr *kind, const char *layer, const uint32_t *in, uint32_t in_len,
                                            const uint32_t *out, uint32_t out_len, const void *args, intact_error *err);
INTACT_MUST_USE intact_status it_lower_note(it_lower *lw, const char *layer, const char *fmt, ...) IT_PRINTF(3, 4);
void it_lower_init(it_lower *lw, const it_graph *g, it_prog *prog, const intact_alloc *alloc);
void it_lower_release(it_lower *lw);

/* ONNX dims to runtime dims (channels last for rank >= 3) and the map of axes: runtime axis of ONNX axis k. */
void it_runtime_dims(const it_tensor *t, uint32_t dims[INTACT_RANK_MAX]);
int it_runtime_axis(int rank, int axis);

/* Codes of v's real range [lo, hi] under q: the clamp of a fused activation. */
void it_clamp_codes(const it_quant *q, float lo, float hi, int32_t *code_lo, int32_t *code_hi);

/* One multiply-accumulate layer's per-channel constants: bias codes at S_x*S_w[c] with -z_x*sum(w) folded in, m and s, acc64 proved from
** w. weight: canonical order already, (O, per_out) s8. Raises a channel's scale (requantizing its codes) when bias or accumulator
** would overflow, with a note. bias may be NULL (zeros). Fills the const ids and lo, hi, acc64: thresholds and levels instead of mult and
** shift where qy has levels (and accumulators have 32 bits; else the codes are those of the 8-bit grid). */
typedef struct it_mac_consts { uint32_t weight, bias, mult, shift, acc64, thresholds, levels; int32_t lo, hi; } it_mac_consts;
INTACT_MUST_USE intact_status it_lower_mac(it_lower *lw, const it_node *n, int8_t *weight, int64_t out_c, int64_t per_out, bool depthwise_order,
                                           const it_quant *qw, const float *bias, const it_quant *qx, const it_quant *qy,
                                           it_mac_consts *out, intact_error *err);

/* mult, a scale's, becomes the multiplier of its shift that gives the codes of float arithmetic (QLinearConv's), half to even, for sums lo..hi:
** code less zero point = clamp(round((float)sum * scale), first, last). Where none gives all, the one that gives most of the codes near 0. */
typedef struct it_fit { float scale; int64_t sum_lo, sum_hi; int32_t first, last; } it_fit;
void it_lower_fit(const it_fit *f, it_mult *mult);
/* The other way round: the scale of the weights, near s_w, with which float arithmetic (s_x * s_w / s_y; f's own scale is not read) gives the codes of mult
** for most of the sums. */
float it_lower_fit_weight(const it_fit *f, const it_mult *mult, float s_x, float s_w, float s_y);
/* The same for an addition of 8-bit codes. */
typedef struct it_fit_sum { float scale_a, scale_b, scale_y; int32_t zero_a, zero_b, zero_y; } it_fit_sum;
void it_lower_fit_sum(const it_fit_sum *f, it_add_args *g);

/* Multipliers with a clamp lo..hi, and what they give rounded to the levels of qy, as thresholds on the accumulator: [out_c][levels - 1], the
** least accumulator that gives the level. */
INTACT_MUST_USE intact_status it_lower_thresholds(it_lower *lw, const it_node *n, int64_t out_c, const int32_t *mult, const int32_t *shift,
                                                  const it_quant *qy, int32_t lo, int32_t hi, uint32_t *thresholds, uint32_t *levels,
                                                  intact_error *err);
/* v has been lowered; where its tensor may hold other codes than its levels, a table after it rounds them. */
INTACT_MUST_USE intact_status it_lower_to_levels(it_lower *lw, const it_node *n, const it_value *v, intact_error *err);

/* The weights' codes less their zero points, as a sum of len parts of 8 bits (one when that is enough): codes [len][elements] in the value's order, q
** without zero points. negated: their opposites are parts of 8 bits, too. Belongs to w and the program. */
typedef struct it_weight_parts { int len; const int8_t *codes; it_quant q; } it_weight_parts;
INTACT_MUST_USE intact_status it_lower_parts(it_lower *lw, const it_node *n, const it_value *w, bool negated, it_weight_parts *out,
                                             intact_error *err);
/* Tensor x with each element times times, one after another (x itself when once): what parts of a weight read. */
INTACT_MUST_USE intact_status it_lower_repeat(it_lower *lw, const it_node *n, uint32_t x, int times, uint32_t *out, intact_error *err);

/* Weights as a constant: element (c, k) is data[c * stride_c + k * stride_k]. Of a value with bits <= 4 packed to 4, 3 or 2 bits where its
** values allow and the file becomes smaller, else as they are. */
typedef struct it_weights { const int8_t *data; int64_t out_c, per_out, stride_c, stride_k; } it_weights;
INTACT_MUST_USE intact_status it_lower_weights(it_lower *lw, const it_weights *w, int bits, uint32_t *out, intact_error *err);

/* y = weight[c] x + bias[c], the node's clamp applied, where c is the index in runtime order modulo channels: channels is the last runtime
** dimension (one pair a channel) or all elements of a sample (one pair an element). */
INTACT_MUST_USE intact_status it_lower_affine(it_lower *lw, const it_node *n, const it_value *x, int64_t channels, const double *weight,
                                              const double *bias, intact_error *err);

/* Unary operators through their scalar function: a lut instruction. */
INTACT_MUST_USE intact_status it_lower_scalar(it_lower *lw, const it_node *n, intact_error *err);
/* in 0's bytes under out 0's shape, through copy instructions where channels-last order differs from row-major. */
INTACT_MUST_USE intact_status it_lower_reshape(it_lower *lw, const it_node *n, intact_error *err);
/* If in 0 and out 0 are quantized differently a requantize, else an alias: flatten, identity, dropout. */
INTACT_MUST_USE intact_status it_lower_pass(it_lower *lw, const it_node *n, intact_error *err);

/* ---- smaller pieces ---- */

bool it_lower_same_quant(const it_quant *a, const it_quant *b); /* both there, one scale each, type, scale and zero equal */
bool it_lower_clamps(const it_node *n, const it_quant *q);      /* the node's fused clamp cuts off codes of q */
/* Tensor x with parameters qx into out's tensor by a requantize, the node's fused clamp applied. Shapes are equal. */
INTACT_MUST_USE intact_status it_lower_requantize(it_lower *lw, const it_node *n, uint32_t x, const it_quant *qx, const it_value *out,
                                                  intact_error *err);
/* A matrix layer with constant weights that reads (N,K) made by flattening a (N,C,spatial) value reads that value's tensor directly,
** its weight columns permuted. Gives that value, or x itself when there is no such flattening. it_lower_reshape leaves out its copy
** exactly when all readers of its output do this. */
const it_value *it_lower_dense_source(const it_lower *lw, const it_value *x);
/* Inference, at the batch of 1 that a program is made for, computed all that n gives, and nobody takes it for an activation: n needs no
** instruction (the sizes that a Resize computes from its input's shape, and the like). */
bool it_lower_is_shape_arithmetic(const it_graph *g, const it_node *n);
/* in[1] is a constant with integer codes. */
INTACT_MUST_USE intact_status it_lower_weight_check(const it_node *n, intact_error *err);
/* in[2] as out_c floats (one value serves all), freed by the caller with lw->alloc; NULL in *out when the node has none. */
INTACT_MUST_USE intact_status it_lower_bias(it_lower *lw, const it_node *n, int64_t out_c, float **out, intact_error *err);

#endif
