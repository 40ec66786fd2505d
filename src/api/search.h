/* SPDX-License-Identifier: Apache-2.0 */
/* search.h: recipes tried one after another, each measured with the integer runtime against the float network; what was measured is kept as
** JSON, in memory and, for resuming, in a file. */
#ifndef IT_API_SEARCH_H
#define IT_API_SEARCH_H

#include <jansson.h>

#include "api/quantize.h"
#include "base/c_locale.h"
#include "ptq/knapsack.h"
#include "ptq/sensitivity.h"

typedef struct it_trial_rule { const char *name; bool of_value; const char *field; char value[8]; } it_trial_rule;

#define IT_SEARCH_METHOD 40 /* it_calib_print's */

/* A recipe as far as it differs from the options'. */
typedef struct it_trial {
    char name[48], change[208];
    char method[IT_SEARCH_METHOD];     /* calibrator; empty: as it is */
    bool equalize, bias, adaround;
    it_trial_rule *rules; size_t rules_len; /* in the search's arena */
} it_trial;

#define IT_SEARCH_BITS 4
extern const int it_search_bits[IT_SEARCH_BITS]; /* that weights may get, most first */

typedef enum it_budget { IT_BUDGET_NONE, IT_BUDGET_SIZE, IT_BUDGET_MACS, IT_BUDGET_LATENCY } it_budget;

typedef struct it_search {
    intact_ctx *c;
    const char *model_path;
    const intact_search_options *o;
    intact_search_result *out;
    intact_model *m;         /* the float network */
    it_arena arena;          /* texts */
    it_c_locale locale;      /* of the calling thread, until the search is closed */
    char *try_path;          /* where programs are written to be measured */
    char *best_path;         /* where the best goes while no goal is met; NULL: nothing is kept (tune) */
    char *best_log;          /* its figures */
    const char *state;       /* path of state.jsonl; NULL: none */
    json_t *known;           /* measurements of the state, by key */
    char key[65];            /* hash of network, data and settings */
    json_t *steps;           /* finished trials, in order; beside out->steps */
    json_t *sense;           /* it_search_sense's answer */
    json_t *latency;         /* it_search_table's answer */
    it_trial *trials;        /* [out->steps_len]: what was tried */
    size_t trials_cap;
    const it_trial *now;     /* the trial that runs, for the hooks */
    bool given;              /* the network came quantized ... */
    size_t missing;          /* ... but for so many weights and values */
    it_budget budget;
    double limit;            /* of budget: bytes, weighted multiply-accumulates, milliseconds */
    double started;
} it_search;

INTACT_MUST_USE intact_status it_search_open(it_search *s, intact_ctx *c, const char *model_path, const intact_search_options *o, intact_search_result *out, intact_error *err);
void it_search_close(it_search *s);
const intact_data_options *it_search_data(const it_search *s); /* what trials are judged on */
const char *it_search_ending(const it_search *s);              /* of what is written: ".itm", ".onnx" */
json_t *it_search_real(double v);                              /* null when it is not finite */
double it_search_number(const json_t *j, const char *key, double otherwise);
void it_search_name(it_trial *t, const char *name, const char *change);

/* Fills given and missing (search_given.c). */
INTACT_MUST_USE intact_status it_search_given(it_search *s, intact_error *err);

/* ---- goals (search_goal.c) ---- */

INTACT_MUST_USE intact_status it_search_goal_open(it_search *s, intact_error *err);
const char *it_search_budget_name(const it_search *s); /* "budget_bytes": a member of the log */
double it_search_cost(const it_search *s, const intact_search_step *t); /* in what the budget counts */
bool it_search_fits(const it_search *s, const intact_search_step *t);
bool it_search_holds(const it_search *s, const intact_search_step *t);  /* every goal */
/* Loses no more than the step that loses least, but for two standard errors of the difference; without labels every step does. */
bool it_search_as_good(const it_search *s, const intact_search_step *t);
/* Of steps that lose as little, within the errors, the one with the better signal to noise. */
bool it_search_better(const it_search *s, const intact_search_step *a, const intact_search_step *b);
/* Says in every step, and in s->steps, whether it is as good as the best. */
INTACT_MUST_USE intact_status it_search_tell_equal(it_search *s, intact_error *err);
/* "at most 0.5 points of top-1 lost"; NULL: there is no goal. */
INTACT_MUST_USE intact_status it_search_bound(it_search *s, const char **out, intact_error *err);
/* The program's milliseconds on one thread, and (layers not NULL) of its layers: name to nanoseconds. */
INTACT_MUST_USE intact_status it_search_latency(it_search *s, const char *program, double *ms, json_t **layers, intact_error *err);
/* Measures every layer at every choice of bits, once: s->latency. */
INTACT_MUST_USE intact_status it_search_table(it_search *s, const it_trial *from, intact_error *err);

