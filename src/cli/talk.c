/* SPDX-License-Identifier: Apache-2.0 */
/* talk.c: everything that goes to standard error: errors, remarks, progress. And the interrupt that stops a long run between samples. */
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define BAR_WIDTH 30

static volatile sig_atomic_t interrupted; /* a signal handler can reach nothing else */

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

bool cli_interrupted(void) { return interrupted; }

void cli_interrupt_install(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND}; /* a second one ends the program at once */
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit then reads as an error of write(), which cleans up */
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_progress_init(cli_progress *p, bool quiet)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    *p = (cli_progress){.quiet = quiet, .tty = isatty(2) && !(term && strcmp(term, "dumb") == 0)};
    p->colour = p->tty && !(no && *no);
}

void cli_progress_clear(cli_progress *p)
{
    if (p->shown && p->tty)
        fprintf(stderr, "\r\033[K");
    p->shown = false;
}

static void time_left(double seconds, char buf[32])
{
    if (!isfinite(seconds) || seconds > 359999)
        snprintf(buf, 32, "--:--");
    else if (seconds >= 3600)
        snprintf(buf, 32, "%d:%02d:%02d", (int)seconds / 3600, (int)seconds / 60 % 60, (int)seconds % 60);
    else
        snprintf(buf, 32, "%d:%02d", (int)seconds / 60, (int)seconds % 60);
}

static void draw_bar(cli_progress *p, uint64_t done, uint64_t total, double t)
{
    char left[32], bar[3 * BAR_WIDTH + 1] = "", speed[64] = "";
    double part = total ? (double)done / (double)total : 1, here = (double)(done - p->first);
    int full = (int)(part * BAR_WIDTH);
    time_left(here > 0 ? (t - p->start) * (double)(total - done) / here : INFINITY, left);
    if (p->unit && here > 0 && t > p->start)
        snprintf(speed, sizeof speed, ", %.0f %s", here / (t - p->start), p->unit);
    for (int i = 0; i < BAR_WIDTH; i++)
        strcat(bar, i < full ? "#" : ".");
    fprintf(stderr, "\r\033[K%s [%s%s%s] %3d%% %llu/%llu, %s left%s", p->what, p->colour ? "\033[32m" : "", bar, p->colour ? "\033[0m" : "", (int)(100 * part),
            (unsigned long long)done, (unsigned long long)total, left, speed);
    fflush(stderr);
    p->shown = true;
}

int cli_progress_step(void *user, const char *what, uint64_t done, uint64_t total)
{
    cli_progress *p = user;
    double t = now();
    if (strcmp(p->what, what) != 0 || done == 0 || done < p->first) {
        snprintf(p->what, sizeof p->what, "%s", what);
        p->start = p->last = t;
        p->first = done;
    }
    if (!p->quiet) {
        double every = p->tty ? 0.1 : fmax(5, (t - p->start) / 10);
        if (t - p->last >= every && done < total) {
            p->last = t;
            if (p->tty)
                draw_bar(p, done, total, t);
            else
                fprintf(stderr, "%s: %llu of %llu (%d %%)\n", what, (unsigned long long)done, (unsigned long long)total, total ? (int)(100 * done / total) : 100);
        }
        if (done >= total)
            cli_progress_clear(p);
    }
    return interrupted ? 1 : 0;
}

void cli_log(void *user, intact_log_level level, const char *text)
{
    cli_progress *p = user;
    if (p->quiet)
        return;
    cli_progress_clear(p);
    fprintf(stderr, "intact: %s%s\n", level == INTACT_LOG_WARNING ? "note: " : "", text);
}

static int exit_code(intact_status st)
{
    switch (st) {
    case INTACT_OK:
        return EXIT_DONE;
    case INTACT_E_GATE:
        return EXIT_GATE;
    case INTACT_E_ARG:
        return EXIT_USAGE;
    case INTACT_E_UNSUPPORTED:
        return EXIT_UNSUPPORTED;
    case INTACT_E_CANCELLED:
        return 130; /* what a shell expects of an interrupted command */
    default:
        return EXIT_FILE;
    }
}

int cli_fail(const intact_error *err)
{
    if (isatty(2))
        fprintf(stderr, "\r\033[K");
    fprintf(stderr, "intact: %s%s%s\n", err->where, *err->where ? ": " : "", err->message);
    return exit_code(err->code);
}

int cli_check_cpu(const cli_run *r, const intact_model *a, const intact_model *b)
{
    if (!cli_given(r, "cpu") || intact_model_get_kind(a) == INTACT_MODEL_INTEGER || (b && intact_model_get_kind(b) == INTACT_MODEL_INTEGER))
        return EXIT_DONE;
    return cli_fail_usage("--cpu is of integer programs; %s is a float network", r->args[0]);
}

int cli_finish_output(int rc)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return rc;
    fprintf(stderr, "intact: standard output: cannot be written\n");
    return rc ? rc : EXIT_FILE;
}

int cli_fail_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "intact: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    return EXIT_USAGE;
}
