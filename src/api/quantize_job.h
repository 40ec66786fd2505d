/* SPDX-License-Identifier: Apache-2.0 */
/* quantize_job.h: one quantization on its way, for the files that carry out its steps (quantize_*.c). */
#ifndef IT_API_QUANTIZE_JOB_H
#define IT_API_QUANTIZE_JOB_H

#include "api/quantize.h"
#include "lower/build.h"
#include "pass/absorb.h"

typedef struct it_quantize_job {
    intact_ctx *c;
    const intact_quantize_options *o;
    intact_quantize_result *out;
    const char *model_path;
    const it_quantize_hooks *hooks; /* NULL: none */
    bool onnx;               /* the output is a quantized ONNX network, no program */
    intact_model m;          /* a float model; its graph is edited */
    it_recipe recipe;
    it_absorb absorb;        /* of a network that came quantized */
    it_ptq ptq;
    it_job job;
    it_source src;
    size_t *pick;
    size_t pick_len;
    it_lower lower;
    it_prog prog;
    char model_sha[65], calib_sha[65];
} it_quantize_job;

/* The steps, in this order. */
INTACT_MUST_USE intact_status it_quantize_read_options(it_quantize_job *q, intact_error *err); /* into q->recipe */
INTACT_MUST_USE intact_status it_quantize_absorb(it_quantize_job *q, intact_error *err);       /* parameters that the network came with */
INTACT_MUST_USE intact_status it_quantize_calibrate(it_quantize_job *q, intact_error *err);    /* data, and all that is assigned with them */
INTACT_MUST_USE intact_status it_quantize_write(it_quantize_job *q, intact_error *err);        /* the output, and what hooks->judge makes of it */
INTACT_MUST_USE intact_status it_quantize_fill_result(it_quantize_job *q, intact_error *err);  /* q->out: ranges and notes */

#endif