/* ---- the state (search_state.c) ---- */

/* Takes up folder/state.jsonl. */
INTACT_MUST_USE intact_status it_search_resume(it_search *s, const char *state, intact_error *err);
/* Its lines; what is no whole line is passed over. */
void it_search_take(it_search *s, const char *text, size_t len);
json_t *it_search_recall(const it_search *s, const char *kind, const it_trial *t); /* borrowed; NULL: not measured, or damaged */
char *it_search_line(const it_search *s, const char *kind, const it_trial *t, json_t *result); /* without its end; the caller frees it with free() */
/* A result of this kind is complete, and its numbers are possible (search_check.c). */
bool it_search_sound(const char *kind, const json_t *result);
INTACT_MUST_USE intact_status it_search_remember(it_search *s, const char *kind, const it_trial *t, json_t *result, intact_error *err);

/* ---- trials (search_trial.c) ---- */

/* Quantizes with t, measures, appends to out->steps and s->steps. A recipe that does not fit the network is a failed step, no failure. */
INTACT_MUST_USE intact_status it_search_try(it_search *s, const it_trial *t, intact_error *err);
/* Signal to noise and agreement on calibration samples alone: no step. */
INTACT_MUST_USE intact_status it_search_probe(it_search *s, const it_trial *t, double *agreement, double *sqnr_db, intact_error *err);
/* The whole recipe that options and t make, as text; the caller frees it with free(). */
INTACT_MUST_USE intact_status it_search_recipe(it_search *s, const it_trial *t, char **out, intact_error *err);
/* The steps until now, and the best one's recipe, as JSON; path NULL: nowhere. */
INTACT_MUST_USE intact_status it_search_log(it_search *s, const char *path, intact_error *err);
/* The options of a trial, and the hook that makes s->now of their recipe (user: the search). */
intact_quantize_options it_search_plain(const it_search *s);
intact_status it_search_edit(void *user, it_recipe *r, intact_error *err);

/* Measures sensitivity with t (methods that change weights left out) once; s->sense holds the rows (search_sense.c). */
INTACT_MUST_USE intact_status it_search_sense(it_search *s, const it_trial *t, intact_error *err);

/* ---- what to try (candidates.c) ---- */

/* What later steps build on: of those that are as good as the best, the one with the best ratio among steps that cost no time, without AdaRound and
** rules; where none of these is, the first. */
size_t it_search_base(const it_search *s);
/* The best calibrator by probes of tried many: fills method (it_trial's). */
INTACT_MUST_USE intact_status it_search_calibrator(it_search *s, const it_trial *from, char method[IT_SEARCH_METHOD], size_t *tried, intact_error *err);
/* from with the share (0..1) of weights and values that cost most at more bits, or in float where options say so; how many in *len. */
INTACT_MUST_USE intact_status it_search_partial(it_search *s, const it_trial *from, double share, it_trial *out, size_t *len, intact_error *err);
/* from with bits by layer so that the weights take at most limit of what budget counts (nanoseconds of latency). */
INTACT_MUST_USE intact_status it_search_mixed(it_search *s, const it_trial *from, it_budget budget, uint64_t limit, it_trial *out, intact_error *err);
/* from with these bits in every layer. */
INTACT_MUST_USE intact_status it_search_flat(it_search *s, const it_trial *from, int bits, it_trial *out, intact_error *err);
/* What all layers count at 8 bits, and at the fewest. */
void it_search_span(const it_search *s, it_budget budget, uint64_t *most, uint64_t *least);

/* ---- the ladder (gate.c) ---- */

/* The ladder up to the first step that holds every goal, then fewer bits if asked for. */
INTACT_MUST_USE intact_status it_search_ladder(it_search *s, bool stop, intact_error *err);

/* ---- what was found (search_report.c) ---- */

/* Steps that no other beats in both size and accuracy (agreement without labels), smallest first. */
json_t *it_search_pareto(const it_search *s);
/* Quantizes with the best trial once more for the report of it; paths may be NULL, output (what was written) too. */
INTACT_MUST_USE intact_status it_search_report(it_search *s, const char *page, const char *json, const char *output, intact_error *err);
INTACT_MUST_USE intact_status it_search_write_json(const char *path, json_t *j, intact_error *err); /* takes j */

#endif
