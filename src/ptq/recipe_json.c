/* SPDX-License-Identifier: Apache-2.0 */
/* recipe_json.c: recipes and ranges as JSON (docs/RECIPE.md): strict reading, which names the place of what is wrong, and writing. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/c_locale.h"
#include "base/file.h"
#include "ptq/method.h"
#include "ptq/recipe_field.h"

enum { FIELD_TEXT = 64, PLACE = 200 };

/* j is what stands there, NULL where that is no matter. */
static intact_status json_fail(intact_error *err, const char *file, const char *place, const json_t *j, const char *what)
{
    char where[PLACE];
    char *value = j ? json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
    snprintf(where, sizeof where, "%.80s: %.110s", file, place);
    if (value)
        (void)!it_fail(err, INTACT_E_ARG, where, "is %.60s%s; %s", value, strlen(value) > 60 ? "..." : "", what);
    else
        (void)!it_fail(err, INTACT_E_ARG, where, "%s", what);
    free(value);
    return INTACT_E_ARG;
}

/* An error of recipe.c, which knows fields and no files. */
static intact_status fail_at(intact_error *err, intact_status st, const char *file, const char *place)
{
    if (err)
        snprintf(err->where, sizeof err->where, "%.60s: %.90s", file, place);
    return st;
}

/* A field's JSON as the text that recipe.c reads. */
static bool field_text(const it_recipe_field *f, const json_t *j, char *out)
{
    *out = 0;
    if (f->kind == IT_FIELD_NUMBER && json_is_integer(j))
        snprintf(out, FIELD_TEXT, "%lld", (long long)json_integer_value(j));
    else if (f->kind == IT_FIELD_TEXT && json_is_string(j))
        snprintf(out, FIELD_TEXT, "%s", json_string_value(j));
    else if (f->kind == IT_FIELD_PAIR && json_array_size(j) == 2 && json_is_number(json_array_get(j, 0)) && json_is_number(json_array_get(j, 1)))
        snprintf(out, FIELD_TEXT, "%.9g %.9g", json_number_value(json_array_get(j, 0)), json_number_value(json_array_get(j, 1)));
    return *out != 0;
}

