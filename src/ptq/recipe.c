/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.c: the fields of a recipe, each a line of a table; rules and what they come to for a layer or value. */
#include "ptq/recipe.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/c_locale.h"
#include "ptq/method.h"
#include "ptq/recipe_field.h"

/* ---- values of fields ---- */

static intact_status wrong(const char *where, const char *text, intact_error *err, const char *right)
{
    return it_fail(err, INTACT_E_ARG, where, "is \"%.60s\"; %s", text, right);
}

static bool whole_number(const char *text, long lo, long hi, int *out)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (end == text || *end || v < lo || v > hi)
        return false;
    *out = (int)v;
    return true;
}

static intact_status read_weight_bits(it_plans *p, const char *text, const char *where, intact_error *err)
{
    int bits;
    if (!whole_number(text, 2, IT_FLOAT_BITS, &bits) || (bits > 8 && bits < IT_FLOAT_BITS))
        return wrong(where, text, err, "2 to 8 bits are possible (and 32: float, for an ONNX output)");
    p->weights.bits = bits;
    return INTACT_OK;
}
static void print_weight_bits(const it_plans *p, char *out, size_t len) { snprintf(out, len, "%d", p->weights.bits); }

static intact_status read_act_bits(it_plans *p, const char *text, const char *where, intact_error *err)
{
    int bits;
    if (!whole_number(text, 2, IT_FLOAT_BITS, &bits) || (bits > 8 && bits != 16 && bits != IT_FLOAT_BITS))
        return wrong(where, text, err, "2 to 8 bits, or 16, are possible (and 32: float, for an ONNX output)");
    p->acts.bits = bits;
    return INTACT_OK;
}
static void print_act_bits(const it_plans *p, char *out, size_t len) { snprintf(out, len, "%d", p->acts.bits); }

static intact_status read_per(it_plans *p, const char *text, const char *where, intact_error *err)
{
    it_weight_plan *w = &p->weights;
    if (strcmp(text, "channel") == 0 || strcmp(text, "tensor") == 0) {
        w->grain = *text == 'c' ? IT_PER_CHANNEL : IT_PER_TENSOR;
        w->group_len = 0;
        return INTACT_OK;
    }
    if (strncmp(text, "group:", 6) != 0 || !whole_number(text + 6, 1, 1 << 20, &w->group_len))
        return wrong(where, text, err, "channel, tensor or group:N (N inputs share a scale) are possible");
    w->grain = IT_PER_GROUP;
    return INTACT_OK;
}
static void print_per(const it_plans *p, char *out, size_t len)
{
    if (p->weights.grain == IT_PER_GROUP)
        snprintf(out, len, "group:%d", p->weights.group_len);
    else
        snprintf(out, len, "%s", p->weights.grain == IT_PER_CHANNEL ? "channel" : "tensor");
}

static intact_status read_scheme(const char *text, bool *affine, const char *where, intact_error *err)
{
    *affine = strcmp(text, "affine") == 0;
    return *affine || strcmp(text, "symmetric") == 0 ? INTACT_OK : wrong(where, text, err, "symmetric or affine are possible");
}
static intact_status read_weight_scheme(it_plans *p, const char *text, const char *where, intact_error *err)
{
    return read_scheme(text, &p->weights.affine, where, err);
}
static void print_weight_scheme(const it_plans *p, char *out, size_t len) { snprintf(out, len, "%s", p->weights.affine ? "affine" : "symmetric"); }
static intact_status read_act_scheme(it_plans *p, const char *text, const char *where, intact_error *err)
{
    bool affine;
    IT_TRY(read_scheme(text, &affine, where, err));
    p->acts.symmetric = !affine;
    return INTACT_OK;
}
static void print_act_scheme(const it_plans *p, char *out, size_t len) { snprintf(out, len, "%s", p->acts.symmetric ? "symmetric" : "affine"); }

