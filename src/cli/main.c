/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: finds the command, parses its options, makes the context, runs it. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define COMMAND(name) extern const cli_command cli_command_##name;
#include "cmd_list.h"
#undef COMMAND

const cli_command *const cli_commands[] = {
#define COMMAND(name) &cli_command_##name,
#include "cmd_list.h"
#undef COMMAND
    NULL};

static const cli_command *find(const char *name)
{
    for (int i = 0; cli_commands[i]; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[32];
    size_t len = 0;
    for (; cli_commands[len] && len < 32; len++)
        names[len] = cli_commands[len]->name;
    const char *near = intact_nearest(name, names, len);
    return near ? cli_fail_usage("there is no command '%s'; did you mean '%s'?", name, near) : cli_fail_usage("there is no command '%s'; 'intact --help' lists them", name);
}

static int run_command(const cli_command *cmd, const cli_common *common, const char *const *args, int args_len)
{
    cli_progress progress;
    cli_progress_init(&progress, common->quiet);
    intact_ctx_options co;
    intact_ctx_options_default(&co);
    co.threads = common->threads;
    co.shape = common->shape;
    co.log = cli_log;
    co.progress = cli_progress_step;
    co.user = &progress;
    intact_error err;
    intact_ctx *ctx = NULL;
    if (intact_ctx_new(&co, &ctx, &err) != INTACT_OK)
        return cli_fail(&err);
    cli_interrupt_install();
    int rc = cmd->run(&(cli_run){ctx, common, args, args_len, cmd, &progress}, common);
    cli_progress_clear(&progress);
    intact_ctx_free(ctx);
    return cli_finish_output(rc);
}

static int help(int argc, char **argv)
{
    const cli_command *about = argc > 2 ? find(argv[2]) : NULL;
    if (argc > 2 && !about)
        return unknown_command(argv[2]);
    if (argc > 3)
        return cli_fail_usage("help is of one command; intact does not know what to do with '%s'", argv[3]);
    if (about)
        cli_help(about, stdout);
    else
        cli_usage(stdout);
    return cli_finish_output(EXIT_DONE);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        cli_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    if (strcmp(argv[1], "--version") == 0) {
        if (argc > 2)
            return cli_fail_usage("--version stands alone; intact does not know what to do with '%s'", argv[2]);
        printf("intact %s\n", INTACT_VERSION_STRING);
        return cli_finish_output(EXIT_DONE);
    }
    const cli_command *cmd = find(argv[1]);
    if (!cmd)
        return unknown_command(argv[1]);
    void *options = calloc(1, cmd->options_bytes);
    const char **args = calloc((size_t)argc, sizeof *args);
    int args_len = 0, rc = options && args ? cli_parse(cmd, argc - 2, argv + 2, options, args, &args_len) : EXIT_FILE;
    if (rc == EXIT_DONE && ((const cli_common *)options)->help) {
        cli_help(cmd, stdout);
        rc = cli_finish_output(rc);
    } else if (rc == EXIT_DONE) {
        rc = run_command(cmd, options, args, args_len);
    }
    free(args);
    free(options);
    return rc;
}
