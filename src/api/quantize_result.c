/* SPDX-License-Identifier: Apache-2.0 */
/* quantize_result.c: what the caller of a quantization gets to see: ranges and notes. */
#include <stdio.h>
#include <string.h>

#include "api/quantize_job.h"

/* Codes' own range, as nobody measured another. */
static void report_given(const it_value *v, intact_range_info *r)
{
    int32_t least = v->q->type == INTACT_S16 ? -32767 : 0, most = v->q->type == INTACT_S16 ? 32767 : (1 << v->q->bits) - 1;
    strncpy(r->value, v->name, sizeof r->value - 1);
    strncpy(r->type, v->q->type == INTACT_S16 ? "s16" : "u8", sizeof r->type - 1);
    r->scale = v->q->scale[0];
    r->zero_point = v->q->zero[0];
    r->lo = r->min = r->scale * (float)(least - r->zero_point);
    r->hi = r->max = r->scale * (float)(most - r->zero_point);
}

static bool is_quantized_activation(const it_value *v) { return v->q && !v->is_const && (v->producer || v->is_input); }

static intact_status report_all_given(it_quantize_job *q, intact_error *err)
{
    size_t len = 0;
    for (size_t i = 0; i < q->m.g.values.len; i++)
        len += is_quantized_activation(q->m.g.values.items[i]);
    q->out->ranges = it_alloc_zero(q->c->alloc, len * sizeof *q->out->ranges);
    if (!q->out->ranges)
        return it_fail_nomem(err, "report", len * sizeof *q->out->ranges);
    q->out->ranges_len = (uint32_t)len;
    for (size_t i = 0, at = 0; i < q->m.g.values.len; i++)
        if (is_quantized_activation(q->m.g.values.items[i]))
            report_given(q->m.g.values.items[i], &q->out->ranges[at++]);
    return INTACT_OK;
}

static intact_status report_ranges(it_quantize_job *q, intact_error *err)
{
    if (q->ptq.groups.g.len == 0)
        return report_all_given(q, err);
    size_t len = q->ptq.groups.g.len;
    q->out->ranges = it_alloc_zero(q->c->alloc, len * sizeof *q->out->ranges);
    if (!q->out->ranges)
        return it_fail_nomem(err, "report", len * sizeof *q->out->ranges);
    q->out->ranges_len = (uint32_t)len;
    for (size_t i = 0; i < len; i++) {
        const it_group *gr = &q->ptq.groups.g.items[i];
        intact_range_info *r = &q->out->ranges[i];
        strncpy(r->value, gr->first->name, sizeof r->value - 1);
        strncpy(r->type, gr->type == INTACT_S16 ? "s16" : "u8", sizeof r->type - 1);
        r->lo = gr->range.lo;
        r->hi = gr->range.hi;
        r->min = gr->hist ? gr->hist->min : gr->range.lo;
        r->max = gr->hist ? gr->hist->max : gr->range.hi;
        r->clipped = gr->hist && gr->hist->count ? (double)gr->clipped / (double)gr->hist->count : 0;
        if (gr->first->q && gr->first->q->given) {
            report_given(gr->first, r);
        } else if (gr->first->q) {
            r->scale = gr->first->q->scale[0];
            r->zero_point = gr->first->q->zero[0];
        }
    }
    return INTACT_OK;
}

static intact_status report_note(it_quantize_job *q, uint32_t at, const char *layer, const char *text, intact_error *err)
{
    size_t bytes = strlen(layer) + strlen(text) + 3;
    char *s = it_alloc_new(q->c->alloc, bytes);
    if (!s)
        return it_fail_nomem(err, "report", bytes);
    snprintf(s, bytes, "%s: %s", layer, text);
    q->out->notes[at] = s;
    return INTACT_OK;
}

static intact_status report_notes(it_quantize_job *q, intact_error *err)
{
    size_t len = q->ptq.groups.notes.len + q->ptq.notes.len + q->lower.notes.len;
    q->out->notes = it_alloc_zero(q->c->alloc, len * sizeof *q->out->notes);
    if (!q->out->notes)
        return it_fail_nomem(err, "report", len * sizeof *q->out->notes);
    q->out->notes_len = (uint32_t)len;
    uint32_t at = 0;
    for (size_t i = 0; i < q->ptq.groups.notes.len; i++)
        IT_TRY(report_note(q, at++, q->ptq.groups.notes.items[i].layer, q->ptq.groups.notes.items[i].text, err));
    for (size_t i = 0; i < q->ptq.notes.len; i++)
        IT_TRY(report_note(q, at++, q->ptq.notes.items[i].layer, q->ptq.notes.items[i].text, err));
    for (size_t i = 0; i < q->lower.notes.len; i++)
        IT_TRY(report_note(q, at++, q->lower.notes.items[i].layer, q->lower.notes.items[i].text, err));
    return INTACT_OK;
}

intact_status it_quantize_fill_result(it_quantize_job *q, intact_error *err)
{
    IT_TRY(report_ranges(q, err));
    return report_notes(q, err);
}

void intact_quantize_result_release(intact_ctx *c, intact_quantize_result *r)
{
    for (uint32_t i = 0; r->notes && i < r->notes_len; i++)
        if (r->notes[i])
            it_alloc_free(c->alloc, r->notes[i], strlen(r->notes[i]) + 1);
    it_alloc_free(c->alloc, r->notes, r->notes_len * sizeof *r->notes);
    it_alloc_free(c->alloc, r->ranges, r->ranges_len * sizeof *r->ranges);
    *r = (intact_quantize_result){0};
}
