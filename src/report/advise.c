/* SPDX-License-Identifier: Apache-2.0 */
/* advise.c: where a value's noise comes from, and which line of a recipe would take it away. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/pattern.h"
#include "report/out.h"

#define ADVICE_LAYERS 6   /* the worst ones; more than that is a plan for the whole network */
#define ADVICE_MAX (ADVICE_LAYERS + 4)
#define GOOD_DB 30.0      /* a value this clean is left alone */
#define LABELLED_ENOUGH 300 /* samples: where none of them tells two networks apart, less than a point does (rule of three), */
#define ERROR_ENOUGH 0.005  /* and standard error, that no loss is called so on: twice that is a point */

static double noise_of(double db) { return isnan(db) ? -1 : pow(10, -db / 10); }

const char *it_report_cause(double own_db, double own_clip, double weight_db, double input_db)
{
    double own = noise_of(own_db), weight = noise_of(weight_db), input = noise_of(input_db);
    double most = fmax(own, fmax(weight, input));
    if (most < 0)
        return NULL;
    if (most == input)
        return "inputs";
    if (most == weight)
        return "weights";
    return own_clip > 0.5 ? "clipping" : "range";
}

static const char *weight_line(const it_report_layer *l, it_arena *a)
{
    const char *name = it_arena_pattern(a, l->name);
    if (!name)
        return NULL;
    if (l->weight_bits < 8)
        return it_arena_printf(a, "{\"name\": %s, \"weights\": {\"bits\": %d}}", name, l->weight_bits < 4 ? 4 : 8);
    if (l->weight_how && strstr(l->weight_how, "tensor"))
        return it_arena_printf(a, "{\"name\": %s, \"weights\": {\"per\": \"channel\"}}", name);
    return it_arena_printf(a, "{\"name\": %s, \"weights\": {\"range\": \"mse\", \"round\": \"adaround\"}}", name);
}

static const char *value_line(const it_report_layer *l, it_arena *a)
{
    bool clips = l->cause && strcmp(l->cause, "clipping") == 0, is_max = l->how && strstr(l->how, "max") != NULL;
    const char *name = it_arena_pattern(a, l->value);
    if (!name)
        return NULL;
    if (clips && !is_max)
        return it_arena_printf(a, "{\"name\": %s, \"activations\": {\"method\": \"max\"}}", name);
    if (clips)
        return it_arena_printf(a, "{\"name\": %s, \"activations\": {\"range\": [%.6g, %.6g]}}", name, fmin(l->lo, l->min) * 1.25, fmax(l->hi, l->max) * 1.25);
    if (l->bits >= 8 && is_max)
        return it_arena_printf(a, "{\"name\": %s, \"activations\": {\"method\": \"mse\"}}", name);
    return it_arena_printf(a, "{\"name\": %s, \"activations\": {\"bits\": %d}}", name, l->bits < 8 ? 8 : 16);
}

static const char *why(const it_report_layer *l, it_arena *a)
{
    if (strcmp(l->cause, "weights") == 0)
        return it_arena_printf(a, "%.1f dB, mostly from its weights: %d bits keep %.1f dB of them", l->db, l->weight_bits, l->weight_db);
    if (strcmp(l->cause, "clipping") == 0)
        return it_arena_printf(a, "%.1f dB, mostly from clipping: %.3f %% of its values lie outside %.4g to %.4g", l->db, 100 * l->clipped, l->lo, l->hi);
    return it_arena_printf(a, "%.1f dB, mostly from its %d-bit codes: steps of %.3g for values of %.4g to %.4g", l->db, l->bits, l->scale, l->min, l->max);
}

static bool worth(const it_report_layer *l)
{
    return !isnan(l->db) && l->db < GOOD_DB && l->cause && strcmp(l->cause, "inputs") != 0 && l->bits < 16;
}

/* What the layer adds itself, as noise against its signal. */
static double adds(const it_report_layer *l) { return fmax(noise_of(l->own_db), noise_of(l->weight_db)); }

static intact_status add(it_report *r, const char *layer, const char *text, const char *where, const char *line, intact_error *err)
{
    if (!text || !line)
        return it_fail_nomem(err, "report", 0);
    r->advice[r->advice_len++] = (it_report_advice){layer, text, where, line};
    return INTACT_OK;
}

