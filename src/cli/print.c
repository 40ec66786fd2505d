/* SPDX-License-Identifier: Apache-2.0 */
/* print.c: what goes to standard output: tables, sizes, JSON. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int cli_json(json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (!text) {
        fprintf(stderr, "intact: out of memory while writing JSON\n");
        return EXIT_FILE;
    }
    puts(text);
    free(text);
    return EXIT_DONE;
}

json_t *cli_real(double v) { return isfinite(v) ? json_real(v) : json_null(); }

json_t *cli_string(const char *s)
{
    json_t *j = json_string(s);
    if (j)
        return j;
    size_t n = strlen(s);
    char *copy = malloc(n + 1);
    for (size_t i = 0; copy && i <= n; i++)
        copy[i] = (unsigned char)s[i] < 0x80 ? s[i] : '?';
    j = copy ? json_string(copy) : NULL;
    free(copy);
    return j;
}

const char *cli_bytes(double n, char buf[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int u = 0;
    for (; n >= 1024 && u < 4; u++)
        n /= 1024;
    snprintf(buf, 32, u && n < 100 ? "%.1f %s" : "%.0f %s", n, units[u]);
    return buf;
}

const char *cli_count(double n, char buf[32])
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    int u = 0;
    for (; n >= 1000 && u < 4; u++)
        n /= 1000;
    snprintf(buf, 32, u ? "%.3g%s" : "%.0f%s", n, units[u]);
    return buf;
}

char *cli_text(const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0) {
        fprintf(stderr, "intact: out of memory\n");
        exit(EXIT_FILE);
    }
    return s;
}

void cli_print_table(const char *const *heads, int columns, const char *const *cells, size_t rows)
{
    int width[16] = {0};
    for (int c = 0; c < columns; c++)
        width[c] = (int)strlen(heads[c]) - (heads[c][0] == '>');
    for (size_t r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            int n = (int)strlen(cells[r * (size_t)columns + (size_t)c]);
            width[c] = n > width[c] ? n : width[c];
        }
    for (size_t r = 0; r <= rows; r++)
        for (int c = 0; c < columns; c++) {
            bool right = heads[c][0] == '>';
            const char *s = r ? cells[(r - 1) * (size_t)columns + (size_t)c] : heads[c] + right;
            int pad = c + 1 == columns && !right ? 0 : width[c];
            printf("%s%*s%s", c ? "  " : "", right ? pad : -pad, s, c + 1 == columns ? "\n" : "");
        }
}
