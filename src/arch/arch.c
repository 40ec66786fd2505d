/* SPDX-License-Identifier: Apache-2.0 */
/* arch.c: the list of architectures, and what is the same for all of them: input, output, checks. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arch/build.h"

#define OPSET 13
#define SIDE_MAX 4096
#define CLASSES_MAX 1000000

const it_arch *const it_arch_all[] = {
#define ARCH(name) &it_arch_##name,
#include "arch/arch_list.h"
#undef ARCH
    NULL};

const it_arch *it_arch_find(const char *name)
{
    for (const it_arch *const *a = it_arch_all; *a; a++)
        if (!strcmp((*a)->name, name)) return *a;
    return NULL;
}

void it_arch_gauss(it_rng *r, float *out, size_t len, double std)
{
    for (size_t i = 0; i < len; i += 2) {
        double u = (double)((it_rng_next(r) >> 11) + 1) * 0x1p-53; /* (0, 1]: its logarithm is finite */
        double angle = (double)(it_rng_next(r) >> 11) * 0x1p-53 * 6.283185307179586;
        double radius = sqrt(-2 * log(u)) * std;
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < len) out[i + 1] = (float)(radius * sin(angle));
    }
}

static intact_status check(const it_arch *a, int64_t *input, int64_t *classes, intact_error *err)
{
    if (!input[0] && !input[1] && !input[2]) memcpy(input, a->input, sizeof a->input);
    if (!*classes) *classes = a->classes;
    for (int i = 0; i < 3; i++)
        if (input[i] < 1 || input[i] > SIDE_MAX)
            return it_fail(err, INTACT_E_ARG, a->name, "an input of %lldx%lldx%lld; channels, height and width must be 1 to %d",
                           (long long)input[0], (long long)input[1], (long long)input[2], SIDE_MAX);
    if (*classes < 1 || *classes > CLASSES_MAX)
        return it_fail(err, INTACT_E_ARG, a->name, "%lld classes; 1 to %d can be made", (long long)*classes, CLASSES_MAX);
    return INTACT_OK;
}

static void declare(it_value *v, const it_tensor *t)
{
    v->declared_rank = t->rank;
    memcpy(v->declared, t->dim, sizeof v->declared);
    v->declared[0] = -1;
}

static it_value *make_input(it_graph *g, const int64_t *dim)
{
    it_value *v = it_graph_value(g, "input");
    if (!v || !IT_VEC_ROOM(g->alloc, g->inputs)) return NULL;
    g->inputs.items[g->inputs.len++] = v;
    v->is_input = true;
    v->t = (it_tensor){.type = IT_F32, .rank = 4, .dim = {1, dim[0], dim[1], dim[2]}};
    declare(v, &v->t);
    return v;
}

static bool make_output(it_graph *g, it_value *v)
{
    const char *name = it_arena_text(&g->arena, "output");
    if (!name || !IT_VEC_ROOM(g->alloc, g->outputs)) return false;
    g->outputs.items[g->outputs.len++] = v;
    v->name = name;
    v->is_output = true;
    declare(v, &v->t);
    return true;
}

intact_status it_arch_make(const it_arch *a, const it_arch_options *o, it_graph *g, intact_error *err)
{
    int64_t input[3];
    it_build b = {.g = g, .classes = o->classes, .o = o, .err = err};
    memcpy(input, o->input, sizeof input);
    IT_TRY(check(a, input, &b.classes, err));
    it_rng_seed(&b.rng, o->seed);
    g->opset = OPSET;
    g->name = a->name;
    it_value *x = make_input(g, input);
    if (!x) return it_fail_nomem(err, a->name, sizeof *x);
    x = a->make(&b, x, a);
    if (b.st != INTACT_OK) {
        char prefix[80];
        snprintf(prefix, sizeof prefix, "%.40s with input %lldx%lldx%lld: ", a->name, (long long)input[0], (long long)input[1],
                 (long long)input[2]);
        return it_fail_in(err, b.st, prefix);
    }
    if (!make_output(g, x)) return it_fail_nomem(err, a->name, sizeof *x);
    return it_graph_verify(g, err);
}
