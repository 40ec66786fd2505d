/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_train.c: intact train: a float network learns from labelled samples. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct train_options {
    cli_common common;
    const char *dtype, *output, *data, *val, *labels, *val_labels, *preprocess, *optimizer, *schedule, *milestones, *augment, *teacher, *checkpoint, *resume, *metrics, *report, *report_json;
    uint32_t epochs, batch, feeders;
    uint64_t seed, limit, val_limit, restat, checkpoint_steps;
    int32_t label_offset;
    double freeze_after, rate, momentum, decay, warmup, factor, smoothing, temperature, share, clip, average, loss_scale;
    int nesterov, decay_all, freeze, per_tensor, sync;
    const char *qat, *from, *keep;
    uint32_t weight_bits, act_bits, delay;
} train_options;

static const cli_option train_table[] = {
    CLI_OPTION(train_options, output, "output", 'o', "OUT.onnx", TEXT, "file", "where the trained network goes; an old file stays whole until the run is at its end"),
    CLI_OPTION(train_options, data, "data", 'd', "DATA", TEXT, "file", "labelled training data: a folder with one sub-folder per class, a folder with labels.txt, a CIFAR-10 binary file, an IDX images file (.gz too), or an .npy of inputs"),
    CLI_OPTION(train_options, val, "val", 'v', "DATA", TEXT, "file", "labelled data to measure accuracy on, after every epoch"),
    CLI_OPTION(train_options, epochs, "epochs", 'e', "E", U32, NULL, "how often every sample is learned from"),
    CLI_OPTION(train_options, batch, "batch", 'b', "N", U32, NULL, "samples of a step; the default is 128"),
    CLI_OPTION(train_options, optimizer, "optimizer", 0, "NAME", TEXT, "optimizer", "how gradients move weights; the default is the first of"),
    CLI_OPTION(train_options, rate, "lr", 0, "X", REAL, NULL, "learning rate, the highest one of the schedule; the default is 0.1 for sgd, 0.001 for the others"),
    CLI_OPTION(train_options, momentum, "momentum", 0, "X", REAL, NULL, "of sgd; the default is 0.9"),
    CLI_OPTION(train_options, nesterov, "nesterov", 0, NULL, FLAG, NULL, "Nesterov's form of momentum"),
    CLI_OPTION(train_options, decay, "weight-decay", 0, "X", REAL, NULL, "of weights, not of biases and batch normalizations; the default is 0"),
    CLI_OPTION(train_options, decay_all, "decay-all", 0, NULL, FLAG, NULL, "weight decay of biases and batch normalizations too"),
    CLI_OPTION(train_options, schedule, "schedule", 0, "NAME", TEXT, "schedule", "the learning rate over time; the default is the first of"),
    CLI_OPTION(train_options, warmup, "warmup", 0, "EPOCHS", REAL, NULL, "epochs, or a part of one, in which the rate rises to --lr; the default is 0"),
    CLI_OPTION(train_options, milestones, "milestones", 0, "EPOCH,...", LIST, NULL, "of the schedule step: when the rate drops; the default is after half and three quarters of the epochs"),
    CLI_OPTION(train_options, factor, "factor", 0, "X", REAL, NULL, "of the schedule step: what the rate is multiplied by there; the default is 0.1"),
    CLI_OPTION(train_options, augment, "augment", 'a', "LIST", LIST, NULL, "images changed at random: crop=PIXELS (moved by up to that many each way), flip (left and right), cutout=PIXELS (a square left out), as in crop=4,flip"),
    CLI_OPTION(train_options, smoothing, "label-smoothing", 0, "X", REAL, NULL, "this share of every label is spread over all classes; the default is 0"),
    CLI_OPTION(train_options, teacher, "distill", 0, "TEACHER.onnx", TEXT, "file", "learn this network's answers too (distillation)"),
    CLI_OPTION(train_options, temperature, "temperature", 0, "T", REAL, NULL, "of both answers in distillation; the default is 4"),
    CLI_OPTION(train_options, share, "distill-weight", 0, "A", REAL, NULL, "the teacher's share of the loss, the labels have the rest; the default is 0.9"),
    CLI_OPTION(train_options, clip, "clip", 0, "X", REAL, NULL, "gradients longer than this are shortened to it; the default is any length"),
    CLI_OPTION(train_options, dtype, "dtype", 0, "f32|bf16|f16", TEXT, NULL, "what products take in training: bf16 and f16 round the operands of convolutions and matrix products, and bf16 halves the memory of what waits for the backward pass; weights, sums and all else stay float32. The default is f32"),
    CLI_OPTION(train_options, loss_scale, "loss-scale", 0, "X", REAL, NULL, "of --dtype f16: the loss times this keeps small gradients alive; the default is found while training, from 32768, halved when a gradient overflows"),
    CLI_OPTION(train_options, average, "ema", 0, "X", REAL, NULL, "measure and write an exponential moving average of the weights with this decay (0.999)"),
    CLI_OPTION(train_options, restat, "restat", 0, "N", U64, NULL, "before measuring and writing, take the statistics of batch normalizations anew from N training samples; the default is none, and 2048 with --ema"),
    CLI_OPTION(train_options, freeze, "freeze-bn", 0, NULL, FLAG, NULL, "batch normalizations keep the statistics they came with: for fine-tuning with small batches"),
    CLI_OPTION(train_options, freeze_after, "freeze-after", 0, "EPOCHS", REAL, NULL, "after so many epochs batch normalizations keep the statistics they have; the default is never"),
    CLI_OPTION(train_options, qat, "qat", 0, "METHOD", TEXT, "qat", "round weights and values while training, as the integer program will that is written to -o OUT.itm and measured. ste: by ranges (8 bits, or few less); pact, lsq: ranges are learned (2 to 6 bits). METHOD is"),
    CLI_OPTION(train_options, weight_bits, "weight-bits", 0, "B", U32, NULL, "of --qat: 2 to 8"),
    CLI_OPTION(train_options, act_bits, "act-bits", 0, "B", U32, NULL, "of --qat: 2 to 8, of what layers with weights read; sums and pooling keep 8"),
    CLI_OPTION(train_options, from, "from", 0, "CALIBRATOR", TEXT, "method", "of --qat: whose ranges it begins with, best-ptq (the best found by trials) or one of intact quantize's methods; ste keeps them then"),
    CLI_OPTION(train_options, keep, "keep", 0, "LAYERS", LIST, NULL, "of --qat: these keep 8 bits; none, or names with * and ?; the default is first,last"),
    CLI_OPTION(train_options, per_tensor, "weights-per-tensor", 0, NULL, FLAG, NULL, "of --qat: one scale for the weights of a layer, not one a channel"),
    CLI_OPTION(train_options, delay, "qat-delay", 0, "STEPS", U32, NULL, "of --qat: steps before values are rounded; the default is 0"),
    CLI_OPTION(train_options, preprocess, "preprocess", 'p', "P", TEXT, "preprocess", "see intact quantize; the default is pixels 0..1. The network must be used with the same later"),
    CLI_OPTION(train_options, labels, "labels", 0, "FILE.npy", TEXT, "file", "labels of an .npy --data"),
    CLI_OPTION(train_options, val_labels, "val-labels", 0, "FILE.npy", TEXT, "file", "labels of an .npy --val"),
    CLI_OPTION(train_options, label_offset, "label-offset", 0, "K", S32, NULL, "added to every label (1 for networks whose class 0 is a background class)"),
    CLI_OPTION(train_options, limit, "limit", 0, "N", U64, NULL, "N training samples only, chosen at random, the same ones for every seed"),
    CLI_OPTION(train_options, val_limit, "val-limit", 0, "N", U64, NULL, "the first N validation samples only, as intact eval --limit takes them"),
    CLI_OPTION(train_options, sync, "sync-bn", 0, NULL, FLAG, NULL, "batch normalizations over the samples of all processes (mpirun -n P intact train ...), not each over its own part"),
    CLI_OPTION(train_options, seed, "seed", 0, "S", U64, NULL, "of order and augmentation; the default is 0"),
    CLI_OPTION(train_options, checkpoint, "checkpoint", 0, "FILE", TEXT, "file", "where the run is kept so that it can go on; the default is OUT.onnx.ckpt, removed at the end"),
    CLI_OPTION(train_options, checkpoint_steps, "checkpoint-steps", 0, "N", U64, NULL, "write it every N steps too; the default is at the start and after every epoch"),
    CLI_OPTION(train_options, resume, "resume", 'r', "FILE", TEXT, "file", "go on from this checkpoint, with the options of the run that wrote it: the result is the same as if it had never stopped"),
    CLI_OPTION(train_options, metrics, "metrics", 0, "FILE.jsonl", TEXT, "file", "a line of JSON an epoch: loss, accuracy, learning rate, seconds"),
    CLI_OPTION(train_options, report, "report", 0, "FILE.html", TEXT, "file", "a page with curves and settings, rewritten after every epoch"),
    CLI_OPTION(train_options, report_json, "report-json", 0, "FILE.json", TEXT, "file", "the same facts as JSON (docs/REPORT.md)"),
    CLI_OPTION(train_options, feeders, "feeders", 0, "T", U32, NULL, "threads that read samples ahead; the default is half of --threads"),
    CLI_OPTION(train_options, common.threads, "threads", 't', "T", U32, NULL, "worker threads; 0, the default: one per processor. Another number gives another result in the last bits"),
};

