/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_compare.c: intact compare: how far two networks agree, as a whole and layer by layer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define LAYER_SAMPLES 16

typedef struct compare_options {
    cli_common common;
    const char *data, *labels, *preprocess;
    int32_t label_offset;
    uint64_t limit, layer_samples;
    int no_layers, bisect;
    double below;
    intact_cpu cpu;
} compare_options;

static const cli_option compare_table[] = {
    CLI_OPTION(compare_options, data, "data", 'd', "DATA", TEXT, "file", "samples, labelled or not; the same kinds as quantize --calib"),
    CLI_OPTION(compare_options, labels, "labels", 0, "FILE.npy", TEXT, "file", "labels of an .npy data set"),
    CLI_OPTION(compare_options, preprocess, "preprocess", 'p', "P", TEXT, "preprocess", "see intact quantize; without it, what an .itm stores, also for the other network where that stores none"),
    CLI_OPTION(compare_options, label_offset, "label-offset", 0, "K", S32, NULL, "added to every label"),
    CLI_OPTION(compare_options, limit, "limit", 0, "N", U64, NULL, "the first N samples only"),
    CLI_OPTION(compare_options, layer_samples, "layer-samples", 0, "N", U64, NULL, "samples for the ratios per layer; the default is 16"),
    CLI_OPTION(compare_options, no_layers, "no-layers", 0, NULL, FLAG, NULL, "the summary only"),
    CLI_OPTION(compare_options, bisect, "bisect", 0, NULL, FLAG, NULL, "name the layer where the two part, and the likely cause: the one that loses most against its inputs"),
    CLI_OPTION(compare_options, below, "below", 0, "DB", REAL, NULL, "with --bisect: the first layer with a lower ratio instead"),
    CLI_OPTION(compare_options, cpu, "cpu", 0, "LEVEL", CPU, "cpu", "CPU level of integer programs"),
};

static json_t *bisect_json(const intact_bisect_result *b)
{
    if (!b->found)
        return json_null();
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:f, s:s?}", "layer", cli_string(b->layer), "kind", b->kind, "value", cli_string(b->value), "sqnr_db", cli_real(b->sqnr_db), "input",
                     b->input[0] ? cli_string(b->input) : json_null(), "input_db", cli_real(b->input_db), "own_db", cli_real(b->own_db), "own_clip", isnan(b->own_clip) ? 0.0 : b->own_clip,
                     "cause", b->cause);
}

/* bisect: NULL when not asked for. */
static int print_json(const intact_compare_result *c, const intact_bisect_result *bisect)
{
    json_t *layers = json_array();
    for (uint32_t i = 0; i < c->layers_len; i++)
        json_array_append_new(layers, json_pack("{s:o, s:o, s:o}", "name", cli_string(c->layers[i].name), "sqnr_db", cli_real(c->layers[i].sqnr_db), "max_error",
                                                cli_real(c->layers[i].max_error)));
    json_t *root = json_pack("{s:I, s:I, s:f, s:I, s:f, s:f, s:I, s:I, s:f, s:f, s:o, s:I, s:o, s:f}", "n", (json_int_t)c->n, "skipped", (json_int_t)c->skipped, "agreement",
                              c->agreement, "labelled", (json_int_t)c->labelled, "top1_a", c->top1_a, "top1_b", c->top1_b, "only_a", (json_int_t)c->only_a, "only_b",
                              (json_int_t)c->only_b, "loss", c->loss, "loss_standard_error", c->loss_standard_error, "output_sqnr_db", cli_real(c->output_sqnr_db), "layer_samples",
                              (json_int_t)c->layer_samples, "layers", layers, "seconds", c->seconds);
    if (root && bisect)
        json_object_set_new(root, "bisect", bisect_json(bisect));
    return cli_json(root);
}

static const char *cause_text(const intact_bisect_result *b)
{
    static const struct { const char *cause, *text; } texts[] = {
        {"inputs", "its inputs: it hands on, or amplifies, the noise that it reads"},
        {"clipping", "clipping: values lie outside the range of its codes"},
        {"range", "the range: its codes are too coarse for the values"},
        {"weights", "its weights: neither the inputs nor its own codes explain it"},
    };
    for (size_t i = 0; b->cause && i < sizeof texts / sizeof *texts; i++)
        if (strcmp(b->cause, texts[i].cause) == 0)
            return texts[i].text;
    return "unknown";
}

