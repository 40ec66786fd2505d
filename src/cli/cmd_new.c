/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_new.c: intact new: a well-known architecture with random weights. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct new_options {
    cli_common common;
    const char *output, *input;
    uint32_t classes;
    uint64_t seed;
    int list;
} new_options;

static const cli_option new_table[] = {
    CLI_OPTION(new_options, output, "output", 'o', "FILE.onnx", TEXT, "file", "where the network goes"),
    CLI_OPTION(new_options, classes, "classes", 'c', "K", U32, NULL, "how many answers; the default is the architecture's, see --list"),
    CLI_OPTION(new_options, input, "input", 'i', "CxHxW", TEXT, NULL, "channels, height and width of the input; dense layers take the size that results"),
    CLI_OPTION(new_options, seed, "seed", 0, "S", U64, NULL, "of the random weights; the default is 0"),
    CLI_OPTION(new_options, list, "list", 'l', NULL, FLAG, NULL, "print the architectures and make nothing"),
};

static int print_list(bool json)
{
    static const char *const heads[] = {"architecture", ">input", ">classes", "what it is"};
    uint32_t len = intact_list_architectures(NULL, 0);
    intact_architecture *a = calloc(len, sizeof *a);
    const char **cells = calloc((size_t)len * 4, sizeof *cells);
    json_t *rows = json_array();
    if (!a || !cells)
        len = 0;
    intact_list_architectures(a, len);
    for (uint32_t i = 0; i < len; i++) {
        long long in[3] = {a[i].input[0], a[i].input[1], a[i].input[2]}, classes = a[i].classes;
        cells[i * 4] = a[i].name;
        cells[i * 4 + 1] = cli_text("%lldx%lldx%lld", in[0], in[1], in[2]);
        cells[i * 4 + 2] = cli_text("%lld", classes);
        cells[i * 4 + 3] = a[i].summary;
        json_array_append_new(rows, json_pack("{s:s, s:[I,I,I], s:I, s:s}", "name", a[i].name, "input", (json_int_t)in[0], (json_int_t)in[1], (json_int_t)in[2], "classes",
                                              (json_int_t)classes, "summary", a[i].summary));
    }
    int rc = EXIT_DONE;
    if (json)
        rc = cli_json(rows);
    else
        cli_print_table(heads, 4, cells, len);
    if (!json)
        json_decref(rows);
    for (uint32_t i = 0; i < len; i++)
        for (int k = 1; k < 3; k++)
            free((void *)(uintptr_t)cells[i * 4 + (uint32_t)k]);
    free(cells);
    free(a);
    return rc;
}

/* "3x224x224": three whole numbers from 1 and nothing else. */
static bool parse_input(const char *text, int64_t out[3])
{
    for (int i = 0; i < 3; i++) {
        size_t digits = strspn(text, "0123456789");
        if (!digits || digits > 9)
            return false;
        out[i] = strtol(text, NULL, 10);
        text += digits;
        if (out[i] < 1 || (i < 2 ? *text++ != 'x' : *text != 0))
            return false;
    }
    return true;
}

static int new_run(const cli_run *r, const void *options)
{
    const new_options *o = options;
    intact_new_options n;
    intact_new_result res;
    intact_error err;
    char count[32];
    intact_new_options_default(&n);
    if (o->list)
        return print_list(o->common.json);
    if (!r->args_len)
        return cli_fail_usage("intact new needs ARCH; 'intact new --list' shows which there are");
    if (!o->output)
        return cli_fail_usage("intact new needs -o FILE.onnx");
    if (o->input && !parse_input(o->input, n.input))
        return cli_fail_usage("--input was given '%s'; channels, height and width are needed, such as 3x224x224", o->input);
    n.architecture = r->args[0];
    n.output = o->output;
    n.classes = o->classes;
    n.seed = o->seed;
    if (intact_new(r->ctx, &n, &res, &err) != INTACT_OK)
        return cli_fail(&err);
    if (o->common.json)
        return cli_json(json_pack("{s:s, s:s, s:[I,I,I], s:I, s:I}", "architecture", n.architecture, "output", n.output, "input", (json_int_t)res.input[0],
                                  (json_int_t)res.input[1], (json_int_t)res.input[2], "classes", (json_int_t)res.classes, "parameters", (json_int_t)res.parameters));
    printf("%s: %s, %lldx%lldx%lld to %lld classes, %s parameters, random weights of seed %llu\n", n.output, n.architecture, (long long)res.input[0], (long long)res.input[1],
           (long long)res.input[2], (long long)res.classes, cli_count((double)res.parameters, count), (unsigned long long)n.seed);
    return EXIT_DONE;
}

const cli_command cli_command_new = {
    .name = "new", .summary = "make a well-known architecture with random weights", .args = "[ARCH]", .args_min = 0, .args_max = 1,
    .details = "Writes an ONNX file of a published architecture, so that speed, memory and lowering can be measured without a download. Weights are normally distributed "
               "(He's initialization) from --seed; the means and variances of BatchNormalization are those that one batch of random images, half of them smooth, causes, so that activations "
               "have the sizes they have in trained networks. The network has learned nothing: its answers mean nothing.",
    .examples = "  intact new --list\n  intact new resnet50 -o resnet50.onnx\n  intact new mobilenet_v2 -o small.onnx --input 3x96x96 --classes 2\n",
    .options_bytes = sizeof(new_options), .options = new_table, .options_len = sizeof new_table / sizeof *new_table, .run = new_run,
};
