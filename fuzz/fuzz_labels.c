/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_labels.c: any bytes as labels.txt beside two images, and as the text of a preprocessing that must survive printing. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/data.h"

static char folder[] = "/tmp/intact-fuzz-XXXXXX", file_a[64], file_b[64];

static void drop(void)
{
    unlink(file_a);
    unlink(file_b);
    rmdir(folder);
}

static void make(void)
{
    if (!mkdtemp(folder))
        abort();
    snprintf(file_a, sizeof file_a, "%s/a.jpg", folder);
    snprintf(file_b, sizeof file_b, "%s/b c.png", folder);
    close(open(file_a, O_CREAT | O_WRONLY, 0600));
    close(open(file_b, O_CREAT | O_WRONLY, 0600));
    atexit(drop);
}

static void check_labels(const uint8_t *data, size_t len)
{
    char path[64];
    intact_error err = {0};
    it_dataset *d;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (it_dataset_open(NULL, folder, path, 3, &d, &err) == INTACT_OK) {
        for (size_t i = 0; i < d->len; i++)
            if (d->label[i] < 0 || d->label[i] >= (int64_t)d->classes || strstr(it_dataset_name(d, i), ".."))
                abort();
        it_dataset_close(d);
    } else if (err.code == INTACT_OK || !err.message[0]) {
        abort();
    }
    close(fd);
}

static void check_preprocess(const uint8_t *data, size_t len)
{
    char text[512], printed[512], again[512];
    it_preprocess p, q;
    if (len >= sizeof text)
        return;
    memcpy(text, data, len);
    text[len] = 0;
    if (it_preprocess_parse(text, &p, NULL) != INTACT_OK)
        return;
    it_preprocess_print(&p, printed, sizeof printed);
    if (it_preprocess_parse(printed, &q, NULL) != INTACT_OK)
        abort();
    it_preprocess_print(&q, again, sizeof again);
    if (strcmp(printed, again) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!file_a[0])
        make();
    check_labels(data, len);
    check_preprocess(data, len);
    return 0;
}