/* "4,8.5": ascending numbers are checked by the library. */
static bool read_milestones(const char *text, double *out, size_t *len)
{
    for (const char *at = text; *at;) {
        char *end;
        if (*len == 8)
            return false;
        out[*len] = strtod(at, &end);
        if (end == at || (*end && *end != ','))
            return false;
        ++*len;
        at = end + (*end == ',');
    }
    return *len > 0;
}

/* ---- what is printed ---- */

typedef struct talk { const cli_run *r; bool quiet; } talk;

static void print_epoch(void *user, const intact_train_epoch *e)
{
    const talk *t = user;
    char val[48] = "";
    if (t->quiet)
        return;
    cli_progress_clear(t->r->progress);
    if (e->val_top1 >= 0)
        snprintf(val, sizeof val, "  val top-1 %5.2f %%", 100 * e->val_top1);
    printf("epoch %3u/%u  loss %.4f  top-1 %5.2f %%%s  lr %.3g  %.1f s", e->epoch, e->epochs, e->loss, 100 * e->top1, val, e->rate, e->seconds);
    if (e->images_per_second > 0)
        printf("  %.0f images/s", e->images_per_second);
    if (e->skipped)
        printf("  (%llu unreadable ones skipped)", (unsigned long long)e->skipped);
    printf("\n");
    fflush(stdout);
}

