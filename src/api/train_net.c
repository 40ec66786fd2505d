/* SPDX-License-Identifier: Apache-2.0 */
/* train_net.c: the networks of a training run: the one that learns, prepared for speed; the one that is written, as it was read; a teacher.
** What is measured is made from the very bytes that are written. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/train_job.h"
#include "api/train_qat.h"
#include "format/format.h"
#include "pass/pass.h"
#include "train/restat.h"

/* What makes weights constants of their own; the rest of the network stays as it is. */
static const it_pass *const plain_passes[] = {&it_pass_free_batch, &it_pass_fold_constants, &it_pass_fold_moves, &it_pass_drop_dead, NULL};
static const it_pass *const train_passes[] = {&it_pass_free_batch, &it_pass_fold_constants, &it_pass_fold_moves,
                                              &it_pass_fuse_clamp, &it_pass_drop_dead,      NULL};

static intact_status read_graph(it_train_job *j, const it_pass *const *passes, it_graph *g, intact_error *err)
{
    it_graph_init(g, j->c->alloc);
    intact_status st = it_onnx_read(j->model_path, g, err);
    if (st == INTACT_OK)
        st = it_graph_infer(g, 1, NULL, err);
    if (st == INTACT_OK && passes)
        st = it_pass_some_run(g, passes, err);
    if (st == INTACT_OK && (g->inputs.len != 1 || g->outputs.len == 0))
        st = it_fail(err, INTACT_E_UNSUPPORTED, j->model_path, "the network has %zu inputs and %zu outputs; one input and at least one output can be trained",
                     g->inputs.len, g->outputs.len);
    if (st != INTACT_OK)
        it_graph_release(g);
    return st;
}

intact_status it_api_train_read(it_train_job *j, intact_error *err)
{
    const intact_train_options *o = j->o;
    j->m = (intact_model){.kind = INTACT_MODEL_FLOAT, .ctx = j->c, .path = (char *)(uintptr_t)j->model_path};
    IT_TRY(read_graph(j, o->qat ? NULL : train_passes, &j->m.g, err));
    j->m_open = true;
    if (o->qat)
        IT_TRY(it_qat_prepare(&j->m.g, err));
    IT_TRY(it_onnx_sha256(j->model_path, &j->m.g, j->model_sha, err));
    if (!o->teacher)
        return INTACT_OK;
    IT_TRY(it_api_read(j->c, o->teacher, &j->teacher_graph, err));
    j->teacher_open = true;
    return it_onnx_sha256(o->teacher, &j->teacher_graph, j->teacher_sha, err);
}

/* ---- what was trained, in the network that is written ---- */

static bool link_one(const it_graph *g, const it_train_learned *from, it_train_link *out)
{
    it_value *v = it_graph_find(g, from->v->name);
    if (!v || !v->is_const || v->t.type != IT_F32 || (size_t)it_tensor_len(&v->t) != from->len)
        return false;
    *out = (it_train_link){v, *from};
    return true;
}

/* NULL, or the first constant that the graph has not. */
static const char *link_all(it_train_job *j)
{
    it_train_learned from;
    for (j->links_len = 0; it_train_learned_at(j->t, j->links_len, &from); j->links_len++)
        if (!link_one(&j->base, &from, &j->links[j->links_len]))
            return from.v->name;
    return NULL;
}

static intact_status open_base(it_train_job *j, intact_error *err)
{
    it_train_learned from;
    size_t len = 0;
    while (it_train_learned_at(j->t, len, &from))
        len++;
    j->links = it_arena_new(&j->arena, (len + 1) * sizeof *j->links);
    if (!j->links)
        return it_fail_nomem(err, "training", len * sizeof *j->links);
    for (int folded = 0; folded < 2; folded++) {
        IT_TRY(read_graph(j, folded ? plain_passes : NULL, &j->base, err));
        j->base_open = true;
        const char *missing = link_all(j);
        if (!missing)
            return INTACT_OK;
        if (folded)
            return it_fail(err, INTACT_E_UNSUPPORTED, missing, "the network computes this from others in a way that cannot be written back");
        it_log(j->c, INTACT_LOG_INFO, "the network computes %s from constants: the one that is written has the result in their place", missing);
        it_graph_release(&j->base);
        j->base_open = false;
    }
    return INTACT_OK;
}

/* ---- the trainer ---- */

