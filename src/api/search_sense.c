/* SPDX-License-Identifier: Apache-2.0 */
/* search_sense.c: the sensitivity analysis of a search, as JSON. */
#include <math.h>
#include <string.h>

#include "api/search.h"
#include "ptq/method.h"

typedef struct sense { it_search *s; json_t *out; } sense;

static json_t *effect_json(const it_effect *e)
{
    json_t *j = json_pack("{s:o, s:o, s:f, s:o}", "sqnr_db", it_search_real(e->sqnr_db), "noise", it_search_real(e->noise), "agreement", e->agreement, "kl", it_search_real(e->kl));
    if (!j || e->top1 < 0 || json_object_set_new(j, "top1", json_real(e->top1)) == 0)
        return j;
    json_decref(j);
    return NULL;
}

static json_t *parts_json(const it_sense_row *r, const it_effect *e)
{
    static const char *const names[] = {"weights", "activations", "both"};
    json_t *j = json_object();
    bool ok = j != NULL;
    for (int part = 0; ok && part < IT_SENSE_PARTS; part++)
        ok = !r->has[part] || json_object_set_new(j, names[part], effect_json(&e[part])) == 0;
    if (ok)
        return j;
    json_decref(j);
    return NULL;
}

/* HAWQ-V2 (Dong et al. 2020): squared weight error times how strongly the output answers to it; here both are measured. */
static intact_status costs_json(it_ptq *p, const it_sense_row *r, size_t i, size_t len, json_t *row, intact_error *err)
{
    double gain = r->low_error > 0 ? r->low_noise / r->low_error : 0; /* at 8 bits weights may have no error at all: of networks once quantized */
    json_t *costs = json_array();
    if (json_object_set_new(row, "cost_by_bits", costs) != 0) /* takes it even then */
        return it_fail_nomem(err, r->name, sizeof costs);
    for (int b = 0; b < IT_SEARCH_BITS; b++) {
        double e = r->weight_error;
        if (it_search_bits[b] != it_ptq_weight(r->node)->q->bits)
            IT_TRY(it_sensitivity_weight_error(p, r->node, i, len, it_search_bits[b], &e, err));
        if (json_array_append_new(costs, it_search_real(gain * e)) != 0)
            return it_fail_nomem(err, r->name, sizeof e);
    }
    return INTACT_OK;
}

static bool put(json_t *o, const char *key, json_t *value) { return json_object_set_new(o, key, value) == 0; }

static intact_status rows_json(it_ptq *p, const it_sensitivity *t, json_t *rows, intact_error *err)
{
    size_t macs = 0, at = 0;
    for (size_t i = 0; i < t->rows.len; i++)
        macs += t->rows.items[i].node != NULL;
    for (size_t i = 0; i < t->rows.len; i++) {
        const it_sense_row *r = &t->rows.items[i];
        json_t *row = json_pack("{s:s, s:b, s:b, s:I, s:o, s:o, s:s, s:s}", "name", r->name, "layer", r->node != NULL, "takes_16_bits", r->takes_s16, "weights", (json_int_t)r->weights,
                                "only", parts_json(r, r->only), "all_but", parts_json(r, r->but), "cause", r->cause, "remedy", r->remedy);
        if (!row || json_array_append_new(rows, row) != 0)
            return it_fail(err, INTACT_E_DATA, r->name, "the layer's name is no UTF-8; a report cannot hold it");
        bool ok = true;
        if (r->node) {
            const it_quant *x = r->node->in[0]->q;
            ok = put(row, "macs", json_integer((json_int_t)it_api_node_macs(r->node))) &&
                 put(row, "weight_bits", json_integer(it_ptq_weight(r->node)->q->bits)) &&
                 put(row, "input_bits", json_integer(!x ? 32 : x->type == INTACT_S16 ? 16 : x->bits));
        }
        if (ok && r->value)
            ok = put(row, "value", json_string(p->groups.g.items[r->group].first->name));
        if (!ok)
            return it_fail_nomem(err, r->name, sizeof *row);
        if (r->node)
            IT_TRY(costs_json(p, r, at++, macs, row, err));
    }
    return INTACT_OK;
}

static intact_status visit(void *user, it_ptq *p, const intact_model *m, intact_error *err)
{
    sense *v = user;
    it_source src;
    it_sensitivity t;
    intact_data_options d = *it_search_data(v->s);
    uint64_t want = v->s->o->sense_samples ? v->s->o->sense_samples : 64;
    d.limit = d.limit && d.limit < want ? d.limit : want;
    IT_TRY(it_source_open(&src, m, &d, err));
    intact_status st = it_sensitivity_run(p, &src.feed, &t, err);
    if (st == INTACT_OK) {
        v->out = json_pack("{s:I, s:o, s:o, s:[]}", "samples", (json_int_t)t.samples, "float_top1", t.float_top1 >= 0 ? json_real(t.float_top1) : json_null(), "all", effect_json(&t.all), "rows");
        st = v->out ? rows_json(p, &t, json_object_get(v->out, "rows"), err) : it_fail_nomem(err, "sensitivity", 0);
    }
    it_sensitivity_release(&t);
    it_source_close(&src);
    return st;
}

static intact_status edit_sense(void *user, it_recipe *r, intact_error *err)
{
    IT_TRY(it_search_edit(((sense *)user)->s, r, err));
    size_t kept = 0; /* bias correction's tuned constants would stand in the float runs too */
    for (size_t i = 0; r->methods[i]; i++)
        if (!r->methods[i]->layer)
            r->methods[kept++] = r->methods[i];
    r->methods[kept] = NULL;
    return it_recipe_set(r, NULL, "weights.round", "nearest", err);
}

intact_status it_search_sense(it_search *s, const it_trial *t, intact_error *err)
{
    if (s->sense)
        return INTACT_OK;
    json_t *known = it_search_recall(s, "sensitivity", t);
    if (known) {
        s->sense = json_incref(known);
        return INTACT_OK;
    }
    sense v = {.s = s};
    intact_quantize_result r;
    intact_quantize_options q = it_search_plain(s);
    s->now = t;
    it_quantize_hooks hooks = {.user = &v, .edit = edit_sense, .visit = visit};
    intact_status st = it_quantize(s->c, s->model_path, &q, &hooks, &r, err);
    if (st == INTACT_OK) {
        intact_quantize_result_release(s->c, &r);
        st = it_search_remember(s, "sensitivity", t, v.out, err);
    }
    s->sense = v.out;
    return st;
}
