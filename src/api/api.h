/* SPDX-License-Identifier: Apache-2.0 */
/* api.h: what the public verbs share: context, model, and a runner that hides which of the two networks it drives. */
#ifndef IT_API_H
#define IT_API_H

#include "base/job.h"
#include "data/feed.h"
#include "exec/exec.h"
#include "intact/intact.h"
#include "ir/ir.h"

struct intact_ctx {
    const intact_alloc *alloc;
    it_pool *pool;
    intact_ctx_options opt;
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

/* Reads, infers with batch 1 and rewrites a float network; g is initialised here, released by the caller on success only. */
INTACT_MUST_USE intact_status it_api_read(const intact_ctx *c, const char *path, it_graph *g, intact_error *err);

/* The first input with its batch in front, NCHW order also for integer programs. */
INTACT_MUST_USE intact_status it_model_input(const intact_model *m, uint32_t *rank, int64_t dims[INTACT_RANK_MAX], intact_error *err);
/* Preprocessing: text, else what the program stores, else the default. */
INTACT_MUST_USE intact_status it_model_preprocess(const intact_model *m, const char *text, it_preprocess *out, intact_error *err);
/* A string member of the program's provenance, copied into buf; false when it has none. */
bool it_meta_string(const intact_program *p, const char *key, char *buf, size_t len);

/* Opens the data set that options name, for this model. limit is applied. */
typedef struct it_source { it_dataset *data; it_feed feed; } it_source;
INTACT_MUST_USE intact_status it_source_open(it_source *s, const intact_model *m, const intact_data_options *d, intact_error *err);
void it_source_close(it_source *s);

/* One network on one thread. */
typedef struct it_runner {
    const intact_model *m;
    it_exec *exec;
    intact_session *session;
    intact_port in, out;       /* integer programs */
    bool wants_pixels, wants_floats;
    uint8_t *codes; size_t codes_bytes;
    void *raw; size_t raw_bytes;
    float *out_real;           /* [batch][out_len] */
    size_t out_len, out_cap;   /* per sample; floats allocated */
    /* Sees every named value of every sample, channels last, real values; data valid during the call. NULL: off. */
    void (*record)(void *user, const char *name, const float *x, size_t n);
    void *record_user;
    float *scratch; size_t scratch_cap;
    bool record_failed;
} it_runner;

INTACT_MUST_USE intact_status it_runner_open(it_runner *r, const intact_model *m, const it_feed *f, void (*record)(void *, const char *, const float *, size_t), void *user,
                                             intact_error *err);
void it_runner_close(it_runner *r);
/* len samples (at most IT_FEED_BATCH); r->out_real holds the first output's real values afterwards. */
INTACT_MUST_USE intact_status it_runner_run(it_runner *r, const it_feed *f, const uint8_t *pixels, const float *floats, uint32_t len, intact_error *err);
/* Indexes of the k largest of n, best first, ties to the lower index; k <= n. */
void it_top_k(const float *x, size_t n, uint32_t k, uint32_t *index);

#endif
