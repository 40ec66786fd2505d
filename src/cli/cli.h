/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h: what commands share. A command is one cmd_<name>.c that ends in a cli_command, with a line in cmd_list.h; parsing, help, man
** pages and completion read the same option tables. */
#ifndef CLI_H
#define CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "intact/intact.h"

enum { EXIT_DONE = 0, EXIT_GATE = 1, EXIT_USAGE = 2, EXIT_UNSUPPORTED = 3, EXIT_FILE = 4 };

/* int, const char *, const char * (a list with commas, which may be given once only), uint32_t, ... in the struct */
typedef enum cli_type { CLI_FLAG, CLI_TEXT, CLI_LIST, CLI_U32, CLI_U64, CLI_S32, CLI_REAL, CLI_CPU } cli_type;
enum { CLI_CPUS_BYTES = 512 };

typedef struct cli_option {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    const char *arg;  /* "FILE", NULL for flags */
    cli_type type;
    size_t offset;    /* into the command's option struct */
    const char *help;
    const char *complete; /* "file", "dir", "method", "preprocess", "optimizer", "schedule", "cpu", or NULL */
} cli_option;
#define CLI_OPTION(st, member, name, letter, arg, type, complete, help) { name, letter, arg, CLI_##type, offsetof(st, member), help, complete }

typedef struct cli_common { /* every command's options begin with these */
    int quiet, json, help;
    uint32_t threads;
    const char *shape;
    uint64_t given; /* bit i: cli_option_at(cmd, i) stood on the command line, if only with its default */
} cli_common;

typedef struct cli_run {
    intact_ctx *ctx;
    const cli_common *common;
    const char *const *args; /* positional */
    int args_len;
    const struct cli_command *cmd;
    struct cli_progress *progress; /* of the context */
} cli_run;

typedef struct cli_command {
    const char *name, *summary;
    const char *args;          /* "MODEL.onnx" for the usage line */
    int args_min, args_max;
    const char *details;       /* paragraphs for --help and the man page, separated by \n */
    const char *examples;      /* lines */
    size_t options_bytes;      /* struct that begins with cli_common; zeroed */
    const cli_option *options; /* without the common ones */
    size_t options_len;
    int (*run)(const cli_run *r, const void *options);
} cli_command;

extern const cli_command *const cli_commands[]; /* NULL at the end; from cmd_list.h */
/* A command's options, its own first, then the common ones; NULL after the last. An entry of its own hides the common one of the same
** name: that is how a command says otherwise what --threads is (with the member common.threads of its struct). */
const cli_option *cli_option_at(const cli_command *cmd, size_t i);

/* Fills options and args (room for argc). Returns EXIT_DONE or EXIT_USAGE after having said why. */
int cli_parse(const cli_command *cmd, int argc, char **argv, void *options, const char **args, int *args_len);
/* Whether the option stood on the command line. */
bool cli_given(const cli_run *r, const char *name);
/* The names of all CPU levels, with what stands between two of them, and between the last two. */
void cli_cpu_names(char to[CLI_CPUS_BYTES], const char *between, const char *before_last);
void cli_help(const cli_command *cmd, FILE *to);
void cli_usage(FILE *to);
void cli_man(const cli_command *cmd, FILE *to); /* NULL: intact(1) */
void cli_completion(FILE *to);

/* "intact: place: sentence" on standard error; the exit code that belongs to the status. */
int cli_fail(const intact_error *err);
int cli_fail_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* EXIT_DONE, or EXIT_USAGE when --cpu was given and neither model (b may be NULL) is an integer program. */
int cli_check_cpu(const cli_run *r, const intact_model *a, const intact_model *b);
/* What was printed has arrived; otherwise a sentence, and rc or EXIT_FILE. */
int cli_finish_output(int rc);

/* Progress on standard error: a bar with time left on a terminal, a plain line every few seconds otherwise. */
typedef struct cli_progress {
    bool quiet, tty, colour, shown;
    double start, last;
    uint64_t first;   /* done at the start: not 0 where a run goes on */
    char what[64];
    const char *unit; /* of the speed behind the bar, "images/s"; NULL: none */
} cli_progress;
void cli_progress_init(cli_progress *p, bool quiet);
int cli_progress_step(void *user, const char *what, uint64_t done, uint64_t total); /* 1 after an interrupt */
void cli_progress_clear(cli_progress *p);
void cli_log(void *user, intact_log_level level, const char *text);
bool cli_interrupted(void);
void cli_interrupt_install(void);

/* Output. */
int cli_json(json_t *root);                          /* prints one object on a line and frees it; NULL is out of memory */
json_t *cli_real(double v);                          /* null when v is not finite: JSON has no such number */
json_t *cli_string(const char *s);                   /* bytes that are no UTF-8 become '?' */
const char *cli_bytes(double n, char buf[32]);       /* "1.2 MiB" */
const char *cli_count(double n, char buf[32]);       /* "41.2 M" */
/* Prints rows (len * columns texts, row by row) aligned under the heads; a head that begins with '>' is right-aligned. */
void cli_print_table(const char *const *heads, int columns, const char *const *cells, size_t rows);
int cli_steps_print(const cli_common *common, const intact_search_result *s); /* the log of a search (steps.c) */
char *cli_text(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* malloc'd; never NULL (exits with FILE when out of memory) */

#endif
