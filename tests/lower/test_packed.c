/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of 4 bits and fewer are written packed, and the program gives the bytes that it gives with the same weights as they are: at every
** level, number of threads and batch. */
#include "format/format.h"
#include "lower/helpers.h"

typedef struct file { void *bytes; size_t len; } file;

static file lower_file(net *t)
{
    file f = { 0 };
    if (net_lower(t, &it_alloc_libc) != INTACT_OK || it_itm_write_memory(&t->prog, NULL, &f.bytes, &f.len, &t->err) != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
    return f;
}

/* Output 0 of `batch` samples made of the one input. */
static void run_file(const file *f, intact_cpu cpu, uint32_t threads, uint32_t batch, const net *t, uint8_t *out)
{
    intact_program *p;
    intact_session *s;
    intact_port port;
    intact_error e;
    intact_session_options so = { .batch = batch, .threads = threads };
    if (intact_program_load_memory(f->bytes, f->len, &(intact_load_options){ .cpu = cpu, .threads = threads }, &p, &e) != INTACT_OK ||
        intact_session_new(p, &so, &s, &e) != INTACT_OK || intact_program_input(p, 0, &port) != INTACT_OK)
        fail_msg("%s: %s", e.where, e.message);
    uint8_t *in = malloc(port.bytes * batch);
    for (uint32_t n = 0; n < batch; n++)
        for (size_t k = 0; k < port.bytes; k++) /* another sample each time */
            in[n * port.bytes + k] = (uint8_t)(((const uint8_t *)t->x_codes)[k] + (port.type == INTACT_U8 ? n * 31 : 0));
    assert_int_equal(intact_session_run(s, &(const void *){ in }, 1, &(void *){ out }, 1, &e), INTACT_OK);
    free(in);
    intact_session_free(s);
    intact_program_free(p);
}

static void expect_same(const file *packed, const file *bytes, const net *t)
{
    size_t most = (size_t)t->y_len * 2 * 5;
    uint8_t *want = malloc(most), *have = malloc(most);
    for (uint32_t batch = 1; batch <= 5; batch += 2) {
        memset(want, 0, most);
        run_file(bytes, INTACT_CPU_SCALAR, 1, batch, t, want);
        for (int cpu = INTACT_CPU_SCALAR; cpu < INTACT_CPU_COUNT; cpu++)
            for (uint32_t threads = 1; intact_cpu_has((intact_cpu)cpu) && it_kern_of((intact_cpu)cpu) && threads <= 2; threads++) {
                memset(have, 0, most);
                run_file(packed, (intact_cpu)cpu, threads, batch, t, have);
                assert_memory_equal(want, have, most);
            }
    }
    free(want);
    free(have);
}

/* Codes cut to the grid of `bits`; data follows. by_channel: each channel has a grid of its own, so that one table cannot do. */
static it_value *grid(it_value *w, int bits, bool by_channel, it_rng *r)
{
    int64_t len = it_tensor_len(&w->t), inner = len, most = (1 << (bits - 1)) - 1;
    int8_t *codes = (int8_t *)(uintptr_t)w->q->codes;
    for (int k = 0; k <= w->q->axis; k++)
        inner /= w->t.dim[k];
    for (int64_t i = 0; i < len; i++) {
        int64_t c = i / inner % w->q->len, v = (int64_t)it_rng_below(r, (uint64_t)(2 * most + 1)) - most;
        codes[i] = (int8_t)(by_channel ? v * (c % 9 + 1) + c % 7 : v);
        ((float *)w->t.data)[i] = w->q->scale[c] * (float)codes[i];
    }
    w->q->bits = bits;
    return w;
}

static uint32_t packed_consts(const net *t, uint32_t bits)
{
    uint32_t n = 0;
    for (size_t k = 0; k < t->prog.consts.len; k++)
        n += t->prog.consts.items[k].bits == bits;
    return n;
}

static void check_net(int bits, bool by_channel, intact_type type)
{
    net t;
    it_value *w[4], *y;
    net_init(&t, (uint64_t)bits * 7 + by_channel);
    net_input(&t, type, -1, 2, DIM(1, 24, 9, 9));
    w[0] = grid(net_weight(&t, DIM(40, 24, 3, 3), 0), bits, by_channel, &t.rng);
    w[1] = grid(net_weight(&t, DIM(40, 1, 5, 5), 0), bits, by_channel, &t.rng);
    w[2] = grid(net_weight(&t, DIM(40, 20, 1, 1), 0), bits, by_channel, &t.rng);
    w[3] = grid(net_weight(&t, DIM(40 * 81, 50), 1), bits, by_channel, &t.rng);
    y = net_node(&t, "Conv", IN(t.x, w[0]), ATTRS(A_INTS("pads", 4, ((int64_t[]){ 1, 1, 1, 1 }))));
    y = net_node(&t, "Conv", IN(y, w[1]), ATTRS(A_INT("group", 40), A_INTS("pads", 4, ((int64_t[]){ 2, 2, 2, 2 }))));
    y = net_node(&t, "Conv", IN(y, w[2]), ATTRS(A_INT("group", 2)));
    y = net_node(&t, "Flatten", IN(y), NULL);
    y = net_node(&t, "Gemm", IN(y, w[3]), NULL);
    net_measure(&t, y, type);
    file packed = lower_file(&t);
    assert_true(packed_consts(&t, (uint32_t)bits) >= (by_channel ? 2 : 4)); /* tables of small layers do not pay */
    for (int k = 0; k < 4; k++)
        w[k]->q->bits = 8;
    file bytes = lower_file(&t);
    assert_int_equal(packed_consts(&t, (uint32_t)bits), 0);
    assert_true(packed.len < bytes.len * (size_t)bits / 8 + 8192);
    expect_same(&packed, &bytes, &t);
    it_alloc_free(NULL, packed.bytes, packed.len);
    it_alloc_free(NULL, bytes.bytes, bytes.len);
    net_free(&t);
}

static void test_networks(void **state)
{
    (void)state;
    for (int bits = 2; bits <= 4; bits++)
        for (int k = 0; k < 4; k++)
            check_net(bits, k & 1, k & 2 ? INTACT_S16 : INTACT_U8);
}

/* A channel whose scale is raised keeps its codes on the grid, so its layer stays packed. */
static void test_raised(void **state)
{
    net t;
    it_value *w, *b, *y;
    (void)state;
    net_init(&t, 3);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 400));
    w = grid(net_weight(&t, DIM(200, 400), 0), 4, false, &t.rng);
    b = net_const(&t, 1, (const int64_t[]){ 200 }, 5, 9);
    w->q->scale[7] = 1e-9f;
    y = net_node(&t, "Gemm", IN(t.x, w, b), ATTRS(A_INT("transB", 1)));
    net_measure(&t, y, INTACT_U8);
    file packed = lower_file(&t);
    assert_non_null(strstr(t.note, "raised"));
    assert_int_equal(packed_consts(&t, 4), 1);
    w->q->bits = 8;
    file bytes = lower_file(&t);
    expect_same(&packed, &bytes, &t);
    it_alloc_free(NULL, packed.bytes, packed.len);
    it_alloc_free(NULL, bytes.bytes, bytes.len);
    net_free(&t);
}

