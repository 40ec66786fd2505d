/* SPDX-License-Identifier: Apache-2.0 */
/* files.c: looks at what a verb is to write before the work begins: that it can be written, and is none of the files it reads or writes besides. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "api/api.h"
#include "base/file.h"

/* The folder's real path and the name, so that files that are not there yet compare too; false: the folder is not there. */
static bool real_place(const char *path, char out[PATH_MAX + 256])
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t len = slash ? (size_t)(slash - path) + 1 : 0;
    if (len >= sizeof folder || strlen(name) > NAME_MAX)
        return false;
    memcpy(folder, len ? path : ".", len ? len : 1);
    folder[len ? len : 1] = 0;
    if (!realpath(folder, out))
        return false;
    len = strlen(out);
    out[len] = '/';
    memcpy(out + len + 1, name, strlen(name) + 1);
    return true;
}

bool it_api_same_file(const char *a, const char *b)
{
    struct stat x, y;
    char p[PATH_MAX + 256], q[PATH_MAX + 256];
    bool has_a = stat(a, &x) == 0, has_b = stat(b, &y) == 0;
    if (has_a && has_b)
        return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    return !has_a && !has_b && real_place(a, p) && real_place(b, q) && strcmp(p, q) == 0;
}

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), e = strlen(end);
    return n >= e && strcasecmp(name + n - e, end) == 0;
}

/* What belongs to a data set besides the path that names it: labels beside an IDX file, labels.txt and the images of a folder. */
static bool is_of_data(const char *out, const char *in)
{
    static const char *const SAMPLES[] = {"labels.txt", ".jpg", ".jpeg", ".png", ".bin"};
    struct stat st;
    char place[PATH_MAX + 256], folder[PATH_MAX];
    const char *images = strstr(in, "images-idx3");
    if (stat(out, &st) != 0 || !S_ISREG(st.st_mode)) /* nothing is there to be lost */
        return false;
    if (images && strlen(in) + 4 < sizeof folder) {
        memcpy(folder, in, strlen(in) + 1);
        memcpy(folder + (images - in), "labels-idx1", strlen("labels-idx1"));
        char *gz = folder + strlen(folder) - (ends_with(folder, ".gz") ? 3 : 0);
        if (it_api_same_file(out, folder))
            return true;
        memcpy(gz, *gz ? "" : ".gz", *gz ? 1 : 4);
        return it_api_same_file(out, folder);
    }
    if (stat(in, &st) != 0 || !S_ISDIR(st.st_mode) || !realpath(in, folder) || !realpath(out, place))
        return false;
    const size_t len = strlen(folder);
    bool sample = false;
    for (size_t i = 0; i < IT_LEN(SAMPLES); i++)
        sample = sample || ends_with(place, SAMPLES[i]);
    return sample && strncmp(place, folder, len) == 0 && (place[len] == '/' || len == 1);
}

intact_status it_api_files_apart(const it_api_file *outs, size_t outs_len, const it_api_file *ins, size_t ins_len, intact_error *err)
{
    for (size_t i = 0; i < outs_len; i++) {
        if (!outs[i].path)
            continue;
        for (size_t k = 0; k < ins_len; k++)
            if (ins[k].path && it_api_same_file(outs[i].path, ins[k].path))
                return it_fail(err, INTACT_E_ARG, outs[i].path, "is %s itself, which would be overwritten; %s needs another file", ins[k].what, outs[i].what);
        for (size_t k = 0; k < ins_len; k++)
            if (ins[k].path && is_of_data(outs[i].path, ins[k].path))
                return it_fail(err, INTACT_E_ARG, outs[i].path, "belongs to %s, and would be overwritten; %s needs another file", ins[k].what, outs[i].what);
        for (size_t k = 0; k < i; k++)
            if (outs[k].path && it_api_same_file(outs[i].path, outs[k].path))
                return it_fail(err, INTACT_E_ARG, outs[i].path, "is where %s goes; %s needs another file", outs[k].what, outs[i].what);
        IT_TRY(it_file_probe(outs[i].path, err));
    }
    return INTACT_OK;
}
