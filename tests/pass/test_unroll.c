/* SPDX-License-Identifier: Apache-2.0 */
/* test_unroll.c: recurrent layers and the steps that they become answer alike, at batches 1 and 3; what has no integer form is refused by name. */
#include "pass/unroll.h"

#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "pass/helpers.h"

enum { STEPS = 5, FEATURES = 3, HIDDEN = 4 };

static const it_pass UNROLL = {.name = "unroll", .run = it_unroll_run};

typedef struct form {
    const char *onnx;
    int gates;
    bool bias, linear, reverse;
    enum { LAST, LAST_AND_CELL, LAST_SQUEEZED, LAST_TAKEN, LAST_ALONE, SEQUENCE, ONE_STEP, TWO_STEPS, STEPS_FIRST, STEPS_OUT } read;
    enum { FINE, WITH_LENGTHS, WITH_STATE, ZERO_STATE, RELU, TWO_WAYS, TURNED } what;
} form;
static form now; /* what build makes; tests are one thread */

static it_value *output_of(test_net *t, it_value *y, int k)
{
    it_node *n = y->producer;
    it_value **out = it_arena_new(&t->g.arena, (size_t)(k + 1) * sizeof *out); /* zeros */
    memcpy(out, n->out, (size_t)n->out_len * sizeof *out);
    out[k] = it_graph_value(&t->g, it_arena_printf(&t->g.arena, "%s_%d", y->name, k));
    out[k]->producer = n;
    n->out = out;
    n->out_len = k + 1;
    return out[k];
}

/* An initial state as exporters write it. */
static it_value *zeros(test_net *t, it_value *x)
{
    it_value *batch = test_node(t, "Gather", IN(test_node(t, "Shape", IN(x), NULL), test_ints(t, 1, DIM(0))), ATTRS(A_INT("axis", 0)));
    it_value *shape = test_node(t, "Concat", IN(test_ints(t, 1, DIM(1)), batch, test_ints(t, 1, DIM(HIDDEN))), ATTRS(A_INT("axis", 0)));
    return test_node(t, "ConstantOfShape", IN(shape), NULL);
}

static it_value *layer(test_net *t, it_value *x)
{
    const int64_t rows = now.gates * HIDDEN;
    it_value *turned = now.what == TURNED ? test_node(t, "Relu", IN(x), NULL) : test_node(t, "Transpose", IN(x), ATTRS(A_INTS("perm", 1, 0, 2)));
    it_value *w = test_random(t, RANK(now.what == TWO_WAYS ? 2 : 1, rows, FEATURES), -1, 1), *r = test_random(t, RANK(now.what == TWO_WAYS ? 2 : 1, rows, HIDDEN), -1, 1);
    it_value *b = now.bias ? test_random(t, RANK(1, 2 * rows), -1, 1) : LEFT_OUT;
    it_value *lengths = now.what == WITH_LENGTHS ? test_node(t, "Cast", IN(test_ints(t, 1, DIM(STEPS))), ATTRS(A_INT("to", 6))) : LEFT_OUT;
    it_value *h = now.what == WITH_STATE ? test_random(t, RANK(1, 1, HIDDEN), -1, 1) : now.what == ZERO_STATE ? zeros(t, x) : LEFT_OUT;
    static const char *const FUNCTIONS[3] = {"Sigmoid", "Relu", "Relu"};
    it_attr attrs[5] = {A_INT("hidden_size", HIDDEN), A_INT("linear_before_reset", now.linear),
                        A_STR("direction", now.what == TWO_WAYS ? "bidirectional" : now.reverse ? "reverse" : "forward")};
    if (now.what == RELU) attrs[3] = (it_attr){.name = "activations", .kind = IT_ATTR_STRINGS, .strings = FUNCTIONS, .len = 3};
    return test_node(t, now.onnx, IN(turned, w, r, b, lengths, h), attrs);
}

static void build(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, STEPS, FEATURES));
    it_value *y = layer(t, x);
    if (now.read == LAST || now.read == LAST_AND_CELL) test_output(t, test_node(t, "Relu", IN(output_of(t, y, 1)), NULL));
    if (now.read == LAST_AND_CELL) test_output(t, test_node(t, "Relu", IN(output_of(t, y, 2)), NULL));
    if (now.read == LAST_SQUEEZED || now.read == LAST_ALONE)
        test_output(t, test_node(t, "Relu", IN(test_node(t, "Squeeze", IN(output_of(t, y, 1), test_ints(t, 1, DIM(0))), NULL)), NULL));
    if (now.read == LAST_ALONE) y->producer->out[0] = NULL; /* nobody asks for the states of all steps */
    if (now.read == LAST_TAKEN) test_output(t, test_node(t, "Gather", IN(output_of(t, y, 1), test_ints(t, 0, DIM(-1))), ATTRS(A_INT("axis", 0))));
    if (now.read == STEPS_OUT) test_output(t, y);
    if (now.read < SEQUENCE || now.read == STEPS_OUT) return;
    it_value *flat = test_node(t, "Reshape", IN(y, test_ints(t, 3, DIM(STEPS, -1, HIDDEN))), NULL);
    if (now.read == STEPS_FIRST)
        test_output(t, test_node(t, "Relu", IN(flat), NULL));
    else if (now.read == TWO_STEPS) /* both are outputs, one of them twice */
        for (int64_t i = 0; i < 3; i++) test_output(t, test_node(t, "Gather", IN(flat, test_ints(t, 0, DIM(i < 2 ? -1 : 1))), ATTRS(A_INT("axis", 0))));
    else if (now.read == SEQUENCE)
        test_output(t, test_node(t, "Transpose", IN(flat), ATTRS(A_INTS("perm", 1, 0, 2))));
    else
        test_output(t, test_node(t, "Relu", IN(test_node(t, "Gather", IN(flat, test_ints(t, 0, DIM(-1))), ATTRS(A_INT("axis", 0)))), NULL));
}