/* Three values need two bits, whatever the quantizer was allowed; more than sixteen stay bytes. */
static void test_least_bits(void **state)
{
    static const int8_t ternary[] = { -64, 0, 64 }, powers[] = { -64, -32, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16, 32, 64 };
    (void)state;
    for (int k = 0; k < 3; k++) {
        net t;
        it_value *w, *y;
        net_init(&t, 5);
        net_input(&t, INTACT_U8, -1, 2, DIM(1, 300));
        w = net_weight(&t, DIM(100, 300), 0);
        w->q->bits = 4;
        int8_t *codes = (int8_t *)(uintptr_t)w->q->codes;
        for (int i = 0; i < 30000 && k < 2; i++)
            codes[i] = k == 0 ? ternary[it_rng_below(&t.rng, IT_LEN(ternary))] : powers[it_rng_below(&t.rng, IT_LEN(powers))];
        y = net_node(&t, "Gemm", IN(t.x, w), ATTRS(A_INT("transB", 1)));
        net_measure(&t, y, INTACT_U8);
        file packed = lower_file(&t);
        assert_int_equal(packed_consts(&t, 2), k == 0);
        assert_int_equal(packed_consts(&t, 4), k == 1);
        w->q->bits = 8;
        file bytes = lower_file(&t);
        expect_same(&packed, &bytes, &t);
        it_alloc_free(NULL, packed.bytes, packed.len);
        it_alloc_free(NULL, bytes.bytes, bytes.len);
        net_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_networks), cmocka_unit_test(test_raised), cmocka_unit_test(test_least_bits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
