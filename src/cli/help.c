/* SPDX-License-Identifier: Apache-2.0 */
/* help.c: help texts, man pages (roff) and bash completion, all from the option tables. */
#include <ctype.h>
#include <string.h>

#include "cli.h"

static const char exit_codes[] =
    "0 done, 1 a stated accuracy gate failed, 2 usage, 3 the network uses something unsupported, 4 file or format error, 130 interrupted";

static void usage_line(const cli_command *cmd, FILE *to) { fprintf(to, "intact %s%s%s [options]", cmd->name, *cmd->args ? " " : "", cmd->args); }

/* Breaks text at blanks so that lines stay below 100 columns. */
static void wrapped(FILE *to, const char *text, int indent)
{
    int column = indent;
    while (*text) {
        int len = (int)strcspn(text, " \n");
        if (column + len > 100 && column > indent) {
            fprintf(to, "\n%*s", indent, "");
            column = indent;
        }
        fprintf(to, "%.*s", len, text);
        column += len;
        text += len;
        if (*text == '\n') {
            fprintf(to, "\n%*s", indent, "");
            column = indent;
            text++;
        } else if (*text == ' ') {
            fputc(' ', to);
            column++;
            text++;
        }
    }
    fputc('\n', to);
}

void cli_cpu_names(char to[CLI_CPUS_BYTES], const char *between, const char *before_last)
{
    size_t len = 0;
    to[0] = 0;
    for (int i = 0; i < INTACT_CPU_COUNT && len < CLI_CPUS_BYTES; i++)
        len += (size_t)snprintf(to + len, CLI_CPUS_BYTES - len, "%s%s", i == 0 ? "" : i == INTACT_CPU_COUNT - 1 ? before_last : between, intact_cpu_name((intact_cpu)i));
}

enum { HELP_BYTES = CLI_CPUS_BYTES + 512 };

/* The names that complete stands for; NULL: it stands for none. */
static const char *const *names_of(const char *complete)
{
    static const struct { const char *what; const char *const *(*list)(void); } all[] = {
        {"method", intact_list_methods}, {"preprocess", intact_list_preprocess}, {"optimizer", intact_list_optimizers}, {"schedule", intact_list_schedules}, {"qat", intact_list_qat_methods}};
    for (size_t i = 0; complete && i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].what, complete) == 0)
            return all[i].list();
    return NULL;
}