/* A name out of a list whose items begin with their name; none: one more name that stands for NULL. */
static intact_status read_name(const void *const *all, const char *none, const char *text, const void **out, const char *where, intact_error *err)
{
    const char *names[64];
    char list[400] = "";
    size_t len = 0;
    *out = NULL;
    if (none && strcmp(text, none) == 0)
        return INTACT_OK;
    if (none)
        names[len++] = none;
    for (size_t i = 0; all[i] && len < IT_LEN(names); i++) {
        names[len++] = *(const char *const *)all[i];
        if (strcmp(names[len - 1], text) == 0) {
            *out = all[i];
            return INTACT_OK;
        }
    }
    for (size_t i = 0; i < len; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", names[i]);
    const char *near = it_nearest(text, names, len);
    return it_fail(err, INTACT_E_ARG, where, "is \"%.60s\"%s%s%s; there are: %s", text, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "", list);
}

static intact_status read_range_kind(it_plans *p, const char *text, const char *where, intact_error *err)
{
    return read_name((const void *const *)it_weight_range_all, NULL, text, (const void **)&p->weights.range, where, err);
}
static void print_range_kind(const it_plans *p, char *out, size_t len) { snprintf(out, len, "%s", p->weights.range->name); }
static intact_status read_round(it_plans *p, const char *text, const char *where, intact_error *err)
{
    return read_name((const void *const *)it_rounding_all, NULL, text, (const void **)&p->weights.rounding, where, err);
}
static void print_round(const it_plans *p, char *out, size_t len) { snprintf(out, len, "%s", p->weights.rounding->name); }
static intact_status read_levels(it_plans *p, const char *text, const char *where, intact_error *err)
{
    return read_name((const void *const *)it_levels_all, "even", text, (const void **)&p->acts.levels, where, err);
}
static void print_levels(const it_plans *p, char *out, size_t len) { snprintf(out, len, "%s", p->acts.levels ? p->acts.levels->name : "even"); }

static intact_status read_calib(it_plans *p, const char *text, const char *where, intact_error *err)
{
    intact_status st = it_calib_parse(text, &p->acts.calib, &p->acts.parameter, err);
    if (st != INTACT_OK && err)
        snprintf(err->where, sizeof err->where, "%s", where);
    return st;
}
static void print_calib(const it_plans *p, char *out, size_t len)
{
    (void)len;
    it_calib_print(p->acts.calib, p->acts.parameter, out);
}

/* "lo hi". */
static intact_status read_range(it_plans *p, const char *text, const char *where, intact_error *err)
{
    it_range r;
    char rest;
    if (sscanf(text, "%f %f%c", &r.lo, &r.hi, &rest) != 2 || !(r.lo <= 0) || !(r.hi >= 0) || !(r.hi - r.lo <= 3e38f) || !(r.hi > r.lo))
        return wrong(where, text, err, "two finite numbers, lo <= 0 <= hi and not both 0, are needed");
    p->acts.given = true;
    p->acts.range = r;
    return INTACT_OK;
}
/* The fewest digits that read back as the same float: nine always do. */
static void print_float(float v, char *out, size_t len)
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, len, "%.*g", digits, (double)v);
        if (strtof(out, NULL) == v)
            return;
    }
}
static void print_range(const it_plans *p, char *out, size_t len)
{
    char lo[24], hi[24];
    print_float(p->acts.range.lo, lo, sizeof lo);
    print_float(p->acts.range.hi, hi, sizeof hi);
    snprintf(out, len, "%s %s", lo, hi);
}

/* ---- the table ---- */

#define SPAN(first, last) .offset = offsetof(it_plans, first), .bytes = offsetof(it_plans, last) + sizeof(((it_plans *)0)->last) - offsetof(it_plans, first)
#define FIELD(text, form, suffix) .name = text, .kind = IT_FIELD_##form, .read = read_##suffix, .print = print_##suffix

const it_recipe_field it_recipe_fields[] = {
    { FIELD("weights.bits", NUMBER, weight_bits), SPAN(weights.bits, weights.bits) },
    { FIELD("weights.per", TEXT, per), SPAN(weights.grain, weights.group_len) },
    { FIELD("weights.scheme", TEXT, weight_scheme), SPAN(weights.affine, weights.affine) },
    { FIELD("weights.range", TEXT, range_kind), SPAN(weights.range, weights.range) },
    { FIELD("weights.round", TEXT, round), SPAN(weights.rounding, weights.rounding) },
    { FIELD("activations.bits", NUMBER, act_bits), SPAN(acts.bits, acts.bits), .of_input = true },
    { FIELD("activations.scheme", TEXT, act_scheme), SPAN(acts.symmetric, acts.symmetric) },
    { FIELD("activations.method", TEXT, calib), SPAN(acts.calib, acts.parameter) },
    { FIELD("activations.range", PAIR, range), SPAN(acts.given, acts.range), .of_one = true },
    { FIELD("activations.levels", TEXT, levels), SPAN(acts.levels, acts.levels) },
};
const uint32_t it_recipe_fields_len = IT_LEN(it_recipe_fields);

