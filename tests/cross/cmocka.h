/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka.h: the little of cmocka that the runtime's tests use, for builds that have nothing but a C compiler. Unlike cmocka's, a failed
** assertion ends the program. */
#ifndef IT_TESTS_CROSS_CMOCKA_H
#define IT_TESTS_CROSS_CMOCKA_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(f) { #f, f }

#define fail_msg(...) (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))
#define print_message printf
#define assert_true(c) ((c) ? (void)0 : fail_msg("not true: %s", #c))
#define assert_false(c) assert_true(!(c))
#define assert_null(p) assert_true((p) == NULL)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_int_equal(a, b)                                                                                                            \
    ((intmax_t)(a) == (intmax_t)(b) ? (void)0                                                                                             \
                                    : fail_msg("%s is %jd, %s is %jd", #a, (intmax_t)(a), #b, (intmax_t)(b)))
#define assert_int_not_equal(a, b) ((intmax_t)(a) != (intmax_t)(b) ? (void)0 : fail_msg("%s and %s are %jd", #a, #b, (intmax_t)(b)))
#define assert_in_range(v, lo, hi) assert_true((uintmax_t)(v) >= (uintmax_t)(lo) && (uintmax_t)(v) <= (uintmax_t)(hi))
#define assert_string_equal(a, b) (strcmp(a, b) == 0 ? (void)0 : fail_msg("\"%s\" is not \"%s\"", a, b))
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)

static inline int cmocka_run_tests(const struct CMUnitTest *tests, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        void *state = NULL;
        printf("[ RUN ] %s\n", tests[i].name);
        tests[i].run(&state);
        printf("[ OK  ] %s\n", tests[i].name);
    }
    return 0;
}

#define cmocka_run_group_tests(tests, setup, teardown) cmocka_run_tests(tests, sizeof(tests) / sizeof((tests)[0]))

#endif
