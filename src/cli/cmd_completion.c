/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_completion.c: intact completion: the bash completion script. */
#include "cli.h"

static int completion_run(const cli_run *r, const void *options)
{
    (void)r;
    (void)options;
    cli_completion(stdout);
    return EXIT_DONE;
}

const cli_command cli_command_completion = {
    .name = "completion", .summary = "print the bash completion script", .args = "", .args_min = 0, .args_max = 0,
    .details = "Prints a script for bash, made from the option tables. 'make install' installs it.",
    .examples = "  source <(intact completion)\n",
    .options_bytes = sizeof(cli_common), .run = completion_run,
};
