/* SPDX-License-Identifier: Apache-2.0 */
/* test_dataset.c: folders, label files, IDX and CIFAR made on the spot; what is wrong with them is said; the seed's choice; checksums. */
#include "data/helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static it_dataset *opened(const char *path, const char *labels, uint32_t channels)
{
    it_dataset *d;
    intact_error err = {0};
    if (it_dataset_open(NULL, path, labels, channels, &d, &err) != INTACT_OK)
        fail_msg("%s: %s", err.where, err.message);
    return d;
}

static void refuses_at(int line, const char *path, const char *labels, uint32_t channels, intact_status code, const char *piece)
{
    it_dataset *d;
    intact_error err = {0};
    if (it_dataset_open(NULL, path, labels, channels, &d, &err) == INTACT_OK)
        fail_msg("line %d: opened", line);
    assert_null(d);
    check_error(&err, code, piece, NULL);
}
#define refuses(...) refuses_at(__LINE__, __VA_ARGS__)

static it_image read_image(const it_dataset *d, size_t i)
{
    it_item item;
    intact_error err = {0};
    if (d->kind->read(d, i, &item, &err) != INTACT_OK)
        fail_msg("%s: %s", err.where, err.message);
    assert_null(item.array);
    return item.image;
}

static void put_image(const char *path, uint32_t side)
{
    buffer b = strstr(path, ".png") ? png_of(side, side, 2, 8, 0) : jpeg_of(side, side, 3, 90, 0);
    write_file(path, b.data, b.len);
    free(b.data);
}

/* ---- folder ---- */

static void make_classes(const char *name)
{
    make_folder(in_folder("%s", name));
    static const char *const classes[] = {"zebra", "Ape", "bee", "empty", ".hidden"};
    for (size_t i = 0; i < IT_LEN(classes); i++)
        make_folder(in_folder("%s/%s", name, classes[i]));
    put_image(in_folder("%s/zebra/2.jpg", name), 20);
    put_image(in_folder("%s/zebra/10.JPEG", name), 21);
    put_image(in_folder("%s/Ape/x.png", name), 22);
    put_image(in_folder("%s/bee/.no.jpg", name), 9);
    put_image(in_folder("%s/.hidden/no.jpg", name), 9);
    put_image(in_folder("%s/loose.jpg", name), 9);
    write_text(in_folder("%s/bee/notes.txt", name), "no image");
    make_folder(in_folder("%s/bee/dir.jpg", name));
    assert_int_equal(symlink("../zebra/2.jpg", in_folder("%s/bee/link.jpg", name)), 0);
    assert_int_equal(symlink("nowhere.jpg", in_folder("%s/bee/dangling.jpg", name)), 0);
}

static void folder(void **state)
{
    (void)state;
    make_classes("classes");
    it_dataset *d = opened(in_folder("classes"), NULL, 0);
    static const char *const names[] = {"Ape/x.png", "bee/link.jpg", "zebra/10.JPEG", "zebra/2.jpg"};
    static const int labels[] = {0, 1, 3, 3}, sides[] = {22, 20, 21, 20};
    assert_string_equal(d->kind->name, "folder");
    assert_int_equal(d->len, 4);
    assert_int_equal(d->classes, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(it_dataset_name(d, i), names[i]);
        assert_int_equal(d->label[i], labels[i]);
        it_image im = read_image(d, i);
        assert_true(im.h == (uint32_t)sides[i] && im.w == im.h && im.c == 3);
        it_image_free(NULL, &im);
    }
    it_dataset_close(d);
    d = opened(in_folder("classes"), NULL, 1);
    it_image im = read_image(d, 0);
    assert_int_equal(im.c, 1);
    it_image_free(NULL, &im);
    it_dataset_close(d);
    d = opened(in_folder("classes/zebra"), NULL, 3); /* images alone: no labels */
    assert_true(d->len == 2 && d->label == NULL && d->classes == 0);
    assert_string_equal(it_dataset_name(d, 0), "10.JPEG");
    it_dataset_close(d);
}

