/* SPDX-License-Identifier: Apache-2.0 */
/* steps.c: the log of a search: a row a step, as a table or as JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static json_t *steps_json(const intact_search_result *s)
{
    json_t *steps = json_array();
    for (uint32_t i = 0; i < s->steps_len; i++) {
        const intact_search_step *t = &s->steps[i];
        json_array_append_new(steps, json_pack("{s:o, s:o, s:o, s:f, s:f, s:o, s:I, s:I, s:o, s:f, s:b, s:b, s:f, s:b}", "step", cli_string(t->name), "change", cli_string(t->change), "top1",
                                               t->top1 >= 0 ? json_real(t->top1) : json_null(), "drop", t->drop, "agreement", t->agreement, "sqnr_db", cli_real(t->sqnr_db), "file_bytes",
                                               (json_int_t)t->file_bytes, "weighted_macs", (json_int_t)t->weighted_macs, "ms", t->ms > 0 ? json_real(t->ms) : json_null(), "seconds", t->seconds, "holds", t->holds, "failed", t->failed,
                                               "drop_standard_error", t->drop_error, "equal", t->equal));
    }
    return steps;
}

/* Without a goal nothing is held. */
static const char *standing(const intact_search_result *s, uint32_t i)
{
    const intact_search_step *t = &s->steps[i];
    bool holds = s->bounded && t->holds;
    if (t->failed)
        return "failed";
    if (i == s->best)
        return holds ? "holds, best" : "best";
    return t->equal ? holds ? "holds, equal" : "equal" : holds ? "holds" : "";
}

static void print_table(const intact_search_result *s)
{
    static const char *const heads[] = {"step", ">top-1 %", ">drop (error)", ">agree %", ">SQNR dB", ">KiB", ">MMAC", ">ms", ">s", "", "recipe change"};
    enum { COLUMNS = 11 };
    const char **cells = calloc((size_t)s->steps_len * COLUMNS + 1, sizeof *cells);
    for (uint32_t i = 0; cells && i < s->steps_len; i++) {
        const intact_search_step *t = &s->steps[i];
        const char **row = cells + (size_t)i * COLUMNS;
        bool top = t->top1 >= 0 && !t->failed;
        row[0] = t->name;
        row[1] = top ? cli_text("%.2f", 100 * t->top1) : cli_text("-");
        row[2] = top ? cli_text("%+.2f (%.2f)", fabs(t->drop) < 0.005 ? 0.0 : t->drop, t->drop_error) : cli_text("-");
        row[3] = t->failed ? cli_text("-") : cli_text("%.2f", 100 * t->agreement);
        row[4] = t->failed ? cli_text("-") : cli_text("%.1f", t->sqnr_db);
        row[5] = t->failed ? cli_text("-") : cli_text("%.1f", (double)t->file_bytes / 1024);
        row[6] = t->failed ? cli_text("-") : cli_text("%.1f", (double)t->weighted_macs / 1e6);
        row[7] = t->ms > 0 ? cli_text("%.3f", t->ms) : cli_text("-");
        row[8] = cli_text("%.1f", t->seconds);
        row[9] = standing(s, i);
        row[10] = t->change;
    }
    if (cells)
        cli_print_table(heads, COLUMNS, cells, s->steps_len);
    for (uint32_t i = 0; cells && i < s->steps_len; i++)
        for (int k = 1; k < 9; k++)
            free((void *)(uintptr_t)cells[(size_t)i * COLUMNS + (size_t)k]);
    free(cells);
}

int cli_steps_print(const cli_common *common, const intact_search_result *s)
{
    if (common->json)
        return cli_json(json_pack("{s:o, s:b, s:I, s:o, s:o, s:f}", "float_top1", s->float_top1 >= 0 ? json_real(s->float_top1) : json_null(), "holds", s->holds, "best", (json_int_t)s->best,
                                  "path", cli_string(s->path), "steps", steps_json(s), "seconds", s->seconds));
    print_table(s);
    uint32_t equal = 0;
    for (uint32_t i = 0; i < s->steps_len; i++)
        equal += s->steps[i].equal != 0;
    if (equal > 1)
        printf("equal: the loss differs from the least by less than two standard errors%s\n",
               s->bounded ? "" : "; of these the step with the best signal-to-noise ratio is taken");
    if (s->float_top1 >= 0)
        printf("float network   %.2f %%\n", 100 * s->float_top1);
    printf("%s: step %s in %.1f s\n", s->path, s->steps[s->best].name, s->seconds);
    return EXIT_DONE;
}
