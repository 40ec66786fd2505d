/* SPDX-License-Identifier: Apache-2.0 */
/* test_search_goal.c: which of a search's steps is the better: losses within their errors are equal, then the answers themselves count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/search.h"

enum { STEPS = 4 };

typedef struct fixture {
    intact_search_options o;
    intact_search_result out;
    intact_search_step step[STEPS];
    it_trial trial[STEPS];
    it_search s;
} fixture;

static intact_search_step step_of(double drop, double error, double db)
{
    return (intact_search_step){.top1 = 0.9 - drop / 100, .drop = drop, .drop_error = error, .sqnr_db = db, .agreement = 0.99, .file_bytes = 1000, .holds = 1};
}

static int setup(void **state)
{
    static fixture f;
    f = (fixture){.o = {.max_drop = -1}, .out = {.float_top1 = 0.9, .steps_len = STEPS}};
    f.step[0] = step_of(0.4, 0.3, 38); /* plain */
    f.step[1] = step_of(0.3, 0.3, 39); /* the same loss, a better answer */
    f.step[2] = step_of(-0.1, 0.1, 15); /* fewest bits, and one sample more by luck */
    f.step[3] = step_of(3, 0.4, 50);   /* more than chance */
    f.trial[2].rules_len = 1;
    f.out.steps = f.step;
    f.s = (it_search){.o = &f.o, .out = &f.out, .trials = f.trial};
    *state = &f;
    return 0;
}

static void test_equal_losses(void **state)
{
    fixture *f = *state;
    assert_true(it_search_as_good(&f->s, &f->step[0]) && it_search_as_good(&f->s, &f->step[1]) && it_search_as_good(&f->s, &f->step[2]));
    assert_false(it_search_as_good(&f->s, &f->step[3]));
    assert_true(it_search_better(&f->s, &f->step[1], &f->step[2]));
    assert_false(it_search_better(&f->s, &f->step[2], &f->step[1]));
    assert_true(it_search_better(&f->s, &f->step[2], &f->step[3])); /* whatever its ratio */
    assert_int_equal(it_search_base(&f->s), 1);
}

/* Steps each within the errors of the one before must not add up to a loss. */
static void test_no_drift(void **state)
{
    fixture *f = *state;
    f->step[0] = step_of(0, 0.2, 30), f->step[1] = step_of(0.5, 0.2, 31), f->step[2] = step_of(1.0, 0.2, 32), f->step[3] = step_of(1.5, 0.2, 33);
    assert_true(it_search_as_good(&f->s, &f->step[1]));
    assert_false(it_search_as_good(&f->s, &f->step[2]));
    assert_true(it_search_better(&f->s, &f->step[1], &f->step[2]));
    assert_true(it_search_better(&f->s, &f->step[1], &f->step[3]));
}

static void test_no_errors(void **state)
{
    fixture *f = *state;
    f->step[0] = step_of(0, 0, 20), f->step[1] = step_of(0, 0, 25), f->step[2] = step_of(0.1, 0, 60), f->step[3] = step_of(0, 0, 25);
    f->step[3].agreement = 1;
    assert_true(it_search_better(&f->s, &f->step[1], &f->step[0]));
    assert_true(it_search_better(&f->s, &f->step[1], &f->step[2]));
    assert_true(it_search_better(&f->s, &f->step[3], &f->step[1])); /* the same in all else */
}

/* A goal stands above: what holds it, and failed steps last. */
static void test_goals(void **state)
{
    fixture *f = *state;
    f->o.max_drop = 0.35;
    for (int i = 0; i < STEPS; i++)
        f->step[i].holds = it_search_holds(&f->s, &f->step[i]);
    assert_true(!f->step[0].holds && f->step[1].holds && f->step[2].holds && !f->step[3].holds);
    assert_true(it_search_better(&f->s, &f->step[2], &f->step[0]));
    f->step[1].failed = 1;
    assert_true(it_search_better(&f->s, &f->step[3], &f->step[1]));
    assert_false(it_search_as_good(&f->s, &f->step[1]));
}

static void test_bound(void **state)
{
    fixture *f = *state;
    intact_error err;
    const char *text;
    it_arena_init(&f->s.arena, NULL);
    assert_int_equal(it_search_bound(&f->s, &text, &err), INTACT_OK);
    assert_null(text);
    f->o.max_drop = 0.5, f->s.budget = IT_BUDGET_SIZE, f->s.limit = 51200;
    assert_int_equal(it_search_bound(&f->s, &text, &err), INTACT_OK);
    assert_string_equal(text, "at most 0.5 points of top-1 lost, at most 51200 bytes of the program");
    it_arena_release(&f->s.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_equal_losses, setup), cmocka_unit_test_setup(test_no_drift, setup), cmocka_unit_test_setup(test_no_errors, setup),
        cmocka_unit_test_setup(test_goals, setup),        cmocka_unit_test_setup(test_bound, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
