/* SPDX-License-Identifier: Apache-2.0 */
/* Reordered weights of a convolution are kept while weights_at stays, forward and backward, and taken anew when it moves. */
#include "back/helpers.h"

typedef struct conv {
    it_graph g;
    it_node *n;
    it_arena keep, scratch;
    it_tensor x, w, y, dy, dx;
    it_op_state *forward, *back;
} conv;

static it_tensor filled(conv *c, int64_t channels_out, int64_t channels, int64_t size, it_layout layout)
{
    it_tensor t = { .type = IT_F32, .rank = 4, .dim = { channels_out, channels, size, size }, .layout = layout };
    t.data = it_arena_new(&c->keep, it_tensor_bytes(&t));
    assert_non_null(t.data);
    for (int64_t i = 0; i < it_tensor_len(&t); i++)
        ((float *)t.data)[i] = (float)(i % 7) - 3.0f;
    return t;
}

static void conv_init(conv *c)
{
    intact_error err;
    memset(c, 0, sizeof(*c));
    it_graph_init(&c->g, &it_alloc_libc);
    it_arena_init(&c->keep, &it_alloc_libc);
    it_arena_init(&c->scratch, &it_alloc_libc);
    c->n = it_graph_node(&c->g, "conv", &it_op_conv, 2, 1);
    assert_non_null(c->n);
    c->n->opset = 13;
    for (int i = 0; i < 2; i++)
        c->n->in[i] = it_graph_value(&c->g, "in");
    c->n->out[0] = it_graph_value(&c->g, "out");
    assert_int_equal(it_node_parse(&c->g, c->n, &err), INTACT_OK);
    c->x = filled(c, 8, 32, 8, IT_NHWC);
    c->w = filled(c, 32, 32, 3, IT_PLAIN);
    c->y = filled(c, 8, 32, 6, IT_NHWC);
    c->dy = filled(c, 8, 32, 6, IT_NHWC);
    c->dx = filled(c, 8, 32, 8, IT_NHWC);
}

static void conv_free(conv *c)
{
    if (c->forward)
        c->forward->free(c->forward);
    if (c->back)
        c->back->free(c->back);
    it_arena_release(&c->keep);
    it_graph_release(&c->g);
}

/* The sum of the answers' sizes: of y, or of dx. */
static double run(conv *c, bool back, uint64_t weights_at)
{
    const it_tensor *in[2] = { &c->x, &c->w }, *out[1] = { &c->y }, *dy[1] = { &c->dy };
    it_tensor *to[1] = { &c->y }, *dx[2] = { &c->dx, NULL }, *t = back ? &c->dx : &c->y;
    it_run_ctx rc = { .alloc = &it_alloc_libc, .state = &c->forward, .scratch = &c->scratch, .weights_at = weights_at };
    it_back_ctx bc = { .alloc = &it_alloc_libc, .state = &c->back, .scratch = &c->scratch, .weights_at = weights_at };
    intact_error err;
    double sum = 0;
    assert_int_equal(back ? it_op_conv.back->run(&bc, c->n, in, out, dy, dx, &err) : it_op_conv.forward(&rc, c->n, in, to, &err), INTACT_OK);
    for (int64_t i = 0; i < it_tensor_len(t); i++)
        sum += fabs((double)((float *)t->data)[i]);
    it_arena_release(&c->scratch);
    return sum;
}

static void scale(it_tensor *t)
{
    for (int64_t i = 0; i < it_tensor_len(t); i++)
        ((float *)t->data)[i] *= 2;
}

static void kept(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++) {
        conv c;
        double first;
        conv_init(&c);
        first = run(&c, back, 5);
        assert_true(first > 0);
        assert_true(run(&c, back, 5) == first);
        scale(&c.w); /* a step of the optimizer */
        assert_true(run(&c, back, 6) == 2 * first);
        scale(&c.w);
        assert_true(run(&c, back, 0) == 4 * first); /* 0: nothing is promised */
        scale(&c.w);
        assert_true(run(&c, back, 0) == 8 * first);
        assert_true(run(&c, back, 6) == 8 * first); /* not the copy of long ago */
        scale(&c.w);
        double again = run(&c, back, 6); /* wrong to say 6 again: the copy is used, where the library wants another order than ours */
        assert_true(again == 8 * first || again == 16 * first);
        conv_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(kept) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
