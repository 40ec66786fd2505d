/* SPDX-License-Identifier: Apache-2.0 */
/* test_npy.c: reading and writing .npy, and arrays as data sets. */
#include "data/helpers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* An .npy file around header, as it is; data follows. */
static buffer npy_of(int version, const char *header, const void *data, size_t len)
{
    size_t header_len = strlen(header), at = version == 1 ? 10 : 12;
    buffer b = {malloc(at + header_len + len + 1), at + header_len + len};
    memcpy(b.data, "\x93NUMPY", 6);
    b.data[6] = (uint8_t)version;
    b.data[7] = 0;
    for (size_t i = 8; i < at; i++)
        b.data[i] = (uint8_t)(header_len >> 8 * (i - 8));
    memcpy(b.data + at, header, header_len);
    if (len)
        memcpy(b.data + at + header_len, data, len);
    return b;
}

static void write_npy(const char *path, const char *header, const void *data, size_t len)
{
    buffer b = npy_of(1, header, data, len);
    write_file(path, b.data, b.len);
    free(b.data);
}

static void parse_good(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n",
        "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}",
        "  { 'shape' : ( 2L , 3L , ) , 'descr' : '=f4' , 'fortran_order' : False , }  \n",
    };
    float data[6] = {1, 2, 3, 4, 5, 6};
    for (int version = 1; version <= 3; version++)
        for (size_t i = 0; i < IT_LEN(headers); i++) {
            buffer b = npy_of(version, headers[i], data, sizeof data);
            it_npy n;
            intact_error err = {0};
            if (it_npy_parse(b.data, b.len, "x.npy", &n, &err) != INTACT_OK)
                fail_msg("%s", err.message);
            assert_true(n.kind == 'f' && n.item_bytes == 4 && n.rank == 2 && n.dim[0] == 2 && n.dim[1] == 3 && !n.fortran && n.len == 24);
            assert_memory_equal(n.data, data, sizeof data);
            free(b.data);
        }
    buffer b = npy_of(1, "{'descr': '|u1', 'fortran_order': True, 'shape': ()}", "x", 1);
    it_npy n;
    assert_int_equal(it_npy_parse(b.data, b.len, "x.npy", &n, NULL), INTACT_OK);
    assert_true(n.rank == 0 && n.fortran && n.kind == 'u' && n.len == 1);
    free(b.data);
    b = npy_of(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (0, 18446744073709551615)}", "", 0);
    assert_int_equal(it_npy_parse(b.data, b.len, "x.npy", &n, NULL), INTACT_OK);
    assert_int_equal(n.len, 0);
    free(b.data);
}

static void parse_bad(void **state)
{
    (void)state;
    static const struct { const char *header, *piece; intact_status code; } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (7,)}", "needs 28 bytes", INTACT_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "cut off", INTACT_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}", "header", INTACT_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "8 dimensions", INTACT_E_FORMAT},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "big-endian", INTACT_E_UNSUPPORTED},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "<c8", INTACT_E_UNSUPPORTED},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", "<f16", INTACT_E_UNSUPPORTED},
        {"{'descr': '<U10', 'fortran_order': False, 'shape': (1,)}", "<U10", INTACT_E_UNSUPPORTED},
        {"{'descr': '<', 'fortran_order': False, 'shape': (1,)}", "<f4", INTACT_E_FORMAT},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "records", INTACT_E_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}", "header", INTACT_E_FORMAT},
        {"{'descr': '<f4', 'shape': (1,)}", "header", INTACT_E_FORMAT},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "header", INTACT_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", "header", INTACT_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "header", INTACT_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", "header", INTACT_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "header", INTACT_E_FORMAT},
        {"", "header", INTACT_E_FORMAT},
    };
    it_npy n;
    intact_error err = {0};
    for (size_t i = 0; i < IT_LEN(cases); i++) {
        buffer b = npy_of(1, cases[i].header, "0123456789", 10);
        assert_int_not_equal(it_npy_parse(b.data, b.len, "x.npy", &n, &err), INTACT_OK);
        check_error(&err, cases[i].code, cases[i].piece, "x.npy", NULL);
        free(b.data);
    }
    buffer b = npy_of(4, "{}", "", 0);
    assert_int_not_equal(it_npy_parse(b.data, b.len, "x.npy", &n, &err), INTACT_OK);
    check_error(&err, INTACT_E_UNSUPPORTED, "version 4", NULL);
    free(b.data);
    b = npy_of(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "12345678", 8);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *copy = malloc(len ? len : 1);
        memcpy(copy, b.data, len);
        assert_int_equal(it_npy_parse(copy, len, "x.npy", &n, NULL), INTACT_E_FORMAT);
        free(copy);
    }
    free(b.data);
}

