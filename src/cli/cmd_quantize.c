/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_quantize.c: intact quantize: a float network becomes an integer program. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct quantize_options {
    cli_common common;
    const char *output, *calib, *preprocess, *method, *acts, *weights, *keep8, *recipe, *range_file, *set, *methods, *report, *report_json, *eval;
    const char *labels, *max_drop, *prefer, *budget, *fallback, *log;
    uint32_t samples, weight_bits, act_bits;
    uint64_t seed, limit, eval_limit;
    int32_t label_offset;
    int keep_softmax, ranges;
} quantize_options;

static const cli_option quantize_table[] = {
    CLI_OPTION(quantize_options, output, "output", 'o', "OUT.itm", TEXT, "file", "where the integer program goes; an old file stays whole until the new one is complete. "
               "A name that ends in .onnx: a quantized ONNX network (QuantizeLinear and DequantizeLinear) instead"),
    CLI_OPTION(quantize_options, calib, "calib", 'c', "DATA", TEXT, "file",
               "calibration data: a folder with one sub-folder per class, a folder with labels.txt, a CIFAR-10 binary file, an IDX images file (.gz too), or an .npy of inputs"),
    CLI_OPTION(quantize_options, preprocess, "preprocess", 'p', "P", TEXT, "preprocess",
               "imagenet, tf, caffe, cifar, raw, or a list such as resize=256,crop=224,scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225,order=rgb; the default is pixels 0..1. "
               "Stored in the program, so that later commands need not repeat it"),
    CLI_OPTION(quantize_options, method, "method", 'm', "M", TEXT, "method", "calibrator: max, entropy, percentile:99.99, mse, or auto, which tries them all; the default is mse"),
    CLI_OPTION(quantize_options, samples, "samples", 'n', "N", U32, NULL, "calibration samples, chosen by --seed; the default is 512, or all when there are fewer"),
    CLI_OPTION(quantize_options, seed, "seed", 0, "S", U64, NULL, "for the choice of samples; the default is 0"),
    CLI_OPTION(quantize_options, limit, "limit", 0, "N", U64, NULL, "choose among the first N samples only"),
    CLI_OPTION(quantize_options, acts, "activations", 0, "KIND", TEXT, NULL, "affine (the default) or symmetric"),
    CLI_OPTION(quantize_options, weights, "weights", 0, "KIND", TEXT, NULL, "per-channel (the default) or per-tensor; always symmetric"),
    CLI_OPTION(quantize_options, weight_bits, "weight-bits", 0, "B", U32, NULL, "2 to 8; the default is 8"),
    CLI_OPTION(quantize_options, act_bits, "act-bits", 0, "B", U32, NULL, "2 to 8, or 16; the default is 8"),
    CLI_OPTION(quantize_options, keep8, "keep8", 0, "LIST", LIST, NULL, "with fewer bits: layers that stay at 8, by name, or first, last, none; the default is first,last"),
    CLI_OPTION(quantize_options, recipe, "recipe", 'r', "FILE.json", TEXT, "file", "do what this recipe says (docs/RECIPE.md); further options go before it"),
    CLI_OPTION(quantize_options, range_file, "range-file", 0, "FILE.json", TEXT, "file", "take the ranges of the values that this file names from it"),
    CLI_OPTION(quantize_options, set, "set", 0, "FIELD=VALUE,...", LIST, NULL, "set fields of the recipe for all layers: weights.round=adaround, weights.range=mse, activations.levels=lloyd, ..."),
    CLI_OPTION(quantize_options, methods, "apply", 0, "METHOD,...", LIST, NULL, "methods that change the network so that it quantizes better, in this order"),
    CLI_OPTION(quantize_options, report, "report", 0, "FILE.html", TEXT, "file", "write a report: one page with what was done, noise and histograms of every layer, and what to try next"),
    CLI_OPTION(quantize_options, report_json, "report-json", 0, "FILE.json", TEXT, "file", "the same facts as JSON (docs/REPORT.md)"),
    CLI_OPTION(quantize_options, eval, "eval", 0, "DATA", TEXT, "file", "samples that calibration does not see: the report says how the integer network does on them beside the float one; what --max-drop is measured on"),
    CLI_OPTION(quantize_options, keep_softmax, "keep-softmax", 0, NULL, FLAG, NULL, "keep a Softmax at the network's end (in 16 bits); without it the answers' order is the same"),
    CLI_OPTION(quantize_options, labels, "labels", 0, "FILE.npy", TEXT, "file", "labels of an .npy --eval"),
    CLI_OPTION(quantize_options, label_offset, "label-offset", 0, "K", S32, NULL, "added to every label of --eval"),
    CLI_OPTION(quantize_options, eval_limit, "eval-limit", 0, "N", U64, NULL, "of --eval the first N samples only"),
    CLI_OPTION(quantize_options, max_drop, "max-drop", 0, "POINTS", TEXT, NULL,
               "try recipes, cheapest first, until top-1 is within this many points of the float network's; when none is, the best lies beside as OUT.best.itm and the exit code is 1"),
    CLI_OPTION(quantize_options, prefer, "prefer", 0, "WHAT", TEXT, NULL, "with --max-drop: size takes the fewest bits that hold it"),
    CLI_OPTION(quantize_options, budget, "budget", 0, "WHAT=N", TEXT, NULL,
               "weight bits by layer so that the program keeps to size=N bytes (k, M, G by 1024: 2M, 1.5MB), macs=N multiply-accumulates a sample (k, M, G by 1000), each weighted by "
               "weight bits x activation bits / 64, or latency=N milliseconds a sample (ms may follow) on one thread of this machine, which each layer is timed on"),
    CLI_OPTION(quantize_options, fallback, "fallback", 0, "WHAT", TEXT, NULL,
               "with --max-drop: float leaves sensitive layers in float where no integer recipe holds; only ONNX can hold that (-o OUT.onnx)"),
    CLI_OPTION(quantize_options, log, "log", 0, "FILE.json", TEXT, "file", "write the steps of --max-drop or --budget there, and the recipe of the best"),
    CLI_OPTION(quantize_options, ranges, "ranges", 0, NULL, FLAG, NULL, "print the range chosen for every value"),
};