static void print_bisect(const intact_bisect_result *b)
{
    if (!b->found) {
        printf("\nno layer parts them\n");
        return;
    }
    printf("\nthey part at    %s (%s), value %s: %.1f dB\n", b->layer, b->kind, b->value, b->sqnr_db);
    if (b->input[0])
        printf("its inputs      %.1f dB (worst: %s)\n", b->input_db, b->input);
    if (!isnan(b->own_db))
        printf("its codes       %.1f dB of the first network's numbers, %.0f %% of that noise from clipping\n", b->own_db, 100 * b->own_clip);
    printf("likely cause    %s\n", cause_text(b));
}

static void print_text(const intact_compare_result *c)
{
    if (c->layers_len) {
        static const char *const heads[] = {"value", ">SQNR dB", ">max error"};
        const char **cells = calloc((size_t)c->layers_len * 3, sizeof *cells);
        for (uint32_t i = 0; cells && i < c->layers_len; i++) {
            cells[i * 3] = c->layers[i].name;
            cells[i * 3 + 1] = cli_text("%.1f", c->layers[i].sqnr_db);
            cells[i * 3 + 2] = cli_text("%.4g", c->layers[i].max_error);
        }
        if (cells)
            cli_print_table(heads, 3, cells, c->layers_len);
        for (uint32_t i = 0; cells && i < c->layers_len; i++) {
            free((void *)(uintptr_t)cells[i * 3 + 1]);
            free((void *)(uintptr_t)cells[i * 3 + 2]);
        }
        free(cells);
        printf("(signal to noise of the second network's values, on %llu samples)\n\n", (unsigned long long)c->layer_samples);
    }
    printf("same answer     %.2f %% of %llu samples\n", 100 * c->agreement, (unsigned long long)c->n);
    if (c->labelled) {
        printf("top-1           %.2f %% and %.2f %% (%llu labelled)\n", 100 * c->top1_a, 100 * c->top1_b, (unsigned long long)c->labelled);
        printf("loss            %+.2f points, standard error %.2f (McNemar: right alone %llu and %llu)\n", 100 * c->loss, 100 * c->loss_standard_error, (unsigned long long)c->only_a,
               (unsigned long long)c->only_b);
    }
    printf("output SQNR     %.1f dB\n", c->output_sqnr_db);
    if (c->skipped)
        printf("skipped         %llu unreadable samples\n", (unsigned long long)c->skipped);
}

static int compare_run(const cli_run *r, const void *options)
{
    const compare_options *o = options;
    if (o->bisect && o->no_layers)
        return cli_fail_usage("--bisect looks at layers; --no-layers leaves them out");
    if (!o->data)
        return cli_fail_usage("intact compare needs --data DATA");
    intact_data_options d;
    intact_data_options_default(&d);
    d.path = o->data;
    d.labels = o->labels;
    d.preprocess = o->preprocess;
    d.label_offset = o->label_offset;
    d.limit = o->limit;
    intact_error err;
    intact_model *a, *b = NULL;
    intact_compare_result c = {0};
    intact_bisect_result at;
    if (intact_model_open(r->ctx, r->args[0], o->cpu, &a, &err) != INTACT_OK)
        return cli_fail(&err);
    int rc = EXIT_DONE;
    if (intact_model_open(r->ctx, r->args[1], o->cpu, &b, &err) != INTACT_OK) {
        rc = cli_fail(&err);
    } else if ((rc = cli_check_cpu(r, a, b)) != EXIT_DONE) {
        /* said already */
    } else if (intact_compare(r->ctx, a, b, &d, o->no_layers ? 0 : o->layer_samples ? o->layer_samples : LAYER_SAMPLES, &c, &err) != INTACT_OK ||
               (o->bisect && intact_bisect(r->ctx, a, b, &c, o->below != 0 ? o->below : NAN, &at, &err) != INTACT_OK)) {
        rc = cli_fail(&err);
    } else if (o->common.json) {
        rc = print_json(&c, o->bisect ? &at : NULL);
    } else {
        print_text(&c);
        if (o->bisect)
            print_bisect(&at);
    }
    intact_compare_result_release(r->ctx, &c);
    intact_model_free(b);
    intact_model_free(a);
    return rc;
}

const cli_command cli_command_compare = {
    .name = "compare", .summary = "how far two networks agree", .args = "A B", .args_min = 2, .args_max = 2,
    .details = "Runs two networks, float or integer, on the same samples and prints how often the answers agree, the paired difference of accuracies with its standard error, and for every "
               "value that both have, the signal-to-quantization-noise ratio of B against A. With --bisect it names the layer where they part; one of the two must be integer then.",
    .examples = "  intact compare net.onnx net.itm --data photos/\n"
                "  intact compare net.onnx net.itm --data photos/ --limit 100 --bisect\n",
    .options_bytes = sizeof(compare_options), .options = compare_table, .options_len = sizeof compare_table / sizeof *compare_table, .run = compare_run,
};
