/* SPDX-License-Identifier: Apache-2.0 */
/* intact.h: the toolkit: reads float networks, makes them integer, measures both. One function per verb of the command.
**
**   ctx     allocator, threads, log and progress callbacks
**   model   a network file, float (.onnx) or integer (.itm), recognised by content
**
** Structs of options are filled by their _default function, then changed; texts in them are borrowed for the call. Structs of
** results belong to the caller and are emptied by their _release function. Calls are safe from several threads on different ctx. */
#ifndef INTACT_INTACT_H
#define INTACT_INTACT_H

#include "intact/run.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct intact_ctx intact_ctx;
typedef struct intact_model intact_model;

typedef enum intact_log_level { INTACT_LOG_INFO, INTACT_LOG_WARNING } intact_log_level;

typedef struct intact_ctx_options {
    const intact_alloc *alloc; /* NULL: C library */
    uint32_t threads;          /* workers; 0: as many as the machine has processors. Results do not depend on it */
    void (*log)(void *user, intact_log_level level, const char *text);
    /* what: "calibrating", "evaluating", ...; done of total samples or steps. Return 0 to go on, anything else stops with CANCELLED. */
    int (*progress)(void *user, const char *what, uint64_t done, uint64_t total);
    void *user;
    const char *shape;         /* "1x3x224x224": of the first input of float networks that leave dimensions open; NULL: as they say. Lives as long as the ctx */
} intact_ctx_options;

INTACT_API void intact_ctx_options_default(intact_ctx_options *o);
INTACT_MUST_USE INTACT_API intact_status intact_ctx_new(const intact_ctx_options *o, intact_ctx **out, intact_error *err); /* o may be NULL */
INTACT_API void intact_ctx_free(intact_ctx *c);

/* ---- models ---- */

typedef enum intact_model_kind { INTACT_MODEL_FLOAT, INTACT_MODEL_INTEGER } intact_model_kind;

/* cpu: the level that integer programs are packed for (AUTO: the best). */
INTACT_MUST_USE INTACT_API intact_status intact_model_open(intact_ctx *c, const char *path, intact_cpu cpu, intact_model **out, intact_error *err);
INTACT_API void intact_model_free(intact_model *m);
INTACT_API intact_model_kind intact_model_get_kind(const intact_model *m);
INTACT_API const intact_program *intact_model_program(const intact_model *m); /* NULL for float models */

typedef struct intact_io { /* an input or output as the network's own shapes have it */
    char name[128];
    char type[16];                     /* "float", "u8", "s16", ... */
    uint32_t rank;
    int64_t dims[INTACT_RANK_MAX];     /* -1: symbolic; float models NCHW, integer ones NHWC */
    float scale;                       /* integer models only */
    int32_t zero_point;
    int is_pixels;
} intact_io;

typedef struct intact_layer_info {
    char name[128], op[32], shape[64];
    char kernel[48];                   /* integer models: the kernel version */
    uint64_t macs, parameters;
    uint32_t weight_bits;              /* integer models: of a stored weight; 0: none */
} intact_layer_info;

typedef struct intact_op_count { char op[32]; uint32_t count; int has_integer; } intact_op_count;

typedef struct intact_info {
    intact_model_kind kind;
    int opset;                         /* float models */
    intact_io *inputs, *outputs;
    uint32_t inputs_len, outputs_len;
    intact_op_count *ops;              /* operators or instructions by number of uses */
    uint32_t ops_len;
    intact_layer_info *layers;
    uint32_t layers_len;
    uint64_t macs, parameters, file_bytes;
    uint64_t peak_bytes, bound_bytes;  /* activations, batch 1; for float models the executor's measured peak (bound 0) */
    uint64_t packed_bytes;
    char cpu[16];
    char *meta;                        /* integer models: provenance JSON; NULL otherwise */
} intact_info;
INTACT_MUST_USE INTACT_API intact_status intact_model_info(intact_ctx *c, const intact_model *m, intact_info *out, intact_error *err);
INTACT_API void intact_info_release(intact_ctx *c, intact_info *i);

/* ---- data ---- */

