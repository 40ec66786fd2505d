/* SPDX-License-Identifier: Apache-2.0 */
/* test_report.c: records to page and JSON: all sections, hostile names, size, advice. */
#include <fnmatch.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/report.h"

#define LAYERS 200

static const char evil[] = "<script>alert('x')</script>&\"\\\x01\xff\xc3\xa9";
static const char escaped[] = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\\\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9";

typedef struct fixture { it_arena arena; it_report r; char path[64]; } fixture;

static it_report_layer *layer_of(fixture *f, size_t i, const char *name)
{
    it_report_layer *l = &f->r.layers[i];
    *l = (it_report_layer){.name = name, .op = "Conv", .value = name, .weight_bits = 4, .weight_how = "per channel", .weight_db = 22, .bits = 8, .how = "affine, mse", .lo = -1, .hi = 1,
                           .min = -2, .max = 2, .scale = 2.0 / 255, .zero_point = 128, .clipped = 1e-7, .db = 18, .input_db = 40, .own_db = 42};
    l->weights = (it_report_hist){.count = 64, .from = -1, .to = 1};
    l->acts = (it_report_hist){.count = 64000, .from = -2, .to = 2, .lo = -1, .hi = 1};
    for (int k = 0; k < IT_REPORT_BARS; k++) {
        l->weights.bar[k] = 1;
        l->acts.bar[k] = 1000;
    }
    return l;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    it_arena_init(&f->arena, NULL);
    f->r = (it_report){.network = evil, .output = "n.itm", .network_sha = "", .calib_sha = "", .network_bytes = 1 << 20, .file_bytes = 1 << 18, .output_db = 15, .samples = 512,
                       .measured_samples = 32, .recipe = "{\"intact_recipe\": 1}", .layers_len = LAYERS};
    f->r.layers = it_arena_new(&f->arena, LAYERS * sizeof *f->r.layers);
    for (size_t i = 0; i < LAYERS; i++)
        layer_of(f, i, it_arena_printf(&f->arena, "/features/a.rather.long.name/of/a/layer/%zu/Conv", i));
    snprintf(f->path, sizeof f->path, "/tmp/intact_report_XXXXXX");
    close(mkstemp(f->path));
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    unlink(f->path);
    it_arena_release(&f->arena);
    free(f);
    return 0;
}

static char *read_back(const char *path, size_t *len)
{
    FILE *in = fopen(path, "rb");
    char *text = calloc(1, 4u << 20);
    *len = fread(text, 1, (4u << 20) - 1, in);
    fclose(in);
    return text;
}

static char *page(fixture *f, size_t *len)
{
    intact_error err;
    assert_int_equal(it_report_write_html(&f->r, f->path, &it_alloc_libc, &err), INTACT_OK);
    return read_back(f->path, len);
}

static void test_large(void **state)
{
    size_t len;
    char *text = page(*state, &len);
    assert_true(len > 200000 && len < 2u << 20);
    free(text);
}

static void test_escapes(void **state)
{
    fixture *f = *state;
    size_t len;
    layer_of(f, 3, evil);
    char *text = page(f, &len);
    assert_non_null(strstr(text, escaped));
    assert_null(strstr(text, "<script"));
    free(text);
    intact_error err;
    assert_int_equal(it_report_write_json(&f->r, f->path, &it_alloc_libc, &err), INTACT_OK);
    json_t *j = json_load_file(f->path, 0, NULL);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(j, "layers"), 3), "name")), "<script>alert('x')</script>&\"\\\x01\xef\xbf\xbd\xc3\xa9");
    assert_int_equal(json_array_size(json_object_get(j, "layers")), LAYERS);
    json_decref(j);
}

/* Sections that other searches fill are there when filled, and only then. */
static void test_sections(void **state)
{
    fixture *f = *state;
    size_t len;
    char *text = page(f, &len);
    assert_null(strstr(text, "id=\"sensitivity\""));
    assert_null(strstr(text, "id=\"steps\""));
    assert_null(strstr(text, "id=\"pareto\""));
    free(text);
    it_report_sensitivity s[] = {{"a", "range", "{}", 30, 40, 29, 0.001}, {"b", NULL, NULL, NAN, INFINITY, 12, NAN}};
    it_report_step t[] = {{"max", "", 3e5, 0.9, 0.99, 30, 1.5, true, false, 0.02, 0.01, true, false}, {"mse", "activations.method", 3e5, 0.91, 0.995, 33, 2, true, false, -0.0, 0.002, true, true}};
    it_report_point p[] = {{"8 bits", 1e6, 0.91, true}, {"4 bits", 6e5, 0.88, false}};
    f->r.sensitivity = s, f->r.steps = t, f->r.points = p;
    f->r.sensitivity_len = f->r.steps_len = f->r.points_len = 2;
    text = page(f, &len);
    assert_non_null(strstr(text, "id=\"sensitivity\""));
    assert_non_null(strstr(text, "id=\"steps\""));
    const char *pareto = strstr(text, "id=\"pareto\"");
    assert_non_null(pareto);
    assert_non_null(strstr(pareto, "<circle"));
    assert_null(strstr(text, ">nan"));
    assert_non_null(strstr(text, "No bound was given"));
    assert_non_null(strstr(text, "2 steps are equal"));
    assert_non_null(strstr(text, "<td>equal</td>"));
    assert_non_null(strstr(text, "<td>chosen</td>"));
    assert_non_null(strstr(text, ">+2.00 ± 1.00<"));
    assert_non_null(strstr(text, ">0.00 ± 0.20<"));
    assert_null(strstr(text, "holds"));
    assert_non_null(strstr(text, "no line of a recipe acts on it"));
    free(text);
    f->r.bound = "at most 3 points of top-1 lost";
    text = page(f, &len);
    assert_non_null(strstr(text, "To be held: at most 3 points of top-1 lost."));
    assert_non_null(strstr(text, "<td>holds, chosen</td>"));
    free(text);
    intact_error err;
    assert_int_equal(it_report_write_json(&f->r, f->path, &it_alloc_libc, &err), INTACT_OK);
    json_t *j = json_load_file(f->path, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(j, "points")), 2);
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(j, "sensitivity"), 1), "weights_db")));
    json_decref(j);
}

