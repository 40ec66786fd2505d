/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_info.c: intact info: what a network file holds. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct info_options { cli_common common; int layers; intact_cpu cpu; } info_options;

static const cli_option info_table[] = {
    CLI_OPTION(info_options, layers, "layers", 'l', NULL, FLAG, NULL, "one line per layer"),
    CLI_OPTION(info_options, cpu, "cpu", 0, "LEVEL", CPU, "cpu", "CPU level that an .itm is packed for"),
};

static void dims_text(const intact_io *io, char *buf, size_t cap)
{
    size_t at = 0;
    buf[0] = 0;
    for (uint32_t i = 0; i < io->rank && at < cap; i++)
        at += (size_t)(io->dims[i] < 0 ? snprintf(buf + at, cap - at, "%sN", i ? "x" : "") : snprintf(buf + at, cap - at, "%s%lld", i ? "x" : "", (long long)io->dims[i]));
}

static json_t *io_json(const intact_io *list, uint32_t len)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < len; i++) {
        json_t *dims = json_array();
        for (uint32_t k = 0; k < list[i].rank; k++)
            json_array_append_new(dims, list[i].dims[k] < 0 ? json_string("N") : json_integer(list[i].dims[k]));
        json_array_append_new(a, json_pack("{s:o, s:s, s:o, s:f, s:i, s:b}", "name", cli_string(list[i].name), "type", list[i].type, "dims", dims, "scale", (double)list[i].scale, "zero_point",
                                           list[i].zero_point, "pixels", list[i].is_pixels));
    }
    return a;
}

static int print_json(const intact_info *in, bool layers)
{
    json_t *ops = json_object(), *root = json_object();
    for (uint32_t i = 0; i < in->ops_len; i++)
        json_object_set_new(ops, in->ops[i].op, json_integer(in->ops[i].count));
    json_object_set_new(root, "kind", json_string(in->kind == INTACT_MODEL_FLOAT ? "float" : "integer"));
    if (in->kind == INTACT_MODEL_FLOAT)
        json_object_set_new(root, "opset", json_integer(in->opset));
    json_object_set_new(root, "inputs", io_json(in->inputs, in->inputs_len));
    json_object_set_new(root, "outputs", io_json(in->outputs, in->outputs_len));
    json_object_set_new(root, "ops", ops);
    json_object_set_new(root, "macs", json_integer((json_int_t)in->macs));
    json_object_set_new(root, "parameters", json_integer((json_int_t)in->parameters));
    json_object_set_new(root, "file_bytes", json_integer((json_int_t)in->file_bytes));
    json_object_set_new(root, "peak_bytes", json_integer((json_int_t)in->peak_bytes));
    if (in->kind == INTACT_MODEL_INTEGER) {
        json_object_set_new(root, "bound_bytes", json_integer((json_int_t)in->bound_bytes));
        json_object_set_new(root, "packed_bytes", json_integer((json_int_t)in->packed_bytes));
        json_object_set_new(root, "cpu", json_string(in->cpu));
        json_t *meta = json_loads(in->meta, 0, NULL);
        json_object_set_new(root, "provenance", meta ? meta : json_null());
    }
    json_t *list = layers ? json_array() : NULL;
    for (uint32_t i = 0; list && i < in->layers_len; i++)
        json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:s, s:I, s:I, s:i}", "name", cli_string(in->layers[i].name), "op", in->layers[i].op, "shape", in->layers[i].shape, "kernel",
                                              in->layers[i].kernel, "macs", (json_int_t)in->layers[i].macs, "parameters", (json_int_t)in->layers[i].parameters,
                                              "weight_bits", (int)in->layers[i].weight_bits));
    if (list)
        json_object_set_new(root, "layers", list);
    return cli_json(root);
}