static int print_json(const quantize_options *o, const intact_quantize_result *q)
{
    json_t *ranges = json_array(), *notes = json_array();
    for (uint32_t i = 0; i < q->ranges_len; i++) {
        const intact_range_info *r = &q->ranges[i];
        json_array_append_new(ranges, json_pack("{s:o, s:s, s:f, s:f, s:f, s:f, s:f, s:i, s:f}", "value", cli_string(r->value), "type", r->type, "lo", (double)r->lo, "hi", (double)r->hi, "min",
                                                (double)r->min, "max", (double)r->max, "scale", (double)r->scale, "zero_point", r->zero_point, "clipped", r->clipped));
    }
    for (uint32_t i = 0; i < q->notes_len; i++)
        json_array_append_new(notes, cli_string(q->notes[i]));
    return cli_json(json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o}", "output", cli_string(o->output), "samples", (json_int_t)q->samples, "skipped", (json_int_t)q->skipped, "given", (json_int_t)q->given, "file_bytes",
                              (json_int_t)q->file_bytes, "peak_bytes", (json_int_t)q->peak_bytes, "weighted_macs", (json_int_t)q->weighted_macs, "seconds", q->seconds, "ranges", ranges, "notes", notes));
}

static void print_ranges(const intact_quantize_result *q)
{
    static const char *const heads[] = {"value", "type", ">lo", ">hi", ">seen min", ">seen max", ">clipped"};
    const char **cells = calloc((size_t)q->ranges_len * 7 + 1, sizeof *cells);
    for (uint32_t i = 0; cells && i < q->ranges_len; i++) {
        const intact_range_info *r = &q->ranges[i];
        cells[i * 7] = r->value;
        cells[i * 7 + 1] = r->type;
        cells[i * 7 + 2] = cli_text("%.4g", (double)r->lo);
        cells[i * 7 + 3] = cli_text("%.4g", (double)r->hi);
        cells[i * 7 + 4] = cli_text("%.4g", (double)r->min);
        cells[i * 7 + 5] = cli_text("%.4g", (double)r->max);
        cells[i * 7 + 6] = cli_text("%.4f %%", 100 * r->clipped);
    }
    if (cells)
        cli_print_table(heads, 7, cells, q->ranges_len);
    for (uint32_t i = 0; cells && i < q->ranges_len; i++)
        for (int k = 2; k < 7; k++)
            free((void *)(uintptr_t)cells[i * 7 + k]);
    free(cells);
}

