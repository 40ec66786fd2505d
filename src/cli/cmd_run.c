/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_run.c: intact run: one input through a network. */
#include <stdlib.h>

#include "cli.h"

typedef struct run_options {
    cli_common common;
    const char *input, *output, *preprocess;
    uint32_t top;
    intact_cpu cpu;
} run_options;

static const cli_option run_table[] = {
    CLI_OPTION(run_options, input, "input", 'i', "FILE", TEXT, "file", "a JPEG or PNG image, or an .npy of inputs"),
    CLI_OPTION(run_options, output, "output", 'o', "FILE.npy", TEXT, "file", "where the outputs go, as float32 real values in the network's own order, samples first; further outputs go to FILE.1.npy, FILE.2.npy, ..."),
    CLI_OPTION(run_options, preprocess, "preprocess", 'p', "P", TEXT, "preprocess", "see intact quantize; an .itm brings its own"),
    CLI_OPTION(run_options, top, "top", 'k', "K", U32, NULL, "how many answers to print, best first; the default is 5"),
    CLI_OPTION(run_options, cpu, "cpu", 0, "LEVEL", CPU, "cpu", "CPU level of an integer program"),
};

static int run_run(const cli_run *r, const void *options)
{
    const run_options *o = options;
    if (!o->input)
        return cli_fail_usage("intact run needs --input FILE");
    if (cli_given(r, "top") && o->top == 0)
        return cli_fail_usage("--top was given 0; a number of answers from 1 on is needed");
    intact_error err;
    intact_model *m;
    intact_predict_result p;
    if (intact_model_open(r->ctx, r->args[0], o->cpu, &m, &err) != INTACT_OK)
        return cli_fail(&err);
    int rc = cli_check_cpu(r, m, NULL);
    if (rc != EXIT_DONE) {
        intact_model_free(m);
        return rc;
    }
    if (intact_predict(r->ctx, m, o->input, o->preprocess, o->output, o->top ? o->top : 5, &p, &err) != INTACT_OK) {
        rc = cli_fail(&err);
    } else if (o->common.json) {
        json_t *top = json_array();
        for (uint32_t i = 0; i < p.top_len; i++)
            json_array_append_new(top, json_pack("{s:I, s:o}", "index", (json_int_t)p.top[i].index, "score", cli_real((double)p.top[i].score)));
        rc = cli_json(json_pack("{s:o, s:I, s:f}", "top", top, "samples", (json_int_t)p.samples, "seconds", p.seconds));
        intact_predict_result_release(r->ctx, &p);
    } else {
        for (uint32_t i = 0; i < p.top_len; i++)
            printf("%6u  %.6g\n", p.top[i].index, (double)p.top[i].score);
        fflush(stdout);
        if (p.samples > 1 && !o->common.quiet)
            fprintf(stderr, "intact: %llu samples; the answers above are the first one's\n", (unsigned long long)p.samples);
        intact_predict_result_release(r->ctx, &p);
    }
    intact_model_free(m);
    return rc;
}

const cli_command cli_command_run = {
    .name = "run", .summary = "one input through a network", .args = "MODEL", .args_min = 1, .args_max = 1,
    .details = "Runs a network on an image or an array, prints the indexes with the largest outputs, and writes all outputs when asked to.",
    .examples = "  intact run net.itm --input cat.jpg --top 3\n  intact run net.onnx --input x.npy --output y.npy\n",
    .options_bytes = sizeof(run_options), .options = run_table, .options_len = sizeof run_table / sizeof *run_table, .run = run_run,
};
