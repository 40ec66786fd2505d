/* SPDX-License-Identifier: Apache-2.0 */
/* back_bench: what the operators of a training step cost on one thread: the convolutions of CIFAR's ResNet-20, forward and both gradients, batch
** normalization, and recurrent layers, 128 samples in blocks. Processor time, the fastest of several runs; activations come from memory, as they do in training.
**
**     back_bench [samples a block [runs]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "op/back.h"

enum { SAMPLES = 128 };
typedef struct shape { int count; int64_t in_c, out_c, hw, stride, k; } shape;
static const shape RESNET20[] = { { 1, 3, 16, 32, 1, 3 },  { 6, 16, 16, 32, 1, 3 }, { 1, 16, 32, 32, 2, 3 },
                                  { 5, 32, 32, 16, 1, 3 }, { 1, 32, 64, 16, 2, 3 }, { 5, 64, 64, 8, 1, 3 } };

typedef struct rig {
    it_graph g;
    it_arena keep;
    it_node *n;
    it_tensor in[5], y, dy, dx, dw;
} rig;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
    fprintf(stderr, "back_bench: %s\n", what);
    exit(1);
}

static it_tensor tensor(rig *r, int rank, const int64_t *dim, bool nhwc)
{
    it_tensor t = { .type = IT_F32, .rank = rank, .layout = nhwc ? IT_NHWC : IT_PLAIN };
    for (int i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    t.data = it_arena_new(&r->keep, it_tensor_bytes(&t));
    if (!t.data)
        die("out of memory");
    for (int64_t i = 0; i < it_tensor_len(&t); i++)
        ((float *)t.data)[i] = (float)(i * 2654435761u % 2001) * 1e-3f - (rank == 1 ? -1.0f : 1.0f);
    return t;
}

static void rig_init(rig *r, const it_op *op, int in_len, const it_attr *attrs, int attrs_len)
{
    intact_error err;
    it_graph_init(&r->g, &it_alloc_libc);
    it_arena_init(&r->keep, &it_alloc_libc);
    r->n = it_graph_node(&r->g, "node", op, in_len, 1);
    if (!r->n)
        die("out of memory");
    r->n->opset = 13;
    r->n->attrs = attrs;
    r->n->attrs_len = attrs_len;
    for (int i = 0; i < in_len; i++)
        if (!(r->n->in[i] = it_graph_value(&r->g, "in")))
            die("out of memory");
    if (!(r->n->out[0] = it_graph_value(&r->g, "out")) || it_node_parse(&r->g, r->n, &err) != INTACT_OK)
        die("the node cannot be made");
}

static void rig_free(rig *r)
{
    it_arena_release(&r->keep);
    it_graph_release(&r->g);
}

static it_tensor block_of(const it_tensor *t, int64_t from, int64_t len)
{
    it_tensor p = *t;
    p.dim[0] = len;
    p.data = (char *)t->data + it_tensor_bytes(t) / (size_t)t->dim[0] * (size_t)from;
    return p;
}

/* Seconds of the forward pass, the data's and the weights' gradient over all samples. */
static void conv_once(rig *r, int64_t block, it_op_state **states, double seconds[3])
{
    const it_op *op = r->n->op;
    it_arena scratch;
    intact_error err;
    it_arena_init(&scratch, &it_alloc_libc);
    for (int64_t s = 0; s < SAMPLES; s += block) {
        it_tensor x = block_of(&r->in[0], s, block), y = block_of(&r->y, s, block), dy = block_of(&r->dy, s, block), dx = block_of(&r->dx, s, block);
        const it_tensor *in[2] = { &x, &r->in[1] }, *out[1] = { &y }, *g[1] = { &dy };
        it_tensor *to[1] = { &y }, *d[2] = { &dx, NULL }, *w[2] = { NULL, &r->dw };
        it_run_ctx f = { .alloc = &it_alloc_libc, .state = &states[0], .scratch = &scratch, .weights_at = 1 };
        it_back_ctx b = { .alloc = &it_alloc_libc, .state = &states[1], .scratch = &scratch, .weights_at = 1 };
        double t0 = now(), t1, t2;
        if (op->forward(&f, r->n, in, to, &err) != INTACT_OK)
            die(err.message);
        t1 = now();
        if (op->back->run(&b, r->n, in, out, g, d, &err) != INTACT_OK)
            die(err.message);
        t2 = now();
        if (op->back->run(&b, r->n, in, out, g, w, &err) != INTACT_OK)
            die(err.message);
        seconds[0] += t1 - t0;
        seconds[1] += t2 - t1;
        seconds[2] += now() - t2;
        it_arena_release(&scratch);
    }
}

