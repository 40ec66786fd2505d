/* SPDX-License-Identifier: Apache-2.0 */
/* run.c: a recipe carried out: the order of the steps (fold, prepare, calibrate, activations, weights layer by layer). */
#include <stdio.h>
#include <string.h>

#include "ptq/method.h"
#include "ptq/trail.h"

static intact_status prepare(it_ptq *p, intact_error *err)
{
    IT_TRY(it_recipe_check(p->recipe, p->g, err));
    for (size_t i = 0; p->recipe->methods[i]; i++) {
        if (p->recipe->methods[i]->data && !it_ptq_has_data(p))
            return it_fail(err, INTACT_E_ARG, "recipe", "the method %s works on calibration data, and there are none; --calib DATA gives some",
                           p->recipe->methods[i]->name);
        if (p->recipe->methods[i]->prepare)
            IT_TRY(p->recipe->methods[i]->prepare(p, err));
    }
    return INTACT_OK;
}

static intact_status activations(it_ptq *p, intact_error *err)
{
    it_groups_release(&p->groups); /* methods may have made some for themselves */
    IT_TRY(it_groups_make(&p->groups, p->g, p->alloc, err));
    if (p->know_ranges)
        p->know_ranges(p->know_user, &p->groups);
    IT_TRY(it_ptq_plan_acts(&p->groups, p->g, p->recipe, err));
    if (!it_ptq_has_data(p)) {
        IT_TRY(it_ptq_check_weights(p->g, err));
        IT_TRY(it_ptq_check_given(&p->groups, err));
    } else if (it_ptq_searches(p)) {
        IT_TRY(it_ptq_choose(p, err));
    } else {
        IT_TRY(it_ptq_collect(&p->groups, p->g, p->feed, p->job, &p->collected, err));
    }
    IT_TRY(it_graph_infer(p->g, 1, NULL, err));
    return it_ptq_assign_acts(&p->groups, p->g, err);
}

static intact_status layer(it_ptq *p, it_node *n, size_t i, size_t len, intact_error *err)
{
    const it_quant *q = it_ptq_weight(n)->q;
    if (q && (q->given || n->repeats))
        return INTACT_OK;
    it_weight_plan plan = it_recipe_weights(p->recipe, n, i, len);
    if (plan.bits == IT_FLOAT_BITS)
        return INTACT_OK;
    if (plan.rounding->data && !it_ptq_has_data(p))
        return it_fail(err, INTACT_E_ARG, n->name, "weights.round is %s, which works on calibration data, and there are none; --calib DATA gives some",
                       plan.rounding->name);
    IT_TRY(it_ptq_assign_weight(p, n, &plan, err));
    for (size_t k = 0; p->recipe->methods[k]; k++)
        if (p->recipe->methods[k]->layer)
            IT_TRY(p->recipe->methods[k]->layer(p, n, err));
    return INTACT_OK;
}

intact_status it_ptq_run(it_ptq *p, intact_error *err)
{
    size_t len = 0, at = 0;
    IT_TRY(prepare(p, err));
    IT_TRY(activations(p, err));
    for (size_t i = 0; i < p->g->nodes.len; i++)
        len += it_ptq_is_mac(p->g->nodes.items[i]);
    for (size_t i = 0; i < p->g->nodes.len; i++)
        if (it_ptq_is_mac(p->g->nodes.items[i]))
            IT_TRY(layer(p, p->g->nodes.items[i], at++, len, err));
    it_trail_free(p);
    return INTACT_OK;
}

intact_status it_ptq_say(it_ptq *p, const char *layer, const char *fmt, ...)
{
    va_list ap;
    if (!IT_VEC_ROOM(p->alloc, p->notes))
        return INTACT_E_NOMEM;
    it_ptq_note *to = &p->notes.items[p->notes.len++];
    to->layer = layer;
    va_start(ap, fmt);
    vsnprintf(to->text, sizeof to->text, fmt, ap);
    va_end(ap);
    return INTACT_OK;
}

void it_ptq_release(it_ptq *p)
{
    it_trail_free(p);
    it_groups_release(&p->groups);
    IT_VEC_FREE(p->alloc, p->notes);
    memset(&p->notes, 0, sizeof p->notes);
}
