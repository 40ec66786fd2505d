/* SPDX-License-Identifier: Apache-2.0 */
/* folder.c: a folder with one sub-folder a class, or with nothing but images, which then have no labels. */
#include "data/kind.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

extern const it_data_kind it_data_labels;

typedef struct entries { /* names in one folder: its images, or its sub-folders */
    const char **items;
    size_t len, cap;
} entries;

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static bool wanted(it_arena *scratch, const char *folder, const char *name, bool folders, bool *nomem)
{
    if (name[0] == '.' || (!folders && !it_data_is_image_name(name)))
        return false;
    const char *path = it_arena_printf(scratch, "%s/%s", folder, name);
    struct stat st;
    *nomem = path == NULL;
    return path && stat(path, &st) == 0 && (folders ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)); /* links are followed */
}

/* The names are in keep, sorted by their bytes; a dangling link is passed over. */
static intact_status list(const intact_alloc *a, it_arena *keep, const char *folder, bool folders, entries *out, intact_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return it_fail(err, INTACT_E_IO, folder, "cannot read the folder: %s", strerror(errno));
    it_arena scratch;
    it_arena_init(&scratch, a);
    bool nomem = false;
    errno = 0;
    for (struct dirent *e; !nomem && (e = readdir(dir)) != NULL; errno = 0) {
        if (!wanted(&scratch, folder, e->d_name, folders, &nomem))
            continue;
        const char *name = it_arena_text(keep, e->d_name);
        nomem = !name || !IT_VEC_ROOM(a, *out);
        if (!nomem)
            out->items[out->len++] = name;
    }
    int failed = nomem ? 0 : errno;
    closedir(dir);
    it_arena_release(&scratch);
    if (nomem)
        return it_fail_nomem(err, folder, out->cap * sizeof *out->items);
    if (failed)
        return it_fail(err, INTACT_E_IO, folder, "cannot read the folder: %s", strerror(failed));
    if (out->len)
        qsort(out->items, out->len, sizeof *out->items, by_bytes);
    return INTACT_OK;
}

static intact_status add_images(it_dataset *d, const char *folder, int32_t label, it_data_files *files, intact_error *err)
{
    it_arena scratch;
    it_arena_init(&scratch, d->alloc);
    entries images = {0};
    intact_status status = list(d->alloc, &scratch, folder, false, &images, err);
    for (size_t i = 0; status == INTACT_OK && i < images.len; i++) {
        const char *path = it_arena_printf(&d->arena, "%s/%s", folder, images.items[i]);
        status = path ? it_data_files_add(d, files, path, label, err) : it_fail_nomem(err, folder, strlen(folder));
    }
    IT_VEC_FREE(d->alloc, images);
    it_arena_release(&scratch);
    return status;
}

static intact_status add_classes(it_dataset *d, const char *root, const entries *classes, it_data_files *files, intact_error *err)
{
    if (classes->len >= IT_CLASS_MAX)
        return it_fail(err, INTACT_E_DATA, root, "%zu sub-folders are too many classes", classes->len);
    for (size_t i = 0; i < classes->len; i++) {
        const char *folder = it_arena_printf(&d->arena, "%s/%s", root, classes->items[i]);
        if (!folder)
            return it_fail_nomem(err, root, strlen(root));
        IT_TRY(add_images(d, folder, (int32_t)i, files, err));
    }
    return INTACT_OK;
}

static intact_status fill(it_dataset *d, const char *root, entries *classes, it_data_files *files, intact_error *err)
{
    IT_TRY(list(d->alloc, &d->arena, root, true, classes, err));
    IT_TRY(add_classes(d, root, classes, files, err));
    bool labelled = files->len > 0;
    if (!labelled)
        IT_TRY(add_images(d, root, -1, files, err));
    if (files->len == 0)
        return it_fail(err, INTACT_E_DATA, root,
                       "no images: looked for .jpg, .jpeg and .png in %zu sub-folders (one a class) and in the folder itself, and for "
                       "labels.txt",
                       classes->len);
    d->classes = labelled ? (uint32_t)classes->len : 0;
    return it_data_files_end(d, files, strlen(root) + 1, labelled, err);
}

static intact_status folder_open(it_dataset *d, const char *path, const char *labels, intact_error *err)
{
    if (labels) { /* the label file lies elsewhere */
        d->kind = &it_data_labels;
        return d->kind->open(d, path, labels, err);
    }
    IT_TRY(it_data_check_channels(d, path, err));
    entries classes = {0};
    it_data_files files = {0};
    intact_status status = fill(d, path, &classes, &files, err);
    IT_VEC_FREE(d->alloc, classes);
    IT_VEC_FREE(d->alloc, files);
    return status;
}

const it_data_kind it_data_folder = {
    .name = "folder", .what = "a folder with one sub-folder per class",
    .is = it_data_is_folder, .open = folder_open, .read = it_data_files_read,
};