static void print_text(const quantize_options *o, const intact_quantize_result *q)
{
    char a[32], b[32];
    if (o->ranges)
        print_ranges(q);
    if (q->peak_bytes)
        printf("%s: %s, %s of activations at the peak; ", o->output, cli_bytes((double)q->file_bytes, a), cli_bytes((double)q->peak_bytes, b));
    else
        printf("%s: %s, a quantized ONNX network; ", o->output, cli_bytes((double)q->file_bytes, a));
    if (q->given && !q->samples)
        printf("%llu scales of the network kept", (unsigned long long)q->given);
    else if (!q->samples)
        printf("ranges of the recipe");
    else
        printf("calibrated on %llu samples", (unsigned long long)q->samples);
    if (q->skipped)
        printf(" (%llu unreadable ones skipped)", (unsigned long long)q->skipped);
    printf(" in %.1f s\n", q->seconds);
    for (uint32_t i = 0; i < q->notes_len && !o->common.quiet; i++)
        fprintf(stderr, "intact: note: %s\n", q->notes[i]);
}

/* "affine" or "symmetric" and the like: 0 for the first word, 1 for the second, -1 otherwise. */
static int choice(const char *value, const char *first, const char *second)
{
    return !value || strcmp(value, first) == 0 ? 0 : strcmp(value, second) == 0 ? 1 : -1;
}

/* --set and --apply, taken apart in place. */
typedef struct quantize_lists {
    char set_text[1024], method_text[512];
    intact_field set[32];
    const char *methods[16];
    size_t set_len, methods_len;
} quantize_lists;

static bool lists_read(quantize_lists *l, const quantize_options *o)
{
    l->set_len = l->methods_len = 0;
    snprintf(l->set_text, sizeof l->set_text, "%s", o->set ? o->set : "");
    snprintf(l->method_text, sizeof l->method_text, "%s", o->methods ? o->methods : "");
    for (char *s = strtok(l->set_text, ","); s; s = strtok(NULL, ",")) {
        char *is = strchr(s, '=');
        if (!is || l->set_len == sizeof l->set / sizeof *l->set)
            return cli_fail_usage("--set was given '%s'; FIELD=VALUE, at most %zu of them, are needed", o->set, sizeof l->set / sizeof *l->set), false;
        *is = 0;
        l->set[l->set_len++] = (intact_field){s, is + 1};
    }
    for (char *s = strtok(l->method_text, ","); s && l->methods_len < sizeof l->methods / sizeof *l->methods; s = strtok(NULL, ","))
        l->methods[l->methods_len++] = s;
    return true;
}

/* "2MB" with units of 1024, "300M" with units of 1000; 0 when it is no such thing. */
static uint64_t amount(const char *text, double unit, char behind)
{
    static const char units[] = "kMG";
    char *end;
    if (*text < '0' || *text > '9')
        return 0;
    double v = strtod(text, &end);
    const char *letter = *end ? strchr(units, *end == 'K' ? 'k' : *end) : NULL;
    for (const char *u = units; letter && u <= letter; u++)
        v *= unit;
    end += letter != NULL;
    end += behind && *end == behind;
    return *end || !(v >= 1 && v < 1e15) ? 0 : (uint64_t)v;
}

static bool read_budget(const char *text, intact_search_options *s)
{
    char *end;
    if (strncmp(text, "size=", 5) == 0)
        return (s->budget_bytes = amount(text + 5, 1024, 'B')) != 0;
    if (strncmp(text, "macs=", 5) == 0)
        return (s->budget_macs = amount(text + 5, 1000, 0)) != 0;
    if (strncmp(text, "latency=", 8) != 0 || text[8] < '0' || text[8] > '9')
        return false;
    s->budget_ms = strtod(text + 8, &end);
    return (*end == 0 || strcmp(end, "ms") == 0) && s->budget_ms > 0 && s->budget_ms < 1e9;
}

