/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_state.c: any bytes as the state of a search, and any JSON as results with the right checks around them: what is believed can be built on. */
#include <stdlib.h>
#include <string.h>

#include "api/search.h"

#define RULES_MAX 4000 /* a search's: more only takes time */

static bool is_small(const json_t *sense) { return json_array_size(json_object_get(sense, "rows")) < RULES_MAX; }

/* What a search does with an analysis of sensitivity. */
static void use_sense(it_search *s)
{
    const it_trial from = {.name = "from"};
    intact_error err;
    it_trial t;
    uint64_t most, least;
    size_t len;
    it_search_span(s, IT_BUDGET_SIZE, &most, &least);
    it_search_span(s, IT_BUDGET_MACS, &most, &least);
    (void)!it_search_partial(s, &from, 0.5, &t, &len, &err);
    (void)!it_search_mixed(s, &from, IT_BUDGET_SIZE, most / 2, &t, &err);
    (void)!it_search_flat(s, &from, 4, &t, &err);
}

/* The result as a line of the state, with its key and check: read again, it is what was written, or refused. */
static void remember(it_search *s, const char *kind, const it_trial *t, json_t *result)
{
    intact_error err;
    double same, ratio;
    char *line = it_search_line(s, kind, t, result);
    if (!line)
        return;
    size_t len = strlen(line);
    line[len] = '\n';
    it_search_take(s, line, len + 1);
    free(line);
    json_t *known = it_search_recall(s, kind, t);
    if (!known != !it_search_sound(kind, result))
        abort();
    if (!known)
        return;
    if (strcmp(kind, "trial") == 0 && it_search_try(s, t, &err) != INTACT_OK)
        abort();
    if (strcmp(kind, "probe") == 0 && it_search_probe(s, t, &same, &ratio, &err) != INTACT_OK)
        abort();
    if (strcmp(kind, "sensitivity") != 0 || !is_small(known))
        return;
    json_decref(s->sense);
    s->sense = json_incref(known);
    use_sense(s);
}

/* Elements: [kind's number, result]. */
static void take_results(it_search *s, json_t *list)
{
    static const char *const kinds[] = {"trial", "probe", "sensitivity"};
    static it_trial trials[16]; /* the search keeps what it was given */
    size_t i;
    json_t *pair;
    json_array_foreach(list, i, pair)
    {
        it_trial *t = &trials[i % IT_LEN(trials)];
        size_t kind = (size_t)json_integer_value(json_array_get(pair, 0)) % IT_LEN(kinds);
        if (!json_array_get(pair, 1) || i >= IT_LEN(trials))
            continue;
        memset(t, 0, sizeof *t);
        snprintf(t->name, sizeof t->name, "step %zu", i);
        snprintf(t->method, sizeof t->method, "%zu", i);
        remember(s, kinds[kind], t, json_array_get(pair, 1));
    }
    if (s->out->steps_len == 0)
        return;
    intact_error err;
    (void)it_search_base(s);
    (void)!it_search_tell_equal(s, &err);
    json_decref(it_search_pareto(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    intact_search_options o;
    intact_search_result out = {.float_top1 = -1};
    intact_error err;
    intact_ctx *c = NULL;
    intact_search_options_default(&o);
    if (intact_ctx_new(NULL, &c, &err) != INTACT_OK)
        return 0;
    it_search s = {.c = c, .o = &o, .out = &out, .state = "state.jsonl", .known = json_object(), .steps = json_array()};
    it_arena_init(&s.arena, c->alloc);
    it_search_take(&s, (const char *)data, len);
    json_t *list = json_loadb((const char *)data, len, 0, NULL);
    take_results(&s, list);
    json_decref(list);
    json_decref(s.known);
    json_decref(s.steps);
    json_decref(s.sense);
    it_alloc_free(c->alloc, s.trials, s.trials_cap * sizeof *s.trials);
    intact_search_result_release(c, &out);
    it_arena_release(&s.arena);
    intact_ctx_free(c);
    return 0;
}