static void folder_refusals(void **state)
{
    (void)state;
    make_folder(in_folder("none"));
    refuses(in_folder("none"), NULL, 3, INTACT_E_DATA, "no images");
    refuses(in_folder("absent"), NULL, 3, INTACT_E_IO, "cannot open");
    refuses(in_folder("classes"), NULL, 4, INTACT_E_ARG, "4 channels");
    write_text(in_folder("note.txt"), "words");
    refuses(in_folder("note.txt"), NULL, 3, INTACT_E_DATA, "looked for: a folder with labels.txt");
    make_folder(in_folder("none/locked"));
    assert_int_equal(chmod(in_folder("none/locked"), 0), 0);
    if (access(in_folder("none/locked"), R_OK) != 0) /* root reads everything */
        refuses(in_folder("none"), NULL, 3, INTACT_E_IO, "locked");
    chmod(in_folder("none/locked"), 0700);
}

/* One damaged file spoils its own sample only. */
static void corrupt(void **state)
{
    (void)state;
    make_folder(in_folder("mixed"));
    put_image(in_folder("mixed/a.jpg"), 16);
    buffer b = jpeg_of(64, 64, 3, 90, 0);
    write_file(in_folder("mixed/b.jpg"), b.data, b.len / 2);
    write_file(in_folder("mixed/c.jpg"), b.data, 0);
    free(b.data);
    put_image(in_folder("mixed/d.jpg"), 16);
    it_dataset *d = opened(in_folder("mixed"), NULL, 3);
    assert_int_equal(d->len, 4);
    it_item item;
    intact_error err = {0};
    assert_int_not_equal(d->kind->read(d, 1, &item, &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "b.jpg", "damaged", NULL);
    assert_int_not_equal(d->kind->read(d, 2, &item, &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "c.jpg", "empty", NULL);
    it_image im = read_image(d, 3);
    it_image_free(NULL, &im);
    unlink(in_folder("mixed/d.jpg"));
    assert_int_not_equal(d->kind->read(d, 3, &item, &err), INTACT_OK);
    check_error(&err, INTACT_E_IO, "d.jpg", NULL);
    it_dataset_close(d);
}

static void long_paths(void **state)
{
    (void)state;
    char part[201];
    memset(part, 'p', 200);
    part[200] = 0;
    make_folder(in_folder("%s", part));
    make_folder(in_folder("%s/%s", part, part));
    make_folder(in_folder("%s/%s/%s", part, part, part));
    put_image(in_folder("%s/%s/%s/%s.png", part, part, part, part), 8);
    it_dataset *d = opened(in_folder("%s/%s", part, part), NULL, 3);
    assert_int_equal(d->len, 1);
    assert_int_equal(strlen(it_dataset_name(d, 0)), 405);
    it_image im = read_image(d, 0);
    it_image_free(NULL, &im);
    it_dataset_close(d);
}

/* ---- labels.txt ---- */

static void labels_file(void **state)
{
    (void)state;
    make_folder(in_folder("listed"));
    make_folder(in_folder("listed/sub"));
    put_image(in_folder("listed/a.jpg"), 10);
    put_image(in_folder("listed/b c.png"), 11);
    put_image(in_folder("listed/sub/d.jpg"), 12);
    put_image(in_folder("listed/unlisted.jpg"), 13);
    write_text(in_folder("listed/labels.txt"),
               "\xef\xbb\xbf# a comment\n\n a.jpg 0 great white shark, white shark\r\nb c.png,7,name\n\tsub/d.jpg\t 999\n"
               "sub/d.jpg , 3 , x\nb c.png\t1\na.jpg 12");
    it_dataset *d = opened(in_folder("listed"), NULL, 3);
    static const char *const names[] = {"a.jpg", "b c.png", "sub/d.jpg", "sub/d.jpg", "b c.png", "a.jpg"};
    static const int labels[] = {0, 7, 999, 3, 1, 12};
    assert_string_equal(d->kind->name, "labels");
    assert_int_equal(d->len, 6);
    assert_int_equal(d->classes, 1000);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(it_dataset_name(d, i), names[i]);
        assert_int_equal(d->label[i], labels[i]);
    }
    it_image im = read_image(d, 2);
    assert_int_equal(im.h, 12);
    it_image_free(NULL, &im);
    it_dataset_close(d);
    write_text(in_folder("elsewhere.csv"), "Ape/x.png,5\n"); /* the label file named by the caller, the folder without its own */
    d = opened(in_folder("classes"), in_folder("elsewhere.csv"), 3);
    assert_true(d->len == 1 && d->label[0] == 5);
    it_dataset_close(d);
}

static void labels_refusals(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "no line"},
        {"# only this\n", "no line"},
        {"a.jpg 0\nx.jpg 1\n", "line 2 names \"x.jpg\""},
        {"a.jpg\n", "line 1: \"a.jpg\" is not"},
        {"a.jpg tench\n", "is not \"file, class index, name\""},
        {"a.jpg 12x\n", "is not"},
        {"a.jpg 1048576\n", "out of range"},
        {"b c.png,0\na.jpg -1\n", "line 2: label -1 is out of range"},
        {"a.jpg 99999999999999999999\n", "is not"},
        {"../mixed/a.jpg 1\n", "inside the folder"},
        {"sub/../../mixed/a.jpg 1\n", "inside the folder"},
        {"/etc/a.jpg 1\n", "inside the folder"},
        {"labels.txt 1\n", "not the name of"},
        {",1\n", "is not"},
    };
    for (size_t i = 0; i < IT_LEN(cases); i++) {
        write_text(in_folder("listed/labels.txt"), cases[i][0]);
        refuses(in_folder("listed"), NULL, 3, INTACT_E_DATA, cases[i][1]);
    }
    write_file(in_folder("listed/labels.txt"), "a.jpg\0.jpg 3", 12);
    refuses(in_folder("listed"), NULL, 3, INTACT_E_DATA, "inside the folder");
    refuses(in_folder("listed"), in_folder("absent.txt"), 3, INTACT_E_IO, "absent.txt");
}

