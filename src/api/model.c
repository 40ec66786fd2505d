/* SPDX-License-Identifier: Apache-2.0 */
/* model.c: opens a network file, float or integer by its first bytes. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "format/format.h"
#include "pass/pass.h"

/* "3x224x224", with or without the batch in front ("N", or a number) -> dims, -1 where it is N; 0: no shape. */
static int parse_shape(const char *text, int64_t dims[IT_RANK_MAX])
{
    int rank = 0;
    for (const char *at = text; rank < IT_RANK_MAX; at++) {
        char *end = NULL;
        bool open = *at == 'N' && rank == 0;
        dims[rank] = open ? -1 : *at >= '1' && *at <= '9' ? strtoll(at, &end, 10) : 0;
        at = open ? at + 1 : end;
        if (!dims[rank++] || dims[rank - 1] > INT32_MAX)
            return 0;
        if (*at != 'x')
            return *at ? 0 : rank;
    }
    return 0;
}

/* The first input's open dimensions become these; those that the network says stay. */
static intact_status set_shape(const char *text, it_graph *g, intact_error *err)
{
    int64_t dims[IT_RANK_MAX];
    int rank = parse_shape(text, dims);
    if (!rank)
        return it_fail(err, INTACT_E_ARG, "shape", "'%.60s' is no shape; 1x3x224x224 is one, 3x224x224 the same without the batch", text);
    if (!g->inputs.len)
        return INTACT_OK;
    it_value *v = g->inputs.items[0];
    int front = v->declared_rank > 0 && rank == v->declared_rank - 1; /* without the batch */
    if (v->declared_rank >= 0 && rank + front != v->declared_rank)
        return it_fail(err, INTACT_E_SHAPE, v->name, "has %d dimensions, the shape %.60s that was given %d", v->declared_rank, text, rank);
    if (v->declared_rank < 0) {
        v->declared_rank = rank;
        for (int k = 0; k < rank; k++)
            v->declared[k] = -1;
    }
    for (int k = 0; k < rank; k++) {
        int64_t *to = &v->declared[k + front];
        if (*to >= 0 && dims[k] >= 0 && *to != dims[k])
            return it_fail(err, INTACT_E_SHAPE, v->name, "dimension %d is %lld in the network, %lld in the shape %.60s that was given", k + front, (long long)*to, (long long)dims[k], text);
        if (k + front > 0)
            *to = dims[k] >= 0 ? dims[k] : *to;
    }
    return INTACT_OK;
}

intact_status it_api_read(const intact_ctx *c, const char *path, it_graph *g, intact_error *err)
{
    it_graph_init(g, c->alloc);
    intact_status st = it_onnx_read(path, g, err);
    if (st == INTACT_OK && c->opt.shape)
        st = set_shape(c->opt.shape, g, err);
    if (st == INTACT_OK)
        st = it_graph_infer(g, 1, NULL, err);
    if (st == INTACT_OK)
        st = it_pass_all_run(g, err);
    if (st == INTACT_OK && (g->inputs.len == 0 || g->outputs.len == 0))
        st = it_fail(err, INTACT_E_FORMAT, path, "the network has %zu inputs and %zu outputs; at least one of each is needed", g->inputs.len, g->outputs.len);
    if (st != INTACT_OK)
        it_graph_release(g);
    return st;
}

static intact_status is_program(const char *path, bool *yes, intact_error *err)
{
    it_map map; /* refuses folders, devices and pipes, which a plain open might wait for */
    IT_TRY(it_map_open(path, &map, err));
    size_t len = map.len;
    *yes = len >= 4 && memcmp(map.data, "ITM", 3) == 0;
    it_map_close(&map);
    return len ? INTACT_OK : it_fail(err, INTACT_E_FORMAT, path, "the file is empty; a network file (.onnx or .itm) is needed");
}

intact_status intact_model_open(intact_ctx *c, const char *path, intact_cpu cpu, intact_model **out, intact_error *err)
{
    *out = NULL;
    if (!path)
        return it_fail(err, INTACT_E_ARG, "model", "no path was given");
    bool program = false;
    IT_TRY(is_program(path, &program, err));
    intact_model *m = it_alloc_zero(c->alloc, sizeof *m);
    if (!m)
        return it_fail_nomem(err, path, sizeof *m);
    m->ctx = c;
    m->path_bytes = strlen(path) + 1;
    m->path = it_alloc_new(c->alloc, m->path_bytes);
    intact_status st = m->path ? INTACT_OK : it_fail_nomem(err, path, m->path_bytes);
    m->kind = program ? INTACT_MODEL_INTEGER : INTACT_MODEL_FLOAT;
    if (st == INTACT_OK) {
        memcpy(m->path, path, m->path_bytes);
        intact_load_options lo = {.alloc = c->alloc, .cpu = cpu, .threads = it_pool_threads(c->pool)};
        st = program ? intact_program_load(path, &lo, &m->program, err) : it_api_read(c, path, &m->g, err);
    }
    if (st != INTACT_OK) {
        it_alloc_free(c->alloc, m->path, m->path_bytes);
        it_alloc_free(c->alloc, m, sizeof *m);
        return st;
    }
    *out = m;
    return INTACT_OK;
}

void intact_model_free(intact_model *m)
{
    if (!m)
        return;
    const intact_alloc *a = m->ctx->alloc;
    if (m->kind == INTACT_MODEL_FLOAT)
        it_graph_release(&m->g);
    intact_program_free(m->program);
    it_alloc_free(a, m->path, m->path_bytes);
    it_alloc_free(a, m, sizeof *m);
}

intact_model_kind intact_model_get_kind(const intact_model *m) { return m->kind; }
const intact_program *intact_model_program(const intact_model *m) { return m->program; }

intact_status it_model_input(const intact_model *m, uint32_t *rank, int64_t dims[INTACT_RANK_MAX], intact_error *err)
{
    if (m->kind == INTACT_MODEL_FLOAT) {
        const it_value *v = m->g.inputs.items[0];
        if (m->g.inputs.len != 1 || v->t.type != IT_F32 || v->t.rank < 1)
            return it_fail(err, INTACT_E_UNSUPPORTED, m->path, "the network has %zu inputs, the first of type %s; data sets feed networks with one float32 input", m->g.inputs.len,
                           it_type_name(v->t.type));
        if (v->declared_rank > 0 && v->declared[0] > 1)
            return it_fail(err, INTACT_E_UNSUPPORTED, m->path, "the input's batch is fixed at %lld; export the network with a symbolic batch or with 1", (long long)v->declared[0]);
        *rank = (uint32_t)v->t.rank;
        memcpy(dims, v->t.dim, sizeof v->t.dim);
        return INTACT_OK;
    }
    intact_port p;
    IT_TRY(intact_program_input(m->program, 0, &p));
    *rank = p.rank;
    dims[0] = 1;
    if (p.rank > 1)
        dims[1] = p.dims[p.rank >= 3 ? p.rank - 1 : 1];
    for (uint32_t i = 2; i < p.rank; i++)
        dims[i] = p.dims[i - 1];
    return INTACT_OK;
}
