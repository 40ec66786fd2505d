/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.c: a name as the pattern that it alone matches, plain and in JSON. */
#include "base/pattern.h"

#include <stdio.h>
#include <string.h>

static const char SPECIAL[] = "*?[\\";

#define LONGEST 6 /* of a character: \u and four digits */

char *it_arena_plain_pattern(it_arena *a, const char *name)
{
    char *to = it_arena_new(a, 2 * strlen(name) + 1), *at = to;
    if (!to)
        return NULL;
    for (; *name; *at++ = *name++)
        if (strchr(SPECIAL, *name))
            *at++ = '\\';
    return to;
}

char *it_arena_pattern(it_arena *a, const char *name)
{
    char *to = it_arena_raw(a, LONGEST * strlen(name) + 3), *at = to;
    if (!to)
        return NULL;
    *at++ = '"';
    for (; *name; name++) {
        if (strchr(SPECIAL, *name)) { /* the pattern's backslash, itself escaped */
            *at++ = '\\';
            *at++ = '\\';
        }
        if (*name == '"' || *name == '\\')
            *at++ = '\\';
        if ((unsigned char)*name < 0x20)
            at += sprintf(at, "\\u%04x", (unsigned)*name);
        else
            *at++ = *name;
    }
    *at++ = '"';
    *at = 0;
    return to;
}