/* ---- IDX ---- */

static const uint8_t idx_images[16 + 12] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint8_t idx_labels[8 + 2] = {0, 0, 8, 1, 0, 0, 0, 2, 9, 4};

static void check_idx(const char *path, bool labelled)
{
    it_dataset *d = opened(path, NULL, 1);
    assert_string_equal(d->kind->name, "idx");
    assert_int_equal(d->len, 2);
    assert_int_equal(d->label != NULL, labelled);
    if (labelled)
        assert_true(d->label[0] == 9 && d->label[1] == 4 && d->classes == 10);
    it_image im = read_image(d, 1);
    assert_true(im.h == 2 && im.w == 3 && im.c == 1);
    assert_memory_equal(im.px, idx_images + 22, 6);
    assert_string_equal(it_dataset_name(d, 1), "sample 1");
    it_image_free(NULL, &im);
    it_dataset_close(d);
    d = opened(path, NULL, 3);
    im = read_image(d, 0);
    assert_true(im.c == 3 && im.px[0] == 1 && im.px[2] == 1 && im.px[3] == 2 && im.px[17] == 6);
    it_image_free(NULL, &im);
    it_dataset_close(d);
}

static void idx(void **state)
{
    (void)state;
    write_file(in_folder("t10k-images-idx3-ubyte"), idx_images, sizeof idx_images);
    check_idx(in_folder("t10k-images-idx3-ubyte"), false);
    write_file(in_folder("t10k-labels-idx1-ubyte"), idx_labels, sizeof idx_labels);
    check_idx(in_folder("t10k-images-idx3-ubyte"), true);
    write_gzip(in_folder("train-images-idx3-ubyte.gz"), idx_images, sizeof idx_images);
    write_gzip(in_folder("train-labels-idx1-ubyte.gz"), idx_labels, sizeof idx_labels);
    check_idx(in_folder("train-images-idx3-ubyte.gz"), true);
    write_gzip(in_folder("t10k-images-idx3-ubyte.gz"), idx_images, sizeof idx_images); /* its labels are not compressed */
    check_idx(in_folder("t10k-images-idx3-ubyte.gz"), true);
}

