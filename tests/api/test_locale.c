/* SPDX-License-Identifier: Apache-2.0 */
/* test_locale.c: programs, recipes and reports are the same bytes where the caller's locale writes decimal commas, and that locale is left as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/c_locale.h"
#include "intact/intact.h"
#include "ptq/recipe.h"

enum { SAMPLES = 8, ELEMENTS = 3 * 32 * 32 };
static char folder[64] = "/tmp/intact_locale_XXXXXX";
static intact_error err;

#define OK(call) do { if ((call) != INTACT_OK) fail_msg("%s: %s: %s", #call, err.where, err.message); } while (0)

static bool has_commas(const char *name) { return setlocale(LC_ALL, name) && strcmp(localeconv()->decimal_point, ",") == 0; }

/* One that is there, or that localedef makes. */
static bool take_comma_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "es_ES.UTF-8", "pl_PL.UTF-8"};
    char command[200];
    for (size_t i = 0; i < IT_LEN(names); i++)
        if (has_commas(names[i]))
            return true;
    snprintf(command, sizeof command, "localedef -c -i de_DE -f UTF-8 %s/de_DE.UTF-8 > /dev/null 2>&1", folder);
    (void)!system(command); /* whether it did is asked next */
    setenv("LOCPATH", folder, 1);
    return has_commas("de_DE.UTF-8");
}

static void path_of(const char *name, char out[128]) { snprintf(out, 128, "%.64s/%.40s", folder, name); }

static char *slurp(const char *name, size_t *len)
{
    char path[128];
    path_of(name, path);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is not there", path);
    fseek(f, 0, SEEK_END);
    *len = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*len + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, *len, f), *len);
    fclose(f);
    text[*len] = 0;
    return text;
}

static void expect_same_file(const char *a, const char *b)
{
    size_t a_len, b_len;
    char *x = slurp(a, &a_len), *y = slurp(b, &b_len);
    if (a_len != b_len || memcmp(x, y, a_len) != 0)
        fail_msg("%s and %s differ", a, b);
    free(x);
    free(y);
}

static void write_samples(void)
{
    char path[128], head[128];
    path_of("c.npy", path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    snprintf(head, sizeof head, "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 3, 32, 32), }", SAMPLES);
    fprintf(f, "\x93NUMPY%c%c%c%c%-117s\n", 1, 0, 118, 0, head);
    it_rng rng;
    it_rng_seed(&rng, 7);
    for (int i = 0; i < SAMPLES * ELEMENTS; i++) {
        float x = (float)(it_rng_next(&rng) >> 40) / 0x1p23f - 1;
        fwrite(&x, sizeof x, 1, f);
    }
    assert_int_equal(fclose(f), 0);
}

static void make_network(intact_ctx *c)
{
    char path[128];
    intact_new_options o;
    intact_new_result r;
    intact_new_options_default(&o);
    path_of("r8.onnx", path);
    o.architecture = "resnet8";
    o.output = path;
    o.seed = 1;
    OK(intact_new(c, &o, &r, &err));
    write_samples();
}

/* With a calibrator whose parameter has a point, a report, and (budget) a search with bits by layer. */
static void quantize(intact_ctx *c, const char *stem, uint64_t budget)
{
    char model[128], data[128], name[40], out[128], page[128], facts[128];
    intact_search_options s;
    intact_search_options_default(&s);
    path_of("r8.onnx", model);
    path_of("c.npy", data);
    snprintf(name, sizeof name, "%s.itm", stem);
    path_of(name, out);
    snprintf(name, sizeof name, "%s.html", stem);
    path_of(name, page);
    snprintf(name, sizeof name, "%s.json", stem);
    path_of(name, facts);
    s.quantize.output = out;
    s.quantize.calib.path = data;
    s.quantize.method = "percentile:99.9";
    s.budget_bytes = budget;
    if (budget) {
        intact_search_result r;
        OK(intact_search(c, model, &s, &r, &err));
        intact_search_result_release(c, &r);
        return;
    }
    intact_quantize_result r;
    s.quantize.report = page;
    s.quantize.report_json = facts;
    OK(intact_quantize(c, model, &s.quantize, &r, &err));
    intact_quantize_result_release(c, &r);
}

/* Plots: numbers of paths and coordinates have points. */
static void expect_points(const char *name)
{
    size_t len;
    char *text = slurp(name, &len);
    for (const char *at = text; (at = strstr(at, " d=\"")); at++)
        for (const char *c = at + 4; *c && *c != '"'; c++)
            if (*c == ',')
                fail_msg("%s has a comma in a path: %.60s", name, at);
    free(text);
}

static void files_are_the_same(void **state)
{
    intact_ctx_options co;
    intact_ctx *c;
    (void)state;
    intact_ctx_options_default(&co);
    co.threads = 1;
    setlocale(LC_ALL, "C");
    OK(intact_ctx_new(&co, &c, &err));
    make_network(c);
    quantize(c, "point", 0);
    quantize(c, "point_few", 60000);
    if (!take_comma_locale()) {
        print_message("skipped: no locale with decimal commas is installed, and localedef makes none\n");
        intact_ctx_free(c);
        skip();
    }
    quantize(c, "comma", 0);
    quantize(c, "comma_few", 60000);
    assert_string_equal(localeconv()->decimal_point, ",");
    setlocale(LC_ALL, "C");
    expect_same_file("point.itm", "comma.itm");
    expect_same_file("point_few.itm", "comma_few.itm");
    expect_points("comma.html");
    intact_ctx_free(c);
}

static char *recipe_text(void)
{
    static const char text[] = "{\"intact_recipe\": 1, \"activations\": {\"method\": \"percentile:99.95\"},"
                               " \"values\": [{\"name\": \"a\", \"activations\": {\"range\": [-1.5, 6.25e-3]}}]}";
    it_recipe r;
    it_recipe_init(&r, NULL);
    OK(it_recipe_parse(&r, text, strlen(text), "r", &err));
    it_recipe_rule *rule = it_recipe_add(&r, "b", true);
    OK(it_recipe_set(&r, rule, "activations.range", "-0.1 3.14159", &err));
    OK(it_recipe_set(&r, rule, "activations.method", "percentile:99.99", &err));
    char *out = it_recipe_print(&r);
    it_recipe_release(&r);
    assert_non_null(out);
    return out;
}

static void recipes_are_the_same(void **state)
{
    (void)state;
    setlocale(LC_ALL, "C");
    char *a = recipe_text();
    assert_non_null(strstr(a, "percentile:99.95"));
    assert_non_null(strstr(a, "0.00625"));
    if (!take_comma_locale())
        skip();
    char *b = recipe_text();
    it_c_locale outer, inner; /* they nest */
    it_c_locale_enter(&outer);
    it_c_locale_enter(&inner);
    it_c_locale_leave(&inner);
    assert_string_equal(localeconv()->decimal_point, ".");
    it_c_locale_leave(&outer);
    assert_string_equal(localeconv()->decimal_point, ",");
    setlocale(LC_ALL, "C");
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_are_the_same), cmocka_unit_test(recipes_are_the_same)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
