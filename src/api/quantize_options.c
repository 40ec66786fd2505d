/* SPDX-License-Identifier: Apache-2.0 */
/* quantize_options.c: what options say becomes a recipe: the recipe file first, then each option. */
#include <stdio.h>
#include <string.h>

#include "api/quantize_job.h"

void intact_quantize_options_default(intact_quantize_options *o) { *o = (intact_quantize_options){0}; }

/* "first,last,NAME" of --keep8: a rule each. */
static intact_status keep_layers(it_recipe *r, const char *list, intact_error *err)
{
    char name[256];
    for (size_t len; *list; list += len + (list[len] == ',')) {
        len = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)len, list);
        if (strcmp(name, "none") == 0 || len == 0)
            continue;
        it_recipe_rule *rule = it_recipe_add(r, name, false);
        if (!rule)
            return it_fail_nomem(err, "--keep8", sizeof *rule);
        rule->where = "--keep8";
        IT_TRY(it_recipe_set(r, rule, "weights.bits", "8", err));
        IT_TRY(it_recipe_set(r, rule, "activations.bits", "8", err));
    }
    return INTACT_OK;
}

static intact_status set_number(it_recipe *r, const char *field, uint32_t value, intact_error *err)
{
    char text[16];
    snprintf(text, sizeof text, "%u", value);
    return value ? it_recipe_set(r, NULL, field, text, err) : INTACT_OK;
}

intact_status it_quantize_read_options(it_quantize_job *q, intact_error *err)
{
    const intact_quantize_options *o = q->o;
    it_recipe *r = &q->recipe;
    if (!o->output)
        return it_fail(err, INTACT_E_ARG, "quantize", "no output file was given");
    if (o->recipe)
        IT_TRY(it_recipe_read(r, o->recipe, err));
    IT_TRY(set_number(r, "weights.bits", o->weight_bits, err));
    IT_TRY(set_number(r, "activations.bits", o->act_bits, err));
    if (o->symmetric_activations || o->given & INTACT_GIVEN_ACTIVATIONS)
        IT_TRY(it_recipe_set(r, NULL, "activations.scheme", o->symmetric_activations ? "symmetric" : "affine", err));
    if (o->per_tensor_weights || o->given & INTACT_GIVEN_WEIGHTS)
        IT_TRY(it_recipe_set(r, NULL, "weights.per", o->per_tensor_weights ? "tensor" : "channel", err));
    if (o->method)
        IT_TRY(it_recipe_set(r, NULL, "activations.method", o->method, err));
    for (size_t i = 0; i < o->set_len; i++)
        IT_TRY(it_recipe_set(r, NULL, o->set[i].field, o->set[i].value, err));
    for (size_t i = 0; i < o->methods_len; i++)
        IT_TRY(it_recipe_method(r, o->methods[i], err));
    r->samples = o->samples ? o->samples : r->samples;
    r->seed = o->seed || o->given & INTACT_GIVEN_SEED ? o->seed : r->seed;
    if (r->seed > INT64_MAX)
        return it_fail(err, INTACT_E_ARG, "seed", "is %llu; 0 to %lld are possible", (unsigned long long)r->seed, (long long)INT64_MAX);
    r->keep_softmax = r->keep_softmax || o->keep_softmax;
    if (o->keep8 || (!o->recipe && (r->plans.weights.bits < 8 || r->plans.acts.bits < 8)))
        IT_TRY(keep_layers(r, o->keep8 ? o->keep8 : "first,last", err));
    return o->ranges ? it_recipe_read_ranges(r, o->ranges, err) : INTACT_OK;
}
