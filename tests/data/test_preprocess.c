/* SPDX-License-Identifier: Apache-2.0 */
/* test_preprocess.c: preprocessing as text: names, keys, round trips, refusals. */
#include "data/helpers.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static it_preprocess parsed(const char *text)
{
    it_preprocess p;
    intact_error err = {0};
    if (it_preprocess_parse(text, &p, &err) != INTACT_OK)
        fail_msg("%s: %s", text, err.message);
    return p;
}

static void names(void **state)
{
    (void)state;
    it_preprocess p = parsed("imagenet");
    assert_int_equal(p.resize, 256);
    assert_int_equal(p.crop_h, 224);
    assert_int_equal(p.crop_w, 224);
    assert_true(p.scale == 1.0f / 255.0f && p.mean_len == 3 && p.std_len == 3 && p.mean[1] == 0.456f && p.std[2] == 0.225f);
    assert_true(!p.bgr && p.given);
    p = parsed("tf");
    assert_true(p.scale == 1 / 127.5f && p.mean_len == 1 && p.mean[0] == 1 && p.std_len == 0 && p.crop_w == 224);
    assert_true(it_preprocess_value(&p, 2, 0) == -1 && it_preprocess_value(&p, 0, 255) == 1);
    p = parsed("caffe,crop=227");
    assert_true(p.crop_h == 227 && p.crop_w == 227 && p.resize == 256 && p.bgr && p.scale == 1);
    assert_true(it_preprocess_value(&p, 0, 104) == 0 && it_preprocess_value(&p, 2, 125) == 2);
    p = parsed("cifar");
    assert_true(p.resize == 0 && p.crop_h == 0 && p.mean_len == 3 && p.scale == 1.0f / 255.0f);
    assert_true(it_preprocess_value(&p, 1, 200) == (200.0f * p.scale - 0.456f) / 0.224f);
    p = parsed("raw");
    assert_true(p.scale == 1 && p.mean_len == 0 && it_preprocess_value(&p, 0, 255) == 255);
    p = parsed("unit");
    assert_true(p.scale == 1.0f / 255.0f && p.given);
    p = parsed("");
    assert_true(p.scale == 1.0f / 255.0f && !p.given && p.resize == 0);
    p = parsed(NULL);
    assert_true(!p.given);
    p = parsed("crop=24x32,std=2:4:8:16");
    assert_true(p.crop_h == 24 && p.crop_w == 32 && p.std_len == 4 && p.std[3] == 16 && p.scale == 1.0f / 255.0f);
}

static void same(const it_preprocess *a, const it_preprocess *b)
{
    assert_true(a->resize == b->resize && a->crop_h == b->crop_h && a->crop_w == b->crop_w && a->bgr == b->bgr);
    assert_true(memcmp(&a->scale, &b->scale, 4) == 0 && a->mean_len == b->mean_len && a->std_len == b->std_len);
    assert_memory_equal(a->mean, b->mean, a->mean_len * 4);
    assert_memory_equal(a->std, b->std, a->std_len * 4);
}

static void round_trip(const it_preprocess *p)
{
    char text[512], again[512];
    it_preprocess_print(p, text, sizeof text);
    it_preprocess q = parsed(text);
    same(p, &q);
    it_preprocess_print(&q, again, sizeof again);
    assert_string_equal(text, again);
}

static void print(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"imagenet", "resize=256,crop=224,scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225"},
        {"tf", "resize=256,crop=224,scale=1/127.5,mean=1"},
        {"caffe", "resize=256,crop=224,scale=1,mean=104:117:123,order=bgr"},
        {"raw", "scale=1"},
        {"", "scale=1/255"},
        {"crop=24x32,scale=0.5,std=3e10:1e-7", "crop=24x32,scale=0.5,std=3e+10:1e-07"},
        {"scale=1/3", "scale=1/3"},
    };
    for (size_t i = 0; i < IT_LEN(pairs); i++) {
        char text[512];
        it_preprocess p = parsed(pairs[i][0]);
        it_preprocess_print(&p, text, sizeof text);
        assert_string_equal(text, pairs[i][1]);
        round_trip(&p);
    }
    char tiny[5] = "####";
    it_preprocess p = parsed("raw");
    it_preprocess_print(&p, tiny, sizeof tiny);
    assert_string_equal(tiny, "scal");
}

static void random_floats_survive(void **state)
{
    (void)state;
    it_rng rng;
    it_rng_seed(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        it_preprocess p = {.given = true, .mean_len = 1 + (uint32_t)it_rng_below(&rng, 4), .std_len = (uint32_t)it_rng_below(&rng, 5)};
        uint32_t bits = (uint32_t)it_rng_below(&rng, 0x7f7fffff) + 1; /* positive, finite, subnormal too */
        memcpy(&p.scale, &bits, 4);
        for (uint32_t c = 0; c < p.mean_len; c++) {
            do
                bits = (uint32_t)it_rng_next(&rng);
            while ((bits & 0x7f800000) == 0x7f800000);
            memcpy(&p.mean[c], &bits, 4);
        }
        for (uint32_t c = 0; c < p.std_len; c++)
            p.std[c] = 1.0f / (float)(1 + it_rng_below(&rng, 100000));
        round_trip(&p);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"imagnet", "did you mean imagenet", "raw"}, {"resiz=3", "did you mean resize", "\"resiz\""},
        {"zzzzzzzzz=1", "known: resize, crop", "key"}, {"crop=3,imagenet", "must come first", "imagenet"},
        {"resize=1,resize=2", "given twice", "resize"}, {"resize=16385", "16384", "resize"},
        {"resize=-1", "resize=-1", "pixels"}, {"crop=2x", "HxW", "crop"}, {"crop=0x4", "HxW", "crop"},
        {"scale=0", "above 0", "scale"}, {"scale=nan", "scale=nan", "number"}, {"scale=1/0", "1/0", "fraction"},
        {"scale=0x10", "0x10", "number"}, {"scale=1e99", "1e99", "number"}, {"mean=1:2:3:4:5", "1 to 4", "mean"},
        {"mean=1::2", "colons", "mean"}, {"std=0", "above 0", "std"}, {"std=1:-1", "above 0", "std"},
        {"order=rbg", "rgb or bgr", "rbg"}, {",", "unknown name", "imagenet"}, {"raw,", "unknown name", "imagenet"},
        {"=3", "unknown key", "resize"}, {"scale=", "number", "scale"},
    };
    for (size_t i = 0; i < IT_LEN(cases); i++) {
        it_preprocess p = {.resize = 77};
        intact_error err = {0};
        assert_int_not_equal(it_preprocess_parse(cases[i][0], &p, &err), INTACT_OK);
        check_error(&err, INTACT_E_ARG, cases[i][1], cases[i][2], NULL);
        assert_int_equal(p.resize, 77);
    }
    char large[5000];
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = 0;
    it_preprocess p;
    assert_int_not_equal(it_preprocess_parse(large, &p, NULL), INTACT_OK);
}

static void locale_does_not_matter(void **state)
{
    (void)state;
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        skip();
    print(NULL);
    setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names), cmocka_unit_test(print), cmocka_unit_test(random_floats_survive), cmocka_unit_test(refusals),
        cmocka_unit_test(locale_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
