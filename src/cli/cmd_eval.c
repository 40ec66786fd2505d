/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_eval.c: intact eval: accuracy on a labelled data set. */
#include <math.h>

#include "cli.h"

typedef struct eval_options {
    cli_common common;
    const char *data, *labels, *preprocess, *against;
    int32_t label_offset;
    uint64_t limit;
    double min_top1, max_loss;
    intact_cpu cpu;
} eval_options;

static const cli_option eval_table[] = {
    CLI_OPTION(eval_options, data, "data", 'd', "DATA", TEXT, "file", "labelled samples; the same kinds as quantize --calib"),
    CLI_OPTION(eval_options, labels, "labels", 0, "FILE.npy", TEXT, "file", "labels of an .npy data set"),
    CLI_OPTION(eval_options, preprocess, "preprocess", 'p', "P", TEXT, "preprocess", "see intact quantize; an .itm brings its own"),
    CLI_OPTION(eval_options, label_offset, "label-offset", 0, "K", S32, NULL, "added to every label (1 for networks whose class 0 is a background class)"),
    CLI_OPTION(eval_options, limit, "limit", 0, "N", U64, NULL, "the first N samples only"),
    CLI_OPTION(eval_options, against, "against", 0, "MODEL", TEXT, "file", "a second network on the same samples: prints the paired difference and its standard error (McNemar)"),
    CLI_OPTION(eval_options, min_top1, "min-top1", 0, "PERCENT", REAL, NULL, "a gate: exit code 1 when top-1 is lower"),
    CLI_OPTION(eval_options, max_loss, "max-loss", 0, "POINTS", REAL, NULL,
               "with --against, a gate: exit code 1 when top-1 is lower by more points than this and two standard errors of the paired difference"),
    CLI_OPTION(eval_options, cpu, "cpu", 0, "LEVEL", CPU, "cpu", "CPU level of an integer program"),
};

/* EXIT_DONE, or EXIT_GATE with a sentence. */
static int min_gate(const cli_run *r, const eval_options *o, double top1)
{
    if (!cli_given(r, "min-top1") || 100 * top1 >= o->min_top1)
        return EXIT_DONE;
    fprintf(stderr, "intact: top-1 is %.2f %%, the gate is %.2f %%\n", 100 * top1, o->min_top1);
    return EXIT_GATE;
}

static int loss_gate(const cli_run *r, const eval_options *o, const intact_compare_result *c)
{
    if (!cli_given(r, "max-loss") || 100 * c->loss <= o->max_loss + 200 * c->loss_standard_error)
        return min_gate(r, o, c->top1_b);
    fprintf(stderr, "intact: the loss is %.2f points, the gate is %.2f and two standard errors (%.2f)\n", 100 * c->loss, o->max_loss, 200 * c->loss_standard_error);
    return EXIT_GATE;
}

static int eval_pair(const cli_run *r, const eval_options *o, const intact_model *m, const intact_data_options *d)
{
    intact_error err;
    intact_model *ref;
    intact_compare_result c;
    if (intact_model_open(r->ctx, o->against, o->cpu, &ref, &err) != INTACT_OK)
        return cli_fail(&err);
    int rc = cli_check_cpu(r, m, ref);
    if (rc == EXIT_DONE && intact_compare(r->ctx, ref, m, d, 0, &c, &err) != INTACT_OK) {
        rc = cli_fail(&err);
    } else if (rc == EXIT_DONE) {
        if (o->common.json)
            rc = cli_json(json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f}", "n", (json_int_t)c.labelled, "top1", c.top1_b, "top5", c.top5_b, "top1_against", c.top1_a, "loss", c.loss,
                                    "loss_standard_error", c.loss_standard_error, "agreement", c.agreement, "skipped", (json_int_t)c.skipped, "seconds", c.seconds));
        else
            printf("top-1 %.2f %% against %.2f %%: %.2f points %s, standard error %.2f (McNemar: right alone %llu and %llu); same answer on %.2f %%; %llu samples, %.1f s\n", 100 * c.top1_b,
                   100 * c.top1_a, 100 * fabs(c.loss), c.loss < 0 ? "higher" : "lower", 100 * c.loss_standard_error, (unsigned long long)c.only_b, (unsigned long long)c.only_a, 100 * c.agreement, (unsigned long long)c.labelled,
                   c.seconds);
        if (rc == EXIT_DONE)
            rc = loss_gate(r, o, &c);
        intact_compare_result_release(r->ctx, &c);
    }
    intact_model_free(ref);
    return rc;
}

static int eval_one(const cli_run *r, const eval_options *o, const intact_model *m, const intact_data_options *d)
{
    intact_error err;
    intact_eval_result e;
    int use = cli_check_cpu(r, m, NULL);
    if (use != EXIT_DONE)
        return use;
    if (intact_eval(r->ctx, m, d, &e, &err) != INTACT_OK)
        return cli_fail(&err);
    if (o->common.json) {
        int rc = cli_json(json_pack("{s:I, s:f, s:f, s:f, s:f, s:I}", "n", (json_int_t)e.n, "top1", e.top1, "top5", e.top5, "seconds", e.seconds, "top1_standard_error", e.top1_standard_error, "skipped",
                                  (json_int_t)e.skipped));
        return rc == EXIT_DONE ? min_gate(r, o, e.top1) : rc;
    }
    printf("top-1 %.2f %% (standard error %.2f), top-5 %.2f %%; %llu samples, %.1f s", 100 * e.top1, 100 * e.top1_standard_error, 100 * e.top5, (unsigned long long)e.n, e.seconds);
    if (e.skipped)
        printf(", %llu unreadable ones skipped", (unsigned long long)e.skipped);
    printf("\n");
    return min_gate(r, o, e.top1);
}

static int eval_run(const cli_run *r, const void *options)
{
    const eval_options *o = options;
    if (!o->data)
        return cli_fail_usage("intact eval needs --data DATA");
    if (cli_given(r, "max-loss") && !o->against)
        return cli_fail_usage("--max-loss needs --against MODEL");
    if (o->max_loss < 0 || o->min_top1 < 0 || o->min_top1 > 100)
        return cli_fail_usage("a gate of %g was given; --max-loss takes points from 0 on, --min-top1 a percentage", o->max_loss < 0 ? o->max_loss : o->min_top1);
    intact_data_options d;
    intact_data_options_default(&d);
    d.path = o->data;
    d.labels = o->labels;
    d.preprocess = o->preprocess;
    d.label_offset = o->label_offset;
    d.limit = o->limit;
    intact_error err;
    intact_model *m;
    if (intact_model_open(r->ctx, r->args[0], o->cpu, &m, &err) != INTACT_OK)
        return cli_fail(&err);
    int rc = o->against ? eval_pair(r, o, m, &d) : eval_one(r, o, m, &d);
    intact_model_free(m);
    return rc;
}

const cli_command cli_command_eval = {
    .name = "eval", .summary = "measure accuracy", .args = "MODEL", .args_min = 1, .args_max = 1,
    .details = "Runs a float (.onnx) or integer (.itm) network over labelled data and prints top-1 and top-5 accuracy. Unreadable samples are named, counted and left out. "
               "Ties in a ranking go to the lower index.",
    .examples = "  intact eval net.onnx --data photos/ --preprocess imagenet\n  intact eval net.itm --data photos/ --against net.onnx --max-loss 0.5\n",
    .options_bytes = sizeof(eval_options), .options = eval_table, .options_len = sizeof eval_table / sizeof *eval_table, .run = eval_run,
};