static void write_read(void **state)
{
    (void)state;
    static const struct { char kind; uint32_t bytes, rank; uint64_t dim[8]; } cases[] = {
        {'f', 4, 2, {3, 4}}, {'u', 1, 1, {7}}, {'i', 8, 3, {1, 2, 3}}, {'f', 8, 0, {0}}, {'b', 1, 8, {1, 1, 1, 1, 1, 1, 1, 2}}, {'i', 2, 2,
                                                                                                                                 {0, 5}},
    };
    uint8_t data[128];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 3);
    for (size_t i = 0; i < IT_LEN(cases); i++) {
        const char *path = in_folder("w%zu.npy", i);
        intact_error err = {0};
        if (it_npy_write(path, cases[i].kind, cases[i].bytes, cases[i].rank, cases[i].dim, data, &err) != INTACT_OK)
            fail_msg("%s: %s", err.where, err.message);
        it_map map;
        it_npy n;
        assert_int_equal(it_map_open(path, &map, NULL), INTACT_OK);
        assert_int_equal(it_npy_parse(map.data, map.len, path, &n, &err), INTACT_OK);
        assert_true(n.kind == cases[i].kind && n.item_bytes == cases[i].bytes && n.rank == cases[i].rank);
        assert_memory_equal(n.dim, cases[i].dim, sizeof(uint64_t) * n.rank);
        assert_memory_equal(n.data, data, n.len);
        assert_int_equal(((const uint8_t *)n.data - (const uint8_t *)map.data) % 64, 0);
        assert_int_equal((const uint8_t *)n.data + n.len - (const uint8_t *)map.data, map.len);
        it_map_close(&map);
    }
    intact_error err = {0};
    assert_int_not_equal(it_npy_write("x", 'f', 4, 9, NULL, data, &err), INTACT_OK);
    check_error(&err, INTACT_E_ARG, "9 dimensions", NULL);
    assert_int_not_equal(it_npy_write("x", 'f', 4, 2, (uint64_t[]){1ull << 40, 1ull << 40}, data, &err), INTACT_OK);
    check_error(&err, INTACT_E_ARG, "overflows", NULL);
}

/* ---- as a data set ---- */

static it_dataset *opened(const char *path, const char *labels)
{
    it_dataset *d;
    intact_error err = {0};
    if (it_dataset_open(NULL, path, labels, 0, &d, &err) != INTACT_OK)
        fail_msg("%s: %s", err.where, err.message);
    return d;
}

static void types(void **state)
{
    (void)state;
    static const struct { const char *descr; uint8_t data[16]; size_t bytes; float want[2]; } cases[] = {
        {"|u1", {200, 3}, 2, {200, 3}},
        {"|i1", {200, 3}, 2, {-56, 3}},
        {"|b1", {1, 0}, 2, {1, 0}},
        {"<u2", {0x34, 0x12, 0xff, 0xff}, 4, {0x1234, 65535}},
        {"<i2", {0x34, 0x12, 0xff, 0xff}, 4, {0x1234, -1}},
        {"<u4", {0, 0, 0, 128, 1, 0, 0, 0}, 8, {2147483648.0f, 1}},
        {"<i4", {0, 0, 0, 128, 1, 0, 0, 0}, 8, {-2147483648.0f, 1}},
        {"<i8", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 5}, 16, {-1, 5}},
        {"<u8", {5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128}, 16, {5, 9223372036854775808.0f}},
        {"<f2", {0x00, 0x3c, 0x01, 0x80}, 4, {1, -0x1p-24f}},
        {"<f2", {0xff, 0x7b, 0x00, 0xc1}, 4, {65504, -2.5f}},
        {"<f4", {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}, 8, {1, -2}},
        {"<f8", {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}, 16, {1, -2}},
    };
    for (size_t i = 0; i < IT_LEN(cases); i++) {
        char header[128];
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (1, 2)}", cases[i].descr);
        const char *path = in_folder("t%zu.npy", i);
        write_npy(path, header, cases[i].data, cases[i].bytes);
        it_dataset *d = opened(path, NULL);
        assert_string_equal(d->kind->name, "npy");
        assert_true(d->len == 1 && d->array_rank == 2 && d->array_dim[1] == 2 && !d->label);
        it_item item;
        assert_int_equal(d->kind->read(d, 0, &item, NULL), INTACT_OK);
        assert_true(item.len == 2 && !item.image.px);
        assert_true(item.array[0] == cases[i].want[0] && item.array[1] == cases[i].want[1]);
        it_item_free(d, &item);
        it_dataset_close(d);
    }
}

static const char *const three = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}";

