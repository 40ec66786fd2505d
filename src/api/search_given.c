/* SPDX-License-Identifier: Apache-2.0 */
/* search_given.c: a network that came quantized has little to search: what would change the codes it came with is left out. */
#include "api/search.h"
#include "pass/absorb.h"

intact_status it_search_given(it_search *s, intact_error *err)
{
    intact_model *m;
    if (!it_absorb_wanted(&s->m->g))
        return INTACT_OK;
    IT_TRY(intact_model_open(s->c, s->model_path, INTACT_CPU_AUTO, &m, err)); /* s->m keeps its own arithmetic, to compare with */
    it_absorb a = {.g = &m->g, .alloc = s->c->alloc, .calibrates = true};
    intact_status st = it_absorb_run(&a, err);
    s->given = a.values + a.weights > 0;
    s->missing = a.missing_len;
    it_absorb_release(&a);
    intact_model_free(m);
    if (st == INTACT_OK && s->given)
        it_log(s->c, INTACT_LOG_INFO, "%s came quantized: equalization, bias correction, AdaRound and other bits would change what it came with; they are left out%s", s->model_path,
               s->missing ? ", and calibrators are for what has no scale" : "");
    if (st == INTACT_OK && s->given)
        it_log(s->c, INTACT_LOG_WARNING, "losses are against %s itself, computed in float with the codes it came with: what they cost against the network before is not seen here (intact eval --against)",
               s->model_path);
    return st;
}
