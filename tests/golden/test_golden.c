/* SPDX-License-Identifier: Apache-2.0 */
/* test_golden.c: committed programs give the committed bytes at every CPU level, thread count and batch size. golden.txt holds a line
** "file sha256" per program; GOLDEN_PRINT=1 prints the lines instead of comparing. Prints the levels that ran, and what AUTO chose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "run/kern/kern.h"

#define SAMPLES 6

static char folder[1024];

static void fill(uint8_t *p, size_t n, uint64_t seed)
{
    it_rng r;
    it_rng_seed(&r, seed);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)it_rng_next(&r);
}

/* SHA-256 of the outputs of SAMPLES samples, run in batches. */
static void outputs_hash(const intact_program *p, uint32_t threads, uint32_t batch, char hex[65])
{
    intact_program_info info;
    intact_port in, out;
    intact_session *s;
    intact_error err;
    intact_program_get_info(p, &info);
    assert_int_equal(info.inputs_len, 1);
    assert_int_equal(info.outputs_len, 1);
    assert_int_equal(intact_program_input(p, 0, &in), INTACT_OK);
    assert_int_equal(intact_program_output(p, 0, &out), INTACT_OK);
    assert_int_equal(intact_session_new(p, &(intact_session_options){.batch = batch, .threads = threads}, &s, &err), INTACT_OK);
    uint8_t *x = it_alloc_new(NULL, in.bytes * SAMPLES), *y = it_alloc_new(NULL, out.bytes * SAMPLES);
    fill(x, in.bytes * SAMPLES, 7);
    for (uint32_t at = 0; at < SAMPLES; at += batch) {
        const void *from = x + at * in.bytes;
        void *to = y + at * out.bytes;
        assert_int_equal(intact_session_run(s, &from, 1, &to, 1, &err), INTACT_OK);
    }
    it_sha256 h;
    it_sha256_init(&h);
    it_sha256_add(&h, y, out.bytes * SAMPLES);
    it_sha256_hex(&h, hex);
    it_alloc_free(NULL, x, in.bytes * SAMPLES);
    it_alloc_free(NULL, y, out.bytes * SAMPLES);
    intact_session_free(s);
}

static intact_program *load(const char *name, intact_cpu cpu)
{
    char path[1400];
    intact_program *p = NULL;
    intact_error err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (intact_program_load(path, &(intact_load_options){.cpu = cpu}, &p, &err) != INTACT_OK)
        fail_msg("%s at %s: %s: %s", name, intact_cpu_name(cpu), err.where, err.message);
    return p;
}

static void check_file(const char *name, const char *want)
{
    intact_program_info info;
    intact_program *p = load(name, INTACT_CPU_AUTO);
    intact_program_get_info(p, &info);
    intact_program_free(p);
    for (intact_cpu cpu = INTACT_CPU_SCALAR; cpu < INTACT_CPU_COUNT; cpu++) {
        if (!intact_cpu_has(cpu) || !it_kern_of(cpu))
            continue;
        p = load(name, cpu);
        for (uint32_t threads = 1; threads <= 3; threads++)
            for (uint32_t batch = 1; batch <= 3; batch++) {
                char hex[65];
                outputs_hash(p, threads, batch, hex);
                if (getenv("GOLDEN_PRINT") && cpu == INTACT_CPU_SCALAR && threads == 1 && batch == 1)
                    printf("%s %s\n", name, hex);
                else if (!getenv("GOLDEN_PRINT") && strcmp(hex, want) != 0)
                    fail_msg("%s at %s, %u threads, batch %u: %s instead of %s", name, intact_cpu_name(cpu), threads, batch, hex, want);
            }
        intact_program_free(p);
        if (!getenv("GOLDEN_PRINT"))
            printf("%s: equal at %s\n", name, intact_cpu_name(cpu));
    }
    if (!getenv("GOLDEN_PRINT"))
        printf("%s: auto is %s\n", name, intact_cpu_name(info.cpu));
}

static void programs_give_their_bytes(void **state)
{
    (void)state;
    char path[1200], name[256], hex[65];
    int files = 0;
    snprintf(path, sizeof path, "%s/golden.txt", folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fscanf(f, "%255s %64s", name, hex) == 2) {
        check_file(name, hex);
        files++;
    }
    fclose(f);
    assert_true(files > 0);
}

int main(void)
{
    const char *source = getenv("INTACT_SOURCE");
    snprintf(folder, sizeof folder, "%s/tests/golden", source ? source : ".");
    const struct CMUnitTest tests[] = {cmocka_unit_test(programs_give_their_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