static void copy_field(const it_recipe_field *f, const it_plans *from, it_plans *to)
{
    memcpy((char *)to + f->offset, (const char *)from + f->offset, f->bytes);
}

/* ---- life ---- */

void it_recipe_init(it_recipe *r, const intact_alloc *a)
{
    *r = (it_recipe){
        .alloc = it_alloc_or_libc(a),
        .plans = { .weights = { .bits = 8, .range = &it_weight_range_max, .rounding = &it_rounding_nearest }, .acts = { .bits = 8, .calib = &it_calib_mse } },
    };
    it_arena_init(&r->arena, a);
}

void it_recipe_release(it_recipe *r)
{
    IT_VEC_FREE(r->alloc, r->rules);
    it_arena_release(&r->arena);
    memset(&r->rules, 0, sizeof r->rules);
}

it_recipe_rule *it_recipe_add(it_recipe *r, const char *name, bool of_value)
{
    char *copy = it_arena_text(&r->arena, name);
    if (!copy || !IT_VEC_ROOM(r->alloc, r->rules))
        return NULL;
    it_recipe_rule *rule = &r->rules.items[r->rules.len++];
    *rule = (it_recipe_rule){ .name = copy, .of_value = of_value };
    return rule;
}

static intact_status set_field(it_recipe *r, it_recipe_rule *rule, const char *field, const char *value, intact_error *err)
{
    const char *names[IT_LEN(it_recipe_fields)];
    for (uint32_t i = 0; i < it_recipe_fields_len; i++) {
        names[i] = it_recipe_fields[i].name;
        if (strcmp(field, names[i]) != 0)
            continue;
        if (!rule && it_recipe_fields[i].of_one)
            return it_fail(err, INTACT_E_ARG, field, "is \"%.60s\" for all values; no range is right for all: name the value in a rule under \"values\", or in a ranges file",
                           value);
        IT_TRY(it_recipe_fields[i].read(rule ? &rule->plans : &r->plans, value, field, err));
        if (rule)
            rule->has |= 1u << i;
        return INTACT_OK;
    }
    const char *near = it_nearest(field, names, it_recipe_fields_len);
    char list[320] = "";
    for (uint32_t i = 0; i < it_recipe_fields_len; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", names[i]);
    return it_fail(err, INTACT_E_ARG, "recipe", "there is no field \"%.60s\"%s%s; there are: %s", field, near ? "; nearest: " : "", near ? near : "", list);
}

intact_status it_recipe_set(it_recipe *r, it_recipe_rule *rule, const char *field, const char *value, intact_error *err)
{
    it_c_locale c;
    it_c_locale_enter(&c);
    intact_status st = set_field(r, rule, field, value, err);
    it_c_locale_leave(&c);
    return st;
}

intact_status it_recipe_method(it_recipe *r, const char *name, intact_error *err)
{
    const void *m;
    size_t n = 0;
    IT_TRY(read_name((const void *const *)it_ptq_method_all, NULL, name, &m, "method", err));
    while (n + 1 < IT_LEN(r->methods) && r->methods[n])
        if (r->methods[n++] == m)
            return it_fail(err, INTACT_E_ARG, "method", "%s is named twice", name);
    if (n + 1 == IT_LEN(r->methods))
        return it_fail(err, INTACT_E_ARG, "method", "more than %zu methods were named", IT_LEN(r->methods) - 1);
    r->methods[n] = m;
    return INTACT_OK;
}

/* ---- what it comes to ---- */

/* "first" and "last" are the i-th layer's of len; a layer really called so is meant too. */
static bool names_layer(const it_recipe_rule *rule, const it_node *n, size_t i, size_t len)
{
    if (rule->of_value)
        return false;
    return (strcmp(rule->name, "first") == 0 && i == 0) || (strcmp(rule->name, "last") == 0 && i + 1 == len) || fnmatch(rule->name, n->name, 0) == 0;
}

it_weight_plan it_recipe_weights(const it_recipe *r, const it_node *n, size_t i, size_t len)
{
    it_plans p = r->plans;
    for (size_t k = 0; k < r->rules.len; k++)
        for (uint32_t f = 0; f < it_recipe_fields_len && names_layer(&r->rules.items[k], n, i, len); f++)
            if (r->rules.items[k].has >> f & 1)
                copy_field(&it_recipe_fields[f], &r->rules.items[k].plans, &p);
    return p.weights;
}

int it_recipe_input_bits(const it_recipe *r, const it_node *n, size_t i, size_t len)
{
    int bits = 0;
    for (size_t k = 0; k < r->rules.len; k++)
        for (uint32_t f = 0; f < it_recipe_fields_len && names_layer(&r->rules.items[k], n, i, len); f++)
            if ((r->rules.items[k].has >> f & 1) && it_recipe_fields[f].of_input)
                bits = r->rules.items[k].plans.acts.bits;
    return bits;
}

bool it_recipe_names_value(const it_recipe_rule *rule, const char *value) { return rule->of_value && fnmatch(rule->name, value, 0) == 0; }

void it_recipe_apply_acts(const it_recipe_rule *rule, it_act_plan *p)
{
    it_plans both = { .acts = *p };
    for (uint32_t f = 0; f < it_recipe_fields_len; f++)
        if (rule->has >> f & 1)
            copy_field(&it_recipe_fields[f], &rule->plans, &both);
    *p = both.acts;
}

bool it_recipe_sets(const it_recipe_rule *rule, const char *field)
{
    for (uint32_t f = 0; f < it_recipe_fields_len; f++)
        if (strcmp(it_recipe_fields[f].name, field) == 0)
            return rule->has >> f & 1;
    return false;
}

/* ---- names that exist ---- */

static bool names_something(const it_recipe_rule *rule, const it_graph *g)
{
    if (!rule->of_value && (strcmp(rule->name, "first") == 0 || strcmp(rule->name, "last") == 0))
        return true;
    for (size_t i = 0; rule->of_value && i < g->values.len; i++)
        if (!g->values.items[i]->is_const && fnmatch(rule->name, g->values.items[i]->name, 0) == 0)
            return true;
    for (size_t i = 0; !rule->of_value && i < g->nodes.len; i++)
        if (it_ptq_is_mac(g->nodes.items[i]) && fnmatch(rule->name, g->nodes.items[i]->name, 0) == 0)
            return true;
    return false;
}

static bool is_named(const it_recipe_rule *rule, const char *name) { return strcmp(rule->name, name) == 0; }

/* A layer's name under "values", or a value's under "layers": the one that is written there. */
static const char *other_kind(const it_recipe_rule *rule, const it_graph *g)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        if (n->out_len < 1 || !n->out[0])
            continue;
        if (rule->of_value && is_named(rule, n->name))
            return n->out[0]->name;
        if (!rule->of_value && is_named(rule, n->out[0]->name) && it_ptq_is_mac(n))
            return n->name;
    }
    return NULL;
}

