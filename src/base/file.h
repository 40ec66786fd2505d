/* SPDX-License-Identifier: Apache-2.0 */
/* file.h: whole files: mapped for reading, replaced atomically when written. */
#ifndef IT_FILE_H
#define IT_FILE_H

#include "base/base.h"

typedef struct it_map { const void *data; size_t len; } it_map; /* data is page-aligned, NULL when len is 0 */

INTACT_MUST_USE intact_status it_map_open(const char *path, it_map *out, intact_error *err); /* regular files only */
void it_map_close(it_map *m);

/* Writes parts one after another to a temporary beside path, flushes it to disk and renames it over path: a full disk or an
** interrupt leaves the old file whole and no temporary behind. Where path is a link, this happens to its target. */
typedef struct it_part { const void *data; size_t len; } it_part;
INTACT_MUST_USE intact_status it_file_replace(const char *path, const it_part *parts, size_t parts_len, intact_error *err);
/* Fails where it_file_replace would for want of the folder, of permission, or because path is no regular file. Leaves nothing behind. */
INTACT_MUST_USE intact_status it_file_probe(const char *path, intact_error *err);

#endif
