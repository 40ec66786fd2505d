/* SPDX-License-Identifier: Apache-2.0 */
/* sensitivity.h: what quantizing each part of a network costs, alone and as the only part left in float, measured with simulated runs. */
#ifndef IT_PTQ_SENSITIVITY_H
#define IT_PTQ_SENSITIVITY_H

#include "ptq/ptq.h"

/* How far the first output is from the float network's on the same samples. */
typedef struct it_effect {
    double sqnr_db;   /* signal to noise; INFINITY when nothing changed */
    double noise;     /* squared difference of a sample, mean */
    double agreement; /* samples with the same largest output, fraction */
    double kl;        /* divergence of the softmax from the float network's, nats, mean; 0 where the output is one number */
    double top1;      /* fraction of labelled samples; -1 without labels */
} it_effect;

#define IT_SENSE_LOW_BITS 4

typedef enum it_sense_part { IT_SENSE_WEIGHTS, IT_SENSE_ACTS, IT_SENSE_BOTH, IT_SENSE_PARTS } it_sense_part;

typedef struct it_sense_row {
    const char *name;        /* the layer's, or of a value that no layer with weights writes, the value's; lives as long as the graph */
    const char *value;       /* the value that the activations' part is about; NULL: not quantized */
    it_node *node;           /* NULL: no layer */
    int group;               /* of value; -1 */
    bool has[IT_SENSE_PARTS];
    it_effect only[IT_SENSE_PARTS]; /* this part alone is quantized */
    it_effect but[IT_SENSE_PARTS];  /* all but this part is */
    uint64_t weights;
    double weight_error;     /* squared, of the codes against the weights */
    double low_noise, low_error; /* only the weights, at IT_SENSE_LOW_BITS: only[].noise and weight_error of that */
    bool takes_s16;          /* the value may have 16 bits */
    char cause[160];         /* why it costs, from histograms and weights */
    const char *remedy;      /* the recipe's line (docs/RECIPE.md) that acts on it; empty: none does */
} it_sense_row;

typedef struct it_sensitivity {
    struct { it_sense_row *items; size_t len, cap; } rows; /* in the network's order */
    it_effect all;           /* everything quantized */
    double float_top1;       /* -1 without labels */
    uint64_t samples, labelled;
    const intact_alloc *alloc;
    it_arena arena;          /* remedies */
} it_sensitivity;

/* p was run, with methods that leave weights and biases alone. Results do not depend on the pool. it_sensitivity_release in any case. */
INTACT_MUST_USE intact_status it_sensitivity_run(it_ptq *p, const it_feed *feed, it_sensitivity *out, intact_error *err);
void it_sensitivity_release(it_sensitivity *s);

/* Fills cause and remedy of a measured row (ptq/causes.c); a is for the remedy. */
INTACT_MUST_USE intact_status it_sensitivity_explain(const it_ptq *p, it_sense_row *row, it_arena *a, intact_error *err);
/* Squared error of the layer's codes at that many bits, nearest rounding; the layer is as before afterwards. */
INTACT_MUST_USE intact_status it_sensitivity_weight_error(it_ptq *p, it_node *n, size_t i, size_t len, int bits, double *out, intact_error *err);

#endif
