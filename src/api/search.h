/* SPDX-License-Identifier: Apache-2.0 */
/* search.h: recipes tried one after another, each measured with the integer runtime against the float network; what was measured is kept as
** JSON, in memory and, for resuming, in a file. */
#ifndef IT_API_SEARCH_H
#define IT_API_SEARCH_H

#include <jansson.h>

#include "api/quantize.h"
#include "ptq/knapsack.h"
#include "ptq/sensitivity.h"

typedef struct it_trial_rule { const char *name; bool of_value; const char *field; char value[8]; } it_trial_rule;

/* A recipe as far as it differs from the options'. */
typedef struct it_trial {
    char name[48], change[208];
    char method[32];                   /* calibrator; empty: as it is */
    bool equalize, bias, adaround;
    it_trial_rule *rules; size_t rules_len; /* in the search's arena */
} it_trial;

#define IT_SEARCH_ROOM 1024 /* bytes of a budget that are kept free for what the program's provenance says of the search */
#define IT_SEARCH_BITS 4
extern const int it_search_bits[IT_SEARCH_BITS]; /* that weights may get, most first */

typedef struct it_search {
    intact_ctx *c;
    const char *model_path;
    const intact_search_options *o;
    intact_search_result *out;
    intact_model *m;         /* the float network */
    it_arena arena;          /* texts */
    char *try_path;          /* where programs are written to be measured */
    char *best_path;         /* where the best goes while no goal is met; NULL: nothing is kept (tune) */
    const char *state;       /* path of state.jsonl; NULL: none */
    json_t *known;           /* measurements of the state, by key */
    char key[65];            /* hash of network, data and settings */
    json_t *steps;           /* finished trials, in order; beside out->steps */
    json_t *sense;           /* it_search_sense's answer */
    it_trial *trials;        /* [out->steps_len]: what was tried */
    size_t trials_cap;
    const it_trial *now;     /* the trial that runs, for the hooks */
    double started;
} it_search;

INTACT_MUST_USE intact_status it_search_open(it_search *s, intact_ctx *c, const char *model_path, const intact_search_options *o, intact_search_result *out, intact_error *err);
void it_search_close(it_search *s);
/* Takes up folder/state.jsonl. */
INTACT_MUST_USE intact_status it_search_resume(it_search *s, const char *state, intact_error *err);

/* Quantizes with t, measures, appends to out->steps and s->steps. A recipe that does not fit the network is a failed step, no failure. */
INTACT_MUST_USE intact_status it_search_try(it_search *s, const it_trial *t, intact_error *err);
/* Signal to noise and agreement on calibration samples alone: no step. */
INTACT_MUST_USE intact_status it_search_probe(it_search *s, const it_trial *t, double *agreement, double *sqnr_db, intact_error *err);
/* Measures sensitivity with t (methods that change weights left out) once; s->sense holds the rows. */
INTACT_MUST_USE intact_status it_search_sense(it_search *s, const it_trial *t, intact_error *err);

/* The whole recipe that options and t make, as text; the caller frees it with free(). */
INTACT_MUST_USE intact_status it_search_recipe(it_search *s, const it_trial *t, char **out, intact_error *err);

/* The first of the steps that lost least: what later ones build on. Without labels, the best ratio without AdaRound. */
size_t it_search_base(const it_search *s);
/* The best calibrator by probes: fills method (it_trial's). */
INTACT_MUST_USE intact_status it_search_calibrator(it_search *s, const it_trial *from, char method[32], intact_error *err);
/* from with the share (0..1) of values that cost most at 16 bits; how many in *len. */
INTACT_MUST_USE intact_status it_search_partial(it_search *s, const it_trial *from, double share, it_trial *out, size_t *len, intact_error *err);
/* from with bits by layer so that the weights take at most bytes. */
INTACT_MUST_USE intact_status it_search_mixed(it_search *s, const it_trial *from, uint64_t bytes, it_trial *out, intact_error *err);
/* Bytes of all weights at 8 bits, and at the fewest. */
void it_search_weights(const it_search *s, uint64_t *most, uint64_t *least);

/* The ladder up to the first step that holds every goal, then fewer bits if asked for. */
INTACT_MUST_USE intact_status it_search_ladder(it_search *s, bool stop, intact_error *err);

#endif
