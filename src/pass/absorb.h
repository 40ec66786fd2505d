/* SPDX-License-Identifier: Apache-2.0 */
/* absorb.h: a network that came quantized (QuantizeLinear and DequantizeLinear around float operators, QLinearConv and its like, ConvInteger and
** MatMulInteger) becomes a float network whose values and weights have quantization parameters, as those that are quantized here. Not one of
** the passes of pass_list.h: evaluated as it is, such a network keeps its own arithmetic. */
#ifndef IT_ABSORB_H
#define IT_ABSORB_H

#include "pass/edit.h"

typedef struct it_absorb_note { const char *where; char text[240]; } it_absorb_note; /* where lives as long as the graph */

typedef struct it_absorb {
    it_graph *g;
    const intact_alloc *alloc;
    bool calibrates;         /* what has no parameters will be calibrated: ranges found while running become fixed ones, and nothing is estimated */
    size_t values, weights;  /* how many came with parameters */
    size_t missing_len;      /* activations and weights still without */
    char missing[200];       /* the first of them: "conv1_output of conv1 (Conv)" */
    struct { it_absorb_note *items; size_t len, cap; } notes; /* what could not be kept to the letter: for the user */
    size_t coarser;          /* values of 16 bits whose zero point moved to 0 */
    it_value **real;         /* below here private to absorb_*.c. [id of a value of codes]: the value that it is the codes of */
    it_type *type;           /* [the same]: as the network had it */
    size_t real_len;
} it_absorb;

/* Whether any operator of g quantizes. */
bool it_absorb_wanted(const it_graph *g);
/* g is read, inferred, and its passes have run; g, alloc and calibrates are set, the rest is zero. Afterwards every value and weight that came with
** parameters has v->q (given); g is inferred and its passes have run again. Errors name the node. Release in any case. */
INTACT_MUST_USE intact_status it_absorb_run(it_absorb *a, intact_error *err);
void it_absorb_release(it_absorb *a);

/* ---- private to absorb_*.c ---- */

INTACT_MUST_USE intact_status it_absorb_say(it_absorb *a, const char *where, intact_error *err, const char *fmt, ...) IT_PRINTF(4, 5);

static inline bool it_absorb_is_q(const it_node *n) { return n && (n->op == &it_op_quantize_linear || n->op == &it_op_ms_quantize_linear); }
static inline bool it_absorb_is_dq(const it_node *n) { return n && (n->op == &it_op_dequantize_linear || n->op == &it_op_ms_dequantize_linear); }
static inline bool it_absorb_is_code(it_type t) { return t == IT_U8 || t == IT_I8 || t == IT_U16 || t == IT_I16 || t == IT_U4 || t == IT_I4; }

/* absorb_codes.c: operators on codes become float operators between DequantizeLinear and QuantizeLinear. The graph is sorted afterwards. */
INTACT_MUST_USE intact_status it_absorb_codes(it_absorb *a, intact_error *err);
/* absorb_const.c: n reads constants alone and becomes one: codes of a constant, or a DequantizeLinear of codes, whose result keeps them in v->q. */
INTACT_MUST_USE intact_status it_absorb_const_codes(it_absorb *a, it_node *n, intact_error *err);
INTACT_MUST_USE intact_status it_absorb_const_real(it_absorb *a, it_node *n, intact_error *err);
/* A Transpose or Reshape of such a constant becomes one too; *done tells. */
INTACT_MUST_USE intact_status it_absorb_const_moved(it_absorb *a, it_node *n, bool *done, intact_error *err);
/* The scales of a (De)QuantizeLinear, input 1, are constant, positive and finite; its zero points, input 2, constant. */
INTACT_MUST_USE intact_status it_absorb_check_scale(const it_node *n, intact_error *err);
/* absorb_fill.c: parameters that follow from others; counts what is missing; biases at another scale than the sums' lose their codes. */
INTACT_MUST_USE intact_status it_absorb_fill(it_absorb *a, intact_error *err);

/* New values and nodes. A value: named after base, shaped like `like`, float. A node is named as n, opset as the graph's; its output is out. */
INTACT_MUST_USE intact_status it_absorb_value(it_absorb *a, const char *base, const it_tensor *like, it_value **out, intact_error *err);
INTACT_MUST_USE intact_status it_absorb_node(it_absorb *a, const it_node *n, const it_op *op, it_value *const *in, int in_len, const it_attr *attr,
                                             it_value *out, intact_error *err);
INTACT_MUST_USE intact_status it_absorb_quant(it_absorb *a, const it_quant *like, int64_t len, it_quant **out, intact_error *err);

#endif
