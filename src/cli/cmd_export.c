/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_export.c: intact export: an integer program as an ONNX network. */
#include <string.h>

#include "cli.h"

typedef struct export_options {
    cli_common common;
    const char *output, *format, *input;
    int int4;
} export_options;

static const cli_option export_table[] = {
    CLI_OPTION(export_options, output, "output", 'o', "OUT.onnx", TEXT, "file", 
               "where the network goes; an old file stays whole until the new one is complete"),
    CLI_OPTION(export_options, format, "format", 'f', "FORMAT", TEXT, NULL,
               "qdq: float operators between QuantizeLinear and DequantizeLinear (the default); qop: QLinearConv and the like, some of which "
               "only ONNX Runtime has"),
    CLI_OPTION(export_options, input, "input", 0, "KIND", TEXT, NULL,
               "float (the default): what the float network reads, preprocessed, channels first; pixels: raw bytes, channels last, the preprocessing inside"),
    CLI_OPTION(export_options, int4, "int4", 0, NULL, FLAG, NULL,
               "weights of 2 to 4 bits as int4: a smaller file, which few runtimes compute with in integers"),
};

static int print_result(const export_options *o, const char *format, const intact_export_result *x)
{
    char bytes[32];
    if (o->common.json)
        return cli_json(json_pack("{s:o, s:s, s:I, s:i, s:i, s:i, s:i}", "output", cli_string(o->output), "format", format, "file_bytes",
                                  (json_int_t)x->file_bytes, "opset", x->opset, "instructions", (int)x->instructions, "nodes", (int)x->nodes, "foreign",
                                      (int)x->foreign));
    printf("%s: %s, opset %d, %u instructions as %u operators", o->output, cli_bytes((double)x->file_bytes, bytes), x->opset, x->instructions, x->nodes);
    if (x->foreign)
        printf(", %u of them of domain com.microsoft", x->foreign);
    printf("\n");
    return EXIT_DONE;
}

static int export_run(const cli_run *r, const void *options)
{
    const export_options *o = options;
    intact_export_options x;
    intact_export_result res;
    intact_error err;
    intact_export_options_default(&x);
    if (!o->output)
        return cli_fail_usage("intact export needs -o OUT.onnx");
    if (o->input && strcmp(o->input, "float") != 0 && strcmp(o->input, "pixels") != 0)
        return cli_fail_usage("--input was given '%s'; float or pixels is needed", o->input);
    x.output = o->output;
    x.format = o->format;
    x.int4 = o->int4;
    x.pixels = o->input && strcmp(o->input, "pixels") == 0;
    if (intact_export(r->ctx, r->args[0], &x, &res, &err) != INTACT_OK)
        return cli_fail(&err);
    return print_result(o, o->format ? o->format : "qdq", &res);
}

const cli_command cli_command_export = {
    .name = "export", .summary = "write an integer program as an ONNX network", .args = "PROGRAM.itm", .args_min = 1, .args_max = 1,
    .details = "Writes an integer program as a quantized ONNX network that other runtimes load and fuse: the same weights, scales and "
               "zero points. From the same codes every layer gives the program's codes but for single ones, where the other runtime rounds a multiplier or a tie "
               "differently. From one layer to the next such steps add up, most where many values lie on ties: intact compare says how far the two are apart on your data.\n"
               "On x86 processors without VNNI, ONNX Runtime's kernels for uint8 times int8 may saturate; its session option "
               "session.x64quantprecision=1 avoids that.",
    .examples = "  intact export net.itm -o net.quant.onnx\n  intact export net.itm -o net.quant.onnx --format qop --input pixels\n",
    .options_bytes = sizeof(export_options), .options = export_table, .options_len = sizeof export_table / sizeof *export_table,
    .run = export_run,
};
