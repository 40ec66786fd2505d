/* SPDX-License-Identifier: Apache-2.0 */
/* api.h: what the public verbs share: context, model, and a runner that hides which of the two networks it drives. */
#ifndef IT_API_H
#define IT_API_H

#include <pthread.h>

#include "base/job.h"
#include "data/feed.h"
#include "exec/exec.h"
#include "intact/intact.h"
#include "ir/ir.h"

struct intact_ctx {
    const intact_alloc *alloc;
    it_pool *pool;
    intact_ctx_options opt;
    pthread_mutex_t log_lock; /* workers may have something to say at the same time */
    uint32_t told[16], told_len; /* under log_lock; source.c: checksums of the paths of data sets that something was said of */
};

struct intact_model {
    intact_model_kind kind;
    const intact_ctx *ctx;
    char *path;
    size_t path_bytes;
    it_graph g;              /* float: read, inferred with batch 1, passes run */
    intact_program *program; /* integer */
};

void it_log(const intact_ctx *c, intact_log_level level, const char *fmt, ...) IT_PRINTF(3, 4);
it_job it_api_job(const intact_ctx *c);
double it_seconds(void); /* monotonic */

/* ---- files that a verb reads and writes (files.c) ---- */

typedef struct it_api_file { const char *what, *path; } it_api_file; /* "the float network"; path NULL: there is none */
bool it_api_same_file(const char *a, const char *b); /* under any name; two that are not there yet count too */
/* ARG where an output is one of ins or another output; else whatever keeps an output from being written. To be called before the work. */
INTACT_MUST_USE intact_status it_api_files_apart(const it_api_file *outs, size_t outs_len, const it_api_file *ins, size_t ins_len, intact_error *err);

/* Multiply-accumulates of one sample. */
uint64_t it_api_node_macs(const it_node *n);

/* Reads, infers with batch 1 and rewrites a float network; g is initialised here, released by the caller on success only. */
INTACT_MUST_USE intact_status it_api_read(const intact_ctx *c, const char *path, it_graph *g, intact_error *err);

/* The first input with its batch in front, NCHW order also for integer programs. */
INTACT_MUST_USE intact_status it_model_input(const intact_model *m, uint32_t *rank, int64_t dims[INTACT_RANK_MAX], intact_error *err);
/* Preprocessing: text, else what the program stores, else the default. */
INTACT_MUST_USE intact_status it_model_preprocess(const intact_model *m, const char *text, it_preprocess *out, intact_error *err);
/* A string member of the program's provenance, copied into buf; false when it has none. */
bool it_meta_string(const intact_program *p, const char *key, char *buf, size_t len);
bool it_meta_text_string(const char *meta, const char *key, char *buf, size_t len); /* the same of its JSON text */

/* Opens the data set that options name, for this model. limit is applied. */
typedef struct it_source { it_dataset *data; it_feed feed; const intact_ctx *ctx; uint32_t skips_told; } it_source; /* must not move while open */
INTACT_MUST_USE intact_status it_source_open(it_source *s, const intact_model *m, const intact_data_options *d, intact_error *err);
void it_source_close(it_source *s);
/* Says so when the answers may begin with a background class that the labels do not count. */
void it_source_hint(const it_source *s, const intact_model *m, const intact_data_options *d);

/* Accuracy on an open source; the body of intact_eval, for verbs that measure again and again. Labels must be there. */
INTACT_MUST_USE intact_status it_api_eval(intact_ctx *c, const intact_model *m, const it_source *s, intact_eval_result *out, intact_error *err);

/* One output of the last run: real values in ONNX order. */
typedef struct it_answer {
    char name[128];
    float *real;               /* [samples][len], room for IT_FEED_BATCH */
    size_t len, cap;           /* per sample; floats allocated */
    uint32_t rank;             /* without the batch */
    uint64_t dim[INTACT_RANK_MAX];
} it_answer;

/* The nearest code. Ties go toward +infinity, as everywhere in a program; half_even: as ONNX's QuantizeLinear has it, in floats, for networks that
** came quantized (images quantized to pixels less a half are ties all over). Their programs say "input_rounding": "half even" in their provenance. */
int32_t it_border_code(float x, float scale, int32_t zero, intact_type type, bool half_even);

/* One network on one thread. */
typedef struct it_runner {
    const intact_model *m;
    it_exec *exec;
    intact_session *session;
    intact_program *separate;  /* integer, recording: the program again, with a step for every value */
    intact_port in;            /* integer programs */
    intact_port *ports;        /* their outputs */
    bool wants_pixels, wants_floats;
    bool half_even;            /* how real inputs are rounded */
    uint8_t *codes; size_t codes_bytes;
    uint8_t *raw; size_t raw_bytes; /* all outputs of one sample, 64-byte aligned each */
    it_answer *outs; uint32_t outs_len;
    const it_value *tap;       /* float: this value is taken as the first output (what an integer program without softmax ends in) */
    bool dynamic;              /* float: ranges are found in what runs together, so samples run one by one */
    size_t tap_at;             /* first sample of the present run */
    /* Sees every named value of every sample, channels last, real values; data valid during the call. NULL: off. */
    void (*record)(void *user, const char *name, const float *x, size_t n);
    void *record_user;
    float *scratch; size_t scratch_cap;
    bool record_failed;
} it_runner;

/* tap: the name of a value of a float network that stands for its first output; NULL: the output itself. */
INTACT_MUST_USE intact_status it_runner_open(it_runner *r, const intact_model *m, const char *tap, void (*record)(void *, const char *, const float *, size_t), void *user,
                                             intact_error *err);
void it_runner_close(it_runner *r);
/* len samples (at most IT_FEED_BATCH); r->outs hold the outputs' real values afterwards. */
INTACT_MUST_USE intact_status it_runner_run(it_runner *r, const it_feed *f, const uint8_t *pixels, const float *floats, uint32_t len, intact_error *err);
/* Whether n values are all finite numbers; if not, an error that names the sample. */
INTACT_MUST_USE intact_status it_check_answer(const intact_model *m, const char *sample, const float *x, size_t n, intact_error *err);
/* Indexes of the k largest of n, best first, ties to the lower index; k <= n. */
void it_top_k(const float *x, size_t n, uint32_t k, uint32_t *index);

#endif
