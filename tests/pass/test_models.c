/* SPDX-License-Identifier: Apache-2.0 */
/* test_models.c: all passes on real networks: the outputs stay, at batches 1 and 3. Skipped where the networks are not. */
#include "pass/helpers.h"

#include "format/format.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[1024];

static bool find_models(void)
{
    const char *data = getenv("INTACT_DATA"), *source = getenv("INTACT_SOURCE");
    const struct {
        const char *root, *below;
    } places[] = {{data, "models"}, {data, "data/models"}, {source ? source : ".", "../shared/data/models"}};
    for (size_t i = 0; i < IT_LEN(places); i++) {
        if (!places[i].root) continue;
        snprintf(folder, sizeof(folder), "%s/%s", places[i].root, places[i].below);
        if (access(folder, R_OK) == 0) return true;
    }
    return false;
}

static void load(const char *file, it_graph *g)
{
    char path[1200];
    intact_error err = {0};
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    it_graph_init(g, NULL);
    if (it_onnx_read(path, g, &err) != INTACT_OK || it_graph_infer(g, 1, NULL, &err) != INTACT_OK)
        fail_msg("%s: %s: %s", file, err.where, err.message);
}

/* The network after all passes, its outputs compared with those before. */
static void check_model(const char *file, it_graph *g, int nodes)
{
    it_graph before;
    intact_error err = {0};
    load(file, &before);
    load(file, g);
    if (it_pass_all_run(g, &err) != INTACT_OK) fail_msg("%s: %s: %s", file, err.where, err.message);
    print_message("%s: %zu nodes become %zu\n", file, before.nodes.len, g->nodes.len);
    if (test_count(g, NULL) != nodes) fail_msg("%s: %d nodes are left, there should be %d", file, test_count(g, NULL), nodes);
    for (int64_t batch = 1; batch <= 3; batch += 2) {
        size_t len_a, len_b;
        float *a = test_run(&before, batch, 5, &len_a), *b = test_run(g, batch, 5, &len_b);
        assert_int_equal(len_a, len_b);
        double d = test_difference(a, b, len_a);
        if (d > 1e-4) fail_msg("%s: outputs differ by %g at batch %d", file, d, (int)batch);
        free(a);
        free(b);
    }
    it_graph_release(&before);
}

static void resnets(void **state)
{
    (void)state;
    static const char *const gone[] = {"Shape",  "Gather", "Cast",      "Concat", "ConstantOfShape", "BatchNormalization",
                                       "Relu", "Transpose", "Reshape"};
    it_graph g;
    for (int big = 0; big < 2; big++) {
        /* each shortcut of another width is two Slices and a Pad; then AveragePool, Flatten, Gemm */
        check_model(big ? "cifar10_resnet56.onnx" : "cifar10_resnet20.onnx", &g, (big ? 55 + 27 : 19 + 9) + 2 * 3 + 3);
        for (size_t i = 0; i < IT_LEN(gone); i++) assert_int_equal(test_count(&g, gone[i]), 0);
        it_graph_release(&g);
    }
}

static void others(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int nodes;
    } models[] = {
        {"imagenet_mobilenet_v2.onnx", 53 + 10 + 3},    {"imagenet_squeezenet1_1.onnx", 26 + 3 + 8 + 3},
        {"mlperf_tiny_ad_autoencoder.onnx", 10},        {"mlperf_tiny_resnet8.onnx", 9 + 3 + 4},
        {"mlperf_tiny_vww_mobilenet.onnx", 27 + 4},
    };
    for (size_t i = 0; i < IT_LEN(models); i++) {
        it_graph g;
        check_model(models[i].file, &g, models[i].nodes);
        it_graph_release(&g);
    }
}

int main(void)
{
    if (!find_models()) {
        printf("skipped: the networks are in neither $INTACT_DATA/models nor ../shared/data/models\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(resnets), cmocka_unit_test(others)};
    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
