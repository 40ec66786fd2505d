/* SPDX-License-Identifier: Apache-2.0 */
/* quantize.c: float network in, integer program out (or quantized ONNX network): the order of the steps. */
#include <string.h>

#include "api/quantize_job.h"
#include "api/report.h"
#include "base/c_locale.h"
#include "format/format.h"
#include "pass/unroll.h"

/* Nothing is overwritten that is read, and what is found out about paths is found out before the work. */
static intact_status check_files(const it_quantize_job *q, intact_error *err)
{
    const intact_quantize_options *o = q->o;
    const it_api_file outs[] = {{"what is written", o->output}, {"the report", o->report}, {"the report's JSON", o->report_json}};
    const it_api_file ins[] = {{"the float network", q->model_path}, {"the calibration data", o->calib.path}, {"the data to judge by", o->eval.path}, {"the labels", o->eval.labels}, {"the labels", o->calib.labels},
                               {"the recipe", o->recipe}, {"the ranges file", o->ranges}};
    it_source s;
    IT_TRY(it_api_files_apart(outs, IT_LEN(outs), ins, IT_LEN(ins), err));
    if (!o->eval.path || (!o->report && !o->report_json))
        return INTACT_OK;
    IT_TRY(it_source_open(&s, &q->m, &o->eval, err));
    it_source_close(&s);
    return INTACT_OK;
}

/* Trials of a search have none. */
static intact_status write_report(it_quantize_job *q, intact_error *err)
{
    if (!q->o->report && !q->o->report_json)
        return INTACT_OK;
    const it_report_job j = {.c = q->c, .o = q->o, .out = q->out, .model_path = q->model_path, .model_sha = q->model_sha, .calib_sha = q->calib_sha, .g = &q->m.g, .recipe = &q->recipe,
                             .ptq = &q->ptq, .feed = &q->src.feed, .lower = &q->lower, .hooks = q->hooks};
    return it_api_report(&j, err);
}

static intact_status run_steps(it_quantize_job *q, intact_error *err)
{
    size_t len = strlen(q->o->output);
    q->onnx = len > 5 && strcmp(q->o->output + len - 5, ".onnx") == 0;
    IT_TRY(check_files(q, err));
    IT_TRY(it_onnx_sha256(q->model_path, &q->m.g, q->model_sha, err));
    IT_TRY(it_quantize_absorb(q, err));
    if (!q->recipe.keep_softmax && it_lower_drop_softmax(&q->m.g)) {
        it_log(q->c, INTACT_LOG_INFO, "the Softmax at the network's end is left out: the order of the answers is the same (--keep-softmax keeps it)");
        IT_TRY(it_graph_infer(&q->m.g, 1, NULL, err));
    }
    IT_TRY(it_recipe_check(&q->recipe, &q->m.g, err));
    IT_TRY(it_quantize_calibrate(q, err));
    if (q->hooks && q->hooks->visit)
        return q->hooks->visit(q->hooks->user, &q->ptq, &q->m, err);
    IT_TRY(it_quantize_write(q, err));
    IT_TRY(it_quantize_fill_result(q, err));
    return write_report(q, err);
}

static intact_status unroll(it_quantize_job *q, intact_error *err)
{
    size_t layers;
    IT_TRY(it_unroll_run(&q->m.g, &layers, err));
    if (layers)
        it_log(q->c, INTACT_LOG_INFO, "%zu recurrent layer%s unrolled: a step's products, tables and sums are integer instructions", layers, layers == 1 ? " is" : "s are");
    return INTACT_OK;
}

intact_status intact_quantize(intact_ctx *c, const char *model_path, const intact_quantize_options *o, intact_quantize_result *out, intact_error *err)
{
    return it_quantize(c, model_path, o, NULL, out, err);
}

static intact_status quantize(intact_ctx *c, const char *model_path, const intact_quantize_options *o, const it_quantize_hooks *hooks,
                              intact_quantize_result *out, intact_error *err)
{
    *out = (intact_quantize_result){0};
    double start = it_seconds();
    it_quantize_job q = {.c = c, .o = o, .out = out, .model_path = model_path, .hooks = hooks};
    if (!model_path)
        return it_fail(err, INTACT_E_ARG, "quantize", "no model was given");
    it_recipe_init(&q.recipe, c->alloc);
    intact_status st = it_quantize_read_options(&q, err);
    if (st == INTACT_OK && hooks && hooks->edit)
        st = hooks->edit(hooks->user, &q.recipe, err);
    if (st != INTACT_OK) {
        it_recipe_release(&q.recipe);
        return st;
    }
    q.m = (intact_model){.kind = INTACT_MODEL_FLOAT, .ctx = c, .path = (char *)(uintptr_t)model_path};
    st = it_api_read(c, model_path, &q.m.g, err);
    if (st != INTACT_OK) {
        it_recipe_release(&q.recipe);
        return st;
    }
    it_prog_init(&q.prog, c->alloc);
    st = unroll(&q, err);
    if (st == INTACT_OK)
        st = run_steps(&q, err);
    it_lower_release(&q.lower);
    it_prog_release(&q.prog);
    it_ptq_release(&q.ptq);
    it_absorb_release(&q.absorb);
    it_recipe_release(&q.recipe);
    it_source_close(&q.src);
    it_alloc_free(c->alloc, q.pick, q.pick_len * sizeof *q.pick);
    it_graph_release(&q.m.g);
    out->seconds = it_seconds() - start;
    if (st != INTACT_OK)
        intact_quantize_result_release(c, out);
    return st;
}

/* Numbers in notes, provenance and reports have points, whatever the caller's locale. */
intact_status it_quantize(intact_ctx *c, const char *model_path, const intact_quantize_options *o, const it_quantize_hooks *hooks,
                          intact_quantize_result *out, intact_error *err)
{
    it_c_locale l;
    it_c_locale_enter(&l);
    intact_status st = quantize(c, model_path, o, hooks, out, err);
    it_c_locale_leave(&l);
    return st;
}
