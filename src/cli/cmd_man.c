/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_man.c: intact man: the manual pages, made from the option tables. */
#include <string.h>

#include "cli.h"

static int man_run(const cli_run *r, const void *options)
{
    (void)options;
    if (r->args_len == 0) {
        cli_man(NULL, stdout);
        return EXIT_DONE;
    }
    for (int i = 0; cli_commands[i]; i++)
        if (strcmp(cli_commands[i]->name, r->args[0]) == 0) {
            cli_man(cli_commands[i], stdout);
            return EXIT_DONE;
        }
    return cli_fail_usage("there is no command '%s' to print a page for", r->args[0]);
}

const cli_command cli_command_man = {
    .name = "man", .summary = "print a manual page (roff)", .args = "[COMMAND]", .args_min = 0, .args_max = 1,
    .details = "Prints intact(1), or intact-COMMAND(1), made from the same tables as --help. 'make install' installs them all.",
    .examples = "  intact man quantize | man -l -\n",
    .options_bytes = sizeof(cli_common), .run = man_run,
};