/* No field of part is called key: the nearest, and all. */
static intact_status no_field(intact_error *err, const char *file, const char *place, const char *part, const char *key)
{
    const char *names[16];
    char what[300], list[160] = "";
    size_t n = 0, len = strlen(part);
    for (uint32_t i = 0; i < it_recipe_fields_len && n < IT_LEN(names); i++)
        if (strncmp(it_recipe_fields[i].name, part, len) == 0)
            names[n++] = it_recipe_fields[i].name + len + 1;
    for (size_t i = 0; i < n; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", names[i]);
    const char *near = it_nearest(key, names, n);
    snprintf(what, sizeof what, "there is no such field%s%s; there are: %s", near ? "; nearest: " : "", near ? near : "", list);
    return json_fail(err, file, place, NULL, what);
}

static const it_recipe_field *field_find(const char *part, const char *key)
{
    char name[FIELD_TEXT];
    snprintf(name, sizeof name, "%s.%s", part, key);
    for (uint32_t i = 0; i < it_recipe_fields_len; i++)
        if (strcmp(it_recipe_fields[i].name, name) == 0)
            return &it_recipe_fields[i];
    return NULL;
}

/* {"bits": 4, ...} of "weights" or "activations". */
static intact_status read_part(it_recipe *r, it_recipe_rule *rule, const char *part, json_t *j, const char *file, const char *place, intact_error *err)
{
    static const char *const kinds[] = { "a whole number is needed", "a text is needed", "two numbers, [lo, hi], are needed" };
    const char *key;
    json_t *value;
    if (!json_is_object(j))
        return json_fail(err, file, place, j, "an object is needed");
    json_object_foreach(j, key, value) {
        char text[FIELD_TEXT], at[PLACE];
        const it_recipe_field *f = field_find(part, key);
        snprintf(at, sizeof at, "%.90s.%.40s", place, key);
        if (!f)
            return no_field(err, file, at, part, key);
        if (!field_text(f, value, text))
            return json_fail(err, file, at, value, kinds[f->kind]);
        intact_status st = it_recipe_set(r, rule, f->name, text, err);
        if (st != INTACT_OK)
            return fail_at(err, st, file, at);
    }
    return INTACT_OK;
}

/* Of the activations' fields it has those alone that rules for layers may set. */
static bool only_inputs(const it_recipe_rule *rule)
{
    bool only = true;
    for (uint32_t i = 0; i < it_recipe_fields_len; i++)
        only = only && (!(rule->has >> i & 1) || it_recipe_fields[i].of_input || strncmp(it_recipe_fields[i].name, "activations.", 12) != 0);
    return only;
}

static intact_status read_rule(it_recipe *r, bool of_value, json_t *j, const char *file, const char *place, intact_error *err)
{
    const char *key, *name = json_string_value(json_object_get(j, "name"));
    json_t *value;
    char at[PLACE];
    if (!name)
        return json_fail(err, file, place, j, "an object with a \"name\" is needed");
    it_recipe_rule *rule = it_recipe_add(r, name, of_value);
    if (!rule)
        return it_fail_nomem(err, file, sizeof *rule);
    rule->where = it_arena_printf(&r->arena, "%.80s: %.40s.name", file, place);
    if (!rule->where)
        return it_fail_nomem(err, file, PLACE);
    json_object_foreach(j, key, value) {
        bool weights = strcmp(key, "weights") == 0;
        snprintf(at, sizeof at, "%.90s.%.40s", place, key);
        if (strcmp(key, "name") == 0)
            continue;
        if ((!weights || of_value) && strcmp(key, "activations") != 0)
            return json_fail(err, file, at, NULL, of_value ? "there is no such field; a value has name and activations" : "there is no such field; a layer has name, weights and activations");
        IT_TRY(read_part(r, rule, key, value, file, at, err));
        if (!of_value && !weights && !only_inputs(rule)) /* of a layer's input only the bits: its range belongs to the value */
            return json_fail(err, file, at, value, "of a layer's input only bits can be set; name the value under \"values\" for the rest");
    }
    return INTACT_OK;
}

static intact_status read_rules(it_recipe *r, const char *key, json_t *j, const char *file, intact_error *err)
{
    if (!json_is_array(j))
        return json_fail(err, file, key, j, "a list is needed");
    for (size_t i = 0; i < json_array_size(j); i++) {
        char place[PLACE];
        snprintf(place, sizeof place, "%s[%zu]", key, i);
        IT_TRY(read_rule(r, strcmp(key, "values") == 0, json_array_get(j, i), file, place, err));
    }
    return INTACT_OK;
}

static intact_status read_calibration(it_recipe *r, json_t *j, const char *file, intact_error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(j))
        return json_fail(err, file, "calibration", j, "an object is needed");
    json_object_foreach(j, key, value) {
        json_int_t v = json_integer_value(value);
        if (strcmp(key, "samples") == 0 && json_is_integer(value) && v >= 0 && v <= UINT32_MAX)
            r->samples = (uint32_t)v;
        else if (strcmp(key, "seed") == 0 && json_is_integer(value) && v >= 0)
            r->seed = (uint64_t)v;
        else
            return json_fail(err, file, "calibration", j, "it has \"samples\" and \"seed\", whole numbers of 0 and more");
    }
    return INTACT_OK;
}

static intact_status read_methods(it_recipe *r, json_t *j, const char *file, intact_error *err)
{
    if (!json_is_array(j))
        return json_fail(err, file, "methods", j, "a list of names is needed");
    for (size_t i = 0; i < json_array_size(j); i++) {
        const char *name = json_string_value(json_array_get(j, i));
        char place[PLACE];
        snprintf(place, sizeof place, "methods[%zu]", i);
        if (!name)
            return json_fail(err, file, place, json_array_get(j, i), "a name is needed");
        intact_status st = it_recipe_method(r, name, err);
        if (st != INTACT_OK)
            return fail_at(err, st, file, place);
    }
    return INTACT_OK;
}

