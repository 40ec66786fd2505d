/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_idx.c: any bytes as a data set in one file (IDX, gzip or not, and .npy), also as labels: samples or a sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/data.h"

static void check(const char *path, const char *labels)
{
    intact_error err = {0};
    it_dataset *d;
    if (it_dataset_open(NULL, path, labels, 3, &d, &err) != INTACT_OK) {
        if (err.code == INTACT_OK || !err.message[0] || d)
            abort();
        return;
    }
    const size_t at[2] = {0, d->len - 1};
    for (int i = 0; i < 2; i++) {
        it_item item;
        if (d->kind->read(d, at[i], &item, &err) == INTACT_OK)
            it_item_free(d, &item);
        if (d->label && (d->label[at[i]] < -1 || d->label[at[i]] >= (int64_t)d->classes))
            abort();
        if (!it_dataset_name(d, at[i])[0])
            abort();
    }
    it_dataset_close(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    check(path, NULL);
    check(path, path);
    close(fd);
    return 0;
}
