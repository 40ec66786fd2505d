/* SPDX-License-Identifier: Apache-2.0 */
/* info.c: what a loaded program says about itself. */
#include <stdio.h>
#include <string.h>

#include "run/instr.h"
#include "run/machine.h"

void intact_program_get_info(const intact_program *p, intact_program_info *out) { *out = p->info; }

const char *intact_program_meta(const intact_program *p) { return p->prog.meta; }

uint32_t intact_program_steps(const intact_program *p) { return p->info.instructions_len; }

/* Scales travel as bits: no float register is touched. */
_Static_assert(sizeof(float) == sizeof(uint32_t), "scale_bits is an IEEE single");

/* Raw pixels stand for themselves (scale 1, zero point 0) and go through tables; codes of another scale may feed the same instruction. */
static bool feeds_pixels(const it_prog *g, uint32_t tensor)
{
    const it_ptensor *t = &g->tensors.items[tensor];
    if (t->scale_bits != UINT32_C(0x3f800000) || t->zero_point != 0)
        return false;
    for (size_t k = 0; k < g->instrs.len; k++)
        if (g->instrs.items[k].kind == &it_instr_pixels && g->instrs.items[k].in[0] == tensor)
            return true;
    return false;
}

static intact_status describe_port(const intact_program *p, const uint32_t *tensors, uint32_t len, uint32_t index, intact_port *out)
{
    if (!out || index >= len)
        return INTACT_E_ARG;
    const it_ptensor *t = &p->prog.tensors.items[tensors[index]];
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", t->name);
    out->type = t->type;
    out->rank = t->rank;
    memcpy(out->dims, t->dims, t->rank * sizeof *t->dims);
    out->bytes = it_ptensor_bytes(t);
    memcpy(&out->scale, &t->scale_bits, sizeof t->scale_bits);
    out->zero_point = t->zero_point;
    return INTACT_OK;
}

intact_status intact_program_input(const intact_program *p, uint32_t index, intact_port *out)
{
    IT_TRY(describe_port(p, p->prog.inputs, p->prog.inputs_len, index, out));
    out->is_pixels = feeds_pixels(&p->prog, p->prog.inputs[index]);
    return INTACT_OK;
}

intact_status intact_program_output(const intact_program *p, uint32_t index, intact_port *out)
{
    return describe_port(p, p->prog.outputs, p->prog.outputs_len, index, out);
}

/* Whether a layer counts thresholds instead of multiplying. */
static bool counts_thresholds(const it_pinstr *i)
{
    for (uint32_t k = 0; k < i->kind->fields_len; k++)
        if (i->kind->fields[k].flags & IT_F_LEVELS)
            return it_field_const(i, &i->kind->fields[k]) != IT_NO_CONST;
    return false;
}

intact_status intact_program_step(const intact_program *p, uint32_t index, intact_step *out)
{
    if (!out || index >= p->prog.instrs.len)
        return INTACT_E_ARG;
    const it_pinstr *i = &p->prog.instrs.items[index];
    const it_ptensor *y = it_out(&p->prog, i, 0);
    memset(out, 0, sizeof *out);
    snprintf(out->kind, sizeof out->kind, "%s", i->kind->name);
    snprintf(out->name, sizeof out->name, "%s", i->name);
    size_t len = (size_t)snprintf(out->kernel, sizeof out->kernel, "%s%s", p->steps[index].kernel,
                                  counts_thresholds(i) ? " +threshold" : "");
    for (uint32_t k = 0; k < IT_THEN_MAX && i->then[k] && len < sizeof out->kernel; k++)
        len += (size_t)snprintf(out->kernel + len, sizeof out->kernel - len, " +%s", i->then[k]->kind->name);
    snprintf(out->out_name, sizeof out->out_name, "%s", y->name);
    out->macs = p->steps[index].macs;
    out->weight_bits = p->steps[index].weight_bits;
    out->out_elements = it_ptensor_elements(y);
    out->out_type = y->type;
    out->out_rank = y->rank;
    memcpy(out->out_dims, y->dims, y->rank * sizeof *y->dims);
    memcpy(&out->out_scale, &y->scale_bits, sizeof y->scale_bits);
    out->out_zero_point = y->zero_point;
    return INTACT_OK;
}