/* EXIT_DONE with s filled, or EXIT_USAGE after having said why. */
static int read_goal(const quantize_options *o, intact_search_options *s)
{
    char *end = NULL;
    if (o->max_drop) {
        s->max_drop = strtod(o->max_drop, &end);
        if (end == o->max_drop || *end || !(s->max_drop >= 0 && s->max_drop <= 100))
            return cli_fail_usage("--max-drop was given '%s'; points from 0 to 100 are needed", o->max_drop);
        if (!o->eval)
            return cli_fail_usage("--max-drop needs --eval DATA, labelled");
    }
    if (o->prefer && strcmp(o->prefer, "size") != 0)
        return cli_fail_usage("--prefer was given '%s'; size is what can be preferred", o->prefer);
    if (o->prefer && !o->max_drop)
        return cli_fail_usage("--prefer size needs --max-drop POINTS: the fewest bits that hold it");
    s->prefer_size = o->prefer != NULL;
    if (o->budget && !read_budget(o->budget, s))
        return cli_fail_usage("--budget was given '%s'; size=BYTES, macs=NUMBER or latency=MILLISECONDS is needed, as in size=2MB, macs=150M, latency=3.5ms", o->budget);
    if (o->fallback && strcmp(o->fallback, "float") != 0)
        return cli_fail_usage("--fallback was given '%s'; float is what can be fallen back to", o->fallback);
    if (o->fallback && !o->max_drop)
        return cli_fail_usage("--fallback float needs --max-drop POINTS: the layers stay in float that keep it from holding");
    s->fallback_float = o->fallback != NULL;
    if (!o->max_drop && !o->budget)
        return cli_fail_usage("--log needs --max-drop POINTS or --budget WHAT=N");
    return o->calib ? EXIT_DONE : cli_fail_usage("trying recipes needs --calib DATA");
}

/* Options that would change nothing are no mistake to pass over. EXIT_DONE or EXIT_USAGE. */
static int check_use(const cli_run *r, const quantize_options *o)
{
    static const char *const of_eval[] = {"labels", "label-offset", "eval-limit"}, *const counts[] = {"samples", "weight-bits", "act-bits"};
    for (size_t i = 0; i < sizeof of_eval / sizeof *of_eval; i++)
        if (!o->eval && cli_given(r, of_eval[i]))
            return cli_fail_usage("--%s is of --eval DATA, which was not given", of_eval[i]);
    if (cli_given(r, counts[0]) && !o->samples)
        return cli_fail_usage("--samples was given 0; a number of samples from 1 on is needed");
    if ((cli_given(r, counts[1]) && !o->weight_bits) || (cli_given(r, counts[2]) && !o->act_bits))
        return cli_fail_usage("--%s was given 0; bits from 2 to 8 are needed", o->weight_bits || !cli_given(r, counts[1]) ? counts[2] : counts[1]);
    if (o->keep8 && !o->recipe && !o->set && (!o->weight_bits || o->weight_bits == 8) && (!o->act_bits || o->act_bits >= 8))
        return cli_fail_usage("--keep8 names layers that stay at 8 bits where others have fewer; here all have 8: --weight-bits or --act-bits is needed too");
    return EXIT_DONE;
}

static void tell_missed(const cli_run *r, const intact_search_options *s, const intact_search_result *res)
{
    const intact_search_step *best = &res->steps[res->best];
    bool loses = s->max_drop >= 0 && best->top1 >= 0 && best->drop > s->max_drop;
    double has = s->budget_bytes ? (double)best->file_bytes : s->budget_macs ? (double)best->weighted_macs : best->ms;
    double limit = s->budget_bytes ? (double)s->budget_bytes : s->budget_macs ? (double)s->budget_macs : s->budget_ms;
    const char *unit = s->budget_bytes ? "bytes" : s->budget_macs ? "multiply-accumulates" : "ms";
    if (limit > 0 && has > limit)
        fprintf(stderr, "intact: %s: the budget is not kept: the best step, %s, has %.10g %s of %.10g%s; %s is its program\n", r->args[0], best->name, has, unit, limit,
                loses ? ", and loses more than may be lost" : "", res->path);
    else
        fprintf(stderr, "intact: %s: the gate is not met: the best step, %s, loses %.2f points; %s is its program\n", r->args[0], best->name, best->drop, res->path);
}

static int search_run(const cli_run *r, const quantize_options *o, const intact_quantize_options *q)
{
    intact_search_options s;
    intact_search_result res;
    intact_error err;
    intact_search_options_default(&s);
    s.quantize = *q;
    s.eval = (intact_data_options){.path = o->eval, .labels = o->labels, .preprocess = o->preprocess, .label_offset = o->label_offset, .limit = o->eval_limit};
    s.log = o->log;
    int rc = read_goal(o, &s);
    if (rc != EXIT_DONE)
        return rc;
    if (intact_search(r->ctx, r->args[0], &s, &res, &err) != INTACT_OK)
        return cli_fail(&err);
    rc = cli_steps_print(&o->common, &res);
    if (rc == EXIT_DONE && !res.holds) {
        tell_missed(r, &s, &res);
        rc = EXIT_GATE;
    }
    intact_search_result_release(r->ctx, &res);
    return rc;
}