/* An option's help, with the values that it takes where it takes names and does not tell them itself. */
static const char *help_of(const cli_option *o, char room[HELP_BYTES])
{
    char names[CLI_CPUS_BYTES] = "";
    const char *const *list = names_of(o->complete);
    if (o->type == CLI_CPU)
        cli_cpu_names(names, ", ", ", ");
    else if (!list || strstr(o->help, list[0]) || strncmp(o->help, "see ", 4) == 0)
        return o->help;
    for (size_t at = 0; list && *list && at < sizeof names; list++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", at ? ", " : "", *list);
    snprintf(room, HELP_BYTES, "%s: %s", o->help, names);
    return room;
}

static void option_help(const cli_option *o, FILE *to)
{
    char left[64], room[HELP_BYTES];
    snprintf(left, sizeof left, "%c%c%c --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    fprintf(to, "  %-28s ", left);
    wrapped(to, help_of(o, room), 31);
}

void cli_help(const cli_command *cmd, FILE *to)
{
    const cli_option *o;
    fprintf(to, "intact %s: %s\n\nusage: ", cmd->name, cmd->summary);
    usage_line(cmd, to);
    fprintf(to, "\n\n");
    wrapped(to, cmd->details, 0);
    fprintf(to, "\noptions:\n");
    for (size_t i = 0; (o = cli_option_at(cmd, i)); i++)
        option_help(o, to);
    if (cmd->examples)
        fprintf(to, "\nexamples:\n%s", cmd->examples);
}

void cli_usage(FILE *to)
{
    fprintf(to, "intact: trained networks made integer, their accuracy intact\n\nusage: intact COMMAND ... ; intact help COMMAND tells more\n\n");
    for (int i = 0; cli_commands[i]; i++)
        fprintf(to, "  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    fprintf(to, "\nexit codes: %s\n", exit_codes);
}

/* ---- man pages ---- */

/* A long word, such as a list of settings, may be broken (\:) after a comma. */
static void roff(FILE *to, const char *text)
{
    for (bool start = true; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", to);
        if (*text == '-')
            fputs("\\-", to);
        else if (*text == '\\')
            fputs("\\e", to);
        else
            fputc(*text, to);
        if (*text == ',' && text[1] && !strchr(" \n", text[1]))
            fputs("\\:", to);
        start = *text == '\n';
    }
}

static void man_option(const cli_option *o, FILE *to)
{
    char room[HELP_BYTES];
    fprintf(to, ".TP\n.B ");
    if (o->letter)
        fprintf(to, "\\-%c, ", o->letter);
    fprintf(to, "\\-\\-");
    roff(to, o->name);
    fprintf(to, "%s%s\n", o->arg ? " " : "", o->arg ? o->arg : "");
    roff(to, help_of(o, room));
    fputc('\n', to);
}

static void man_command(const cli_command *cmd, FILE *to)
{
    const cli_option *o;
    fprintf(to, ".TH INTACT-");
    for (const char *c = cmd->name; *c; c++)
        fputc(toupper((unsigned char)*c), to);
    fprintf(to, " 1 \"\" \"intact %s\" \"Intact\"\n.ad l\n.SH NAME\nintact\\-%s \\- %s\n.SH SYNOPSIS\n.B intact %s\n", INTACT_VERSION_STRING, cmd->name, cmd->summary, cmd->name);
    roff(to, cmd->args);
    fprintf(to, " [options]\n.SH DESCRIPTION\n");
    roff(to, cmd->details);
    fprintf(to, "\n.SH OPTIONS\n");
    for (size_t i = 0; (o = cli_option_at(cmd, i)); i++)
        man_option(o, to);
    fprintf(to, ".SH EXIT STATUS\n%s.\n", exit_codes);
    if (cmd->examples) {
        fprintf(to, ".SH EXAMPLES\n.nf\n");
        roff(to, cmd->examples);
        fprintf(to, ".fi\n");
    }
    fprintf(to, ".SH SEE ALSO\n.BR intact (1)\n");
}

void cli_man(const cli_command *cmd, FILE *to)
{
    if (cmd) {
        man_command(cmd, to);
        return;
    }
    fprintf(to, ".TH INTACT 1 \"\" \"intact %s\" \"Intact\"\n.ad l\n.SH NAME\nintact \\- trained networks made integer, their accuracy intact\n", INTACT_VERSION_STRING);
    fprintf(to, ".SH SYNOPSIS\n.B intact\nCOMMAND [arguments] [options]\n.SH COMMANDS\n");
    for (int i = 0; cli_commands[i]; i++)
        fprintf(to, ".TP\n.BR intact\\-%s (1)\n%s\n", cli_commands[i]->name, cli_commands[i]->summary);
    fprintf(to, ".SH ENVIRONMENT\n.TP\nNO_COLOR\nno colours on a terminal\n.SH EXIT STATUS\n%s.\n", exit_codes);
}

/* ---- completion ---- */

static void words(FILE *to, const char *const *list)
{
    for (int i = 0; list[i]; i++)
        fprintf(to, "%s%s", i ? " " : "", list[i]);
}

static void complete_value(const cli_command *cmd, const cli_option *o, FILE *to)
{
    if (!o->arg)
        return;
    fprintf(to, "    %s:--%s", cmd->name, o->name);
    if (o->letter)
        fprintf(to, "|%s:-%c", cmd->name, o->letter);
    fprintf(to, ") ");
    if (names_of(o->complete)) {
        fprintf(to, "COMPREPLY=($(compgen -W '");
        words(to, names_of(o->complete));
        fprintf(to, "' -- \"$cur\"))");
    } else if (o->complete && strcmp(o->complete, "cpu") == 0) {
        char cpus[CLI_CPUS_BYTES];
        cli_cpu_names(cpus, " ", " ");
        fprintf(to, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", cpus);
    } else if (o->complete) {
        fprintf(to, "COMPREPLY=($(compgen -f -- \"$cur\"))");
    } else {
        fprintf(to, "COMPREPLY=()");
    }
    fprintf(to, "; return;;\n");
}

static void command_names(FILE *to)
{
    for (int i = 0; cli_commands[i]; i++)
        fprintf(to, "%s ", cli_commands[i]->name);
}

void cli_completion(FILE *to)
{
    const cli_option *o;
    fprintf(to, "# bash completion for intact, made by 'intact completion'\n_intact()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]}\n");
    fprintf(to, "    compopt -o filenames 2>/dev/null\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '");
    command_names(to);
    fprintf(to, "help --help --version' -- \"$cur\")); return\n    fi\n    case $cmd:$prev in\n    help:help");
    for (int i = 0; cli_commands[i]; i++)
        if (strstr(cli_commands[i]->args, "COMMAND"))
            fprintf(to, "|%s:%s", cli_commands[i]->name, cli_commands[i]->name);
    fprintf(to, ") [[ $cur = -* ]] || { COMPREPLY=($(compgen -W '");
    command_names(to);
    fprintf(to, "' -- \"$cur\")); return; };;\n    help:*) return;;\n");
    for (int i = 0; cli_commands[i]; i++)
        for (size_t k = 0; (o = cli_option_at(cli_commands[i], k)); k++)
            complete_value(cli_commands[i], o, to);
    fprintf(to, "    esac\n    case $cur in\n    -*) case $cmd in\n");
    for (int i = 0; cli_commands[i]; i++) {
        fprintf(to, "        %s) COMPREPLY=($(compgen -W '", cli_commands[i]->name);
        for (size_t k = 0; (o = cli_option_at(cli_commands[i], k)); k++)
            fprintf(to, "%s--%s", k ? " " : "", o->name);
        fprintf(to, "' -- \"$cur\"));;\n");
    }
    fprintf(to, "        esac;;\n    *) COMPREPLY=($(compgen -f -- \"$cur\"));;\n    esac\n}\ncomplete -F _intact intact\n");
}