static void idx_refusals(void **state)
{
    (void)state;
    uint8_t b[sizeof idx_images];
    memcpy(b, idx_images, sizeof b);
    const char *path = in_folder("bad-images-idx3-ubyte");
    refuses(in_folder("t10k-labels-idx1-ubyte"), NULL, 1, INTACT_E_DATA, "these are labels");
    b[7] = 3;
    write_file(path, b, sizeof b);
    refuses(path, NULL, 1, INTACT_E_DATA, "3 images of 2 x 3; 12 bytes follow");
    b[7] = 0;
    write_file(path, b, sizeof b);
    refuses(path, NULL, 1, INTACT_E_DATA, "no images");
    b[7] = 2;
    b[2] = 13;
    write_file(path, b, sizeof b);
    refuses(path, NULL, 1, INTACT_E_DATA, "type 0d");
    memset(b + 4, 0xff, 12);
    b[2] = 8;
    write_file(path, b, sizeof b);
    refuses(path, NULL, 1, INTACT_E_DATA, "too large");
    write_file(path, idx_images, 10);
    refuses(path, NULL, 1, INTACT_E_DATA, "3 dimensions");
    write_file(path, idx_images, sizeof idx_images);
    refuses(path, in_folder("train-images-idx3-ubyte.gz"), 1, INTACT_E_DATA, "not a label file");
    write_file(in_folder("bad-labels-idx1-ubyte"), (const uint8_t[]){0, 0, 8, 1, 0, 0, 0, 1, 9}, 9);
    refuses(path, NULL, 1, INTACT_E_DATA, "1 labels for 2 samples");
}

static buffer contents(const char *path)
{
    buffer b = {malloc(1 << 16), 0};
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    b.len = fread(b.data, 1, 1 << 16, f);
    fclose(f);
    return b;
}

static void gzip_refusals(void **state)
{
    (void)state;
    const char *path = in_folder("z-images-idx3-ubyte.gz");
    buffer b = contents(in_folder("train-images-idx3-ubyte.gz"));
    uint8_t *size = b.data + b.len - 4;
    for (size_t len = 0; len < b.len; len++) { /* cut off anywhere */
        it_dataset *d;
        intact_error err = {0};
        write_file(path, b.data, len);
        assert_int_not_equal(it_dataset_open(NULL, path, NULL, 1, &d, &err), INTACT_OK);
        check_error(&err, INTACT_E_DATA, len < 18 && strstr(err.message, "not a data set") ? "looked for" : "cut off", NULL);
    }
    size[0]--;
    write_file(path, b.data, b.len);
    refuses(path, NULL, 1, INTACT_E_DATA, "incorrect length check");
    size[0] += 2;
    write_file(path, b.data, b.len);
    refuses(path, NULL, 1, INTACT_E_DATA, "gzip");
    size[3] = 0x7f;
    write_file(path, b.data, b.len);
    refuses(path, NULL, 1, INTACT_E_DATA, "incorrect length check");
    size[3] = 0;
    size[0]--;
    b.data[b.len - 8] ^= 1;
    write_file(path, b.data, b.len);
    refuses(path, NULL, 1, INTACT_E_DATA, "incorrect data check");
    b.data[b.len - 8] ^= 1;
    memcpy(b.data + b.len, b.data, b.len);
    write_file(path, b.data, 2 * b.len);
    refuses(path, NULL, 1, INTACT_E_DATA, "after its end");
    free(b.data);
}