static int quantize_run(const cli_run *r, const void *options)
{
    const quantize_options *o = options;
    intact_quantize_options q;
    intact_quantize_options_default(&q);
    if (!o->output)
        return cli_fail_usage("intact quantize needs -o OUT.itm (or OUT.onnx)");
    int use = check_use(r, o);
    if (use != EXIT_DONE)
        return use;
    bool searches = o->max_drop || o->prefer || o->budget || o->fallback || o->log;
    if (o->eval && !o->report && !o->report_json && !searches)
        return cli_fail_usage("--eval DATA is for a goal or a report: --max-drop POINTS, --report FILE.html or --report-json FILE.json is needed too");
    q.symmetric_activations = choice(o->acts, "affine", "symmetric");
    q.per_tensor_weights = choice(o->weights, "per-channel", "per-tensor");
    if (q.symmetric_activations < 0)
        return cli_fail_usage("--activations was given '%s'; affine or symmetric is needed", o->acts);
    if (q.per_tensor_weights < 0)
        return cli_fail_usage("--weights was given '%s'; per-channel or per-tensor is needed", o->weights);
    q.output = o->output;
    q.calib.path = o->calib;
    q.calib.preprocess = o->preprocess;
    q.calib.limit = o->limit;
    q.samples = o->samples;
    q.seed = o->seed;
    q.given = (cli_given(r, "seed") ? INTACT_GIVEN_SEED : 0) | (o->acts ? INTACT_GIVEN_ACTIVATIONS : 0) | (o->weights ? INTACT_GIVEN_WEIGHTS : 0);
    q.method = o->method;
    q.weight_bits = o->weight_bits;
    q.act_bits = o->act_bits;
    q.keep8 = o->keep8;
    q.keep_softmax = o->keep_softmax;
    quantize_lists lists;
    if (!lists_read(&lists, o))
        return EXIT_USAGE;
    q.recipe = o->recipe;
    q.ranges = o->range_file;
    q.set = lists.set;
    q.set_len = lists.set_len;
    q.methods = lists.methods;
    q.methods_len = lists.methods_len;
    q.report = o->report;
    q.report_json = o->report_json;
    if (searches)
        return search_run(r, o, &q);
    q.eval = (intact_data_options){.path = o->eval, .labels = o->labels, .preprocess = o->preprocess, .label_offset = o->label_offset, .limit = o->eval_limit};
    intact_error err;
    intact_quantize_result res;
    if (intact_quantize(r->ctx, r->args[0], &q, &res, &err) != INTACT_OK)
        return cli_fail(&err);
    int rc = EXIT_DONE;
    if (o->common.json)
        rc = print_json(o, &res);
    else
        print_text(o, &res);
    intact_quantize_result_release(r->ctx, &res);
    return rc;
}

const cli_command cli_command_quantize = {
    .name = "quantize", .summary = "make a float network integer", .args = "MODEL.onnx", .args_min = 1, .args_max = 1,
    .details = "Reads a float network, measures the range of every value on calibration data, and writes an integer program that runs without a single float instruction. "
               "A network that came quantized (QuantizeLinear and DequantizeLinear, QLinearConv and its like) keeps its scales and needs no data; what it left in float needs them. "
               "By default weights have 8 bits, symmetric, one scale per output channel; activations 8 bits, affine; the network's answer 16 bits.",
    .examples = "  intact quantize net.onnx -o net.itm --calib photos/ --preprocess imagenet\n"
                "  intact quantize net.onnx -o net.itm --calib train-images-idx3-ubyte.gz --method percentile:99.99 --samples 1000\n"
                "  intact quantize net.onnx -o net.itm --calib train/ --preprocess imagenet --eval val/ --max-drop 0.5\n",
    .options_bytes = sizeof(quantize_options), .options = quantize_table, .options_len = sizeof quantize_table / sizeof *quantize_table, .run = quantize_run,
};
