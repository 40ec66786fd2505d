/* SPDX-License-Identifier: Apache-2.0 */
/* export.c: an integer program written as an ONNX network. */
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "format/format.h"

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
    return it_fail(err, INTACT_E_ARG, "export", "format '%s' is not known; %s%s", name, near ? "did you mean " : "the default is ", near ? near : "qdq");
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
    intact_status st = it_export_graph(&p, f, (it_export_options){.pixels = o->pixels != 0, .int4 = o->int4 != 0}, &g, err);
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
    IT_TRY(it_map_open(program_path, &map, err));
    intact_status st = export_bytes(c, &map, program_path, f, o, out, err);
    it_map_close(&map);
    return st;
}
