/* SPDX-License-Identifier: Apache-2.0 */
/* quantize.h: quantization with hands in it: for the verbs that try recipes, look at what calibration found, or judge what came out. */
#ifndef IT_API_QUANTIZE_H
#define IT_API_QUANTIZE_H

#include "api/api.h"
#include "lower/build.h"
#include "ptq/ptq.h"
#include "report/report.h"

/* From pixels to codes of an input with these parameters; px points into table. */
void it_api_pixel_map(const it_feed *f, const it_quant *iq, it_pixel_map *px, uint8_t table[4][256]);

typedef struct it_quantize_hooks { /* each may be NULL */
    void *user;
    /* The recipe as options made it: may be changed. */
    intact_status (*edit)(void *user, it_recipe *r, intact_error *err);
    /* Codes are assigned: called instead of lowering and writing. m: the float network that p works on. */
    intact_status (*visit)(void *user, it_ptq *p, const intact_model *m, intact_error *err);
    /* The program was written to options' output. With *to set it is written there too, the same bytes: what a search says of it is no part of it. */
    intact_status (*judge)(void *user, const intact_quantize_result *r, const char **to, intact_error *err);
    /* A report that options name is filled: what else is known goes into it. */
    void (*enrich)(void *user, it_report *r);
} it_quantize_hooks;

INTACT_MUST_USE intact_status it_quantize(intact_ctx *c, const char *model_path, const intact_quantize_options *o, const it_quantize_hooks *hooks, intact_quantize_result *out,
                                          intact_error *err);

#endif
