/* SPDX-License-Identifier: Apache-2.0 */
/* labels.c: a folder of images with labels.txt: a line a file, "file, class index, name", commas or blanks between. */
#include "data/kind.h"

#include <string.h>
#include <sys/stat.h>

typedef struct line { /* pieces of the text, not ended by NUL */
    const char *file;
    size_t file_len;
    int64_t label;
} line;

static bool blank(char c) { return c == ' ' || c == '\t'; }

/* An integer from s on that ends at a separator or at end. */
static bool parse_label(const char *s, const char *end, int64_t *out)
{
    int64_t v = 0;
    bool minus = s < end && *s == '-';
    const char *digit = s += minus;
    for (; s < end && *s >= '0' && *s <= '9' && s - digit < 18; s++)
        v = v * 10 + (*s - '0');
    *out = minus ? -v : v;
    return s > digit && (s == end || *s == ',' || blank(*s));
}

/* file, separator, number. With blanks: the file name ends at the first blank or comma; without: at the first comma or tab. */
static bool split(const char *s, const char *end, bool blanks, line *out)
{
    const char *at = s;
    while (at < end && *at != ',' && *at != '\t' && !(blanks && *at == ' '))
        at++;
    const char *name_end = at;
    while (name_end > s && blank(name_end[-1]))
        name_end--;
    while (at < end && blank(*at))
        at++;
    if (at < end && *at == ',')
        at++;
    while (at < end && blank(*at))
        at++;
    out->file = s;
    out->file_len = (size_t)(name_end - s);
    return out->file_len > 0 && parse_label(at, end, &out->label);
}

/* A file name that stays inside the folder. */
static bool inside(const char *name)
{
    if (name[0] == '/')
        return false;
    for (const char *s = name; s; s = strchr(s, '/')) {
        s += *s == '/';
        if (strncmp(s, "..", 2) == 0 && (s[2] == 0 || s[2] == '/'))
            return false;
    }
    return true;
}

static intact_status add_line(it_dataset *d, const char *root, const line *l, const char *where, size_t number, it_data_files *files,
                              intact_error *err)
{
    if (l->label < 0 || l->label >= IT_CLASS_MAX)
        return it_fail(err, INTACT_E_DATA, where, "line %zu: label %lld is out of range: classes are 0 to %d", number,
                       (long long)l->label, IT_CLASS_MAX - 1);
    char *path = it_arena_printf(&d->arena, "%s/%.*s", root, (int)(l->file_len < 4096 ? l->file_len : 4096), l->file);
    if (!path)
        return it_fail_nomem(err, where, l->file_len);
    const char *name = path + strlen(root) + 1;
    struct stat st;
    if (!inside(name) || memchr(l->file, 0, l->file_len))
        return it_fail(err, INTACT_E_DATA, where, "line %zu: \"%s\" must name a file inside the folder", number, name);
    if (!it_data_is_image_name(name))
        return it_fail(err, INTACT_E_DATA, where, "line %zu: \"%s\" is not the name of a .jpg, .jpeg or .png file", number, name);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return it_fail(err, INTACT_E_DATA, where, "line %zu names \"%s\", which is not in the folder", number, name);
    return it_data_files_add(d, files, path, (int32_t)l->label, err);
}

static intact_status parse(it_dataset *d, const char *root, const char *where, const char *s, size_t len, it_data_files *files,
                           intact_error *err)
{
    if (len == 0)
        s = ""; /* an empty file has no mapping */
    const char *end = s + len;
    if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
        s += 3;
    for (size_t number = 1; s < end; number++) {
        const char *next = memchr(s, '\n', (size_t)(end - s));
        const char *stop = next ? next : end;
        while (s < stop && blank(*s))
            s++;
        while (stop > s && (stop[-1] == '\r' || blank(stop[-1])))
            stop--;
        line l = {0};
        if (s < stop && *s != '#') {
            if (!split(s, stop, true, &l) && !split(s, stop, false, &l))
                return it_fail(err, INTACT_E_DATA, where, "line %zu: \"%.*s\" is not \"file, class index, name\"", number,
                               (int)(stop - s < 80 ? stop - s : 80), s);
            IT_TRY(add_line(d, root, &l, where, number, files, err));
        }
        s = next ? next + 1 : end;
    }
    if (files->len == 0)
        return it_fail(err, INTACT_E_DATA, where, "no line names an image; \"file, class index, name\" was looked for");
    return INTACT_OK;
}

static bool labels_is(const char *path)
{
    char probe;
    it_arena arena;
    it_arena_init(&arena, NULL);
    const char *file = it_data_is_folder(path) ? it_arena_printf(&arena, "%s/labels.txt", path) : NULL;
    struct stat st;
    bool is = file && (it_data_head(file, &probe, 1) || (stat(file, &st) == 0 && S_ISREG(st.st_mode)));
    it_arena_release(&arena);
    return is;
}

static intact_status labels_open(it_dataset *d, const char *path, const char *labels, intact_error *err)
{
    IT_TRY(it_data_check_channels(d, path, err));
    if (!labels)
        labels = it_arena_printf(&d->arena, "%s/labels.txt", path);
    if (!labels)
        return it_fail_nomem(err, path, strlen(path));
    it_map map;
    it_data_files files = {0};
    IT_TRY(it_map_open(labels, &map, err));
    intact_status status = parse(d, path, labels, map.data, map.len, &files, err);
    if (status == INTACT_OK)
        status = it_data_files_end(d, &files, strlen(path) + 1, true, err);
    IT_VEC_FREE(d->alloc, files);
    it_map_close(&map);
    return status;
}

const it_data_kind it_data_labels = {
    .name = "labels", .what = "a folder with labels.txt (file, class index, name)",
    .is = labels_is, .open = labels_open, .read = it_data_files_read,
};
