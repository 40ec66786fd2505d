/* SPDX-License-Identifier: Apache-2.0 */
/* file.c: whole files: mapped for reading, replaced atomically when written. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *kind_of(mode_t m)
{
    return S_ISDIR(m) ? "a folder" : S_ISCHR(m) || S_ISBLK(m) ? "a device" : S_ISFIFO(m) ? "a pipe" : "not a regular file";
}

/* Fails and closes fd. */
static intact_status fail_errno(intact_error *err, int fd, const char *path, const char *what)
{
    int code = errno;
    if (fd >= 0)
        close(fd);
    return it_fail(err, code == ENOMEM ? INTACT_E_NOMEM : INTACT_E_IO, path, "cannot %s: %s", what, strerror(code));
}

intact_status it_map_open(const char *path, it_map *out, intact_error *err)
{
    *out = (it_map){ 0 };
    /* O_NONBLOCK: opening a pipe must not wait for its writer */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(err, fd, path, "open");
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_errno(err, fd, path, "examine");
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return it_fail(err, INTACT_E_IO, path, "this is %s; a regular file is needed", kind_of(st.st_mode));
    }
    if (st.st_size == 0) {
        close(fd);
        return INTACT_OK;
    }
    if ((uint64_t)st.st_size > PTRDIFF_MAX) {
        close(fd);
        return it_fail(err, INTACT_E_IO, path, "%lld bytes do not fit into memory", (long long)st.st_size);
    }
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return fail_errno(err, fd, path, "map");
    close(fd);
    *out = (it_map){ .data = data, .len = (size_t)st.st_size };
    return INTACT_OK;
}

void it_map_close(it_map *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->len);
    *m = (it_map){ 0 };
}

static bool write_all(int fd, const it_part *parts, size_t parts_len)
{
    for (size_t i = 0; i < parts_len; i++) {
        const uint8_t *at = parts[i].data;
        size_t left = parts[i].len;
        while (left > 0) {
            ssize_t n = write(fd, at, left < (1u << 30) ? left : 1u << 30);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                return false;
            at += n;
            left -= (size_t)n;
        }
    }
    return true;
}

typedef struct temp_file {
    char folder[PATH_MAX], name[PATH_MAX + 64];
    int fd;
    bool named; /* has a name that must go away on failure */
} temp_file;

/* A name beside path that nobody has; the file is made with it, or linked to it. */
static bool temp_name(temp_file *t, const char *path, int attempt)
{
    int n = snprintf(t->name, sizeof t->name, "%s.tmp-%ld-%d", path, (long)getpid(), attempt);
    return n > 0 && (size_t)n < sizeof t->name;
}

static bool temp_open_named(temp_file *t, const char *path, mode_t mode)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        if (!temp_name(t, path, attempt)) {
            errno = ENAMETOOLONG;
            return false;
        }
        t->fd = open(t->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (t->fd >= 0) {
            t->named = true;
            return true;
        }
        if (errno != EEXIST)
            return false;
    }
    return false;
}

/* A file without a name vanishes by itself when the process is killed in the middle; not every file system has it. */
static bool temp_open(temp_file *t, const char *path, mode_t mode)
{
    t->named = false;
#ifdef O_TMPFILE
    t->fd = open(t->folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
    if (t->fd >= 0)
        return true;
#endif
    return temp_open_named(t, path, mode);
}

/* Gives a nameless temporary a name beside path, so that it can be renamed over path. */
static bool temp_link(temp_file *t, const char *path)
{
    char proc[64];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", t->fd);
    for (int attempt = 0; attempt < 100; attempt++) {
        if (!temp_name(t, path, attempt)) {
            errno = ENAMETOOLONG;
            return false;
        }
        if (linkat(AT_FDCWD, proc, AT_FDCWD, t->name, AT_SYMLINK_FOLLOW) == 0) {
            t->named = true;
            return true;
        }
        if (errno != EEXIST)
            return false;
    }
    return false;
}

static intact_status temp_fail(temp_file *t, const char *path, const char *what, intact_error *err)
{
    int code = errno;
    if (t->named)
        unlink(t->name);
    errno = code;
    return fail_errno(err, t->fd, path, what);
}

static intact_status temp_fill(temp_file *t, const char *path, mode_t mode, const it_part *parts, size_t parts_len, intact_error *err)
{
    if (!write_all(t->fd, parts, parts_len))
        return temp_fail(t, path, "write", err);
    if (fsync(t->fd) != 0)
        return temp_fail(t, path, "flush to disk", err);
    if (!t->named && !temp_link(t, path)) { /* no /proc: once more, with a name from the start */
        close(t->fd);
        t->fd = -1;
        if (!temp_open_named(t, path, mode))
            return fail_errno(err, -1, path, "create a temporary file beside it");
        if (!write_all(t->fd, parts, parts_len) || fsync(t->fd) != 0)
            return temp_fail(t, path, "write", err);
    }
    int fd = t->fd;
    t->fd = -1;
    if (close(fd) != 0)
        return temp_fail(t, path, "write", err);
    if (rename(t->name, path) != 0)
        return temp_fail(t, path, "rename the temporary file to it", err);
    return INTACT_OK;
}

/* What a link stands for is replaced, not the link. */
static intact_status resolve(const char **path, char target[PATH_MAX], intact_error *err)
{
    struct stat st;
    if (lstat(*path, &st) != 0 || !S_ISLNK(st.st_mode))
        return INTACT_OK;
    if (!realpath(*path, target))
        return it_fail(err, INTACT_E_IO, *path, "this link leads nowhere (%s): make its target, or remove the link", strerror(errno));
    *path = target;
    return INTACT_OK;
}

/* The folder of path with its slash, and the mode that the new file gets. */
static intact_status place_of(const char *path, temp_file *t, mode_t *mode, intact_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t folder_len = slash ? (size_t)(slash - path) + 1 : 0;
    if (!*path || folder_len >= sizeof t->folder)
        return it_fail(err, INTACT_E_IO, path, "a path of %zu characters cannot be written", strlen(path));
    if (folder_len == 0)
        memcpy(t->folder, ".", 2);
    else
        memcpy(t->folder, path, folder_len); /* the rest is zero */
    struct stat st;
    *mode = 0666;
    if (stat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            return it_fail(err, INTACT_E_IO, path, "this is %s; it cannot be replaced by a file", kind_of(st.st_mode));
        *mode = st.st_mode & 0777;
    }
    return INTACT_OK;
}

intact_status it_file_probe(const char *path, intact_error *err)
{
    temp_file t = { .fd = -1 };
    char target[PATH_MAX];
    mode_t mode;
    IT_TRY(resolve(&path, target, err));
    IT_TRY(place_of(path, &t, &mode, err));
    if (!temp_open(&t, path, mode))
        return fail_errno(err, -1, path, "create a temporary file beside it");
    close(t.fd);
    if (t.named)
        unlink(t.name);
    return INTACT_OK;
}

intact_status it_file_replace(const char *path, const it_part *parts, size_t parts_len, intact_error *err)
{
    temp_file t = { .fd = -1 };
    char target[PATH_MAX];
    mode_t mode;
    IT_TRY(resolve(&path, target, err));
    IT_TRY(place_of(path, &t, &mode, err));
    if (!temp_open(&t, path, mode))
        return fail_errno(err, -1, path, "create a temporary file beside it");
    IT_TRY(temp_fill(&t, path, mode, parts, parts_len, err));
    int dir = open(t.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* best effort: the rename itself on disk */
    if (dir >= 0) {
        (void)!fsync(dir);
        close(dir);
    }
    return INTACT_OK;
}
