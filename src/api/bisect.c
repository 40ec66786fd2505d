/* SPDX-License-Identifier: Apache-2.0 */
/* bisect.c: the layer where two networks part, by the ratios of a comparison and the order of an integer program. */
#include <math.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "report/report.h"
#include "run/instr.h"

#define CLEAN_DB 50.0 /* better than any value of 8 bits: what lies above counts as undisturbed */

typedef struct heard { double db; uint32_t from; } heard; /* of a tensor: its ratio, or the worst of what it was made of; the tensor that it is of */

typedef struct bisect {
    const intact_compare_result *r;
    const it_prog *p;
    heard *tensors;
    double below;
    intact_bisect_result *out;
    double drop; /* the largest so far */
} bisect;

static const intact_layer_sqnr *row_of(const bisect *b, const char *name)
{
    for (uint32_t i = 0; name && i < b->r->layers_len; i++)
        if (strncmp(b->r->layers[i].name, name, sizeof b->r->layers[i].name - 1) == 0)
            return &b->r->layers[i];
    return NULL;
}

/* What neither the inputs nor the value's own codes explain is the weights', where there are some. */
static const char *cause(const it_pinstr *in, const intact_bisect_result *o)
{
    double rest = pow(10, -o->sqnr_db / 10), weight_db = NAN;
    rest -= isnan(o->own_db) ? 0 : pow(10, -o->own_db / 10);
    rest -= isnan(o->input_db) ? 0 : pow(10, -o->input_db / 10);
    if (strcmp(in->kind->name, "conv") == 0 || strcmp(in->kind->name, "dwconv") == 0 || strcmp(in->kind->name, "dense") == 0)
        weight_db = rest > 0 ? -10 * log10(rest) : INFINITY;
    return it_report_cause(o->own_db, o->own_clip, weight_db, o->input_db);
}

static void take(bisect *b, const it_pinstr *in, const intact_layer_sqnr *row, heard input)
{
    intact_bisect_result *o = b->out;
    *o = (intact_bisect_result){.found = 1, .sqnr_db = row->sqnr_db, .input_db = input.db, .own_db = row->own_db, .own_clip = row->own_clip};
    strncpy(o->layer, in->name ? in->name : "", sizeof o->layer - 1);
    strncpy(o->kind, in->kind->name, sizeof o->kind - 1);
    memcpy(o->value, row->name, sizeof o->value);
    if (!isnan(input.db) && b->p->tensors.items[input.from].name)
        strncpy(o->input, b->p->tensors.items[input.from].name, sizeof o->input - 1);
    o->cause = cause(in, o);
}

/* False: found by the threshold, the search is over. */
static bool step(bisect *b, const it_pinstr *in)
{
    heard worst = {NAN, 0};
    for (uint32_t k = 0; k < in->in_len; k++) {
        heard h = b->tensors[in->in[k]];
        if (!isnan(h.db) && !(h.db >= worst.db))
            worst = h;
    }
    for (uint32_t k = 0; k < in->out_len; k++) {
        uint32_t t = in->out[k];
        const intact_layer_sqnr *row = row_of(b, b->p->tensors.items[t].name);
        b->tensors[t] = row ? (heard){row->sqnr_db, t} : worst;
        if (!row)
            continue;
        double drop = fmin(isnan(worst.db) ? CLEAN_DB : worst.db, CLEAN_DB) - fmin(row->sqnr_db, CLEAN_DB);
        if (isnan(b->below) ? drop > b->drop : row->sqnr_db < b->below) {
            b->drop = drop;
            take(b, in, row, worst);
            if (!isnan(b->below))
                return false;
        }
    }
    return true;
}

static intact_status search(intact_ctx *c, bisect *b, intact_error *err)
{
    size_t len = b->p->tensors.len;
    b->tensors = it_alloc_new(c->alloc, len * sizeof *b->tensors);
    if (!b->tensors)
        return it_fail_nomem(err, "bisect", len * sizeof *b->tensors);
    for (size_t i = 0; i < len; i++) { /* inputs: measured where both have them */
        const intact_layer_sqnr *row = row_of(b, b->p->tensors.items[i].name);
        b->tensors[i] = (heard){row ? row->sqnr_db : NAN, (uint32_t)i};
    }
    for (size_t i = 0; i < b->p->instrs.len; i++)
        if (!step(b, &b->p->instrs.items[i]))
            break;
    it_alloc_free(c->alloc, b->tensors, len * sizeof *b->tensors);
    return INTACT_OK;
}

intact_status intact_bisect(intact_ctx *c, const intact_model *a, const intact_model *b, const intact_compare_result *r, double below_db,
                            intact_bisect_result *out, intact_error *err)
{
    *out = (intact_bisect_result){0};
    const intact_model *m = b->program ? b : a;
    it_map map;
    it_prog p;
    if (!m->program)
        return it_fail(err, INTACT_E_ARG, b->path, "is a float network as the other is; one of the two must be an integer program");
    if (!r->layers_len)
        return it_fail(err, INTACT_E_ARG, b->path, "no value of it was compared with %s: they have none of the same name, or the comparison left layers out",
                       a->path);
    IT_TRY(it_map_open(m->path, &map, err));
    intact_status st = it_prog_read(map.data, map.len, c->alloc, &p, err);
    if (st == INTACT_OK) {
        bisect s = {.r = r, .p = &p, .below = below_db, .out = out};
        st = search(c, &s, err);
        it_prog_release(&p);
    }
    it_map_close(&map);
    return st;
}
