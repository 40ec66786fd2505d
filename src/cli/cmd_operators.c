/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_operators.c: intact operators: what can be read, and what has an integer form. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int by_name(const void *a, const void *b) { return strcmp(((const intact_op_count *)a)->op, ((const intact_op_count *)b)->op); }

static int operators_run(const cli_run *r, const void *options)
{
    (void)r;
    uint32_t len = intact_list_operators(NULL, 0), rows = 0;
    intact_op_count *ops = calloc(len, sizeof *ops);
    const char **cells = calloc((size_t)len * 3, sizeof *cells);
    int rc = ops && cells ? EXIT_DONE : EXIT_FILE;
    if (rc == EXIT_DONE) {
        intact_list_operators(ops, len);
        qsort(ops, len, sizeof *ops, by_name);
        json_t *list = json_object();
        for (uint32_t i = 0; i < len; i++) {
            if (i && strcmp(ops[i].op, ops[i - 1].op) == 0) /* a second entry for other opsets */
                continue;
            json_object_set_new(list, ops[i].op, json_boolean(ops[i].has_integer));
            cells[rows * 3] = ops[i].op;
            cells[rows * 3 + 1] = "yes";
            cells[rows++ * 3 + 2] = ops[i].has_integer ? "yes" : "";
        }
        if (((const cli_common *)options)->json) {
            rc = cli_json(list);
        } else {
            cli_print_table((const char *const[]){"operator", "float", "integer"}, 3, cells, rows);
            json_decref(list);
        }
    }
    free(cells);
    free(ops);
    return rc;
}

const cli_command cli_command_operators = {
    .name = "operators", .summary = "which ONNX operators are understood", .args = "", .args_min = 0, .args_max = 0,
    .details = "Prints every ONNX operator that the float executor runs and whether it lowers to integers.",
    .options_bytes = sizeof(cli_common), .run = operators_run,
};
