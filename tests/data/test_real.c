/* SPDX-License-Identifier: Apache-2.0 */
/* test_real.c: real data sets, where there are any: counts, labels, and pixels equal to Pillow's. Skipped where there are none. */
#include "data/helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char text[1024];

static bool there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* What the data folder, if there is one, has under this name; NULL when it has nothing. */
static const char *real(const char *name)
{
    const char *data = getenv("INTACT_DATA"), *source = getenv("INTACT_SOURCE"), *home = getenv("HOME");
    const char *const base[] = {data, data, source, home};
    static const char *const ends[] = {"", "/data", "/../shared/data", "/.cache/intact-data"};
    for (size_t i = 0; i < IT_LEN(base); i++) {
        if (!base[i] || (data && i >= 2))
            continue;
        snprintf(text, sizeof text, "%s%s/%s", base[i], ends[i], name);
        if (there(text))
            return text;
    }
    return NULL;
}

static it_dataset *opened(const char *path, uint32_t channels)
{
    it_dataset *d;
    intact_error err = {0};
    if (it_dataset_open(NULL, path, NULL, channels, &d, &err) != INTACT_OK)
        fail_msg("%s: %s", err.where, err.message);
    return d;
}

/* Every sample read and prepared; the checksum of all pixels in order. */
static uint32_t pixels(const it_dataset *d, const char *preprocess, uint32_t h, uint32_t w)
{
    it_preprocess p;
    intact_error err = {0};
    assert_int_equal(it_preprocess_parse(preprocess, &p, NULL), INTACT_OK);
    uint32_t sum = 0;
    for (size_t i = 0; i < d->len; i++) {
        it_item item;
        if (d->kind->read(d, i, &item, &err) != INTACT_OK ||
            it_image_prepare(NULL, &p, &item.image, it_dataset_name(d, i), &err) != INTACT_OK)
            fail_msg("%s: %s", err.where, err.message);
        assert_true(item.image.h == h && item.image.w == w && item.image.c == d->channels);
        sum = (sum << 1 | sum >> 31) ^ it_crc32(item.image.px, (size_t)h * w * d->channels);
        it_item_free(d, &item);
    }
    return sum;
}

static void each_class(const it_dataset *d, uint32_t classes, size_t each)
{
    size_t count[10] = {0};
    assert_int_equal(d->classes, classes);
    for (size_t i = 0; i < d->len; i++) {
        assert_in_range(d->label[i], 0, classes - 1);
        count[d->label[i]]++;
    }
    for (uint32_t c = 0; c < classes; c++)
        assert_int_equal(count[c], each);
}

static void imagenet500(void **state)
{
    (void)state;
    const char *path = real("imagenet500");
    if (!path)
        skip();
    it_dataset *d = opened(path, 3);
    assert_string_equal(d->kind->name, "labels");
    assert_int_equal(d->len, 500);
    assert_in_range(d->classes, 999, 1000);
    for (size_t i = 0; i < d->len; i++)
        assert_int_equal(d->label[i], 2 * i); /* every second class, in order */
    assert_int_equal(pixels(d, "imagenet", 224, 224), 0xa6ec90d8u);
    assert_int_equal(pixels(d, "resize=232,crop=224", 224, 224), 0x90314445u); /* computed with Pillow 9.4 */
    it_dataset_close(d);
}

static void cifar10(void **state)
{
    (void)state;
    const char *path = real("cifar10/test");
    if (!path)
        skip();
    it_dataset *d = opened(path, 3);
    assert_string_equal(d->kind->name, "folder");
    assert_int_equal(d->len, 10000);
    each_class(d, 10, 1000);
    assert_string_equal(it_dataset_name(d, 0), "airplane/0000.jpg");
    assert_int_equal(pixels(d, "cifar", 32, 32), 0xb0f344eeu);
    it_dataset_close(d);
    d = opened(real("cifar10/train"), 3);
    assert_int_equal(d->len, 50000);
    each_class(d, 10, 5000);
    it_dataset_close(d);
}

static void fashion(void **state)
{
    (void)state;
    static const char *const paths[] = {"/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz",
                                        "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"};
    static const size_t lens[] = {60000, 10000};
    if (!there(paths[0]) || !there(paths[1]))
        skip();
    for (size_t i = 0; i < 2; i++) {
        it_dataset *d = opened(paths[i], 1);
        assert_string_equal(d->kind->name, "idx");
        assert_int_equal(d->len, lens[i]);
        each_class(d, 10, lens[i] / 10);
        it_dataset_close(d);
    }
    it_dataset *d = opened(paths[1], 1);
    assert_int_equal(pixels(d, "unit", 28, 28), 0x6f4367efu);
    it_dataset_close(d);
}

int main(void)
{
    if (!real("imagenet500") && !real("cifar10/test") && !there("/usr/share/datasets/fashion-mnist")) {
        printf("skipped: no real data; set INTACT_DATA to a folder with imagenet500 and cifar10\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(imagenet500), cmocka_unit_test(cifar10), cmocka_unit_test(fashion)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
