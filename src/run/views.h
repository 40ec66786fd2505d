/* SPDX-License-Identifier: Apache-2.0 */
/* views.h: tensors that lie in others, so that concats and slices move nothing. */
#ifndef IT_VIEWS_H
#define IT_VIEWS_H

#include "run/place.h"

#define IT_NO_TENSOR UINT32_MAX

/* How a tensor lies in another one. */
struct it_view {
    uint32_t in;      /* the other one; IT_NO_TENSOR: none */
    bool flat;        /* the elements from `first` on, in order: the other one must be dense. Else */
    uint32_t channel; /* the channels from here on */
    uint64_t first;   /* of the pixels from here on */
};

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

/* Elements of x from `at` on, dense and in order, as y. */
void it_view_run(const it_ptensor *x, const it_ptensor *y, uint64_t at, it_view *v);
/* Whether tensor t is placed as v says. */
bool it_view_holds(const it_prog *p, const it_place *places, uint32_t t, const it_view *v);

/* Which views a tensor may be. */
typedef enum it_view_limit {
    IT_VIEW_ANY,
    IT_VIEW_ALL, /* of something as large as it is: a reshape */
    IT_VIEW_NONE
} it_view_limit;
/* Finds views: fills root, inside, pitch and step of places[tensors]; the other members are left alone. No instruction gets a pitch that it
** does not honour, or only by a slower kernel version. limits[tensors]: it_view_limit. */
INTACT_MUST_USE intact_status it_views_find(const it_prog *p, const it_kern *kern, const uint8_t *limits, it_place *places,
                                            intact_error *err);

/* Finds an order of the instructions with a smaller peak than the present one, as far as that can be told from sizes and lifetimes of
** the roots: order[k] is the instruction that comes k-th. *better: there is one; else order is the present one. */
INTACT_MUST_USE intact_status it_order_find(const it_prog *p, const it_place *places, uint32_t *order, bool *better, intact_error *err);

#endif