typedef struct intact_data_options {
    const char *path;       /* folder of class folders, folder with labels.txt, CIFAR-10 binary, IDX images, .npy */
    const char *labels;     /* .npy of integers for .npy inputs; NULL */
    const char *preprocess; /* "imagenet", "resize=256,crop=224,..."; NULL: what the .itm stores, else 0..1 */
    int32_t label_offset;   /* added to every label (networks with a background class) */
    uint64_t limit;         /* at most this many samples, the first ones; 0: all */
} intact_data_options;
INTACT_API void intact_data_options_default(intact_data_options *o);

/* ---- quantize ---- */

typedef struct intact_field { const char *field, *value; } intact_field;

enum { INTACT_GIVEN_SEED = 1, INTACT_GIVEN_ACTIVATIONS = 2, INTACT_GIVEN_WEIGHTS = 4 };

typedef struct intact_quantize_options {
    const char *output;       /* path of the .itm; one that ends in .onnx: a quantized ONNX network (QuantizeLinear and DequantizeLinear) is written instead */
    intact_data_options calib;
    uint32_t samples;         /* of the calibration set, chosen by seed; 0: 512 or all */
    uint64_t seed;
    const char *method;       /* "max", "entropy", "percentile:99.99", "mse"; NULL: the default */
    int symmetric_activations;/* 0: affine */
    int per_tensor_weights;   /* 0: one scale per output channel */
    uint32_t weight_bits;     /* 2..8; 0: 8 */
    uint32_t act_bits;        /* 2..8; 0: 8 */
    const char *keep8;        /* with fewer bits: layers that stay at 8: "first,last,NAME,..."; NULL: "first,last"; "none" */
    int keep_softmax;         /* 1: a Softmax that is a graph output is kept, in 16 bits */
    const char *recipe;       /* path of a recipe (docs/RECIPE.md), read first; what is set here goes before it. NULL: none */
    uint32_t given;           /* INTACT_GIVEN_...: seed, symmetric_activations or per_tensor_weights goes before the recipe also where it is 0 */
    const char *ranges;       /* path of a ranges file. NULL: none */
    const intact_field *set;  /* fields of the recipe: {"weights.round", "adaround"}, ... */
    size_t set_len;
    const char *const *methods; /* "equalize", ...: in this order, behind the recipe's */
    size_t methods_len;
    const char *report, *report_json; /* paths of the report (docs/REPORT.md) as a page and as JSON. NULL: none */
    intact_data_options eval;   /* for the report: both networks run on it; labelled where accuracy is wanted. No path: not measured */
} intact_quantize_options;
INTACT_API void intact_quantize_options_default(intact_quantize_options *o);

typedef struct intact_range_info { char value[128]; char type[8]; float lo, hi, min, max, scale; int32_t zero_point; double clipped; } intact_range_info;

typedef struct intact_quantize_result {
    uint64_t samples, skipped;      /* used; unreadable ones left out */
    uint64_t given;                 /* weights and values that came quantized, and were kept */
    uint64_t file_bytes, peak_bytes;
    uint64_t weighted_macs;         /* multiply-accumulates of a sample, each weighted by weight bits x activation bits / 64 */
    double seconds;
    intact_range_info *ranges;      /* every quantized activation */
    uint32_t ranges_len;
    char **notes;                   /* what was adjusted, a sentence each */
    uint32_t notes_len;
} intact_quantize_result;
INTACT_MUST_USE INTACT_API intact_status intact_quantize(intact_ctx *c, const char *model_path, const intact_quantize_options *o,
                                                         intact_quantize_result *out, intact_error *err);
INTACT_API void intact_quantize_result_release(intact_ctx *c, intact_quantize_result *r);

/* ---- search: the cheapest recipe that holds an accuracy or fits a size ---- */