static void bench_convs(int64_t block, int runs)
{
    double all[3] = { 0 }, flops = 0;
    printf("convolutions, blocks of %lld\n  %-26s %10s %24s %24s %24s\n", (long long)block, "shape", "", "forward", "data", "weights");
    for (size_t i = 0; i < IT_LEN(RESNET20); i++) {
        const shape *s = &RESNET20[i];
        const int64_t pads[4] = { 1, 1, 1, 1 }, strides[2] = { s->stride, s->stride }, out = s->hw / s->stride;
        const it_attr attrs[2] = { { .name = "pads", .kind = IT_ATTR_INTS, .ints = pads, .len = 4 },
                                   { .name = "strides", .kind = IT_ATTR_INTS, .ints = strides, .len = 2 } };
        double best[3] = { INFINITY, INFINITY, INFINITY }, flop = 2.0 * SAMPLES * (double)(s->in_c * s->out_c * s->k * s->k * out * out);
        it_op_state *states[2] = { NULL, NULL };
        rig r = { 0 };
        rig_init(&r, &it_op_conv, 2, attrs, 2);
        r.in[0] = tensor(&r, 4, (int64_t[]){ SAMPLES, s->in_c, s->hw, s->hw }, true);
        r.in[1] = tensor(&r, 4, (int64_t[]){ s->out_c, s->in_c, s->k, s->k }, false);
        r.y = tensor(&r, 4, (int64_t[]){ SAMPLES, s->out_c, out, out }, true);
        r.dy = tensor(&r, 4, r.y.dim, true);
        r.dx = tensor(&r, 4, r.in[0].dim, true);
        r.dw = tensor(&r, 4, r.in[1].dim, false);
        for (int run = 0; run < runs; run++) {
            double t[3] = { 0 };
            conv_once(&r, block, states, t);
            for (int k = 0; k < 3; k++)
                best[k] = fmin(best[k], t[k]);
        }
        printf("  %d x %3lldx%-2lld s%lld %3lld -> %-3lld      ", s->count, (long long)s->hw, (long long)s->hw, (long long)s->stride, (long long)s->in_c,
               (long long)s->out_c);
        for (int k = 0; k < 3; k++) {
            printf("   %8.2f ms %5.0f GFLOP/s", s->count * best[k] * 1e3, flop / best[k] * 1e-9);
            all[k] += s->count * best[k] * (k == 1 && s->in_c == 3 ? 0 : 1); /* nobody asks for the image's gradient */
        }
        printf("\n");
        flops += s->count * flop;
        for (int k = 0; k < 2; k++)
            if (states[k])
                states[k]->free(states[k]);
        rig_free(&r);
    }
    printf("  all: %.1f, %.1f, %.1f ms; %.0f, %.0f, %.0f GFLOP/s\n", all[0] * 1e3, all[1] * 1e3, all[2] * 1e3, flops / all[0] * 1e-9,
           flops / all[1] * 1e-9, flops / all[2] * 1e-9);
}

/* The four passes over one layer of 16 x 32 x 32; the clamp is a ReLU. hot: the same block always, which stays in the cache. */
static void bench_bn(int64_t block, int runs, bool hot)
{
    static const char *const WHAT[4] = { "sums", "values", "sums back", "gradient" };
    double best[4] = { INFINITY, INFINITY, INFINITY, INFINITY };
    const it_tensor *in[5];
    int64_t channels = 16;
    rig r = { 0 };
    rig_init(&r, &it_op_batch_normalization, 5, NULL, 0);
    r.n->clamp_lo = 0;
    r.in[0] = tensor(&r, 4, (int64_t[]){ SAMPLES, 16, 32, 32 }, true);
    for (int i = 1; i < 5; i++)
        r.in[i] = tensor(&r, 1, &channels, false);
    r.y = tensor(&r, 4, r.in[0].dim, true);
    r.dy = tensor(&r, 4, r.in[0].dim, true);
    r.dx = tensor(&r, 4, r.in[0].dim, true);
    double count = (double)it_tensor_len(&r.y) / 16, sums[32], back[32];
    for (int run = 0; run < runs; run++)
        for (int pass = 0; pass < 4; pass++) {
            double t = now();
            for (int k = 0; k < 32 && (pass == 0 || pass == 2); k++)
                *(pass ? &back[k] : &sums[k]) = 0;
            for (int64_t s = 0; s < SAMPLES; s += block) {
                int64_t at = hot ? 0 : s;
                it_tensor x = block_of(&r.in[0], at, block), y = block_of(&r.y, at, block), dy = block_of(&r.dy, at, block), dx = block_of(&r.dx, at, block);
                const it_tensor *out[1] = { &y };
                it_tensor *to[1] = { &y };
                const it_across *a = it_op_batch_normalization.across;
                for (int i = 0; i < 5; i++)
                    in[i] = i ? &r.in[i] : &x;
                if (pass == 0)
                    a->gather(r.n, in, sums);
                else if (pass == 1)
                    a->forward(r.n, in, sums, count, to);
                else if (pass == 2)
                    a->gather_back(r.n, in, out, &dy, sums, count, back);
                else
                    a->backward(r.n, in, out, &dy, sums, back, count, &dx);
            }
            best[pass] = fmin(best[pass], now() - t);
        }
    printf("batch normalization with ReLU, 16 x 32 x 32, %s, ns a value:", hot ? "one block again and again" : "from memory");
    for (int pass = 0; pass < 4; pass++)
        printf(" %s %.3f", WHAT[pass], best[pass] / (double)it_tensor_len(&r.y) * 1e9);
    printf("\n");
    rig_free(&r);
}

