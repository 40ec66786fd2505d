/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_bench.c: intact bench: latency. */
#include <stdlib.h>

#include "cli.h"

typedef struct bench_options {
    cli_common common;
    uint32_t batch, warmup;
    double seconds;
    int profile;
    intact_cpu cpu;
} bench_options;

static const cli_option bench_table[] = {
    CLI_OPTION(bench_options, common.threads, "threads", 't', "T", U32, NULL, "threads of one run; the default is 1"),
    CLI_OPTION(bench_options, batch, "batch", 'b', "B", U32, NULL, "samples per run; the default is 1"),
    CLI_OPTION(bench_options, seconds, "seconds", 0, "S", REAL, NULL, "how long to measure; the default is 2"),
    CLI_OPTION(bench_options, warmup, "warmup", 0, "N", U32, NULL, "runs before measuring; the default is 5"),
    CLI_OPTION(bench_options, profile, "profile", 0, NULL, FLAG, NULL, "the time of every layer (integer programs)"),
    CLI_OPTION(bench_options, cpu, "cpu", 0, "LEVEL", CPU, "cpu", "CPU level of an integer program"),
};

/* Of what all threads could multiply and accumulate in that time. */
static double percent_of_peak(const intact_bench_result *b, double macs, double us)
{
    return b->peak_gmacs > 0 && us > 0 ? 0.1 * macs / us / (b->peak_gmacs * b->threads) : 0;
}

static int print_json(const intact_bench_result *b)
{
    json_t *root = json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:I, s:f, s:f, s:I, s:f}", "threads", (int)b->threads, "batch", (int)b->batch, "min_ms", b->min_ms, "median_ms", b->median_ms,
                             "p90_ms", b->p90_ms, "p99_ms", b->p99_ms, "runs", (json_int_t)b->runs, "load_ms", b->load_ms, "first_ms", b->first_ms, "macs", (json_int_t)b->macs, "peak_gmacs", b->peak_gmacs);
    json_t *layers = b->layers_len ? json_array() : NULL;
    for (uint32_t i = 0; layers && i < b->layers_len; i++)
        json_array_append_new(layers, json_pack("{s:o, s:s, s:s, s:I, s:f, s:f, s:f}", "name", cli_string(b->layers[i].name), "kind", b->layers[i].kind, "kernel", b->layers[i].kernel, "macs",
                                                (json_int_t)b->layers[i].macs, "median_us", b->layers[i].median_us, "share", b->layers[i].share,
                                                "percent_of_peak", percent_of_peak(b, (double)b->layers[i].macs, b->layers[i].median_us)));
    if (layers)
        json_object_set_new(root, "layers", layers);
    return cli_json(root);
}

static void print_layers(const intact_bench_result *b)
{
    enum { COLS = 8, TEXTS = 3 /* columns from here on are made by cli_text */ };
    static const char *const heads[COLS] = {"layer", "instruction", "kernel", ">us", ">share", ">MACs", ">GMAC/s", ">of peak"};
    const char **cells = calloc((size_t)b->layers_len * COLS + 1, sizeof *cells);
    char buf[32];
    for (uint32_t i = 0; cells && i < b->layers_len; i++) {
        const intact_bench_layer *l = &b->layers[i];
        const char **row = &cells[(size_t)i * COLS];
        row[0] = l->name;
        row[1] = l->kind;
        row[2] = l->kernel;
        row[3] = cli_text("%.1f", l->median_us);
        row[4] = cli_text("%.1f %%", 100 * l->share);
        row[5] = cli_text("%s", l->macs ? cli_count((double)l->macs, buf) : "");
        row[6] = l->macs && l->median_us > 0 ? cli_text("%.0f", (double)l->macs / l->median_us * 1e-3) : cli_text("%s", "");
        row[7] = l->macs && b->peak_gmacs > 0 ? cli_text("%.0f %%", percent_of_peak(b, (double)l->macs, l->median_us)) : cli_text("%s", "");
    }
    if (cells)
        cli_print_table(heads, COLS, cells, b->layers_len);
    for (uint32_t i = 0; cells && i < b->layers_len; i++)
        for (int k = TEXTS; k < COLS; k++)
            free((void *)(uintptr_t)cells[(size_t)i * COLS + k]);
    free(cells);
}

static int bench_run(const cli_run *r, const void *options)
{
    const bench_options *o = options;
    intact_bench_options bo = {.threads = o->common.threads, .batch = o->batch, .seconds = o->seconds, .warmup = o->warmup, .profile = o->profile};
    intact_error err;
    intact_bench_result b;
    if (o->seconds < 0)
        return cli_fail_usage("--seconds was given %g; more than 0 is needed", o->seconds);
    if (intact_bench(r->ctx, r->args[0], o->cpu, &bo, &b, &err) != INTACT_OK)
        return cli_fail(&err);
    int rc = EXIT_DONE;
    if (o->common.json) {
        rc = print_json(&b);
    } else {
        if (b.layers_len)
            print_layers(&b);
        printf("%.3f ms minimum, %.3f median, %.3f p90, %.3f p99; batch %u, %u thread%s, %llu runs", b.min_ms, b.median_ms, b.p90_ms, b.p99_ms, b.batch, b.threads,
               b.threads == 1 ? "" : "s", (unsigned long long)b.runs);
        double macs = (double)b.macs * b.batch;
        printf("; %.1f GMAC/s", b.min_ms > 0 ? macs / b.min_ms * 1e-6 : 0);
        if (b.peak_gmacs > 0)
            printf(", %.0f %% of the peak of %u x %.0f", percent_of_peak(&b, macs, 1e3 * b.min_ms), b.threads, b.peak_gmacs);
        printf("; loading %.1f ms, first run %.2f ms\n", b.load_ms, b.first_ms);
    }
    intact_bench_result_release(r->ctx, &b);
    return rc;
}

const cli_command cli_command_bench = {
    .name = "bench", .summary = "measure latency", .args = "MODEL", .args_min = 1, .args_max = 1,
    .details = "Runs a network on random input again and again and prints the minimum, median and tail of the time per run, with --profile also per layer. "
               "An integer program's loading is timed, too, and the first run after it. The peak, of which percentages are given, is what the CPU level's "
               "8-bit multiply-accumulate instruction reaches on registers in the same run, on one thread, times the threads.",
    .examples = "  intact bench net.itm --threads 2\n  intact bench net.itm --profile --cpu avx2\n",
    .options_bytes = sizeof(bench_options), .options = bench_table, .options_len = sizeof bench_table / sizeof *bench_table, .run = bench_run,
};