static intact_status check_teacher(it_train_job *j, size_t answers, intact_error *err)
{
    it_tensor a = j->m.g.inputs.items[0]->t, b = j->teacher_graph.inputs.items[0]->t;
    char x[96], y[96];
    a.dim[0] = b.dim[0] = 1; /* the trainer has inferred its graph for larger blocks */
    if (j->teacher_graph.inputs.len == 1 && !it_tensor_same_shape(&a, &b))
        return it_fail(err, INTACT_E_SHAPE, j->o->teacher, "the teacher takes %s, the network that learns %s; both must take the same",
                       it_tensor_print(&b, y, sizeof y), it_tensor_print(&a, x, sizeof x));
    return it_teacher_new(&j->teacher_graph, j->c->pool, answers, &j->teacher, err);
}

static intact_status check_labels(it_train_job *j, const it_source *s, const intact_data_options *d, size_t answers, intact_error *err)
{
    const it_feed *f = &s->feed;
    if (!s->data->label)
        return it_fail(err, INTACT_E_DATA, d->path, "the data set has no labels, and training learns them%s", f->arrays ? "; give --labels FILE.npy" : "");
    for (size_t i = 0; i < f->len; i++) {
        const size_t sample = f->pick ? f->pick[i] : i;
        const int64_t label = s->data->label[sample] < 0 ? -1 : (int64_t)s->data->label[sample] + f->label_offset;
        if (label < 0)
            return it_fail(err, INTACT_E_DATA, it_dataset_name(s->data, sample), "has no label; training needs one a sample");
        if (label >= (int64_t)answers)
            return it_fail(err, INTACT_E_DATA, it_dataset_name(s->data, sample),
                           "its class is %lld (the data has %u classes, counted from 0), but the network answers %zu: a network with as many answers is needed "
                           "(intact new --classes), or another --label-offset",
                           (long long)label, s->data->classes, answers);
    }
    if (s == &j->data && s->data->classes + (uint32_t)f->label_offset < answers)
        it_log(j->c, INTACT_LOG_WARNING, "%s: the network answers %zu classes, the data has %u; it learns never to answer the others", d->path, answers,
               s->data->classes);
    return INTACT_OK;
}

intact_status it_api_train_make(it_train_job *j, intact_error *err)
{
    size_t answers;
    const uint32_t parts = j->comm ? j->comm->size : 1;
    j->spec.batch = (j->batch + parts - 1) / parts;
    j->spec.comm = j->comm;
    j->spec.sync_statistics = j->o->sync_statistics;
    IT_TRY(it_train_new(&j->m.g, &j->spec, &j->t, err));
    (void)it_train_answers(j->t, &answers);
    if (answers < 2)
        return it_fail(err, INTACT_E_UNSUPPORTED, j->m.g.outputs.items[0]->name,
                       "the network answers one number; cross-entropy takes an answer a class, two at least");
    IT_TRY(check_labels(j, &j->data, &j->o->data, answers, err));
    if (j->o->val.path)
        IT_TRY(check_labels(j, &j->val, &j->o->val, answers, err));
    if (j->o->teacher)
        IT_TRY(check_teacher(j, answers, err));
    if (!j->qat)
        IT_TRY(open_base(j, err));
    size_t len = 0;
    const it_train_param *p = it_train_params(j->t, &len);
    for (size_t i = 0; i < len; i++)
        j->out->parameters += p[i].v ? p[i].len : 0;
    j->out->samples = j->data.feed.len;
    j->out->memory_bytes = it_train_bytes(j->t);
    const it_train_state s = it_train_state_of(j->t);
    j->statistics = it_arena_new(&j->arena, (s.array[1].len + 1) * sizeof(float));
    return j->statistics ? INTACT_OK : it_fail_nomem(err, "training", s.array[1].len * sizeof(float));
}

/* ---- as it stands ---- */

static json_t *text_json(const char *s)
{
    json_t *t = json_string(s);
    return t ? t : json_string("?");
}

/* Nothing in it depends on when or how often the run was stopped. */
static intact_status describe(it_train_job *j, intact_error *err)
{
    const char *slash = strrchr(j->model_path, '/');
    json_t *how = json_object();
    for (uint64_t i = 0; i < j->kept->settings_len; i++)
        json_object_set_new(how, j->kept->settings[i].key, text_json(j->kept->settings[i].value));
    json_t *root = json_pack("{s:s, s:o, s:i, s:I, s:o}", "intact", INTACT_VERSION_STRING, "trained_from", text_json(slash ? slash + 1 : j->model_path),
                             "epochs", (int)j->o->epochs, "samples", (json_int_t)j->data.feed.len, "settings", how);
    j->meta = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    j->base.meta = j->meta;
    return j->meta ? INTACT_OK : it_fail_nomem(err, "provenance", 0);
}

