/* SPDX-License-Identifier: Apache-2.0 */
/* options.c: the one parser of options. "--name value", "--name=value", "-o value"; an unknown option names the nearest known one. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const cli_option common_options[] = {
    CLI_OPTION(cli_common, threads, "threads", 't', "T", U32, NULL, "worker threads; 0, the default: one per processor. Results do not depend on it"),
    CLI_OPTION(cli_common, shape, "shape", 0, "1x3x224x224", TEXT, NULL, "shape of the first input, where an .onnx leaves dimensions open"),
    CLI_OPTION(cli_common, json, "json", 0, NULL, FLAG, NULL, "print one JSON object instead of text"),
    CLI_OPTION(cli_common, quiet, "quiet", 'q', NULL, FLAG, NULL, "no progress and no remarks on standard error; errors are still told"),
    CLI_OPTION(cli_common, help, "help", 'h', NULL, FLAG, NULL, "this text"),
};

static bool has_own(const cli_command *cmd, const char *name)
{
    for (size_t i = 0; i < cmd->options_len; i++)
        if (strcmp(cmd->options[i].name, name) == 0)
            return true;
    return false;
}

const cli_option *cli_option_at(const cli_command *cmd, size_t i)
{
    if (i < cmd->options_len)
        return &cmd->options[i];
    i -= cmd->options_len;
    for (size_t k = 0; k < sizeof common_options / sizeof *common_options; k++)
        if (!has_own(cmd, common_options[k].name) && i-- == 0)
            return &common_options[k];
    return NULL;
}

bool cli_given(const cli_run *r, const char *name)
{
    const cli_option *o;
    for (size_t i = 0; (o = cli_option_at(r->cmd, i)); i++)
        if (strcmp(o->name, name) == 0)
            return r->common->given >> i & 1;
    return false;
}

/* Whether it was given before. */
static bool mark_given(const cli_command *cmd, const cli_option *which, void *options)
{
    uint64_t *given = &((cli_common *)options)->given, before = *given;
    const cli_option *o;
    for (size_t i = 0; (o = cli_option_at(cmd, i)); i++)
        if (o == which)
            *given |= UINT64_C(1) << i;
    return *given == before;
}

static const cli_option *find_long(const cli_command *cmd, const char *name, size_t len)
{
    const cli_option *o;
    for (size_t i = 0; (o = cli_option_at(cmd, i)); i++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static const cli_option *find_short(const cli_command *cmd, char letter)
{
    const cli_option *o;
    for (size_t i = 0; (o = cli_option_at(cmd, i)); i++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

static int unknown(const cli_command *cmd, const char *word)
{
    const char *names[64];
    size_t len = 0;
    const cli_option *o;
    char bare[64];
    for (; len < 64 && (o = cli_option_at(cmd, len)); len++)
        names[len] = o->name;
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word + strspn(word, "-"), "="), word + strspn(word, "-"));
    const char *near = intact_nearest(bare, names, len);
    if (near)
        return cli_fail_usage("intact %s has no option '%s'; did you mean '--%s'?", cmd->name, word, near);
    return cli_fail_usage("intact %s has no option '%s'; 'intact %s --help' lists them", cmd->name, word, cmd->name);
}

static int bad_value(const cli_option *o, const char *value, const char *want)
{
    return cli_fail_usage("--%s was given '%s'; %s is needed", o->name, value, want);
}

static int store(const cli_option *o, const char *value, void *options)
{
    void *to = (char *)options + o->offset;
    char *end = NULL, cpus[CLI_CPUS_BYTES];
    errno = 0;
    switch (o->type) {
    case CLI_FLAG:
        *(int *)to = 1;
        return EXIT_DONE;
    case CLI_TEXT:
    case CLI_LIST:
        *(const char **)to = value;
        return EXIT_DONE;
    case CLI_CPU:
        *(intact_cpu *)to = intact_cpu_parse(value);
        cli_cpu_names(cpus, ", ", " or ");
        return *(intact_cpu *)to == INTACT_CPU_COUNT ? bad_value(o, value, cpus) : EXIT_DONE;
    case CLI_REAL:
        *(double *)to = strtod(value, &end);
        return end == value || *end || !isfinite(*(double *)to) ? bad_value(o, value, "a number") : EXIT_DONE;
    case CLI_S32: {
        long v = strtol(value, &end, 10);
        *(int32_t *)to = (int32_t)v;
        return end == value || *end || errno || v < INT32_MIN || v > INT32_MAX ? bad_value(o, value, "a whole number") : EXIT_DONE;
    }
    case CLI_U32:
    case CLI_U64: {
        unsigned long long v = strtoull(value, &end, 10);
        unsigned long long top = o->type == CLI_U32 ? UINT32_MAX : UINT64_MAX;
        if (o->type == CLI_U32)
            *(uint32_t *)to = (uint32_t)v;
        else
            *(uint64_t *)to = v;
        return end == value || *end || errno || value[0] == '-' || v > top ? bad_value(o, value, "a whole number from 0") : EXIT_DONE;
    }
    }
    return EXIT_USAGE;
}

/* One option at argv[*i]; advances *i over a value that stands apart. */
static int parse_option(const cli_command *cmd, int argc, char **argv, int *i, void *options)
{
    const char *word = argv[*i], *value = NULL;
    const cli_option *o;
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");
        o = find_long(cmd, word + 2, len);
        value = word[2 + len] == '=' ? word + 3 + len : NULL;
    } else {
        o = find_short(cmd, word[1]);
        value = word[2] ? word + 2 : NULL;
    }
    if (!o || (word[1] != '-' && o->type == CLI_FLAG && value))
        return unknown(cmd, word);
    if (o->type == CLI_FLAG && value)
        return cli_fail_usage("--%s takes no value, '%s' was given", o->name, value);
    if (o->type != CLI_FLAG && !value) {
        if (*i + 1 >= argc)
            return cli_fail_usage("--%s needs a value (%s)", o->name, o->arg);
        value = argv[++*i];
    }
    if (mark_given(cmd, o, options) && o->type == CLI_LIST)
        return cli_fail_usage("--%s was given twice; once, with commas between (%s), is right", o->name, o->arg);
    return store(o, value, options);
}

int cli_parse(const cli_command *cmd, int argc, char **argv, void *options, const char **args, int *args_len)
{
    bool only_args = false;
    for (int i = 0; i < argc; i++) {
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (only_args || argv[i][0] != '-' || !argv[i][1]) {
            args[(*args_len)++] = argv[i];
        } else {
            int rc = parse_option(cmd, argc, argv, &i, options);
            if (rc != EXIT_DONE)
                return rc;
        }
    }
    if (((const cli_common *)options)->help)
        return EXIT_DONE;
    if (*args_len < cmd->args_min)
        return cli_fail_usage("intact %s needs %s; 'intact %s --help' shows how", cmd->name, cmd->args, cmd->name);
    if (*args_len > cmd->args_max)
        return cli_fail_usage("intact %s does not know what to do with '%s'; it takes %s", cmd->name, args[cmd->args_max], *cmd->args ? cmd->args : "no arguments");
    return EXIT_DONE;
}
