/* SPDX-License-Identifier: Apache-2.0 */
/* finish.c: what was learned becomes the parameters of a quantized network: weights' codes before folding, which folding keeps; values' by name. */
#include <math.h>
#include <string.h>

#include "lower/build.h"
#include "pass/pass.h"
#include "qat/state.h"

static intact_status coded_weight(it_qat *q, const it_qat_weight *w, it_graph *g, intact_error *err)
{
    it_value *v = g->values.items[w->v->id];
    const int64_t len = it_tensor_len(&v->t);
    it_quant *to = it_arena_new(&g->arena, sizeof *to);
    int8_t *codes = it_arena_new(&g->arena, (size_t)len);
    float *content = it_arena_raw(&g->arena, (size_t)len * sizeof *content);
    if (!to || !codes || !content) return it_fail_nomem(err, v->name, (size_t)len * sizeof *content);
    *to = (it_quant){ .type = INTACT_S8, .bits = w->bits, .axis = w->axis, .len = w->channels, .codes = codes };
    to->scale = it_arena_copy(&g->arena, w->step, (size_t)w->channels * sizeof *w->step);
    to->zero = it_arena_new(&g->arena, (size_t)w->channels * sizeof *to->zero);
    if (!to->scale || !to->zero) return it_fail_nomem(err, v->name, (size_t)w->channels * sizeof *w->step);
    (void)q;
    it_fake_weight(w, v->t.data, content, codes);
    v->t.data = content;
    v->q = to;
    return INTACT_OK;
}

/* Answers of 16 bits: twice the largest that calibration or training saw. */
static float wide_scale(const it_qat_act *a)
{
    const float top = 2 * fmaxf(-a->average->lo, a->average->hi) / 32767;
    return top > 0 && isfinite(top) ? top : a->from->scale[0];
}

static intact_status coded_value(const it_qat_act *a, it_graph *f, it_value *v, intact_error *err)
{
    it_quant *to = it_arena_copy(&f->arena, a->from, sizeof *to);
    if (!to) return it_fail_nomem(err, v->name, sizeof *to);
    const float scale = a->rounds ? a->scale : a->fixed ? a->from->scale[0] : wide_scale(a);
    const int32_t zero = a->rounds ? a->zero : 0;
    to->scale = it_arena_copy(&f->arena, &scale, sizeof scale);
    to->zero = it_arena_copy(&f->arena, &zero, sizeof zero);
    v->q = to;
    return to->scale && to->zero ? INTACT_OK : it_fail_nomem(err, v->name, sizeof scale);
}

static intact_status code_values(it_qat *q, it_graph *f, intact_error *err)
{
    for (size_t i = 0; i < q->names.len; i++) {
        it_value *v = it_graph_find(f, q->names.items[i].value);
        if (!v || v->is_const)
            return it_fail(err, INTACT_E_UNSUPPORTED, q->names.items[i].value, "is not in the network that came of folding what was learned; it was there when training began");
        IT_TRY(coded_value(&q->acts.items[q->names.items[i].act], f, v, err));
    }
    return INTACT_OK;
}

/* The graph that is trained, its weights coded; then folded, and its values. */
static intact_status finish(it_qat *q, it_graph *coded, it_graph *out, intact_error *err)
{
    for (size_t i = 0; i < q->weights.len; i++) IT_TRY(coded_weight(q, &q->weights.items[i], coded, err));
    IT_TRY(it_qat_fold(q, coded, out, err));
    intact_status st = code_values(q, out, err);
    if (st == INTACT_OK) st = it_graph_verify(out, err);
    if (st != INTACT_OK) it_graph_release(out);
    return st;
}

intact_status it_qat_finish(it_qat *q, it_train *t, it_graph *out, intact_error *err)
{
    IT_TRY(it_train_store(t, err));
    q->t = t;
    IT_TRY(q->hooks.weights(q, t, err)); /* steps and scales as the weights stand */
    it_graph *coded = &q->coded;
    if (coded->alloc) it_graph_release(coded);
    IT_TRY(it_pass_clone(q->g, coded, err));
    return finish(q, coded, out, err);
}