static intact_status pack(it_train_job *j, intact_error *err)
{
    if (!j->meta)
        IT_TRY(describe(j, err));
    it_alloc_free(j->c->alloc, j->bytes, j->len);
    j->bytes = NULL;
    for (size_t i = 0; i < j->links_len; i++)
        j->links[i].to->t.data = (void *)(uintptr_t)j->links[i].from.data;
    return it_onnx_write_memory(&j->base, &j->bytes, &j->len, err);
}

intact_status it_api_train_snapshot(it_train_job *j, intact_error *err)
{
    const it_train_state s = it_train_state_of(j->t);
    intact_status st = INTACT_OK;
    float *running = s.array[1].data;
    const size_t bytes = s.array[1].len * sizeof *running;
    j->eval.n = 0;
    it_train_swap_average(j->t);
    memcpy(j->statistics, running, bytes);
    if (j->restat && bytes)
        st = it_restat_run(j->t, &j->data.feed, j->batch, j->restat, j->o->seed ^ UINT64_C(0x57a7), j->feeders, err);
    if (st == INTACT_OK)
        st = j->qat ? it_api_train_qat_pack(j, err) : pack(j, err);
    memcpy(running, j->statistics, bytes);
    it_train_touch(j->t);
    it_train_swap_average(j->t);
    return st;
}

/* Each process takes its stretch of the samples. */
static intact_status eval_shared(it_train_job *j, const intact_model *m, intact_error *err)
{
    it_source part = j->val;
    const it_feed *all = &j->val.feed;
    if (!j->comm)
        return it_api_eval(j->c, m, &j->val, &j->eval, err);
    const size_t from = all->len * j->comm->rank / j->comm->size, to = all->len * (j->comm->rank + 1) / j->comm->size;
    size_t *pick = it_alloc_new(j->c->alloc, (to - from + 1) * sizeof *pick);
    if (!pick)
        return it_fail_nomem(err, "evaluation", (to - from) * sizeof *pick);
    for (size_t i = from; i < to; i++)
        pick[i - from] = all->pick ? all->pick[i] : i;
    part.feed.pick = pick;
    part.feed.len = to - from;
    intact_eval_result r = {0};
    intact_status st = to > from ? it_api_eval(j->c, m, &part, &r, err) : INTACT_OK;
    it_alloc_free(j->c->alloc, pick, (to - from + 1) * sizeof *pick);
    double sum[4] = {(double)r.n, (double)r.skipped, (double)r.right1, (double)r.right5};
    if (st == INTACT_OK)
        st = j->comm->sum_f64(j->comm->user, sum, 4, err);
    if (st != INTACT_OK || sum[0] == 0)
        return st;
    const double top1 = sum[2] / sum[0];
    j->eval = (intact_eval_result){.n = (uint64_t)sum[0], .skipped = (uint64_t)sum[1], .right1 = (uint64_t)sum[2], .right5 = (uint64_t)sum[3], .top1 = top1,
                                   .top5 = sum[3] / sum[0], .top1_standard_error = sqrt(top1 * (1 - top1) / sum[0]), .seconds = r.seconds};
    return INTACT_OK;
}

intact_status it_api_train_measure(it_train_job *j, intact_error *err)
{
    if (j->qat)
        return it_api_train_qat_measure(j, err);
    intact_model m = {.kind = INTACT_MODEL_FLOAT, .ctx = j->c, .path = (char *)(uintptr_t)j->o->output};
    it_graph_init(&m.g, j->c->alloc);
    intact_status st = it_onnx_read_memory(j->bytes, j->len, j->o->output, NULL, &m.g, err);
    if (st == INTACT_OK)
        st = it_graph_infer(&m.g, 1, NULL, err);
    if (st == INTACT_OK)
        st = it_pass_all_run(&m.g, err);
    if (st == INTACT_OK)
        st = eval_shared(j, &m, err);
    it_graph_release(&m.g);
    return st;
}

void it_api_train_close(it_train_job *j)
{
    it_teacher_free(j->teacher);
    it_train_free(j->t);
    it_qat_free(j->qat);
    if (j->teacher_open)
        it_graph_release(&j->teacher_graph);
    if (j->base_open)
        it_graph_release(&j->base);
    if (j->data.ctx)
        it_source_close(&j->data);
    if (j->val.ctx)
        it_source_close(&j->val);
    if (j->m_open)
        it_graph_release(&j->m.g);
    it_alloc_free(j->c->alloc, j->pick, j->pick_len * sizeof *j->pick);
    it_alloc_free(j->c->alloc, j->bytes, j->len);
    it_alloc_free(j->c->alloc, j->kept, j->kept_bytes);
    it_arena_release(&j->arena);
    if (j->metrics)
        fclose(j->metrics);
    free(j->meta);
}
