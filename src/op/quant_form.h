/* SPDX-License-Identifier: Apache-2.0 */
/* quant_form.h: operators of ONNX Runtime on 8-bit codes that are a float operator between DequantizeLinear and QuantizeLinear. */
#ifndef IT_QUANT_FORM_H
#define IT_QUANT_FORM_H

#include "op/quant_linear.h"

/* base: the float operator with its attributes; its inputs are made while running. alpha: the bias is at this times the inputs' scales. */
typedef struct it_q_form_args { it_node base; float alpha; } it_q_form_args;

intact_status it_q_form_parse(it_parse *p);
intact_status it_q_form_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err);
intact_status it_q_form_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err);

/* How many inputs the float operator has, and where input j of it stands. */
int it_q_form_len(const it_node *n);
int it_q_form_place(const it_q_form *f, int j);

#define IT_Q_FORM_FIELDS(id, least, most)                                                                                                  \
    .name = #id, .domain = "com.microsoft", .since = 1, .in_min = (least), .in_max = (most), .out_min = 1, .out_max = 1,                   \
    .args_bytes = sizeof(it_q_form_args), .parse = it_q_form_parse, .infer = it_q_form_infer, .forward = it_q_form_forward, .form = &FORM, .absorbed = true, \
    .hint = IT_Q_HINT

#endif