/* A classifier's recurrent layer: 28 steps of 28 values, 128 units, the gradients of everything but the input. */
static void bench_recurrent(const it_op *op, int64_t gates, int64_t block, int runs)
{
    const int64_t time = 28, in_c = 28, hidden = 128;
    double best[2] = { INFINITY, INFINITY };
    rig r = { 0 };
    rig_init(&r, op, 4, NULL, 0);
    r.in[0] = tensor(&r, 3, (int64_t[]){ time, block, in_c }, false);
    r.in[1] = tensor(&r, 3, (int64_t[]){ 1, gates * hidden, in_c }, false);
    r.in[2] = tensor(&r, 3, (int64_t[]){ 1, gates * hidden, hidden }, false);
    r.in[3] = tensor(&r, 2, (int64_t[]){ 1, 2 * gates * hidden }, false);
    r.y = tensor(&r, 4, (int64_t[]){ time, 1, block, hidden }, false);
    r.dy = tensor(&r, 4, r.y.dim, false);
    for (int run = 0; run < runs; run++) {
        double t[2] = { 0 };
        for (int64_t s = 0; s < SAMPLES; s += block) {
            it_tensor dw = tensor(&r, 3, r.in[1].dim, false), dr = tensor(&r, 3, r.in[2].dim, false), db = tensor(&r, 2, r.in[3].dim, false);
            const it_tensor *in[4] = { &r.in[0], &r.in[1], &r.in[2], &r.in[3] }, *out[1] = { &r.y }, *g[1] = { &r.dy };
            it_tensor *to[1] = { &r.y }, *dx[4] = { NULL, &dw, &dr, &db };
            it_op_state *state[2] = { NULL, NULL };
            it_arena scratch;
            intact_error err;
            it_arena_init(&scratch, &it_alloc_libc);
            it_run_ctx f = { .alloc = &it_alloc_libc, .state = &state[0], .scratch = &scratch };
            it_back_ctx b = { .alloc = &it_alloc_libc, .state = &state[1], .scratch = &scratch };
            double t0 = now();
            if (op->forward(&f, r.n, in, to, &err) != INTACT_OK)
                die(err.message);
            t[0] += now() - t0;
            t0 = now();
            if (op->back->run(&b, r.n, in, out, g, dx, &err) != INTACT_OK)
                die(err.message);
            t[1] += now() - t0;
            it_arena_release(&scratch);
        }
        for (int k = 0; k < 2; k++)
            best[k] = fmin(best[k], t[k]);
    }
    printf("%s, 28 x 28 to 128: forward %.1f ms, back %.1f ms for 128 samples\n", op->onnx, best[0] * 1e3, best[1] * 1e3);
    rig_free(&r);
}

int main(int argc, char **argv)
{
    int64_t block = argc > 1 ? atoll(argv[1]) : 8;
    int runs = argc > 2 ? atoi(argv[2]) : 5;
    if (block < 1 || SAMPLES % block || runs < 1)
        die("a block must divide 128");
    bench_convs(block, runs);
    bench_bn(block, runs, false);
    bench_bn(block, runs, true);
    bench_recurrent(&it_op_lstm, 4, block, runs);
    bench_recurrent(&it_op_gru, 3, block, runs);
    return 0;
}