static void labels(void **state)
{
    (void)state;
    float data[6] = {1, 2, 3, 4, 5, 6};
    int64_t label[3] = {4, 1, 2};
    const char *path = in_folder("x.npy"), *side = in_folder("y.npy");
    write_npy(path, three, data, sizeof data);
    write_npy(side, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}", label, sizeof label);
    it_dataset *d = opened(path, side);
    assert_true(d->len == 3 && d->classes == 5 && d->label[0] == 4 && d->label[1] == 1 && d->label[2] == 2);
    assert_string_equal(it_dataset_name(d, 2), "sample 2");
    it_item item;
    assert_int_equal(d->kind->read(d, 1, &item, NULL), INTACT_OK);
    assert_true(item.array[0] == 3 && item.array[1] == 4);
    it_item_free(d, &item);
    it_dataset_close(d);
    write_npy(side, "{'descr': '|i1', 'fortran_order': False, 'shape': (3, 1)}", "\x07\x7f\x00", 3);
    d = opened(path, side);
    assert_true(d->label[0] == 7 && d->label[1] == 127 && d->classes == 128);
    it_dataset_close(d);
    write_file(side, "\0\0\x08\x01\0\0\0\3\1\2\3", 11);
    d = opened(path, side);
    assert_true(d->label[2] == 3 && d->classes == 4);
    it_dataset_close(d);
}

static void refuses(const char *path, const char *side, intact_status code, const char *piece)
{
    it_dataset *d;
    intact_error err = {0};
    assert_int_not_equal(it_dataset_open(NULL, path, side, 0, &d, &err), INTACT_OK);
    assert_null(d);
    check_error(&err, code, piece, NULL);
}

static void refusals(void **state)
{
    (void)state;
    float data[6] = {1, 2, NAN, 4, 5, 6};
    const char *path = in_folder("x.npy"), *side = in_folder("y.npy"), *bad = in_folder("bad.npy");
    write_npy(path, three, data, sizeof data);
    write_npy(bad, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}", data, sizeof data);
    refuses(bad, NULL, INTACT_E_DATA, "Fortran");
    write_npy(bad, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", data, sizeof data);
    refuses(bad, NULL, INTACT_E_DATA, "0 dimensions");
    write_npy(bad, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 0)}", data, sizeof data);
    refuses(bad, NULL, INTACT_E_DATA, "0 bytes");
    write_npy(bad, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3)}", data, sizeof data);
    refuses(bad, NULL, INTACT_E_FORMAT, "cut off");
    write_npy(side, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", data, 2);
    refuses(path, side, INTACT_E_DATA, "2 labels for 3 samples");
    write_npy(side, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", data, 12);
    refuses(path, side, INTACT_E_DATA, "floating-point");
    write_npy(side, "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3)}", data, 3);
    refuses(path, side, INTACT_E_DATA, "one dimension");
    write_npy(side, "{'descr': '<u8', 'fortran_order': False, 'shape': (3,)}", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0\0", 24);
    refuses(path, side, INTACT_E_DATA, "sample 1 has label 9223372036854775807; classes are 0 to 1048575");
    write_npy(side, "{'descr': '<i2', 'fortran_order': False, 'shape': (3,)}", "\0\0\xfe\xff\0\0", 6);
    refuses(path, side, INTACT_E_DATA, "sample 1 has label -2");
    write_npy(side, "{'descr': '|i1', 'fortran_order': False, 'shape': (3,)}", "\0\0\xff", 3);
    refuses(path, side, INTACT_E_DATA, "sample 2 has label -1");
    write_text(side, "hello");
    refuses(path, side, INTACT_E_DATA, "not a label file");
    write_file(side, "\0\0\x08\x01\0\0\0\4\1\2\3", 11);
    refuses(path, side, INTACT_E_DATA, "promises 4 labels");
    refuses(path, in_folder("absent"), INTACT_E_IO, "absent");
    it_dataset *d = opened(path, NULL);
    it_item item;
    intact_error err = {0};
    assert_int_equal(d->kind->read(d, 0, &item, NULL), INTACT_OK);
    it_item_free(d, &item);
    assert_int_not_equal(d->kind->read(d, 1, &item, &err), INTACT_OK);
    check_error(&err, INTACT_E_DATA, "sample 1", "nan", "finite", NULL);
    it_dataset_close(d);
}

static intact_status open_and_read(const intact_alloc *a, void *user, intact_error *err)
{
    const char *const *paths = user;
    it_dataset *d;
    IT_TRY(it_dataset_open(a, paths[0], paths[1], 0, &d, err));
    it_item item;
    intact_status status = d->kind->read(d, 0, &item, err);
    if (status == INTACT_OK)
        it_item_free(d, &item);
    it_dataset_close(d);
    return status;
}

static void no_memory(void **state)
{
    (void)state;
    float data[6] = {1, 2, 3, 4, 5, 6};
    const char *paths[2] = {in_folder("x.npy"), in_folder("y.npy")};
    write_npy(paths[0], three, data, sizeof data);
    write_npy(paths[1], "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}", "\0\1\2", 3);
    fail_each(open_and_read, paths);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_good), cmocka_unit_test(parse_bad), cmocka_unit_test(write_read), cmocka_unit_test(types),
        cmocka_unit_test(labels),     cmocka_unit_test(refusals),  cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
