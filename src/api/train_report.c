/* SPDX-License-Identifier: Apache-2.0 */
/* train_report.c: a training run's report, after every epoch and at the end. */
#include "report/train_report.h"

#include <math.h>
#include <string.h>

#include "api/train_job.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static double known(double v) { return v < 0 ? NAN : v; }

static intact_status fill(const it_train_job *j, it_arena *a, it_report_train *r, intact_error *err)
{
    const intact_train_result *out = j->out;
    it_report_epoch *e = it_arena_new(a, (j->done + 1) * sizeof *e);
    it_report_setting *s = it_arena_new(a, (j->kept->settings_len + 1) * sizeof *s);
    if (!e || !s)
        return it_fail_nomem(err, "report", j->done * sizeof *e);
    for (uint32_t i = 0; i < j->done; i++) {
        const intact_train_epoch *x = &j->kept->epochs[i];
        e[i] = (it_report_epoch){x->epoch,  x->loss,   x->top1,   known(x->val_top1), x->rate, x->norm, x->seconds, x->images_per_second,
                                 x->waited, x->images, x->skipped};
    }
    for (uint64_t i = 0; i < j->kept->settings_len; i++)
        s[i] = (it_report_setting){j->kept->settings[i].key, j->kept->settings[i].value};
    *r = (it_report_train){.network = base_name(j->model_path),
                           .output = base_name(j->o->output),
                           .network_sha = j->model_sha,
                           .output_sha = *out->sha256 ? out->sha256 : NULL,
                           .data = j->o->data.path,
                           .val = j->o->val.path,
                           .parameters = out->parameters,
                           .samples = out->samples,
                           .val_samples = out->val_samples,
                           .file_bytes = out->file_bytes,
                           .memory_bytes = out->memory_bytes,
                           .epochs_all = j->o->epochs,
                           .val_top1 = known(out->val_top1),
                           .val_top5 = known(out->val_top5),
                           .val_error = known(out->val_standard_error),
                           .epochs = e,
                           .epochs_len = j->done,
                           .settings = s,
                           .settings_len = (size_t)j->kept->settings_len};
    return INTACT_OK;
}

intact_status it_api_train_report(const it_train_job *j, intact_error *err)
{
    it_report_train r;
    it_arena a;
    if ((!j->o->report && !j->o->report_json) || !it_api_train_speaks(j))
        return INTACT_OK;
    it_arena_init(&a, j->c->alloc);
    intact_status st = fill(j, &a, &r, err);
    if (st == INTACT_OK && j->o->report)
        st = it_report_train_html(&r, j->o->report, j->c->alloc, err);
    if (st == INTACT_OK && j->o->report_json)
        st = it_report_train_json(&r, j->o->report_json, j->c->alloc, err);
    it_arena_release(&a);
    return st;
}
