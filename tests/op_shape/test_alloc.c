/* SPDX-License-Identifier: Apache-2.0 */
/* test_alloc.c: every allocation of running and of lowering fails once: NOMEM comes out and nothing is left behind. */
#include "helpers.h"

#include "lower/build.h"

typedef struct fail_at { long left, live; } fail_at;

static void *grow(void *user, void *ptr, size_t old, size_t bytes)
{
    fail_at *f = user;
    void *p;
    if (bytes == 0) {
        f->live -= ptr != NULL;
        return it_alloc_libc.grow(NULL, ptr, old, 0);
    }
    if (f->left-- == 0)
        return NULL;
    p = it_alloc_libc.grow(NULL, ptr, old, bytes);
    f->live += ptr == NULL && p;
    return p;
}

static intact_status run_once(net *t, const intact_alloc *a)
{
    const intact_alloc *own = t->g.alloc;
    it_exec *e = NULL;
    intact_status st;
    t->g.alloc = a;
    st = it_exec_new(&t->g, NULL, &e, &t->err);
    if (st == INTACT_OK)
        st = it_exec_run(e, t->fed, t->fed_len, &t->err);
    it_exec_free(e);
    t->g.alloc = own;
    return st;
}

static intact_status lower_once(net *t, const intact_alloc *a)
{
    it_lower lw;
    it_prog prog;
    intact_status st;
    it_prog_init(&prog, a);
    prog.meta = "{}";
    st = it_lower_build(&lw, &t->g, NULL, &prog, a, &t->err);
    it_lower_release(&lw);
    it_prog_release(&prog);
    return st;
}

static void each_fails(net *t, intact_status (*once)(net *t, const intact_alloc *a))
{
    intact_status st = INTACT_E_NOMEM;
    for (long n = 0; st == INTACT_E_NOMEM; n++) {
        fail_at f = { .left = n };
        st = once(t, &(intact_alloc){ grow, &f });
        assert_int_equal(f.live, 0);
        assert_true(n < 1000);
    }
    if (st != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
}

static void quantize(net *t, it_quant *q, float scale)
{
    static int32_t zero = 7;
    for (size_t k = 0; k < t->g.values.len; k++) {
        if (t->g.values.items[k]->is_const || t->g.values.items[k]->t.type != IT_F32)
            continue;
        q[k] = (it_quant){
            .type = INTACT_U8, .bits = 8, .axis = -1, .len = 1, .scale = it_arena_new(&t->arena, sizeof(float)), .zero = &zero
        };
        q[k].scale[0] = scale * (float)(k + 1);
        t->g.values.items[k]->q = &q[k];
    }
}

static void one(const char *onnx, int opset, it_attr attr, int rank, const int64_t *dim, const int64_t *second, int second_len, int outs,
                bool lowers)
{
    net t;
    it_quant q[8];
    net_init(&t, 0);
    it_tensor in[2] = { tensor(&t, IT_F32, rank, dim), second ? list(&t, second_len, second) : none };
    if (net_make(&t, onnx, opset, &attr, 1, in, second ? 2 : 1, 2, outs) != INTACT_OK)
        fail_msg("%s: %s", t.err.where, t.err.message);
    quantize(&t, q, 0.03f); /* every value its own scale: requantizations too */
    each_fails(&t, run_once);
    if (lowers)
        each_fails(&t, lower_once);
    net_free(&t);
}

#define LIST(...) (const int64_t[]){ __VA_ARGS__ }, (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / 8)

static void allocations(void **state)
{
    it_attr no = INT("unused", 0);
    (void)state;
    one("Reshape", 13, no, DIMS(1, 6, 4, 5), LIST(1, 2, 3, -1), 1, true);
    one("Transpose", 13, (it_attr)INTS("perm", 0, 2, 1, 3), DIMS(1, 6, 4, 5), NULL, 0, 1, true);
    one("Split", 13, (it_attr)INT("axis", 1), DIMS(1, 6, 4, 5), LIST(1, 5), 2, true);
    one("Concat", 13, (it_attr)INT("axis", 1), DIMS(1, 6, 4, 5), NULL, 0, 1, true);
    one("Pad", 13, (it_attr)STR("mode", "reflect"), DIMS(1, 6, 4, 5), LIST(0, 0, 1, 1, 0, 0, 2, 0), 1, true);
    one("Gather", 13, (it_attr)INT("axis", 1), DIMS(1, 6, 4, 5), LIST(1, 5, 2), 1, true);
    one("Tile", 13, no, DIMS(1, 6, 4), LIST(1, 2, 2), 1, true);
    one("Upsample", 7, (it_attr)FLTS("scales", 1, 1, 2, 1.5f), DIMS(1, 3, 4, 5), NULL, 0, 1, true);
    one("TopK", 11, (it_attr)INT("axis", 1), DIMS(1, 6), LIST(3), 2, false);
    one("DepthToSpace", 13, (it_attr)INT("blocksize", 2), DIMS(1, 8, 4, 5), NULL, 0, 1, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(allocations) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