typedef struct intact_search_options {
    intact_quantize_options quantize; /* where the search begins; output is written when the goal is met (intact_search) */
    intact_data_options eval;  /* labelled where max_drop is asked for; no path: calibration samples */
    double max_drop;           /* points of top-1 that may be lost against the float network; below 0: no such goal */
    int prefer_size;           /* 1: fewest bits that hold max_drop; 0: the cheapest recipe that does */
    int fallback_float;        /* 1: the ladder's last step leaves sensitive layers in float; the output must end in .onnx */
    uint64_t budget_bytes;     /* the program's file may be this large; 0: any. Of the three budgets at most one is set */
    uint64_t budget_macs;      /* multiply-accumulates of a sample may be this many, each weighted by weight bits x activation bits / 64; 0: any */
    double budget_ms;          /* a sample may take this long on one thread of this machine; 0: any */
    uint64_t sense_samples;    /* samples of the sensitivity analysis; 0: 64 */
    const char *log;           /* path of the steps as JSON; NULL: none */
} intact_search_options;
INTACT_API void intact_search_options_default(intact_search_options *o);

typedef struct intact_search_step {
    char name[48], change[208]; /* what the recipe got */
    double top1, drop;          /* integer runtime's, fraction; points below the float network's. -1 and 0 without labels */
    double agreement, sqnr_db;  /* with the float network's answers */
    uint64_t file_bytes;
    uint64_t weighted_macs;     /* intact_quantize_result's */
    double ms;                  /* of a sample on one thread, where a budget of time made it measured; 0: not measured */
    double seconds;
    int holds;                  /* every goal */
    int failed;                 /* the recipe does not fit this network; change says why */
    double drop_error;          /* standard error of drop (McNemar), points; 0 without labels */
    int equal;                  /* drop is less than two standard errors above the least of all steps */
} intact_search_step;

typedef struct intact_search_result {
    double float_top1;          /* fraction; -1 without labels */
    intact_search_step *steps;
    uint32_t steps_len;
    uint32_t best;              /* the step that was written */
    int holds;                  /* it holds every goal; otherwise it lies beside, at path */
    char path[1024];            /* of the program that was written */
    double seconds;
    int bounded;                /* there was a goal: without one every step holds */
} intact_search_result;
/* Not meeting the goal is no failure: holds is 0, nothing is at output, and the best that was found is at "<output without .itm>.best.itm" (of an ONNX output, ".best.onnx"),
** its steps and its recipe at "....best.json". What is written says nothing of the search: its recipe alone gives the same bytes.
** With quantize.report the best step is quantized once more for its report, which then holds sensitivity, steps and the curve too. */
INTACT_MUST_USE INTACT_API intact_status intact_search(intact_ctx *c, const char *model_path, const intact_search_options *o, intact_search_result *out, intact_error *err);
/* Measures sensitivity, the steps of the search and the curve of size against accuracy; writes report.html, report.json and recipe.json into folder.
** Finished measurements are kept in folder/state.jsonl: a second call with the same network, data and settings takes them from there. */
INTACT_MUST_USE INTACT_API intact_status intact_tune(intact_ctx *c, const char *model_path, const char *folder, const intact_search_options *o, intact_search_result *out,
                                                     intact_error *err);
INTACT_API void intact_search_result_release(intact_ctx *c, intact_search_result *r);

/* ---- train: a float network learns from labelled samples ---- */

typedef struct intact_train_epoch { /* all of one epoch; top1 and val_top1 are fractions, val_top1 -1 where nothing was given to measure on */
    uint32_t epoch, epochs;   /* from 1 */
    double loss, top1;        /* mean over the epoch's samples, as the network stood at each step, augmented */
    double val_top1;          /* of the network as it would be written now */
    double rate, norm;        /* the last step's learning rate and length of the gradient */
    double seconds;           /* with the evaluation */
    double images_per_second; /* without it */
    double waited;            /* seconds that the trainer stood still for want of data */
    uint64_t images, skipped; /* unreadable ones were left out */
} intact_train_epoch;

