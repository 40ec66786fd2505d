/* SPDX-License-Identifier: Apache-2.0 */
/* train_bench: training steps on random images: images a second (the best and the median step), the share of processor time by kind of operator, memory.
** Usage: train_bench [arch] [batch] [threads] [steps] [block] [f32|bf16|bf16dot|f16] [compact] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arch/arch.h"
#include "pass/pass.h"
#include "train/train.h"

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static intact_status prepare(it_graph *g, const char *name, intact_error *err)
{
    static const it_pass *const PASSES[] = { &it_pass_free_batch, &it_pass_fold_constants, &it_pass_fold_moves, &it_pass_fuse_clamp, &it_pass_drop_dead };
    const it_arch *a = it_arch_find(name);
    if (!a) return it_fail(err, INTACT_E_ARG, name, "no such architecture");
    IT_TRY(it_arch_make(a, &(it_arch_options){ .seed = 1 }, g, err));
    for (size_t i = 0; i < IT_LEN(PASSES); i++) {
        size_t changes = 0;
        IT_TRY(PASSES[i]->run(g, &changes, err));
        IT_TRY(it_graph_sort(g, err));
        IT_TRY(it_graph_infer(g, 1, NULL, err));
    }
    return INTACT_OK;
}

typedef struct kind { const char *name; double ns[4]; } kind;

static void print_times(const it_train *t, int steps, uint32_t threads)
{
    static kind kinds[64];
    size_t len, kinds_len = 0;
    int64_t loss_ns, update_ns;
    const it_train_time *times = it_train_times(t, &len, &loss_ns, &update_ns);
    const double each = 1e-6 / (double)steps / (double)threads; /* to milliseconds of a thread and step */
    double all = (double)loss_ns + (double)update_ns * threads;
    for (size_t i = 0; i < len; i++) {
        size_t k = 0;
        while (k < kinds_len && strcmp(kinds[k].name, times[i].n->op->name) != 0) k++;
        if (k == kinds_len && kinds_len < IT_LEN(kinds)) kinds[kinds_len++] = (kind){ .name = times[i].n->op->name };
        for (int f = 0; f < 4 && k < kinds_len; f++) {
            kinds[k].ns[f] += (double)times[i].ns[f];
            all += (double)times[i].ns[f];
        }
    }
    printf("%-24s %9s %9s %9s %9s %7s\n", "ms a step and thread", "forward", "sums", "backward", "across", "share");
    for (size_t k = 0; k < kinds_len; k++) {
        const double *ns = kinds[k].ns;
        printf("%-24s %9.2f %9.2f %9.2f %9.2f %6.1f%%\n", kinds[k].name, ns[0] * each, ns[1] * each, ns[2] * each, ns[3] * each,
               100 * (ns[0] + ns[1] + ns[2] + ns[3]) / all);
    }
    printf("%-24s %9.2f %38.1f%%\n%-24s %9.2f %38.1f%%\n%-24s %9.2f\n", "loss", (double)loss_ns * each, 100 * (double)loss_ns / all, "update",
           (double)update_ns * each * threads, 100 * (double)update_ns * threads / all, "all", all * each);
}

static intact_status run(it_graph *g, const char *arch, size_t batch, uint32_t threads, int steps, size_t block, it_products products, bool compact, intact_error *err)
{
    it_pool *pool;
    it_train *t;
    it_rng rng;
    IT_TRY(prepare(g, arch, err));
    IT_TRY(it_pool_new(NULL, threads, &pool, err));
    const size_t pixels = (size_t)it_tensor_len(&g->inputs.items[0]->t), classes = (size_t)it_tensor_len(&g->outputs.items[0]->t);
    float *x = malloc(batch * pixels * sizeof *x);
    int32_t *label = malloc(batch * sizeof *label);
    double *seconds = malloc((size_t)steps * sizeof *seconds);
    if (!x || !label || !seconds) return it_fail_nomem(err, arch, batch * pixels * sizeof *x);
    it_rng_seed(&rng, 7);
    it_arch_gauss(&rng, x, batch * pixels, 1);
    for (size_t i = 0; i < batch; i++) label[i] = (int32_t)it_rng_below(&rng, classes);
    const it_train_options o = { .batch = batch, .block = block, .pool = pool, .loss.loss = &it_loss_cross_entropy, .decay = 1e-4, .profile = true, .products = products, .compact = compact,
                                 .scaling = { .kind = products == IT_PRODUCTS_F16 ? IT_SCALE_DYNAMIC : IT_SCALE_NONE },
                                 .optimizer = { .optimizer = &it_optimizer_sgd, .momentum = 0.9, .nesterov = true } };
    const void *in[] = { x };
    const it_train_batch b = { .len = batch, .in = in, .label = label };
    it_train_result r = { .loss = 0 };
    IT_TRY(it_train_new(g, &o, &t, err));
    for (int i = 0; i < 2; i++) IT_TRY(it_train_step(t, &b, 0.001, &r, err));
    it_train_times_clear(t);
    const double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < steps; i++) {
        const double start = now(CLOCK_MONOTONIC);
        IT_TRY(it_train_step(t, &b, 0.001, &r, err));
        seconds[i] = now(CLOCK_MONOTONIC) - start;
    }
    const double busy = (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / steps;
    qsort(seconds, (size_t)steps, sizeof *seconds, by_size);
    printf("%s, batch %zu, %u threads: best %.1f ms (%.0f images/s), median %.1f ms (%.0f images/s), %.0f MB, loss %.4f\n", arch, batch, threads,
           1e3 * seconds[0], (double)batch / seconds[0], 1e3 * seconds[steps / 2], (double)batch / seconds[steps / 2], 1e-6 * (double)it_train_bytes(t), r.loss);
    printf("processor time of a step: %.1f ms; were it spread evenly over the threads: %.0f images/s\n", 1e3 * busy, (double)batch / busy * threads);
    print_times(t, steps, threads);
    it_train_free(t);
    it_pool_free(pool);
    free(x);
    free(label);
    free(seconds);
    return INTACT_OK;
}

int main(int argc, char **argv)
{
    const char *arch = argc > 1 ? argv[1] : "resnet20";
    const long batch = argc > 2 ? atol(argv[2]) : 128, threads = argc > 3 ? atol(argv[3]) : 2, steps = argc > 4 ? atol(argv[4]) : 20;
    const long block = argc > 5 ? atol(argv[5]) : 0;
    const char *dtype = argc > 6 ? argv[6] : "f32";
    const bool compact = argc > 7 && strcmp(argv[7], "compact") == 0;
    it_products products = IT_PRODUCTS_BF16_DOT;
    if (strcmp(dtype, "bf16dot") != 0 && !it_products_find(dtype, &products)) {
        fprintf(stderr, "train_bench: '%s': f32, bf16, bf16dot and f16 are possible\n", dtype);
        return 2;
    }
    intact_error err = { .code = INTACT_OK };
    it_graph g;
    it_graph_init(&g, NULL);
    if (batch < 1 || threads < 1 || steps < 1 || block < 0 || run(&g, arch, (size_t)batch, (uint32_t)threads, (int)steps, (size_t)block, products, compact, &err) != INTACT_OK) {
        fprintf(stderr, "train_bench: %s: %s\n", err.where, err.message);
        return 1;
    }
    it_graph_release(&g);
    return 0;
}