static intact_status read_root(it_recipe *r, json_t *root, const char *file, intact_error *err)
{
    static const char *const keys[] = { "intact_recipe", "calibration", "methods", "weights", "activations", "layers", "values", "keep_softmax" };
    const char *key;
    json_t *value;
    if (json_integer_value(json_object_get(root, "intact_recipe")) != 1)
        return json_fail(err, file, "intact_recipe", json_object_get(root, "intact_recipe"), "a recipe begins with {\"intact_recipe\": 1, ...}");
    json_object_foreach(root, key, value) {
        if (strcmp(key, "calibration") == 0) {
            IT_TRY(read_calibration(r, value, file, err));
        } else if (strcmp(key, "methods") == 0) {
            IT_TRY(read_methods(r, value, file, err));
        } else if (strcmp(key, "weights") == 0 || strcmp(key, "activations") == 0) {
            IT_TRY(read_part(r, NULL, key, value, file, key, err));
        } else if (strcmp(key, "layers") == 0 || strcmp(key, "values") == 0) {
            IT_TRY(read_rules(r, key, value, file, err));
        } else if (strcmp(key, "keep_softmax") == 0) {
            if (!json_is_boolean(value))
                return json_fail(err, file, key, value, "true or false is needed");
            r->keep_softmax = json_is_true(value);
        } else if (strcmp(key, "intact_recipe") != 0) {
            const char *near = it_nearest(key, keys, IT_LEN(keys));
            return it_fail(err, INTACT_E_ARG, file, "\"%.60s\" is not a member of recipes%s%s; there are: %s", key, near ? "; nearest: " : "", near ? near : "",
                           "intact_recipe, calibration, methods, weights, activations, layers, values, keep_softmax");
        }
    }
    return INTACT_OK;
}

/* form: what the file begins with. */
static intact_status load(const char *text, size_t len, const char *where, const char *form, json_t **out, intact_error *err)
{
    json_error_t e;
    size_t blank = 0;
    while (blank < len && strchr(" \t\r\n", text[blank]) && text[blank])
        blank++;
    if (blank == len)
        return it_fail(err, INTACT_E_FORMAT, where, "is empty; it would begin with %s", form);
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
    if (*out && json_is_object(*out))
        return INTACT_OK;
    bool holds = *out != NULL;
    json_decref(*out);
    if (holds)
        return it_fail(err, INTACT_E_FORMAT, where, "holds JSON, but no object; it would begin with %s", form);
    return it_fail(err, INTACT_E_FORMAT, where, "is not JSON: line %d, column %d: %s", e.line, e.column, e.text);
}

intact_status it_recipe_parse(it_recipe *r, const char *text, size_t len, const char *where, intact_error *err)
{
    json_t *root;
    it_c_locale c;
    IT_TRY(load(text, len, where, "{\"intact_recipe\": 1, ...}", &root, err));
    it_c_locale_enter(&c);
    intact_status st = read_root(r, root, where, err);
    it_c_locale_leave(&c);
    json_decref(root);
    return st;
}

intact_status it_recipe_read(it_recipe *r, const char *path, intact_error *err)
{
    it_map map;
    IT_TRY(it_map_open(path, &map, err));
    intact_status st = it_recipe_parse(r, (const char *)map.data, map.len, path, err);
    it_map_close(&map);
    return st;
}

static intact_status read_ranges(it_recipe *r, json_t *root, const char *path, intact_error *err)
{
    const char *name;
    json_t *value, *values = json_object_get(root, "values");
    static const char form[] = "a ranges file is {\"intact_ranges\": 1, \"values\": {\"name\": [lo, hi], ...}}";
    if (json_integer_value(json_object_get(root, "intact_ranges")) != 1)
        return json_fail(err, path, "intact_ranges", json_object_get(root, "intact_ranges"), form);
    if (!json_is_object(values))
        return json_fail(err, path, "values", values, form);
    json_object_foreach(values, name, value) {
        char text[FIELD_TEXT];
        const it_recipe_field *f = field_find("activations", "range");
        if (!field_text(f, value, text))
            return json_fail(err, path, name, value, "two numbers, [lo, hi], are needed");
        it_recipe_rule *rule = it_recipe_add(r, name, true);
        if (!rule || !(rule->where = it_arena_printf(&r->arena, "%.80s: values", path)))
            return it_fail_nomem(err, path, sizeof *rule);
        intact_status st = it_recipe_set(r, rule, f->name, text, err);
        if (st != INTACT_OK)
            return fail_at(err, st, path, name);
    }
    return INTACT_OK;
}