typedef struct intact_train_options {
    const char *output;       /* path of the .onnx */
    intact_data_options data, val; /* data.limit: so many, chosen at random. val.path NULL: accuracy is not measured */
    uint32_t epochs, batch;   /* batch 0: 128 */
    const char *optimizer;    /* a name of intact_list_optimizers; NULL: "sgd" */
    double rate;              /* learning rate; 0: the optimizer's usual one */
    double momentum;          /* sgd */
    int nesterov;
    double decay;             /* weight decay */
    int decay_all;            /* 1: of biases and batch normalization too */
    const char *schedule;     /* a name of intact_list_schedules; NULL: "cosine" */
    double warmup;            /* epochs of a linear rise */
    const double *milestones; /* step: epochs at which the rate drops, ascending, at most 8; none: after half and three quarters */
    size_t milestones_len;
    double factor;            /* step: by which it drops; 0: 0.1 */
    const char *augment;      /* "crop=4,flip,cutout=8"; NULL: none */
    double smoothing;         /* of labels, 0..1 */
    const char *teacher;      /* path of a float network whose answers are learned too; NULL: none */
    double teacher_share;     /* of its part of the loss, 0..1; 0: 0.9 */
    double temperature;       /* 0: 4 */
    double clip;              /* the gradient's largest length; 0: any */
    double average;           /* decay of an exponential moving average of weights (0.999; less in the first steps), which is then what is measured and written; 0: none */
    uint64_t restat;          /* training samples that batch normalizations take their statistics from anew, each time before measuring and writing; 0: none, or
                              ** 2048 with average */
    int sync_statistics;      /* 1: batch normalizations over the samples of all processes that mpirun started, not each its own */
    int freeze_statistics;    /* 1: batch normalizations keep the statistics they came with, in training too */
    const char *dtype;        /* "f32", "bf16", "f16": what operands of convolutions and matrix products are rounded to, in training, and bf16 what waits for
                              ** the backward pass too; sums, weights and the arithmetic of everything else stay float32. NULL: "f32" */
    double loss_scale;        /* f16: the loss is multiplied by it, so that small gradients survive; 0: found and kept as large as it can be */
    const char *qat;          /* a name of intact_list_qat_methods: values and weights are rounded while the network learns, and what is written, and measured, is an
                              ** integer program (.itm); NULL: none, and the following are not looked at */
    int weight_bits, act_bits;/* 2..8 each */
    const char *qat_from;     /* where ranges come from: a name of intact_list_methods, or "best-ptq" (the best found by trials); NULL: the method's own choice */
    const char *qat_keep;     /* layers that keep 8 bits: "first,last" (NULL: these), names with * and ?, "none" */
    int weights_per_tensor;   /* 1: one step for all channels of a layer */
    uint32_t qat_delay;       /* steps before activations are rounded */
    double freeze_after;      /* epochs after which batch normalizations keep their statistics; 0: never */
    uint64_t seed;            /* of order and augmentation */
    uint32_t feeders;         /* threads that read samples ahead; 0: half of the workers, at least 1 */
    const char *checkpoint;   /* path; NULL: "<output>.ckpt", which goes away at the end */
    uint64_t checkpoint_steps;/* besides the start and the end of each epoch; 0: only there */
    const char *resume;       /* a checkpoint of the same run to go on from; NULL: begin anew */
    const char *metrics;      /* path: a line of JSON an epoch. NULL: none */
    const char *report, *report_json; /* paths; rewritten after every epoch (docs/REPORT.md). NULL: none */
    void (*on_epoch)(void *user, const intact_train_epoch *e); /* NULL: nobody is told */
    void *user;
} intact_train_options;
INTACT_API void intact_train_options_default(intact_train_options *o);

typedef struct intact_train_result {
    intact_train_epoch *epochs; /* those before a resumed run's start too */
    uint32_t epochs_len, resumed; /* resumed: epochs that were there already */
    uint64_t parameters, samples, val_samples, file_bytes, memory_bytes; /* memory: of the trainer's buffers */
    double val_top1, val_top5, val_standard_error; /* fractions, of the file that was written; -1 without val */
    double seconds;
    char sha256[65];          /* of that file */
    uint32_t processes;       /* that trained together: 1, or mpirun's */
    int silent;               /* one of several processes, and not the one that writes and speaks */
} intact_train_result;
/* The network that is written differs from the one that was read in trained numbers alone (where a file computes weights from constants: in these, folded).
** Same options, threads and machine: same bytes, also when the run was stopped at any moment and resumed. Without success *out holds the epochs done. */
INTACT_MUST_USE INTACT_API intact_status intact_train(intact_ctx *c, const char *model_path, const intact_train_options *o, intact_train_result *out, intact_error *err);
INTACT_API void intact_train_result_release(intact_ctx *c, intact_train_result *r);

