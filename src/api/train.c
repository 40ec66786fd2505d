/* SPDX-License-Identifier: Apache-2.0 */
/* train.c: the verb: opens everything, runs, writes the network. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/train_job.h"
#include "api/train_qat.h"
#include "base/file.h"

static intact_status check_files(const it_train_job *j, intact_error *err)
{
    const intact_train_options *o = j->o;
    const it_api_file ins[] = {
        {"the network that learns", j->model_path}, {"the teacher", o->teacher}, {"the training data", o->data.path}, {"the validation data", o->val.path}, {"the labels", o->data.labels}, {"the validation labels", o->val.labels}};
    const it_api_file outs[] = {{"the trained network", o->output},
                                {"the checkpoint", j->checkpoint},
                                {"the metrics", o->metrics},
                                {"the report", o->report},
                                {"the report's JSON", o->report_json}};
    for (size_t i = 0; i < IT_LEN(outs); i++)
        if (i != 1 && outs[i].path && o->resume && it_api_same_file(outs[i].path, o->resume))
            return it_fail(err, INTACT_E_ARG, outs[i].path, "is the checkpoint to resume from, which would be overwritten; %s needs another file",
                           outs[i].what);
    return it_api_files_apart(outs, IT_LEN(outs), ins, IT_LEN(ins), err);
}

/* The first ones of class folders would be of one class; the choice is the same for every seed. */
static intact_status pick_some(it_train_job *j, intact_error *err)
{
    it_feed *f = &j->data.feed;
    if (f->len == j->data.data->len)
        return INTACT_OK;
    IT_TRY(it_dataset_pick(j->data.data, f->len, 0, &j->pick, &j->pick_len, err));
    f->pick = j->pick;
    f->len = j->pick_len;
    return INTACT_OK;
}

static intact_status open_data(it_train_job *j, intact_error *err)
{
    IT_TRY(it_source_open(&j->data, &j->m, &j->o->data, err));
    IT_TRY(pick_some(j, err));
    j->data.feed.io_ends = true;
    for (int i = 0; i < IT_AUGMENT_COUNT && !j->data.feed.arrays; i++) {
        const uint32_t side = j->data.feed.dim[1] < j->data.feed.dim[2] ? j->data.feed.dim[1] : j->data.feed.dim[2];
        if (it_augment_all[i]->number && j->augment.amount[i] >= side)
            return it_fail(err, INTACT_E_ARG, "training", "--augment %s=%u of images of %ux%u would leave nothing of them; fewer pixels than a side are possible",
                           it_augment_all[i]->name, j->augment.amount[i], j->data.feed.dim[1], j->data.feed.dim[2]);
    }
    if (!j->o->val.path)
        return INTACT_OK;
    IT_TRY(it_source_open(&j->val, &j->m, &j->o->val, err));
    j->val.feed.io_ends = true;
    j->out->val_samples = j->val.feed.len;
    it_source_hint(&j->val, &j->m, &j->o->val);
    return INTACT_OK;
}

/* A run that was killed after its last step measures once more. */
static intact_status write_output(it_train_job *j, intact_error *err)
{
    if (!j->bytes) {
        IT_TRY(it_api_train_snapshot(j, err));
        if (j->o->val.path)
            IT_TRY(it_api_train_measure(j, err));
    }
    it_sha256 h;
    it_sha256_init(&h);
    it_sha256_add(&h, j->bytes, j->len);
    it_sha256_hex(&h, j->out->sha256);
    j->out->file_bytes = j->len;
    if (j->eval.n) {
        j->out->val_top1 = j->eval.top1;
        j->out->val_top5 = j->eval.top5;
        j->out->val_standard_error = j->eval.top1_standard_error;
    }
    it_part part = {j->bytes, j->len};
    return !it_api_train_speaks(j) ? INTACT_OK : it_file_replace(j->o->output, &part, 1, err);
}

static intact_status give_epochs(it_train_job *j, intact_error *err)
{
    if (j->done == 0)
        return INTACT_OK;
    const size_t bytes = j->done * sizeof *j->out->epochs;
    j->out->epochs = it_alloc_new(j->c->alloc, bytes);
    if (!j->out->epochs)
        return it_fail_nomem(err, "training", bytes);
    memcpy(j->out->epochs, j->kept->epochs, bytes);
    j->out->epochs_len = j->done;
    return INTACT_OK;
}

static intact_status run(it_train_job *j, intact_error *err)
{
    IT_TRY(it_api_train_options(j, err));
    IT_TRY(it_api_train_qat_check(j, err));
    IT_TRY(check_files(j, err));
    IT_TRY(it_api_train_read(j, err));
    IT_TRY(open_data(j, err));
    IT_TRY(it_api_train_qat_open(j, err));
    IT_TRY(it_api_train_make(j, err));
    intact_status st = it_api_train_run(j, err);
    if (st == INTACT_OK)
        st = write_output(j, err);
    j->out->seconds = it_seconds() - j->start;
    intact_status given = give_epochs(j, st == INTACT_OK ? err : NULL);
    IT_TRY(st == INTACT_OK ? given : st);
    IT_TRY(it_api_train_report(j, err));
    if (!j->o->checkpoint && it_api_train_speaks(j))
        unlink(j->checkpoint); /* nobody asked for it */
    return INTACT_OK;
}

intact_status intact_train(intact_ctx *c, const char *model_path, const intact_train_options *o, intact_train_result *out, intact_error *err)
{
    it_train_job j = {.c = c, .o = o, .out = out, .model_path = model_path, .start = it_seconds()};
    *out = (intact_train_result){.val_top1 = -1, .val_top5 = -1, .val_standard_error = -1};
    if (!model_path)
        return it_fail(err, INTACT_E_ARG, "training", "no network was given");
    IT_TRY(it_comm_open(c->alloc, &j.comm, err));
    const intact_ctx_options said = c->opt;
    if (!it_api_train_speaks(&j))
        c->opt.log = NULL, c->opt.progress = NULL;
    out->processes = j.comm ? j.comm->size : 1;
    out->silent = !it_api_train_speaks(&j);
    it_arena_init(&j.arena, c->alloc);
    intact_status st = run(&j, err);
    it_api_train_close(&j);
    c->opt = said;
    if (st == INTACT_OK) /* one that fails ends without a word to the others, and mpirun stops them */
        it_comm_close(c->alloc, j.comm);
    return st;
}

void intact_train_result_release(intact_ctx *c, intact_train_result *r)
{
    it_alloc_free(c->alloc, r->epochs, r->epochs_len * sizeof *r->epochs);
    *r = (intact_train_result){.epochs = NULL};
}
