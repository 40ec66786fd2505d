/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.h: names of layers and values as recipes need them. */
#ifndef IT_BASE_PATTERN_H
#define IT_BASE_PATTERN_H

#include "base/base.h"

/* The pattern (fnmatch) that this name alone matches. NULL when out of memory. */
char *it_arena_plain_pattern(it_arena *a, const char *name);
/* A JSON string, with its quotes: the pattern (fnmatch) that this name alone matches. NULL when out of memory. */
char *it_arena_pattern(it_arena *a, const char *name);

#endif