/* ---- eval and compare ---- */

typedef struct intact_eval_result {
    uint64_t n, skipped;
    uint64_t right1, right5;
    double top1, top5;        /* fractions */
    double top1_standard_error;
    double seconds;
} intact_eval_result;
INTACT_MUST_USE INTACT_API intact_status intact_eval(intact_ctx *c, const intact_model *m, const intact_data_options *d, intact_eval_result *out, intact_error *err);

/* own_db: a's value against the codes that b has for it, nothing else quantized; own_clip: the share of that noise from values outside the codes'
** range. NAN where b is a float network. */
typedef struct intact_layer_sqnr { char name[128]; double sqnr_db; double max_error; uint64_t elements; double own_db, own_clip; } intact_layer_sqnr;

typedef struct intact_compare_result {
    uint64_t n, skipped, labelled;      /* labelled: samples with a label */
    double agreement;                   /* same answer, fraction */
    double top1_a, top1_b, top5_a, top5_b; /* fractions of labelled */
    uint64_t only_a, only_b;            /* right in a alone, in b alone */
    double loss, loss_standard_error;   /* top1_a - top1_b and its McNemar standard error */
    double output_sqnr_db;
    intact_layer_sqnr *layers;          /* values that both networks have, in order, from the first samples (layer_samples) */
    uint32_t layers_len;
    uint64_t layer_samples;
    double seconds;
} intact_compare_result;
/* layer_samples: how many samples the per-layer ratios use; 0: none. */
INTACT_MUST_USE INTACT_API intact_status intact_compare(intact_ctx *c, const intact_model *a, const intact_model *b, const intact_data_options *d,
                                                        uint64_t layer_samples, intact_compare_result *out, intact_error *err);
INTACT_API void intact_compare_result_release(intact_ctx *c, intact_compare_result *r);

/* Where two networks part: the first layer whose value falls below below_db; with below_db NAN the one that loses most against its inputs. */
typedef struct intact_bisect_result {
    int found;
    char layer[128], kind[24], value[128];
    char input[128];          /* the worst of its inputs that both networks have; empty: none */
    double sqnr_db, input_db; /* NAN where no input is known */
    double own_db, own_clip;  /* as in intact_layer_sqnr */
    const char *cause;        /* "inputs", "clipping", "range", "weights"; NULL: unknown */
} intact_bisect_result;
/* r: of intact_compare(a, b) with layer_samples. One of the two must be an integer program: its order and connections count. */
INTACT_MUST_USE INTACT_API intact_status intact_bisect(intact_ctx *c, const intact_model *a, const intact_model *b, const intact_compare_result *r, double below_db,
                                                       intact_bisect_result *out, intact_error *err);

/* ---- run ---- */

typedef struct intact_prediction { uint32_t index; float score; } intact_prediction; /* score: the output's real value */

typedef struct intact_predict_result {
    intact_prediction *top;   /* of the first output, best first, ties to the lower index */
    uint32_t top_len;
    uint64_t samples;         /* an .npy may hold several; top is the first one's */
    uint32_t outputs;         /* of the network; top is of the first */
    double seconds;
} intact_predict_result;
/* input: an image, or an .npy of inputs. output: .npy written with the first output's real values (float32, (N, ...) in ONNX order);
** further outputs go beside it with their number before the ending: y.npy, y.1.npy, y.2.npy. NULL: none. */
INTACT_MUST_USE INTACT_API intact_status intact_predict(intact_ctx *c, const intact_model *m, const char *input, const char *preprocess, const char *output,
                                                        uint32_t top, intact_predict_result *out, intact_error *err);
INTACT_API void intact_predict_result_release(intact_ctx *c, intact_predict_result *r);

/* ---- bench ---- */

typedef struct intact_bench_options {
    uint32_t threads, batch; /* 0: 1 */
    double seconds;          /* measuring time; 0: 2 */
    uint32_t warmup;         /* runs before; 0: 5 */
    int profile;             /* time every layer (integer models) */
} intact_bench_options;

typedef struct intact_bench_layer { char name[128], kind[24], kernel[48]; uint64_t macs; double median_us, share; } intact_bench_layer;

