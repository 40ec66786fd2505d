/* SPDX-License-Identifier: Apache-2.0 */
/* search_check.c: whether a measurement that was read from a file is one: every member there, of its kind, in its range. */
#include <math.h>
#include <string.h>

#include "api/search.h"

#define COUNT_MAX 9e15 /* whole numbers that a double holds, and far from those that an integer type does not */

typedef enum form { SHARE, SHARE_OR_NULL, POSITIVE, POSITIVE_OR_NULL, ANY_OR_NULL, COUNT, SHARE_OR_NONE } form; /* null: infinite, or there are no labels */
typedef struct member { const char *name; form form; } member;

static bool has_form(const json_t *v, form f)
{
    double x = json_number_value(v);
    if (json_is_null(v))
        return f == SHARE_OR_NULL || f == POSITIVE_OR_NULL || f == ANY_OR_NULL;
    if (!json_is_number(v))
        return false;
    if (f == ANY_OR_NULL)
        return true;
    return x >= 0 && x <= (f == COUNT ? COUNT_MAX : f == POSITIVE || f == POSITIVE_OR_NULL ? INFINITY : 1);
}

static bool has_members(const json_t *j, const member *m, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const json_t *v = json_object_get(j, m[i].name);
        if (v ? !has_form(v, m[i].form) : m[i].form != SHARE_OR_NONE)
            return false;
    }
    return json_is_object(j);
}

static bool is_trial(const json_t *j)
{
    static const member all[] = {{"float_top1", SHARE_OR_NULL}, {"top1", SHARE_OR_NULL}, {"loss_standard_error", SHARE}, {"agreement", SHARE}, {"sqnr_db", ANY_OR_NULL},
                                 {"file_bytes", COUNT}, {"weighted_macs", COUNT}, {"ms", POSITIVE}, {"seconds", POSITIVE}};
    if (json_is_string(json_object_get(j, "failed")))
        return true;
    return has_members(j, all, IT_LEN(all)) && json_is_null(json_object_get(j, "top1")) == json_is_null(json_object_get(j, "float_top1"));
}

static bool is_probe(const json_t *j)
{
    static const member all[] = {{"agreement", SHARE}, {"sqnr_db", ANY_OR_NULL}};
    return has_members(j, all, IT_LEN(all));
}

static bool is_effect(const json_t *j)
{
    static const member all[] = {{"sqnr_db", ANY_OR_NULL}, {"noise", POSITIVE_OR_NULL}, {"agreement", SHARE}, {"kl", ANY_OR_NULL}, {"top1", SHARE_OR_NONE}};
    return has_members(j, all, IT_LEN(all));
}

static bool are_effects(const json_t *j)
{
    static const char *const names[] = {"weights", "activations", "both"};
    for (size_t i = 0; i < IT_LEN(names); i++)
        if (json_object_get(j, names[i]) && !is_effect(json_object_get(j, names[i])))
            return false;
    return json_is_object(j);
}

static bool is_layer(const json_t *row)
{
    static const member all[] = {{"macs", COUNT}, {"weight_bits", COUNT}, {"input_bits", COUNT}};
    const json_t *costs = json_object_get(row, "cost_by_bits"), *v;
    size_t i;
    json_array_foreach(costs, i, v)
        if (!has_form(v, POSITIVE_OR_NULL))
            return false;
    return has_members(row, all, IT_LEN(all)) && json_is_array(costs) && json_array_size(costs) == IT_SEARCH_BITS && json_number_value(json_object_get(row, "weight_bits")) <= 32 &&
           json_number_value(json_object_get(row, "input_bits")) <= 32;
}

static bool is_row(const json_t *row)
{
    static const char *const texts[] = {"name", "cause", "remedy"};
    static const member all[] = {{"weights", COUNT}};
    const json_t *layer = json_object_get(row, "layer"), *value = json_object_get(row, "value");
    for (size_t i = 0; i < IT_LEN(texts); i++)
        if (!json_is_string(json_object_get(row, texts[i])))
            return false;
    return has_members(row, all, IT_LEN(all)) && json_is_boolean(layer) && json_is_boolean(json_object_get(row, "takes_16_bits")) && (!value || json_is_string(value)) &&
           are_effects(json_object_get(row, "only")) && are_effects(json_object_get(row, "all_but")) && (json_is_false(layer) || is_layer(row));
}

static bool is_sensitivity(const json_t *j)
{
    static const member all[] = {{"samples", COUNT}, {"float_top1", SHARE_OR_NULL}};
    const json_t *rows = json_object_get(j, "rows"), *row;
    size_t i;
    json_array_foreach(rows, i, row)
        if (!is_row(row))
            return false;
    return has_members(j, all, IT_LEN(all)) && is_effect(json_object_get(j, "all")) && json_is_array(rows);
}

bool it_search_sound(const char *kind, const json_t *result)
{
    static const struct { const char *kind; bool (*is)(const json_t *j); } kinds[] = {{"trial", is_trial}, {"probe", is_probe}, {"sensitivity", is_sensitivity}};
    for (size_t i = 0; i < IT_LEN(kinds); i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            return kinds[i].is(result);
    return false;
}
