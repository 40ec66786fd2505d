/* SPDX-License-Identifier: Apache-2.0 */
/* operand.h: operands of products in fewer bits: float32 numbers rounded to those of bfloat16 or float16, nearest even. */
#ifndef IT_OPERAND_H
#define IT_OPERAND_H

#include "op/op.h"

/* to may be from. bfloat16: 8 significant bits, float32's range. float16: 11 of them down to 2^-14, what is 65520 or more becomes infinite. Both keep
** infinities and not-a-numbers. */
void it_operand_round(it_products p, const float *from, float *to, int64_t len);
/* Numbers that operands must be copied for: false where they are taken as they are (or by oneDNN's own conversion). */
static inline bool it_operand_copies(it_products p) { return p == IT_PRODUCTS_BF16 || p == IT_PRODUCTS_F16; }
/* *x becomes a rounded copy in the arena, where p asks for one. */
INTACT_MUST_USE intact_status it_operand_of(it_products p, it_arena *scratch, const it_node *n, const float **x, int64_t len, intact_error *err);
/* The same for a constant, kept in *state, NULL at first, until weights_at, not 0, is another number. */
INTACT_MUST_USE intact_status it_operand_weights(it_products p, const intact_alloc *alloc, it_op_state **state, uint64_t weights_at, const it_node *n,
                                               const float **w, int64_t len, intact_error *err);

/* x rounded to bfloat16 in place, its upper halves into to; and back. */
void it_operand_pack(float *x, uint16_t *to, int64_t len);
void it_operand_unpack(const uint16_t *from, float *x, int64_t len);

/* Whether this processor has instructions for products of bfloat16, and whether they multiply more numbers at once than those for float32 do. */
bool it_operand_has_dot(void);
bool it_operand_dot_is_faster(void);

#endif
