/* SPDX-License-Identifier: Apache-2.0 */
/* Every operator of this area under random types, ranks, shapes, attributes and missing inputs: it may refuse, it must not crash; and with
** each allocation failing in turn. */
#include "op_elem/helpers.h"

static const char *const NAMES[] = {
    "Relu",
    "LeakyRelu",
    "PRelu",
    "Elu",
    "Selu",
    "Celu",
    "Sigmoid",
    "HardSigmoid",
    "HardSwish",
    "swish",
    "Tanh",
    "Softplus",
    "Softsign",
    "ThresholdedRelu",
    "Gelu",
    "Mish",
    "Erf",
    "Exp",
    "Log",
    "Sqrt",
    "Reciprocal",
    "Abs",
    "Neg",
    "Floor",
    "Ceil",
    "Round",
    "Sign",
    "IsNaN",
    "IsInf",
    "Clip",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Mod",
    "BitShift",
    "Max",
    "Min",
    "Sum",
    "Mean",
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ArgMax",
    "ArgMin",
    "CumSum",
    "RNN",
    "LSTM",
    "GRU",
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
};

static void random_attrs(rig *r, it_rng *rng, int64_t *list)
{
    static const char *const ints[] = {"axis", "keepdims",    "group",  "block_size",          "output_dtype",
                                       "fmod", "hidden_size", "layout", "noop_with_empty_axes"};
    if (it_rng_below(rng, 2)) rig_int(r, ints[it_rng_below(rng, IT_LEN(ints))], (int64_t)it_rng_below(rng, 7) - 3);
    if (it_rng_below(rng, 8) == 0) rig_int(r, ints[it_rng_below(rng, IT_LEN(ints))], INT64_MIN);
    if (it_rng_below(rng, 3) == 0) rig_text(r, "direction", it_rng_below(rng, 2) ? "LEFT" : "bidirectional");
    if (it_rng_below(rng, 2)) {
        size_t len = (size_t)it_rng_below(rng, 5);
        for (size_t i = 0; i < len; i++)
            list[i] = (int64_t)it_rng_below(rng, 6) - 2;
        rig_ints(r, it_rng_below(rng, 2) ? "axes" : it_rng_below(rng, 2) ? "pads" : "strides", list, len);
    }
}

static void random_inputs(rig *r, it_rng *rng)
{
    const it_op *op = r->n->op;
    int most = op->in_max < 0 ? 4 : op->in_max, count = op->in_min + (int)it_rng_below(rng, (uint64_t)(most - op->in_min + 1));
    it_type type = (it_type)it_rng_below(rng, IT_TYPE_COUNT);
    bool codes = it_rng_below(rng, 2), small = it_rng_below(rng, 2);
    for (int k = 0; k < count; k++) {
        int64_t dim[6];
        int rank = small ? 3 : (int)it_rng_below(rng, 6);
        for (int i = 0; i < rank; i++)
            dim[i] = small ? 1 + (int64_t)it_rng_below(rng, 2) : (int64_t)it_rng_below(rng, 4);
        if (it_rng_below(rng, 3) == 0) type = (it_type)it_rng_below(rng, IT_TYPE_COUNT);
        if (codes && k > 0) type = (const it_type[]){IT_F32, IT_U8, IT_I64, IT_I32}[it_rng_below(rng, 4)];
        if (k >= op->in_min && it_rng_below(rng, 4) == 0)
            rig_skip(r);
        else
            rig_random(r, rng, type, rank, dim, type == IT_BOOL ? 0 : -4, type == IT_BOOL ? 1 : 4);
    }
}

static void test_random(void **state)
{
    it_rng rng;
    size_t ran = 0, refused = 0;
    (void)state;
    it_rng_seed(&rng, 7);
    for (size_t k = 0; k < IT_LEN(NAMES); k++)
        for (int i = 0; i < 400; i++) {
            rig r;
            int64_t list[8];
            rig_init(&r, NAMES[k], it_rng_below(&rng, 2) || i % 2 ? 21 : 20);
            random_attrs(&r, &rng, list);
            random_inputs(&r, &rng);
            intact_status st = rig_try(&r, r.n->op->out_min ? r.n->op->out_min : 1);
            if (st != INTACT_OK && (!r.err.message[0] || !strstr(r.err.where, "node"))) fail_msg("%s refused without a reason", NAMES[k]);
            ran += st == INTACT_OK;
            refused += st != INTACT_OK;
            rig_free(&r);
        }
    assert_true(ran > 1500 && refused > 1500);
}

/* ---- memory ---- */

typedef struct meter {
    int64_t left, live;
} meter;

static void *failing(void *user, void *p, size_t old, size_t bytes)
{
    meter *m = user;
    if (bytes && !p && m->left-- == 0) return NULL;
    m->live += (bytes && !p) - (!bytes && p);
    return it_alloc_libc.grow(it_alloc_libc.user, p, old, bytes);
}

static void fill_case(rig *r, int which)
{
    it_rng rng;
    it_rng_seed(&rng, 8);
    rig_init(
        r, (const char *const[]){"LSTM", "ReduceLogSumExp", "Add", "QLinearConv", "MatMulInteger", "Pow", "CumSum", "ArgMax", "GRU"}[which],
        14);
    switch (which) {
    case 0:
    case 8:
        rig_random(r, &rng, IT_F16, DIM(2, 2, 3), -1, 1);
        rig_random(r, &rng, IT_F16, 3, (int64_t[]){1, which ? 6 : 8, 3}, -1, 1);
        rig_random(r, &rng, IT_F16, 3, (int64_t[]){1, which ? 6 : 8, 2}, -1, 1);
        break;
    case 3:
        rig_random(r, &rng, IT_U8, DIM(1, 2, 3, 3), 0, 9);
        rig_in(r, IT_F32, SCALAR, VALUES(1));
        rig_in(r, IT_U8, SCALAR, VALUES(1));
        rig_random(r, &rng, IT_I8, DIM(2, 2, 2, 2), 0, 9);
        rig_in(r, IT_F32, SCALAR, VALUES(1));
        rig_in(r, IT_I8, SCALAR, VALUES(0));
        rig_in(r, IT_F32, SCALAR, VALUES(9));
        rig_in(r, IT_U8, SCALAR, VALUES(3));
        break;
    case 4:
        rig_random(r, &rng, IT_U8, DIM(2, 3), 0, 9);
        rig_random(r, &rng, IT_U8, DIM(3, 2), 0, 9);
        break;
    case 6:
        rig_random(r, &rng, IT_F16, DIM(2, 3), 0, 9);
        rig_in(r, IT_I64, SCALAR, VALUES(1));
        break;
    default:
        rig_random(r, &rng, IT_F16, DIM(2, 3), 0, 2);
        if (which == 2 || which == 5) rig_random(r, &rng, IT_F16, DIM(3), 0, 2);
    }
}

static void test_memory(void **state)
{
    (void)state;
    for (int which = 0; which < 9; which++) {
        intact_status st = INTACT_E_NOMEM;
        for (int64_t left = 0; st == INTACT_E_NOMEM; left++) {
            rig r;
            meter m = {.left = left};
            intact_alloc alloc = {failing, &m};
            fill_case(&r, which);
            r.alloc = &alloc;
            st = rig_try(&r, 1);
            assert_int_equal(m.live, 0);
            if (left == 0) assert_int_equal(st, INTACT_E_NOMEM); /* each of these needs scratch memory */
            rig_free(&r);
        }
        assert_int_equal(st, INTACT_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