static json_t *epoch_json(const intact_train_epoch *e)
{
    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", (int)e->epoch, "loss", cli_real(e->loss), "train_top1", cli_real(e->top1), "val_top1",
                     e->val_top1 >= 0 ? json_real(e->val_top1) : json_null(), "rate", cli_real(e->rate), "gradient", cli_real(e->norm), "seconds", cli_real(e->seconds), "images_per_second",
                     cli_real(e->images_per_second), "waited", cli_real(e->waited));
}

static json_t *measured(double v) { return v >= 0 ? json_real(v) : json_null(); }

static int print_json(const train_options *o, const intact_train_result *t)
{
    json_t *epochs = json_array();
    for (uint32_t i = 0; i < t->epochs_len; i++)
        json_array_append_new(epochs, epoch_json(&t->epochs[i]));
    return cli_json(json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:i, s:o, s:o, s:o, s:f, s:o}", "output", cli_string(o->output), "sha256", t->sha256, "file_bytes", (json_int_t)t->file_bytes,
                              "parameters", (json_int_t)t->parameters, "samples", (json_int_t)t->samples, "val_samples", (json_int_t)t->val_samples, "memory_bytes", (json_int_t)t->memory_bytes,
                              "resumed", (int)t->resumed, "val_top1", measured(t->val_top1), "val_top5", measured(t->val_top5), "val_top1_standard_error", measured(t->val_standard_error),
                              "seconds", t->seconds, "epochs", epochs));
}

static void print_text(const train_options *o, const intact_train_result *t)
{
    char count[32];
    printf("%s: %s parameters learned from %llu samples", o->output, cli_count((double)t->parameters, count), (unsigned long long)t->samples);
    if (t->val_top1 >= 0)
        printf("; top-1 %.2f %% (standard error %.2f), top-5 %.2f %% on %llu", 100 * t->val_top1, 100 * t->val_standard_error, 100 * t->val_top5, (unsigned long long)t->val_samples);
    printf("; %.1f s\n", t->seconds);
}

/* ---- the command ---- */

/* Options that would change nothing, and values that mean the default although somebody gave them. EXIT_DONE or EXIT_USAGE. */
static int check_use(const cli_run *r, const train_options *o)
{
    static const char *const of_teacher[] = {"temperature", "distill-weight"}, *const of_val[] = {"val-labels", "val-limit"};
    const struct { const char *name; bool none; } positive[] = {
        {"batch", !o->batch}, {"lr", o->rate <= 0}, {"factor", o->factor <= 0}, {"temperature", o->temperature <= 0}, {"distill-weight", o->share <= 0}, {"ema", o->average <= 0}, {"loss-scale", o->loss_scale <= 0}, {"clip", o->clip <= 0},
    };
    if (!o->output || !o->data || !o->epochs)
        return cli_fail_usage("intact train needs %s", !o->output ? "-o OUT.onnx" : !o->data ? "--data DATA" : "--epochs E, 1 or more");
    for (size_t i = 0; i < 2; i++) {
        if (!o->teacher && cli_given(r, of_teacher[i]))
            return cli_fail_usage("--%s is of --distill TEACHER.onnx, which was not given", of_teacher[i]);
        if (!o->val && cli_given(r, of_val[i]))
            return cli_fail_usage("--%s is of --val DATA, which was not given", of_val[i]);
    }
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        if (positive[i].none && cli_given(r, positive[i].name))
            return cli_fail_usage("--%s was given a number that is not above 0", positive[i].name);
    static const char *const of_qat[] = {"weight-bits", "act-bits", "from", "keep", "weights-per-tensor", "qat-delay"};
    for (size_t i = 0; i < sizeof of_qat / sizeof *of_qat; i++)
        if (!o->qat && cli_given(r, of_qat[i]))
            return cli_fail_usage("--%s is of --qat METHOD, which was not given", of_qat[i]);
    if (o->qat && (!cli_given(r, "weight-bits") || !cli_given(r, "act-bits")))
        return cli_fail_usage("--qat %s needs --weight-bits B and --act-bits B, 2 to 8 each", o->qat);
    return EXIT_DONE;
}