static bool by_chance(const it_report_eval *e) { return e->loss <= 2 * e->loss_error; }

/* Enough samples show no loss beyond chance. */
static bool good_enough(const it_report *r)
{
    const it_report_eval *e = &r->eval;
    return e->measured && e->labelled >= LABELLED_ENOUGH && e->loss_error <= ERROR_ENOUGH && by_chance(e);
}

/* What was lost, and how sure that is. */
static intact_status tell_loss(it_report *r, it_arena *a, intact_error *err)
{
    const it_report_eval *e = &r->eval;
    char buf[32];
    const char *points = it_report_points(-100 * e->loss, buf);
    double error = 100 * e->loss_error;
    if (good_enough(r))
        return add(r, "network", it_arena_printf(a, "the accuracy differs by %s points with a standard error of %.2f: nothing has to be done", points, error), "", "",
                   err);
    if (by_chance(e))
        return add(r, "network",
                   it_arena_printf(a, "the accuracy differs by %s points with a standard error of %.2f: %llu labelled samples are too few to tell that from chance",
                                   points, error, (unsigned long long)e->labelled),
                   "option", "--eval DATA", err);
    return add(r, "network", it_arena_printf(a, "the accuracy lost, %.2f points, is more than chance (standard error %.2f)", 100 * e->loss, error), "", "", err);
}

static intact_status whole_network(it_report *r, it_arena *a, intact_error *err)
{
    const it_report_eval *e = &r->eval;
    if (e->measured && e->labelled)
        IT_TRY(tell_loss(r, a, err));
    else if (!e->measured)
        IT_TRY(add(r, "network", "the accuracy was not measured: give labelled samples that calibration does not see", "option", "--eval DATA", err));
    if (good_enough(r))
        return INTACT_OK;
    if (r->samples && r->samples < 128)
        IT_TRY(add(r, "network", it_arena_printf(a, "%llu calibration samples are few; ranges settle at some hundreds", (unsigned long long)r->samples),
                   "option", "--samples 512", err));
    if (!isnan(r->output_db) && r->output_db < 20 && r->recipe && !strstr(r->recipe, "equalize"))
        IT_TRY(add(r, "network", it_arena_printf(a, "the answer has %.1f dB: before single layers, try what helps all of them", r->output_db), "option",
                   "--apply equalize,bias", err));
    return INTACT_OK;
}

/* The layer that adds most, of those not yet taken. */
static size_t next_worst(const it_report *r, const bool *taken)
{
    size_t best = r->layers_len;
    for (size_t i = 0; i < r->layers_len; i++)
        if (!taken[i] && worth(&r->layers[i]) && (best == r->layers_len || adds(&r->layers[i]) > adds(&r->layers[best])))
            best = i;
    return best;
}

intact_status it_report_advise(it_report *r, it_arena *a, intact_error *err)
{
    bool *taken = it_arena_new(a, r->layers_len + 1);
    r->advice = it_arena_new(a, ADVICE_MAX * sizeof *r->advice);
    r->advice_len = 0;
    if (!taken || !r->advice)
        return it_fail_nomem(err, "report", ADVICE_MAX * sizeof *r->advice);
    for (size_t i = 0; i < r->layers_len; i++) {
        it_report_layer *l = &r->layers[i];
        l->cause = isnan(l->db) ? NULL : it_report_cause(l->own_db, l->own_clip, l->weight_bits ? l->weight_db : NAN, l->input_db);
    }
    IT_TRY(whole_network(r, a, err));
    for (int k = 0; k < ADVICE_LAYERS && !good_enough(r); k++) {
        size_t i = next_worst(r, taken);
        if (i == r->layers_len)
            break;
        taken[i] = true;
        const it_report_layer *l = &r->layers[i];
        bool weights = strcmp(l->cause, "weights") == 0;
        if (l->known && !weights)
            continue; /* no recipe changes it */
        IT_TRY(add(r, l->name, why(l, a), weights ? "layers" : "values", weights ? weight_line(l, a) : value_line(l, a), err));
    }
    return INTACT_OK;
}