static void test_advice(void **state)
{
    fixture *f = *state;
    intact_error err;
    f->r.layers_len = 4;
    f->r.layers[1].weight_bits = 0; /* all its own: clipping */
    f->r.layers[1].own_db = 12, f->r.layers[1].own_clip = 0.9, f->r.layers[1].db = 12;
    f->r.layers[2].db = 35;         /* good enough */
    f->r.layers[3].input_db = 15;   /* not its own fault */
    assert_int_equal(it_report_advise(&f->r, &f->arena, &err), INTACT_OK);
    assert_string_equal(f->r.layers[0].cause, "weights");
    assert_string_equal(f->r.layers[1].cause, "clipping");
    assert_string_equal(f->r.layers[3].cause, "inputs");
    size_t rules = 0;
    for (size_t i = 0; i < f->r.advice_len; i++)
        rules += strcmp(f->r.advice[i].where, "option") != 0 && f->r.advice[i].line[0];
    assert_int_equal(rules, 2);
    assert_string_equal(f->r.advice[f->r.advice_len - 2].where, "values");
    assert_non_null(strstr(f->r.advice[f->r.advice_len - 2].line, "\"method\": \"max\""));
    assert_non_null(strstr(f->r.advice[f->r.advice_len - 1].line, "\"bits\": 8"));
}

/* Names that JSON or a pattern reads otherwise are escaped, and none is cut. */
static void test_hostile_lines(void **state)
{
    fixture *f = *state;
    intact_error err;
    char name[400];
    memset(name, 'n', sizeof name - 1);
    memcpy(name, "a\"b\\c*[0]\n", 11);
    name[sizeof name - 1] = 0;
    f->r.layers_len = 1;
    layer_of(f, 0, name);
    assert_int_equal(it_report_advise(&f->r, &f->arena, &err), INTACT_OK);
    json_t *j = json_loads(f->r.advice[f->r.advice_len - 1].line, 0, NULL);
    assert_non_null(j);
    const char *pattern = json_string_value(json_object_get(j, "name"));
    assert_int_equal(fnmatch(pattern, name, 0), 0);
    name[6] = 'x'; /* no star */
    assert_int_not_equal(fnmatch(pattern, name, 0), 0);
    json_decref(j);
}

/* Samples enough, and no loss beyond chance: one sentence, no line. Too few: it is said, and what could be done stays. */
static void test_nothing_to_do(void **state)
{
    fixture *f = *state;
    intact_error err;
    size_t len;
    f->r.samples = 32;
    f->r.eval = (it_report_eval){.measured = true, .data = "d", .n = 1000, .labelled = 1000, .agreement = 1, .loss = -0.0, .loss_error = 0.001};
    assert_int_equal(it_report_advise(&f->r, &f->arena, &err), INTACT_OK);
    assert_int_equal(f->r.advice_len, 1);
    assert_non_null(strstr(f->r.advice[0].why, "by 0.00 points with a standard error of 0.10: nothing has to be done"));
    char *text = page(f, &len);
    assert_null(strstr(text, "-0.00"));
    assert_null(strstr(text, "Lines go into"));
    free(text);
    f->r.eval.labelled = 12, f->r.eval.loss = 0.05, f->r.eval.loss_error = 0.04;
    assert_int_equal(it_report_advise(&f->r, &f->arena, &err), INTACT_OK);
    assert_non_null(strstr(f->r.advice[0].why, "12 labelled samples are too few"));
    assert_true(f->r.advice_len > 3);
    f->r.eval.labelled = 5000, f->r.eval.loss_error = 0.004;
    assert_int_equal(it_report_advise(&f->r, &f->arena, &err), INTACT_OK);
    assert_non_null(strstr(f->r.advice[0].why, "more than chance"));
}

static void test_cause(void **state)
{
    (void)state;
    assert_null(it_report_cause(NAN, 0, NAN, NAN));
    assert_string_equal(it_report_cause(20, 0.1, 30, 40), "range");
    assert_string_equal(it_report_cause(20, 0.7, 30, 40), "clipping");
    assert_string_equal(it_report_cause(40, 0.7, 30, INFINITY), "weights");
    assert_string_equal(it_report_cause(40, 0, NAN, 25), "inputs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),  cmocka_unit_test_setup_teardown(test_escapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sections, setup, teardown), cmocka_unit_test_setup_teardown(test_advice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_lines, setup, teardown), cmocka_unit_test_setup_teardown(test_nothing_to_do, setup, teardown),
        cmocka_unit_test(test_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
