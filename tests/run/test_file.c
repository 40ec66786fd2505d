/* SPDX-License-Identifier: Apache-2.0 */
/* test_file.c: mapping refuses what is no regular file; replacing is atomic and cleans up after every failure. */
#include "run/helpers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "base/file.h"

static char folder[64], path[128];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/intact-file-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/a.itm", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails if a temporary was left behind */
}

static int files_in_folder(void)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void expect_content(const char *text)
{
    it_map m;
    assert_int_equal(it_map_open(path, &m, NULL), INTACT_OK);
    assert_int_equal(m.len, strlen(text));
    assert_true(m.len == 0 || memcmp(m.data, text, m.len) == 0);
    it_map_close(&m);
    assert_null(m.data);
}

static void replace_and_map(void **state)
{
    (void)state;
    assert_int_equal(it_file_replace(path, (it_part[]){ { "hel", 3 }, { "", 0 }, { "lo", 2 } }, 3, NULL), INTACT_OK);
    expect_content("hello");
    chmod(path, 0640);
    assert_int_equal(it_file_replace(path, (it_part[]){ { "bye", 3 } }, 1, NULL), INTACT_OK);
    expect_content("bye");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640); /* a replaced file keeps its rights */
    assert_int_equal(it_file_replace(path, NULL, 0, NULL), INTACT_OK);
    expect_content("");
    assert_int_equal(files_in_folder(), 1);
}

static void expect_io(intact_status st, const intact_error *e, const char *word)
{
    assert_int_equal(st, INTACT_E_IO);
    if (!strstr(e->message, word))
        fail_msg("\"%s\" does not say \"%s\"", e->message, word);
}

static void refusals(void **state)
{
    (void)state;
    it_map m;
    intact_error e;
    it_part part = { "x", 1 };
    expect_io(it_map_open(folder, &m, &e), &e, "folder");
    expect_io(it_map_open("/dev/null", &m, &e), &e, "device");
    expect_io(it_map_open(path, &m, &e), &e, "No such file");
    assert_string_equal(e.where, path);
    expect_io(it_file_replace(folder, &part, 1, &e), &e, "folder");
    expect_io(it_file_replace("/dev/null", &part, 1, &e), &e, "device");
    expect_io(it_file_replace("", &part, 1, &e), &e, "0 characters");
    char deep[160];
    snprintf(deep, sizeof deep, "%s/none/a.itm", folder);
    expect_io(it_file_replace(deep, &part, 1, &e), &e, "No such file");
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it must not wait for a writer */
    expect_io(it_map_open(path, &m, &e), &e, "pipe");
    assert_int_equal(files_in_folder(), 1);
}

/* A link stays one; its target, in another folder, is replaced there. */
static void links(void **state)
{
    (void)state;
    char other[96], target[128], second[128];
    intact_error e;
    struct stat st;
    snprintf(other, sizeof other, "%s/sub", folder);
    snprintf(target, sizeof target, "%s/real.itm", other);
    snprintf(second, sizeof second, "%s/link.itm", folder);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(symlink("sub/real.itm", path), 0);
    assert_int_equal(symlink("a.itm", second), 0);
    expect_io(it_file_replace(second, (it_part[]){ { "new", 3 } }, 1, &e), &e, "leads nowhere");
    assert_int_equal(it_file_replace(target, (it_part[]){ { "old", 3 } }, 1, NULL), INTACT_OK);
    assert_int_equal(it_file_replace(second, (it_part[]){ { "new", 3 } }, 1, NULL), INTACT_OK);
    assert_true(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
    assert_true(lstat(second, &st) == 0 && S_ISLNK(st.st_mode));
    expect_content("new");
    assert_true(lstat(target, &st) == 0 && S_ISREG(st.st_mode));
    assert_int_equal(files_in_folder(), 3);
    unlink(second);
    unlink(target);
    assert_int_equal(rmdir(other), 0); /* fails if a temporary was left behind */
    assert_int_equal(symlink("/dev/null", second), 0);
    expect_io(it_file_replace(second, (it_part[]){ { "x", 1 } }, 1, &e), &e, "device");
    unlink(second);
}

/* A limit on file sizes fails like a full disk does: in the middle of a write. */
static void full_disk(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    intact_error e;
    char *big = calloc(N, 1);
    assert_int_equal(it_file_replace(path, (it_part[]){ { "old", 3 } }, 1, NULL), INTACT_OK);
    struct rlimit was, few = { 4096, 4096 };
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    few.rlim_max = was.rlim_max;
    setrlimit(RLIMIT_FSIZE, &few);
    intact_status st = it_file_replace(path, (it_part[]){ { big, N } }, 1, &e);
    setrlimit(RLIMIT_FSIZE, &was);
    expect_io(st, &e, "cannot write: File too large");
    expect_content("old");
    assert_int_equal(files_in_folder(), 1);
    free(big);
}

static void no_space_left(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    intact_error e;
    it_part part = { "x", 1 };
    expect_io(it_file_replace("/dev/full", &part, 1, &e), &e, "device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replace_and_map, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_space_left, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
