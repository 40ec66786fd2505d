/* SPDX-License-Identifier: Apache-2.0 */
/* export.c: an integer program written as an ONNX network. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "format/format.h"
#include "run/instr.h"

void intact_export_options_default(intact_export_options *o) { *o = (intact_export_options){0}; }

uint32_t intact_list_export_formats(intact_export_format *out, uint32_t cap)
{
    uint32_t len = 0;
    for (; it_export_format_all[len]; len++)
        if (out && len < cap)
            out[len] = (intact_export_format){it_export_format_name(it_export_format_all[len]), it_export_format_summary(it_export_format_all[len])};
    return len;
}

static intact_status find_format(const char *name, const it_export_format **out, intact_error *err)
{
    const char *names[16];
    size_t len = 0;
    *out = it_export_format_find(name);
    if (*out)
        return INTACT_OK;
    for (; it_export_format_all[len] && len < IT_LEN(names); len++)
        names[len] = it_export_format_name(it_export_format_all[len]);
    const char *near = it_nearest(name, names, len);
    char list[256] = "";
    for (size_t i = 0, at = 0; i < len && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    return it_fail(err, INTACT_E_ARG, "export", "format '%s' is not known; %s%s; known are %s", name, near ? "did you mean " : "the default is ", near ? near : "qdq", list);
}

static intact_status write_graph(const it_graph *g, const char *path, intact_export_result *out, intact_error *err)
{
    it_map map;
    IT_TRY(it_onnx_write(g, path, err));
    IT_TRY(it_map_open(path, &map, err));
    out->file_bytes = map.len;
    it_map_close(&map);
    out->opset = g->opset;
    out->nodes = (uint32_t)g->nodes.len;
    for (size_t k = 0; k < g->nodes.len; k++)
        out->foreign += g->nodes.items[k]->op->domain != NULL;
    return INTACT_OK;
}

/* ---- how real inputs become codes ---- */

static bool same_codes(const it_prog *p, const it_pinstr *px, const it_preprocess *pre)
{
    const it_ptensor *t = it_out(p, px, 0);
    const it_pixels_args *a = px->args;
    const uint8_t *table = it_const(p, a->table)->data;
    const uint64_t channels = it_const(p, a->table)->len / 256;
    float scale;
    memcpy(&scale, &t->scale_bits, sizeof scale);
    for (uint64_t c = 0; c < channels; c++)
        for (uint32_t x = 0; x < 256; x++)
            if (it_border_code(it_preprocess_value(pre, (uint32_t)c, (uint8_t)x), scale, t->zero_point, t->type, true) != table[c * 256 + x])
                return false;
    return true;
}

/* Whether a QuantizeLinear gives other codes than the program has for some pixel of the stored preprocessing. */
static bool rounds_otherwise(const it_prog *p, const char *meta)
{
    char text[256];
    it_preprocess pre;
    if (!it_meta_text_string(meta, "preprocess", text, sizeof text) || it_preprocess_parse(text, &pre, NULL) != INTACT_OK)
        return false;
    for (size_t k = 0; k < p->instrs.len; k++)
        if (p->instrs.items[k].kind == &it_instr_pixels && it_out(p, &p->instrs.items[k], 0)->type == INTACT_U8)
            return !same_codes(p, &p->instrs.items[k], &pre);
    return false;
}

static intact_status export_bytes(intact_ctx *c, const it_map *map, const char *path, const it_export_format *f, const intact_export_options *o,
                                  intact_export_result *out, intact_error *err)
{
    it_prog p;
    it_graph g;
    if (map->len < 4 || memcmp(map->data, "ITM", 3) != 0)
        return it_fail(err, INTACT_E_ARG, path, "this is no integer program; intact quantize makes one of a float network");
    IT_TRY(it_prog_read(map->data, map->len, c->alloc, &p, err));
    it_graph_init(&g, c->alloc);
    g.name = "intact";
    out->instructions = (uint32_t)p.instrs.len;
    it_export_options eo = {.pixels = o->pixels != 0, .int4 = o->int4 != 0, .exact_input = !o->pixels && rounds_otherwise(&p, p.meta)};
    if (eo.exact_input)
        it_log(c, INTACT_LOG_INFO, "pixels fall between two codes: the input is rounded in doubles first, since QuantizeLinear rounds ties otherwise");
    intact_status st = it_export_graph(&p, f, eo, &g, err);
    if (st == INTACT_OK)
        st = write_graph(&g, o->output, out, err);
    it_graph_release(&g);
    it_prog_release(&p);
    return st;
}

intact_status intact_export(intact_ctx *c, const char *program_path, const intact_export_options *o, intact_export_result *out, intact_error *err)
{
    const it_export_format *f;
    it_map map;
    *out = (intact_export_result){0};
    if (!program_path || !o->output)
        return it_fail(err, INTACT_E_ARG, "export", "the paths of an integer program and of the output are needed");
    IT_TRY(find_format(o->format ? o->format : "qdq", &f, err));
    const it_api_file in = {"the program", program_path}, to = {"the ONNX network", o->output};
    IT_TRY(it_api_files_apart(&to, 1, &in, 1, err));
    IT_TRY(it_map_open(program_path, &map, err));
    intact_status st = export_bytes(c, &map, program_path, f, o, out, err);
    it_map_close(&map);
    return st;
}
