/* SPDX-License-Identifier: Apache-2.0 */
/* What has no integer form, or no form at all, says what would work instead. */
#include "lower/helpers.h"

static void test_every_operator_has_a_way(void **state)
{
    (void)state;
    for (const it_op *const *op = it_op_all; *op; op++)
        if (!(*op)->lower && !((*op)->hint && (*op)->hint[0]))
            fail_msg("%s has neither an integer form nor a hint", (*op)->name);
}

static void unknown(const char *onnx, const char *domain, const char *says)
{
    intact_error err;
    assert_null(it_op_find(onnx, domain, 17));
    assert_int_equal(it_op_unknown("layer 7", onnx, domain, 17, &err), INTACT_E_UNSUPPORTED);
    if (!strstr(err.where, "layer 7") || !strstr(err.message, onnx) || !strstr(err.message, "17") || !strstr(err.message, says))
        fail_msg("%s: %s", err.where, err.message);
}

static void test_unknown_operators(void **state)
{
    (void)state;
    unknown("Einsum", "", "MatMul");
    unknown("Einsum", "ai.onnx", "Transpose");
    unknown("If", "", "control flow");
    unknown("Loop", "", "control flow");
    unknown("NonMaxSuppression", "", "boxes and scores");
    unknown("GridSample", "", "Resize");
    unknown("GroupNormalization", "", "InstanceNormalization");
    unknown("RandomNormalLike", "", "eval()");
    unknown("Convv", "", "nearest name that is: Conv");
    unknown("Softmaxx", "", "Softmax");
    unknown("FusedConv", "com.microsoft", "as it was exported");
    unknown("Frobnicate", "", "standard operators");
}

static void refused(net *t, it_value *y, const char *says)
{
    net_measure(t, y, INTACT_U8);
    assert_int_equal(net_lower(t, &it_alloc_libc), INTACT_E_UNSUPPORTED);
    if (!strstr(t->err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", t->err.message, says);
    net_free(t);
}

static void begin(net *t)
{
    net_init(t, 1);
    net_input(t, INTACT_U8, 1, 2, DIM(1, 3, 4, 4));
}

static void test_hints(void **state)
{
    net t;
    (void)state;
    begin(&t);
    refused(&t, net_node(&t, "Max", IN(t.x, net_node(&t, "Tanh", IN(t.x), NULL)), NULL), "Add(a, Relu(Sub(b, a)))");
    begin(&t);
    refused(&t, net_node(&t, "Min", IN(t.x, net_node(&t, "Tanh", IN(t.x), NULL)), NULL), "Sub(a, Relu(Sub(a, b)))");
    begin(&t);
    refused(&t, net_node(&t, "Div", IN(net_const(&t, DIM(4, 4), 1, 2), t.x), NULL), "Reciprocal");
    begin(&t);
    refused(&t, net_node(&t, "Add", IN(net_node(&t, "GlobalAveragePool", IN(t.x), NULL), net_const(&t, DIM(1, 3, 4, 4), 0, 1)), NULL), "Expand");
    begin(&t);
    refused(&t, net_node(&t, "MatMul", IN(t.x, t.x), NULL), "constant matrix");
    begin(&t);
    refused(&t, net_node(&t, "MatMul", IN(net_const(&t, DIM(4, 4), 0, 1), t.x), NULL), "Transpose both");
    begin(&t);
    refused(&t, net_node(&t, "Pow", IN(t.x, net_node(&t, "Tanh", IN(t.x), NULL)), NULL), "a constant for one of them");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_operator_has_a_way), cmocka_unit_test(test_unknown_operators),
                                        cmocka_unit_test(test_hints) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
