/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.h: what post-training quantization does to a network, complete: methods, bits and ranges by layer and by value. A JSON file
** (docs/RECIPE.md); the same recipe on the same network and samples gives the same bytes. */
#ifndef IT_RECIPE_H
#define IT_RECIPE_H

#include "calib/calib.h"
#include "ir/ir.h"

typedef struct it_weight_range it_weight_range; /* method.h */
typedef struct it_rounding it_rounding;
typedef struct it_levels it_levels;
typedef struct it_ptq_method it_ptq_method;

#define IT_FLOAT_BITS 32 /* stays in float: no integer program can be made, only a quantized ONNX network */

typedef enum it_grain { IT_PER_CHANNEL, IT_PER_TENSOR, IT_PER_GROUP } it_grain; /* which weights share a scale */

/* What a layer's weights become. */
typedef struct it_weight_plan {
    int bits; /* 2..8, or IT_FLOAT_BITS */
    it_grain grain;
    int group_len; /* of PER_GROUP: inputs of a group */
    bool affine;   /* a zero point of their own */
    const it_weight_range *range;
    const it_rounding *rounding;
} it_weight_plan;

/* What an activation becomes. */
typedef struct it_act_plan {
    int bits; /* 2..8, 16, or IT_FLOAT_BITS */
    bool symmetric;
    const it_calib *calib;
    double parameter; /* of calib */
    bool given;       /* range is the recipe's; the calibrator is not asked */
    it_range range;
    const it_levels *levels; /* NULL: evenly spaced */
} it_act_plan;

typedef struct it_plans { it_weight_plan weights; it_act_plan acts; } it_plans;

typedef struct it_recipe_rule {
    const char *name; /* of a layer (its weights, and its input's bits) or of a value; * and ? match as in file names; "first", "last" layer */
    bool of_value;
    const char *where; /* it stands, for messages: "r.json: layers[2]", "--keep8"; NULL: nowhere that was written by hand */
    uint32_t has;    /* which fields (recipe.c) it sets, 1 << index */
    it_plans plans;
} it_recipe_rule;

typedef struct it_recipe {
    it_arena arena;
    it_plans plans; /* of every layer and value, */
    struct { it_recipe_rule *items; size_t len, cap; } rules; /* unless a rule says otherwise; later ones win */
    const intact_alloc *alloc;
    const it_ptq_method *methods[8]; /* in this order; NULL after the last */
    uint32_t samples;       /* of the calibration set; 0: 512 or all */
    uint64_t seed;
    bool keep_softmax;
} it_recipe;

/* 8 bits everywhere, per channel, mse; rules: none. */
void it_recipe_init(it_recipe *r, const intact_alloc *a);
void it_recipe_release(it_recipe *r);
/* A rule to be filled, at the end; NULL when out of memory. name is copied. */
it_recipe_rule *it_recipe_add(it_recipe *r, const char *name, bool of_value);
/* Sets field (of it_recipe_fields: "weights.bits", "activations.method", ...) of a rule, or with rule NULL of the default. */
INTACT_MUST_USE intact_status it_recipe_set(it_recipe *r, it_recipe_rule *rule, const char *field, const char *value, intact_error *err);
/* Appends a method by name; unknown names offer the nearest. */
INTACT_MUST_USE intact_status it_recipe_method(it_recipe *r, const char *name, intact_error *err);

/* JSON text or file to recipe (r is initialised and to be released even on failure), and back (caller frees with free()). Errors name
** the place ("layers[2].weights.bits"), the value and what would be right. */
INTACT_MUST_USE intact_status it_recipe_parse(it_recipe *r, const char *text, size_t len, const char *where, intact_error *err);
INTACT_MUST_USE intact_status it_recipe_read(it_recipe *r, const char *path, intact_error *err);
char *it_recipe_print(const it_recipe *r);
/* A ranges file ({"intact_ranges": 1, "values": {"name": [lo, hi]}}) into rules of r; from memory, or read. */
INTACT_MUST_USE intact_status it_recipe_parse_ranges(it_recipe *r, const char *text, size_t len, const char *where, intact_error *err);
INTACT_MUST_USE intact_status it_recipe_read_ranges(it_recipe *r, const char *path, intact_error *err);

/* The plan of a layer (the i-th of len multiply-accumulate layers); rules applied in order. */
it_weight_plan it_recipe_weights(const it_recipe *r, const it_node *n, size_t i, size_t len);
/* What rules on a layer say of the value that it reads: bits only, 0: nothing. */
int it_recipe_input_bits(const it_recipe *r, const it_node *n, size_t i, size_t len);
/* Of values that share parameters (acts.c) rules are applied one by one: whether this one names the value, and what it makes of a plan. */
bool it_recipe_names_value(const it_recipe_rule *rule, const char *value);
void it_recipe_apply_acts(const it_recipe_rule *rule, it_act_plan *p);
bool it_recipe_sets(const it_recipe_rule *rule, const char *field); /* "activations.bits" */
/* Every rule must name something of g; fails with the nearest name. */
INTACT_MUST_USE intact_status it_recipe_check(const it_recipe *r, const it_graph *g, intact_error *err);

#endif