/* ---- CIFAR ---- */

static buffer cifar_of(size_t records, size_t labels)
{
    size_t record = 3072 + labels;
    buffer b = {calloc(records, record), records * record};
    for (size_t i = 0; i < records; i++) {
        uint8_t *r = b.data + i * record;
        for (size_t l = 0; l < labels; l++)
            r[l] = (uint8_t)((i * 3 + l * 50) % (labels == 1 ? 10 : 100));
        for (uint32_t p = 0; p < 3072; p++)
            r[labels + p] = pixel(p % 1024 / 32, p % 32, p / 1024 + (uint32_t)i);
    }
    return b;
}

static void cifar(void **state)
{
    (void)state;
    for (size_t labels = 1; labels <= 2; labels++) {
        buffer b = cifar_of(4, labels);
        write_file(in_folder("batch.bin"), b.data, b.len);
        free(b.data);
        it_dataset *d = opened(in_folder("batch.bin"), NULL, 3);
        assert_string_equal(d->kind->name, "cifar");
        assert_true(d->len == 4 && d->classes == (labels == 1 ? 10 : 100) && d->label[3] == (labels == 1 ? 9 : 59));
        it_image im = read_image(d, 2);
        assert_true(im.h == 32 && im.w == 32 && im.c == 3);
        for (uint32_t i = 0; i < 3072; i++)
            assert_int_equal(im.px[i], pixel(i / 96, i / 3 % 32, i % 3 + 2));
        it_image_free(NULL, &im);
        it_dataset_close(d);
        d = opened(in_folder("batch.bin"), NULL, 1);
        im = read_image(d, 0);
        assert_int_equal(im.px[5], (19595u * pixel(0, 5, 0) + 38470u * pixel(0, 5, 1) + 7471u * pixel(0, 5, 2) + 32768u) >> 16);
        it_image_free(NULL, &im);
        it_dataset_close(d);
    }
    buffer b = cifar_of(2, 1);
    b.data[3073] = 10;
    write_file(in_folder("batch.bin"), b.data, b.len);
    refuses(in_folder("batch.bin"), NULL, 3, INTACT_E_DATA, "record 1 has label 10");
    write_file(in_folder("batch.bin"), b.data, b.len - 1);
    refuses(in_folder("batch.bin"), NULL, 3, INTACT_E_DATA, "CIFAR-10 records of 3073 bytes (3072 are left over)");
    write_file(in_folder("batch.bin"), b.data, 0);
    refuses(in_folder("batch.bin"), NULL, 3, INTACT_E_DATA, "empty");
    write_file(in_folder("batch.bin"), b.data, 3073);
    refuses(in_folder("batch.bin"), in_folder("note.txt"), 3, INTACT_E_ARG, "leave out");
    free(b.data);
}

/* ---- choice and checksum ---- */

static void pick(void **state)
{
    (void)state;
    it_dataset d = {.len = 100};
    size_t *a, *b, len, count[100] = {0};
    for (uint64_t seed = 0; seed < 2000; seed++) {
        assert_int_equal(it_dataset_pick(&d, 10, seed, &a, &len, NULL), INTACT_OK);
        assert_int_equal(len, 10);
        for (size_t i = 0; i < len; i++) {
            assert_true(a[i] < 100 && (i == 0 || a[i - 1] < a[i]));
            count[a[i]]++;
        }
        it_alloc_free(NULL, a, len * sizeof *a);
    }
    for (size_t i = 0; i < 100; i++) /* 200 expected, deviation 13.4: within 5 of them */
        assert_in_range(count[i], 200 - 67, 200 + 67);
    assert_int_equal(it_dataset_pick(&d, 7, 42, &a, &len, NULL), INTACT_OK);
    assert_int_equal(it_dataset_pick(&d, 7, 42, &b, &len, NULL), INTACT_OK);
    assert_memory_equal(a, b, 7 * sizeof *a);
    it_alloc_free(NULL, a, len * sizeof *a);
    it_alloc_free(NULL, b, len * sizeof *b);
    assert_int_equal(it_dataset_pick(&d, 1000, 1, &a, &len, NULL), INTACT_OK);
    assert_true(len == 100 && a[0] == 0 && a[99] == 99);
    it_alloc_free(NULL, a, len * sizeof *a);
    assert_int_equal(it_dataset_pick(&d, 0, 1, &a, &len, NULL), INTACT_OK);
    assert_int_equal(len, 0);
    it_alloc_free(NULL, a, 0);
}

