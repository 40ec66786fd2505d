/* SPDX-License-Identifier: Apache-2.0 */
/* views.h: tensors that lie in others, so that concats and slices move nothing. */
#ifndef IT_VIEWS_H
#define IT_VIEWS_H

#include "run/place.h"

#define IT_NO_TENSOR UINT32_MAX

/* How a tensor lies in another one. */
typedef struct it_view {
    uint32_t in;      /* the other one; IT_NO_TENSOR: none */
    bool flat;        /* the elements from `first` on, in order: the other one must be dense. Else */
    uint32_t channel; /* the channels from here on */
    uint64_t first;   /* of the pixels from here on */
} it_view;

/* Pixels are all dimensions but the last, whose length is the number of channels. */
static inline uint32_t it_channels(const it_ptensor *t) { return t->rank > 1 ? t->dims[t->rank - 1] : 1; }
static inline uint64_t it_pixels(const it_ptensor *t) { return it_ptensor_elements(t) / it_channels(t); }
/* Bytes from a sample to the next as an instruction counts that knows of no root. */
static inline size_t it_place_step(const it_place *at, const it_ptensor *t)
{
    return at->pitch ? (size_t)it_pixels(t) * at->pitch * intact_type_bytes(t->type) : it_ptensor_bytes(t);
}

/* An element of one is as large as one of the other, and there are as many. */
static inline bool it_same_bytes(const it_ptensor *x, const it_ptensor *y)
{
    return x->type == y->type && it_ptensor_elements(x) == it_ptensor_elements(y);
}

/* What out[0] of a copy is in in[0]; false: not a view. */
bool it_view_of_copy(const it_prog *p, const it_pinstr *i, it_view *v);
/* What in[k] of a concat is in out[0]; `at`: how much of the axis the inputs before it take. False: not a view. */
bool it_view_of_part(const it_prog *p, const it_pinstr *i, uint32_t k, uint32_t at, it_view *v);
/* Whether tensor t is placed as v says. */
bool it_view_holds(const it_prog *p, const it_place *places, uint32_t t, const it_view *v);

/* Finds views: fills root, inside, pitch and step of places[tensors]; the other members are left alone. No instruction gets a pitch that it
** does not honour, or only by a slower kernel version. none: every tensor has bytes of its own. */
INTACT_MUST_USE intact_status it_views_find(const it_prog *p, const it_kern *kern, bool none, it_place *places, intact_error *err);

/* Finds an order of the instructions with a smaller peak than the present one, as far as that can be told from sizes and lifetimes of
** the roots: order[k] is the instruction that comes k-th. *better: there is one; else order is the present one. */
INTACT_MUST_USE intact_status it_order_find(const it_prog *p, const it_place *places, uint32_t *order, bool *better, intact_error *err);

#endif