static intact_train_options options_of(const cli_run *r, const train_options *o)
{
    intact_train_options t;
    intact_train_options_default(&t);
    t.output = o->output;
    t.data = (intact_data_options){.path = o->data, .labels = o->labels, .preprocess = o->preprocess, .label_offset = o->label_offset, .limit = o->limit};
    t.val = (intact_data_options){.path = o->val, .labels = o->val_labels, .preprocess = o->preprocess, .label_offset = o->label_offset, .limit = o->val_limit};
    t.epochs = o->epochs;
    t.batch = o->batch;
    t.optimizer = o->optimizer;
    t.rate = o->rate;
    if (cli_given(r, "momentum"))
        t.momentum = o->momentum;
    t.nesterov = o->nesterov;
    t.decay = o->decay;
    t.decay_all = o->decay_all;
    t.schedule = o->schedule;
    t.warmup = o->warmup;
    t.factor = o->factor;
    t.augment = o->augment;
    t.smoothing = o->smoothing;
    t.teacher = o->teacher;
    t.teacher_share = o->share;
    t.temperature = o->temperature;
    t.clip = o->clip;
    t.average = o->average;
    t.dtype = o->dtype;
    t.loss_scale = o->loss_scale;
    t.restat = o->restat;
    t.sync_statistics = o->sync;
    t.freeze_statistics = o->freeze;
    t.freeze_after = o->freeze_after;
    t.qat = o->qat;
    t.weight_bits = (int)o->weight_bits;
    t.act_bits = (int)o->act_bits;
    t.qat_from = o->from;
    t.qat_keep = o->keep;
    t.weights_per_tensor = o->per_tensor;
    t.qat_delay = o->delay;
    t.seed = o->seed;
    t.feeders = o->feeders;
    t.checkpoint = o->checkpoint;
    t.checkpoint_steps = o->checkpoint_steps;
    t.resume = o->resume;
    t.metrics = o->metrics;
    t.report = o->report;
    t.report_json = o->report_json;
    return t;
}

static int train_run(const cli_run *r, const void *options)
{
    const train_options *o = options;
    double milestones[8];
    int use = check_use(r, o);
    if (use != EXIT_DONE)
        return use;
    intact_train_options t = options_of(r, o);
    if (o->milestones && !read_milestones(o->milestones, milestones, &t.milestones_len))
        return cli_fail_usage("--milestones was given '%s'; epochs with commas between are needed, at most 8", o->milestones);
    talk listener = {r, o->common.json || o->common.quiet};
    t.milestones = milestones;
    t.on_epoch = print_epoch;
    t.user = &listener;
    r->progress->unit = "images/s";
    intact_error err;
    intact_train_result res;
    int rc = EXIT_DONE;
    if (intact_train(r->ctx, r->args[0], &t, &res, &err) != INTACT_OK)
        rc = cli_fail(&err);
    else if (o->common.json && !res.silent)
        rc = print_json(o, &res);
    else if (!res.silent)
        print_text(o, &res);
    intact_train_result_release(r->ctx, &res);
    return rc;
}

const cli_command cli_command_train = {
    .name = "train", .summary = "train a float network", .args = "MODEL.onnx", .args_min = 1, .args_max = 1,
    .details = "Learns from labelled samples with a softmax and cross-entropy, from the weights that the network brings: those of intact new to begin at nothing, trained ones to go on. Prints a line "
               "an epoch; what it writes is the network that was read with other numbers. The accuracy that it prints is that of intact eval on the file. The same options, threads and machine "
               "give the same file, also when the run was interrupted or killed and went on with --resume.",
    .examples = "  intact new resnet20 -o start.onnx\n"
                "  intact train start.onnx -o net.onnx --data train/ --val val/ --preprocess cifar --epochs 30 --lr 0.1 --weight-decay 5e-4 --augment crop=4,flip --report net.html\n"
                "  intact train net.onnx -o tuned.onnx --data train/ --val val/ --preprocess cifar --epochs 10 --lr 0.02 --distill teacher.onnx\n",
    .options_bytes = sizeof(train_options), .options = train_table, .options_len = sizeof train_table / sizeof *train_table, .run = train_run,
};