static void print_layers(const intact_info *in)
{
    static const char *const heads[] = {"layer", "operator", "shape", ">MACs", ">bits", "kernel"};
    static const char *const bits[] = {"", "1", "2", "3", "4", "5", "6", "7", "8"};
    const char **cells = calloc((size_t)in->layers_len * 6 + 1, sizeof *cells);
    char buf[32];
    for (uint32_t i = 0; cells && i < in->layers_len; i++) {
        const intact_layer_info *l = &in->layers[i];
        cells[i * 6] = l->name;
        cells[i * 6 + 1] = l->op;
        cells[i * 6 + 2] = l->shape;
        cells[i * 6 + 3] = l->macs ? cli_text("%s", cli_count((double)l->macs, buf)) : "";
        cells[i * 6 + 4] = l->weight_bits <= 8 ? bits[l->weight_bits] : "";
        cells[i * 6 + 5] = l->kernel;
    }
    if (cells)
        cli_print_table(heads, 6, cells, in->layers_len);
    for (uint32_t i = 0; cells && i < in->layers_len; i++)
        if (in->layers[i].macs)
            free((void *)(uintptr_t)cells[i * 6 + 3]);
    free(cells);
}

static void print_io(const char *what, const intact_io *io)
{
    char dims[96];
    dims_text(io, dims, sizeof dims);
    printf("%-14s%s: %s %s", what, io->name, io->type, dims);
    if (io->is_pixels)
        printf(", raw pixels");
    else if (io->scale > 0)
        printf(", real = %.9g * (q - %d)", (double)io->scale, io->zero_point);
    printf("\n");
}

static void print_text(const intact_info *in)
{
    char a[32], b[32];
    bool integer = in->kind == INTACT_MODEL_INTEGER;
    if (integer)
        printf("%-14sinteger program, packed for %s\n", "kind", in->cpu);
    else
        printf("%-14sfloat network, ONNX opset %d\n", "kind", in->opset);
    for (uint32_t i = 0; i < in->inputs_len; i++)
        print_io("input", &in->inputs[i]);
    for (uint32_t i = 0; i < in->outputs_len; i++)
        print_io("output", &in->outputs[i]);
    printf("%-14s", integer ? "instructions" : "operators");
    for (uint32_t i = 0; i < in->ops_len; i++)
        printf("%s%s x%u%s", i ? ", " : "", in->ops[i].op, in->ops[i].count, in->ops[i].has_integer ? "" : " (no integer form)");
    printf("\n%-14s%s\n%-14s%s\n", "MACs", cli_count((double)in->macs, a), "parameters", cli_count((double)in->parameters, b));
    printf("%-14s%s\n", "file", cli_bytes((double)in->file_bytes, a));
    printf("%-14s%s of inner activations, batch 1; inputs and outputs are the caller's", "peak memory", cli_bytes((double)in->peak_bytes, a));
    if (integer)
        printf(" (lower bound %s); packed weights %s", cli_bytes((double)in->bound_bytes, a), cli_bytes((double)in->packed_bytes, b));
    printf("\n");
    json_t *meta = in->meta ? json_loads(in->meta, 0, NULL) : NULL;
    char *text = meta ? json_dumps(meta, JSON_INDENT(2)) : NULL;
    if (text)
        printf("provenance    %s\n", text);
    free(text);
    json_decref(meta);
}

static int info_run(const cli_run *r, const void *options)
{
    const info_options *o = options;
    intact_error err;
    intact_model *m;
    intact_info in;
    if (intact_model_open(r->ctx, r->args[0], o->cpu, &m, &err) != INTACT_OK)
        return cli_fail(&err);
    int rc = cli_check_cpu(r, m, NULL);
    if (rc != EXIT_DONE) {
        intact_model_free(m);
        return rc;
    }
    if (intact_model_info(r->ctx, m, &in, &err) != INTACT_OK) {
        rc = cli_fail(&err);
    } else {
        if (o->common.json) {
            rc = print_json(&in, o->layers);
        } else {
            print_text(&in);
            if (o->layers)
                print_layers(&in);
        }
        intact_info_release(r->ctx, &in);
    }
    intact_model_free(m);
    return rc;
}

const cli_command cli_command_info = {
    .name = "info", .summary = "what a network file holds", .args = "MODEL", .args_min = 1, .args_max = 1,
    .details = "Prints shapes, operators, multiply-accumulates, parameters, file size and peak activation memory of a float network (.onnx) or an integer program (.itm), "
               "and where a program came from. Float networks are shown as they run, after BatchNormalization and constants are folded.",
    .examples = "  intact info net.onnx\n  intact info net.itm --layers\n  intact info net.itm --json\n",
    .options_bytes = sizeof(info_options), .options = info_table, .options_len = sizeof info_table / sizeof *info_table, .run = info_run,
};
