/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_tune.c: intact tune: sensitivity, recipes and size against accuracy, measured once; resumes where it was interrupted. */
#include "cli.h"

typedef struct tune_options {
    cli_common common;
    const char *output, *calib, *preprocess, *eval, *labels, *recipe;
    int32_t label_offset;
    uint32_t samples;
    uint64_t seed, limit, eval_limit, sense;
    double max_drop;
    int keep_softmax;
} tune_options;

static const cli_option tune_table[] = {
    CLI_OPTION(tune_options, output, "output", 'o', "FOLDER", TEXT, "dir", "where report.html, report.json, recipe.json and state.jsonl go"),
    CLI_OPTION(tune_options, calib, "calib", 'c', "DATA", TEXT, "file", "calibration data; see intact quantize"),
    CLI_OPTION(tune_options, preprocess, "preprocess", 'p', "P", TEXT, "preprocess", "see intact quantize; for both sets"),
    CLI_OPTION(tune_options, eval, "eval", 0, "DATA", TEXT, "file", "what recipes are judged on, labelled or not; without it calibration samples"),
    CLI_OPTION(tune_options, labels, "labels", 0, "FILE.npy", TEXT, "file", "labels of an .npy --eval"),
    CLI_OPTION(tune_options, label_offset, "label-offset", 0, "K", S32, NULL, "added to every label"),
    CLI_OPTION(tune_options, recipe, "recipe", 'r', "FILE.json", TEXT, "file", "begin with this recipe instead of 8 bits and a calibrator of its own choice"),
    CLI_OPTION(tune_options, samples, "samples", 'n', "N", U32, NULL, "calibration samples, chosen by --seed; the default is 512, or all when there are fewer"),
    CLI_OPTION(tune_options, seed, "seed", 0, "S", U64, NULL, "for the choice of samples; the default is 0"),
    CLI_OPTION(tune_options, limit, "limit", 0, "N", U64, NULL, "calibrate on some of the first N samples only"),
    CLI_OPTION(tune_options, eval_limit, "eval-limit", 0, "N", U64, NULL, "judge on the first N samples only"),
    CLI_OPTION(tune_options, sense, "sense-samples", 0, "N", U64, NULL, "samples of the sensitivity analysis; the default is 64"),
    CLI_OPTION(tune_options, max_drop, "max-drop", 0, "POINTS", REAL, NULL, "points of top-1 that may be lost: the recipe is the best that holds it; without it, the one that loses least"),
    CLI_OPTION(tune_options, keep_softmax, "keep-softmax", 0, NULL, FLAG, NULL, "see intact quantize"),
};

static int tune_run(const cli_run *r, const void *options)
{
    const tune_options *o = options;
    if (!o->output)
        return cli_fail_usage("intact tune needs -o FOLDER");
    if (!o->calib)
        return cli_fail_usage("intact tune needs --calib DATA");
    if (o->max_drop < 0 || o->max_drop > 100)
        return cli_fail_usage("--max-drop was given '%g'; points from 0 to 100 are needed", o->max_drop);
    if (cli_given(r, "max-drop") && !o->eval)
        return cli_fail_usage("--max-drop needs --eval DATA, labelled");
    if ((cli_given(r, "samples") && !o->samples) || (cli_given(r, "sense-samples") && !o->sense))
        return cli_fail_usage("--%s was given 0; a number of samples from 1 on is needed", o->samples || !cli_given(r, "samples") ? "sense-samples" : "samples");
    intact_search_options s;
    intact_search_options_default(&s);
    s.quantize.calib.path = o->calib;
    s.quantize.calib.preprocess = s.eval.preprocess = o->preprocess;
    s.quantize.calib.limit = o->limit;
    s.quantize.samples = o->samples;
    s.quantize.seed = o->seed;
    s.quantize.recipe = o->recipe;
    s.quantize.keep_softmax = o->keep_softmax;
    s.eval.path = o->eval;
    s.eval.labels = o->labels;
    s.eval.label_offset = o->label_offset;
    s.eval.limit = o->eval_limit;
    s.sense_samples = o->sense;
    s.quantize.given = cli_given(r, "seed") ? INTACT_GIVEN_SEED : 0;
    s.max_drop = cli_given(r, "max-drop") ? o->max_drop : -1;
    intact_error err;
    intact_search_result res;
    if (intact_tune(r->ctx, r->args[0], o->output, &s, &res, &err) != INTACT_OK)
        return cli_fail(&err);
    int rc = cli_steps_print(&o->common, &res);
    intact_search_result_release(r->ctx, &res);
    return rc;
}

const cli_command cli_command_tune = {
    .name = "tune", .summary = "measure what quantization costs a network, and find a recipe", .args = "MODEL.onnx", .args_min = 1, .args_max = 1,
    .details = "Quantizes every layer alone, and all but that layer, and says what each costs, why, and which line of a recipe acts on it; tries recipes from the cheapest to the most "
               "expensive; gives layers fewer bits, least costly first. report.json and report.html hold all of it with the curve of size against accuracy, recipe.json the best recipe for intact quantize "
               "--recipe. What is measured is kept in state.jsonl: after an interrupt the same command goes on from there.",
    .examples = "  intact tune net.onnx --calib train/ --eval val/ --preprocess imagenet -o tune/\n"
                "  intact quantize net.onnx -o net.itm --calib train/ --preprocess imagenet --recipe tune/recipe.json\n",
    .options_bytes = sizeof(tune_options), .options = tune_table, .options_len = sizeof tune_table / sizeof *tune_table, .run = tune_run,
};