typedef struct intact_bench_result {
    uint32_t threads, batch;
    uint64_t runs, macs;     /* macs of one sample */
    double load_ms, first_ms;/* loading; the first run after it */
    double min_ms, median_ms, p90_ms, p99_ms;
    double peak_gmacs;       /* 10^9 multiply-accumulates of 8 bits a second that one thread reaches on registers at the program's CPU level; float: 0 */
    intact_bench_layer *layers;
    uint32_t layers_len;
} intact_bench_result;
INTACT_MUST_USE INTACT_API intact_status intact_bench(intact_ctx *c, const char *model_path, intact_cpu cpu, const intact_bench_options *o,
                                                      intact_bench_result *out, intact_error *err);
INTACT_API void intact_bench_result_release(intact_ctx *c, intact_bench_result *r);

/* ---- new: well-known architectures made from nothing, for measuring without downloads ---- */

typedef struct intact_new_options {
    const char *architecture; /* a name of intact_list_architectures */
    const char *output;       /* path of the .onnx */
    int64_t input[3];         /* channels, height, width; all 0: as published */
    int64_t classes;          /* 0: as published */
    uint64_t seed;            /* of the weights */
} intact_new_options;
INTACT_API void intact_new_options_default(intact_new_options *o);

typedef struct intact_new_result { int64_t input[3], classes; uint64_t parameters; } intact_new_result; /* parameters: those that training would learn */
/* He-normal weights, biases 0; means and variances of BatchNormalization as one batch of random images causes them. */
INTACT_MUST_USE INTACT_API intact_status intact_new(intact_ctx *c, const intact_new_options *o, intact_new_result *out, intact_error *err);

typedef struct intact_architecture { const char *name, *summary; int64_t input[3], classes; } intact_architecture;
/* One row an architecture. Returns the count; out may be NULL. */
INTACT_API uint32_t intact_list_architectures(intact_architecture *out, uint32_t cap);

/* ---- export: an integer program as an ONNX network for other runtimes ---- */

typedef struct intact_export_options {
    const char *output; /* path of the .onnx */
    const char *format; /* a name of intact_list_export_formats; NULL: "qdq" */
    int pixels;         /* 1: raw pixels (uint8, NHWC) stay the input, as the program takes them; 0: the preprocessed floats (NCHW) they stand for */
    int int4;           /* 1: weights of 2 to 4 bits that fit -8..7 are int4 (opset 21): half the file, but few runtimes fuse them; 0: int8 */
} intact_export_options;
INTACT_API void intact_export_options_default(intact_export_options *o);

typedef struct intact_export_result {
    uint64_t file_bytes;
    uint32_t instructions, nodes;
    uint32_t foreign;   /* nodes that only ONNX Runtime knows (domain com.microsoft) */
    int opset;
} intact_export_result;
/* UNSUPPORTED with the layer where ONNX cannot say an instruction. */
INTACT_MUST_USE INTACT_API intact_status intact_export(intact_ctx *c, const char *program_path, const intact_export_options *o,
                                                       intact_export_result *out, intact_error *err);

typedef struct intact_export_format { const char *name, *summary; } intact_export_format;
/* One row a format. Returns the count; out may be NULL. */
INTACT_API uint32_t intact_list_export_formats(intact_export_format *out, uint32_t cap);

/* ---- lists for help texts and completion; NULL at the end ---- */

INTACT_API const char *const *intact_list_methods(void);     /* calibrators */
INTACT_API const char *const *intact_list_preprocess(void);  /* named preprocessings */
INTACT_API const char *const *intact_list_optimizers(void);
INTACT_API const char *const *intact_list_qat_methods(void);
INTACT_API const char *const *intact_list_schedules(void);   /* of the learning rate */
/* One row a supported operator: its ONNX name, 1 when it has an integer form. Returns the count; out may be NULL. */
INTACT_API uint32_t intact_list_operators(intact_op_count *out, uint32_t cap);
/* "did you mean": the nearest of len names, NULL when none is near. */
INTACT_API const char *intact_nearest(const char *word, const char *const *names, size_t len);

#ifdef __cplusplus
}
#endif
#endif