static void checksum(void **state)
{
    (void)state;
    intact_error err = {0};
    char x[65], y[65], z[65];
    it_dataset *d = opened(in_folder("classes"), NULL, 3);
    assert_int_equal(it_dataset_sha256(d, (size_t[]){0, 2}, 2, x, &err), INTACT_OK);
    assert_int_equal(it_dataset_sha256(d, (size_t[]){0, 2}, 2, y, &err), INTACT_OK);
    assert_int_equal(it_dataset_sha256(d, (size_t[]){0, 3}, 2, z, &err), INTACT_OK);
    assert_string_equal(x, y);
    assert_string_not_equal(x, z);
    assert_int_equal(strlen(x), 64);
    assert_int_not_equal(it_dataset_sha256(d, (size_t[]){4}, 1, z, &err), INTACT_OK);
    check_error(&err, INTACT_E_ARG, "sample 4 was chosen from 4", NULL);
    it_dataset_close(d);
    d = opened(in_folder("t10k-images-idx3-ubyte"), NULL, 1);
    assert_int_equal(it_dataset_sha256(d, (size_t[]){1}, 1, x, &err), INTACT_OK);
    it_sha256 s; /* by hand: name, size, bytes */
    it_sha256_init(&s);
    it_sha256_add(&s, "sample 1\0\6\0\0\0\0\0\0\0\7\x8\x9\xa\xb\xc", 9 + 8 + 6);
    it_sha256_hex(&s, y);
    assert_string_equal(x, y);
    it_dataset_close(d);
}

/* ---- memory ---- */

static intact_status use(const intact_alloc *a, void *user, intact_error *err)
{
    it_dataset *d;
    it_item item;
    char sum[65];
    size_t *chosen = NULL, len = 0;
    IT_TRY(it_dataset_open(a, user, NULL, 3, &d, err));
    intact_status status = d->kind->read(d, 0, &item, err);
    if (status == INTACT_OK) {
        it_item_free(d, &item);
        status = it_dataset_pick(d, 2, 1, &chosen, &len, err);
    }
    if (status == INTACT_OK)
        status = it_dataset_sha256(d, chosen, len, sum, err);
    it_alloc_free(a, chosen, len * sizeof *chosen);
    it_dataset_close(d);
    return status;
}

static void no_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"classes", "classes/zebra", "listed", "t10k-images-idx3-ubyte", "train-images-idx3-ubyte.gz",
                                        "batch.bin"};
    write_text(in_folder("listed/labels.txt"), "a.jpg 1\nb c.png, 2\n");
    for (size_t i = 0; i < IT_LEN(names); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s", in_folder("%s", names[i]));
        fail_each(use, path);
    }
}

static int setup(void **state)
{
    (void)state;
    folder_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_drop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { /* later ones use the files of earlier ones */
        cmocka_unit_test(folder),       cmocka_unit_test(folder_refusals), cmocka_unit_test(corrupt), cmocka_unit_test(long_paths),
        cmocka_unit_test(labels_file),  cmocka_unit_test(labels_refusals), cmocka_unit_test(idx),     cmocka_unit_test(idx_refusals),
        cmocka_unit_test(gzip_refusals), cmocka_unit_test(cifar),          cmocka_unit_test(pick),    cmocka_unit_test(checksum),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