intact_status it_recipe_parse_ranges(it_recipe *r, const char *text, size_t len, const char *where, intact_error *err)
{
    json_t *root;
    it_c_locale c;
    IT_TRY(load(text, len, where, "{\"intact_ranges\": 1, \"values\": {\"name\": [lo, hi], ...}}", &root, err));
    it_c_locale_enter(&c);
    intact_status st = read_ranges(r, root, where, err);
    it_c_locale_leave(&c);
    json_decref(root);
    return st;
}

intact_status it_recipe_read_ranges(it_recipe *r, const char *path, intact_error *err)
{
    it_map map;
    IT_TRY(it_map_open(path, &map, err));
    intact_status st = it_recipe_parse_ranges(r, (const char *)map.data, map.len, path, err);
    it_map_close(&map);
    return st;
}

/* ---- writing ---- */

static json_t *field_json(const it_recipe_field *f, const it_plans *p)
{
    char text[FIELD_TEXT], *end;
    f->print(p, text, sizeof text);
    if (f->kind == IT_FIELD_NUMBER)
        return json_integer(atoi(text));
    if (f->kind == IT_FIELD_TEXT)
        return json_string(text);
    double lo = strtod(text, &end), hi = strtod(end, NULL);
    return json_pack("[f, f]", lo, hi);
}

static bool put(json_t *o, const char *key, json_t *value) { return json_object_set_new(o, key, value) == 0; }

static bool print_part(json_t *to, const char *part, const it_plans *p, uint32_t has)
{
    json_t *o = json_object();
    size_t len = strlen(part);
    bool ok = o != NULL;
    for (uint32_t i = 0; ok && i < it_recipe_fields_len; i++)
        if ((has >> i & 1) && strncmp(it_recipe_fields[i].name, part, len) == 0)
            ok = put(o, it_recipe_fields[i].name + len + 1, field_json(&it_recipe_fields[i], p));
    if (ok && json_object_size(o))
        return put(to, part, o);
    json_decref(o);
    return ok;
}

static bool print_rules(json_t *root, const it_recipe *r, bool of_value)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < r->rules.len; i++) {
        const it_recipe_rule *rule = &r->rules.items[i];
        if (rule->of_value != of_value)
            continue;
        json_t *o = json_pack("{s:s}", "name", rule->name);
        ok = o && print_part(o, "weights", &rule->plans, rule->has) && print_part(o, "activations", &rule->plans, rule->has);
        ok = json_array_append_new(list, o) == 0 && ok;
    }
    return put(root, of_value ? "values" : "layers", list) && ok;
}

static bool print_methods(json_t *root, const it_recipe *r)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; ok && r->methods[i]; i++)
        ok = json_array_append_new(list, json_string(r->methods[i]->name)) == 0;
    return put(root, "methods", list) && ok;
}

/* NULL where something was out of memory: half a recipe would be another recipe. */
static char *print_root(const it_recipe *r)
{
    json_t *root = json_pack("{s:i, s:{s:I, s:I}}", "intact_recipe", 1, "calibration", "samples", (json_int_t)r->samples, "seed", (json_int_t)r->seed);
    uint32_t all = 0;
    for (uint32_t i = 0; i < it_recipe_fields_len; i++)
        all |= it_recipe_fields[i].of_one ? 0 : 1u << i;
    bool ok = root && print_methods(root, r) && print_part(root, "weights", &r->plans, all) && print_part(root, "activations", &r->plans, all);
    ok = ok && print_rules(root, r, false) && print_rules(root, r, true) && put(root, "keep_softmax", json_boolean(r->keep_softmax));
    char *text = ok ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    return text;
}

char *it_recipe_print(const it_recipe *r)
{
    it_c_locale c;
    it_c_locale_enter(&c);
    char *text = print_root(r);
    it_c_locale_leave(&c);
    return text;
}