static const char *nearest_name(const it_recipe_rule *rule, const it_graph *g, const char *const *names, size_t len)
{
    const char *near = other_kind(rule, g);
    near = near ? near : it_nearest(rule->name, names, len);
    for (size_t i = 0; i < len && !near && rule->name[0]; i++) /* a part of the name */
        near = strstr(names[i], rule->name) ? names[i] : NULL;
    return near;
}

static intact_status no_such_name(const it_recipe_rule *rule, const it_graph *g, intact_error *err)
{
    size_t cap = rule->of_value ? g->values.len : g->nodes.len, len = 0;
    const char **names = it_alloc_new(g->alloc, (cap + 1) * sizeof *names);
    if (!names)
        return it_fail_nomem(err, "recipe", cap * sizeof *names);
    for (size_t i = 0; i < cap; i++) {
        if (rule->of_value && !g->values.items[i]->is_const)
            names[len++] = g->values.items[i]->name;
        else if (!rule->of_value && it_ptq_is_mac(g->nodes.items[i]))
            names[len++] = g->nodes.items[i]->name;
    }
    const char *near = nearest_name(rule, g, names, len);
    const char *where = rule->where ? rule->where : "recipe";
    intact_status st = it_fail(err, INTACT_E_ARG, where, "no %s is called \"%.100s\"%s%.120s; %zu can be named: intact %s lists them",
                               rule->of_value ? "value" : "layer with weights", rule->name, near ? "; nearest: " : "", near ? near : "", len,
                               rule->of_value ? "quantize MODEL.onnx -o OUT.itm --calib DATA --ranges" : "info MODEL.onnx --layers");
    it_alloc_free(g->alloc, names, (cap + 1) * sizeof *names);
    return st;
}

intact_status it_recipe_check(const it_recipe *r, const it_graph *g, intact_error *err)
{
    for (size_t k = 0; k < r->rules.len; k++)
        if (!names_something(&r->rules.items[k], g))
            return no_such_name(&r->rules.items[k], g, err);
    return INTACT_OK;
}