static void check(form f)
{
    test_net t, plain;
    intact_error err = {0};
    size_t layers = 0;
    now = f;
    test_net_init(&plain, NULL); /* how many nodes come out; test_check compares the answers */
    build(&plain);
    assert_int_equal(it_graph_infer(&plain.g, 1, NULL, &err), INTACT_OK);
    if (it_unroll_run(&plain.g, &layers, &err) != INTACT_OK) fail_msg("%s: %s", f.onnx, err.message);
    test_check(&t, build, &UNROLL, 1, test_count(&plain.g, NULL));
    assert_int_equal(test_count(&t.g, f.onnx), 0);
    test_net_release(&plain);
    test_net_release(&t);
}

static void answers_stay(void **state)
{
    (void)state;
    const form layers[] = {{"LSTM", 4, .bias = true}, {"LSTM", 4, .bias = false}, {"GRU", 3, .bias = true}, {"GRU", 3, .bias = false}, {"GRU", 3, .bias = true, .linear = true}, {"RNN", 1, .bias = true}};
    for (size_t i = 0; i < IT_LEN(layers); i++)
        for (int read = LAST; read <= TWO_STEPS; read++)
            for (int reverse = 0; reverse < 2; reverse++) {
                form f = layers[i];
                f.read = read;
                f.reverse = reverse;
                f.what = reverse ? ZERO_STATE : FINE;
                if (read != LAST_AND_CELL || f.gates == 4) check(f);
            }
}

/* Steps share quantization parameters, and sums and cells ask for 16 bits. */
static void steps_share(void **state)
{
    test_net t;
    intact_error err = {0};
    size_t layers = 0, likes = 0, wide = 0, repeats = 0;
    (void)state;
    now = (form){"LSTM", 4, .bias = true};
    test_net_init(&t, NULL);
    build(&t);
    assert_int_equal(it_graph_infer(&t.g, 1, NULL, &err), INTACT_OK);
    assert_int_equal(it_unroll_run(&t.g, &layers, &err), INTACT_OK);
    for (size_t i = 0; i < t.g.nodes.len; i++) {
        const it_node *n = t.g.nodes.items[i];
        likes += n->out[0]->like != NULL;
        wide += n->out[0]->wide;
        repeats += n->repeats != NULL;
        if (n->repeats) assert_ptr_equal(n->in[1], n->repeats->in[1]);
    }
    assert_int_equal(repeats, 2 * STEPS - 3); /* of STEPS products with inputs and STEPS - 1 with states the first ones do not */
    assert_true(likes > 10 * (STEPS - 2));
    assert_true(wide >= 5 * (STEPS - 1)); /* both products, their sum, the cell, what is new in it */
    test_net_release(&t);
}

static void refused(form f, const char *why)
{
    test_net t;
    intact_error err = {0};
    size_t layers = 0;
    now = f;
    test_net_init(&t, NULL);
    build(&t);
    assert_int_equal(it_graph_infer(&t.g, 1, NULL, &err), INTACT_OK);
    assert_int_equal(it_unroll_run(&t.g, &layers, &err), INTACT_E_UNSUPPORTED);
    if (!strstr(err.message, why)) fail_msg("\"%s\" does not say \"%s\"", err.message, why);
    test_net_release(&t);
}

static void others_are_refused(void **state)
{
    (void)state;
    refused((form){"LSTM", 4, .what = WITH_LENGTHS}, "sequence_lens");
    refused((form){"LSTM", 4, .what = WITH_STATE}, "initial state");
    refused((form){"LSTM", 4, .what = RELU}, "activations");
    refused((form){"GRU", 3, .what = TWO_WAYS}, "two directions");
    refused((form){"GRU", 3, .what = TURNED}, "batch first");
    refused((form){"GRU", 3, .read = STEPS_FIRST}, "batch first");
    refused((form){"GRU", 3, .read = STEPS_OUT}, "batch first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_stay), cmocka_unit_test(steps_share), cmocka_unit_test(others_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
