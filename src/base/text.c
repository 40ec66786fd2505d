/* SPDX-License-Identifier: Apache-2.0 */
/* text.c: the nearest known name, for "did you mean". */
#include <string.h>

#include "base/base.h"

#define WORD_MAX 63

/* Levenshtein distance of words up to WORD_MAX characters (longer ones are cut). */
static uint32_t distance(const char *a, const char *b)
{
    size_t la = strnlen(a, WORD_MAX), lb = strnlen(b, WORD_MAX);
    uint32_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= lb; j++)
        row[j] = (uint32_t)j;
    for (size_t i = 1; i <= la; i++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= lb; j++) {
            uint32_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[lb];
}

const char *it_nearest(const char *word, const char *const *names, size_t len)
{
    const char *best = NULL;
    uint32_t best_d = 4;
    for (size_t i = 0; i < len; i++) {
        uint32_t d = distance(word, names[i]);
        if (d < best_d && d < strlen(names[i])) {
            best_d = d;
            best = names[i];
        }
    }
    return best;
}
