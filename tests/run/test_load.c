/* SPDX-License-Identifier: Apache-2.0 */
/* test_load.c: .itm files: written and read back, damaged, cut, and forged with right checksums. */
#include "run/helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/format.h"
#include "run/itm.h"
#include "run/machine.h"

static blob small_blob(void)
{
    it_prog p;
    it_prog_init(&p, NULL);
    net_small(&p, 1);
    blob b = blob_of(&p);
    it_prog_release(&p);
    return b;
}

static blob blob_copy(const blob *b, size_t len)
{
    blob c = { .len = len };
    assert_int_equal(posix_memalign(&c.bytes, 64, len), 0); /* not a byte more than len: reading past the end is seen by sanitizers */
    memset(c.bytes, 0, len);
    memcpy(c.bytes, b->bytes, len < b->len ? len : b->len);
    return c;
}

static void round_trip(void **state)
{
    (void)state;
    it_prog p;
    it_prog_init(&p, NULL);
    net_small(&p, 7);
    char path[] = "/tmp/intact-load-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    uint64_t bytes;
    assert_int_equal(it_itm_write(&p, path, &bytes, NULL), INTACT_OK);
    intact_program *g;
    intact_error e = { 0 };
    if (intact_program_load(path, &(intact_load_options){ .separate = 1 }, &g, &e) != INTACT_OK)
        fail_msg("%s: %s", e.where, e.message);
    intact_program_info info;
    intact_program_get_info(g, &info);
    assert_int_equal(info.file_bytes, bytes);
    assert_int_equal(info.instructions_len, p.instrs.len);
    assert_int_equal(info.tensors_len, p.tensors.len);
    assert_true(info.peak_bytes >= info.bound_bytes && info.bound_bytes > 0 && info.macs > 0 && info.packed_bytes > 0);
    assert_int_equal(info.parameters, 3 * 3 * 3 * 16 + 16 + 9 * 16 + 16 + 16 * 16 + 16 + 160 + 10);
    assert_string_equal(intact_program_meta(g), p.meta);
    intact_port port;
    assert_int_equal(intact_program_input(g, 0, &port), INTACT_OK);
    assert_string_equal(port.name, "image");
    assert_true(port.is_pixels && port.rank == 4 && port.bytes == NET_SMALL_IN && port.scale == 1.0f);
    assert_int_equal(intact_program_output(g, 0, &port), INTACT_OK);
    assert_true(port.type == INTACT_S16 && port.bytes == 2 * NET_SMALL_OUT);
    assert_int_equal(intact_program_output(g, 1, &port), INTACT_E_ARG);
    assert_int_equal(intact_program_steps(g), p.instrs.len);
    for (uint32_t k = 0; k < p.instrs.len; k++) {
        intact_step s;
        assert_int_equal(intact_program_step(g, k, &s), INTACT_OK);
        assert_string_equal(s.kind, p.instrs.items[k].kind->name);
        assert_string_equal(s.name, p.instrs.items[k].name);
        assert_int_equal(s.out_elements, it_ptensor_elements(it_out(&p, &p.instrs.items[k], 0)));
        assert_true(s.kernel[0] != 0);
    }
    intact_program_free(g);
    unlink(path);
    it_prog_release(&p);
}

/* The same program gives the same bytes. */
static void writing_is_canonical(void **state)
{
    (void)state;
    blob a = small_blob(), b = small_blob();
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.bytes, b.bytes, a.len);
    blob_free(&a);
    blob_free(&b);
}

static intact_status load_status(const blob *b, intact_error *e)
{
    intact_program *p;
    intact_status st = intact_program_load_memory(b->bytes, b->len, &(intact_load_options){ .cpu = INTACT_CPU_SCALAR }, &p, e);
    assert_true((st == INTACT_OK) == (p != NULL));
    intact_program_free(p);
    return st;
}

static void every_flip_is_noticed(void **state)
{
    (void)state;
    blob b = small_blob();
    for (size_t at = 0; at < b.len; at++)
        for (int bit = 0; bit < 8; bit += 7) {
            ((uint8_t *)b.bytes)[at] ^= (uint8_t)(1 << bit);
            intact_error e = { 0 };
            intact_status st = load_status(&b, &e);
            if (st == INTACT_OK || !e.where[0] || !e.message[0])
                fail_msg("byte %zu of %zu: status %d, \"%s\"", at, b.len, (int)st, e.message);
            ((uint8_t *)b.bytes)[at] ^= (uint8_t)(1 << bit);
        }
    assert_int_equal(load_status(&b, NULL), INTACT_OK);
    blob_free(&b);
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    blob b = small_blob();
    for (size_t len = 1; len < b.len + 3; len++) {
        blob c = blob_copy(&b, len);
        if (len != b.len) {
            intact_error e = { 0 };
            assert_int_not_equal(load_status(&c, &e), INTACT_OK);
            blob_seal(c.bytes, c.len); /* the total says so too */
            assert_int_not_equal(load_status(&c, &e), INTACT_OK);
        }
        blob_free(&c);
    }
    blob_free(&b);
}

/* Each 32-bit word replaced by telling values, checksums put right: any status, but no crash; run under the sanitizers. */
static void forged_words(void **state)
{
    static const uint32_t values[] = { 0, 1, 2, 255, 65535, 0x7fffffffu, 0x80000000u, 0xffffffffu };
    (void)state;
    blob b = small_blob();
    int accepted = 0, refused = 0;
    for (size_t at = 0; at + 4 <= b.len; at += 4)
        for (size_t v = 0; v < IT_LEN(values); v++) {
            blob c = blob_copy(&b, b.len);
            memcpy((uint8_t *)c.bytes + at, &values[v], 4);
            if (at >= 32)
                blob_seal(c.bytes, c.len);
            intact_error e = { 0 };
            intact_status st = load_status(&c, &e);
            accepted += st == INTACT_OK;
            refused += st != INTACT_OK;
            blob_free(&c);
        }
    assert_true(accepted > 0 && refused > 0);
    blob_free(&b);
}

/* ---- programs that are wrong in one point, built by hand ---- */

typedef struct simple { it_prog p; uint32_t x, y, z; it_requantize_args a; } simple;

/* x -> requantize -> y -> requantize -> z */
static void simple_init(simple *s)
{
    it_prog_init(&s->p, NULL);
    s->a = (it_requantize_args){ 1 << 30, 30, 0, 255 };
    s->x = NET_TENSOR(&s->p, "x", INTACT_U8, 3, 1, 4, 4, 2);
    s->y = NET_TENSOR(&s->p, "y", INTACT_U8, 3, 1, 4, 4, 2);
    s->z = NET_TENSOR(&s->p, "z", INTACT_U8, 3, 1, 4, 4, 2);
    net_emit(&s->p, &it_instr_requantize, "first", &s->x, 1, s->y, &s->a);
    net_emit(&s->p, &it_instr_requantize, "second", &s->y, 1, s->z, &s->a);
    net_ports(&s->p, &s->x, 1, &s->z, 1);
    assert_int_equal(it_prog_check(&s->p, NULL), INTACT_OK);
}

static void expect_refused(simple *s, intact_status want, const char *word)
{
    intact_error e = { 0 };
    intact_status st = it_prog_check(&s->p, &e);
    if (st != want || !strstr(e.message, word))
        fail_msg("status %d (%s: %s), not %d with \"%s\"", (int)st, e.where, e.message, (int)want, word);
    void *bytes;
    size_t len;
    assert_int_equal(it_itm_write_memory(&s->p, NULL, &bytes, &len, &e), want); /* nor is it written */
    it_prog_release(&s->p);
}

#define REFUSE(status, word, ...) \
    do { \
        simple s; \
        simple_init(&s); \
        it_ptensor *t = s.p.tensors.items; \
        it_pinstr *i = s.p.instrs.items; \
        uint32_t *in = (uint32_t *)(uintptr_t)i[0].in, *out = (uint32_t *)(uintptr_t)i[1].out; \
        it_requantize_args *a = i[0].args; \
        (void)t, (void)in, (void)out, (void)a; \
        __VA_ARGS__; \
        expect_refused(&s, (status), (word)); \
    } while (0)

static void wrong_programs(void **state)
{
    (void)state;
    REFUSE(INTACT_E_SHAPE, "2^31-1", t[1].dims[1] = 1u << 30);
    REFUSE(INTACT_E_SHAPE, "2^31-1", t[1].dims[1] = t[1].dims[2] = t[1].dims[3] = UINT32_MAX);
    REFUSE(INTACT_E_SHAPE, "elements", t[1].dims[1] = 0);
    REFUSE(INTACT_E_SHAPE, "one sample", t[0].dims[0] = 2);
    REFUSE(INTACT_E_SHAPE, "0 dimensions", t[0].rank = 0);
    REFUSE(INTACT_E_SHAPE, "9 dimensions", t[0].rank = 9);
    REFUSE(INTACT_E_FORMAT, "type", t[0].type = INTACT_S8);
    REFUSE(INTACT_E_FORMAT, "type", t[0].type = (intact_type)77);
    REFUSE(INTACT_E_FORMAT, "zero point 256", t[1].zero_point = 256);
    REFUSE(INTACT_E_FORMAT, "zero point -1", t[1].zero_point = -1);
    REFUSE(INTACT_E_FORMAT, "zero point 3", t[1].type = INTACT_S16);
    REFUSE(INTACT_E_FORMAT, "finite positive", t[1].scale_bits = 0);
    REFUSE(INTACT_E_FORMAT, "finite positive", t[1].scale_bits = 0x7f800000u);
    REFUSE(INTACT_E_FORMAT, "finite positive", t[1].scale_bits = 0xbf800000u);
    REFUSE(INTACT_E_FORMAT, "reads tensor 9", in[0] = 9);
    REFUSE(INTACT_E_FORMAT, "before it has a value", in[0] = s.z);          /* forward reference: a cycle */
    REFUSE(INTACT_E_FORMAT, "before it has a value", in[0] = s.y);          /* reads what it writes */
    REFUSE(INTACT_E_FORMAT, "writes tensor 7", out[0] = 7);
    REFUSE(INTACT_E_FORMAT, "has a value already", out[0] = s.x);
    REFUSE(INTACT_E_FORMAT, "has a value already", out[0] = s.y);
    REFUSE(INTACT_E_FORMAT, "it takes 1 to 1", i[0].in_len = 0);
    REFUSE(INTACT_E_FORMAT, "gives 1", i[0].out_len = 2);
    REFUSE(INTACT_E_FORMAT, "shift is 63", a->shift = 63);
    REFUSE(INTACT_E_FORMAT, "shift is 0", a->shift = 0);
    REFUSE(INTACT_E_FORMAT, "hi is 40000", a->hi = 40000);
    REFUSE(INTACT_E_SHAPE, "clamp to 10..9", a->lo = 10; a->hi = 9);
    REFUSE(INTACT_E_SHAPE, "clamp to -1..255", a->lo = -1);
    REFUSE(INTACT_E_FORMAT, "output 0 is tensor 8", s.p.outputs[0] = 8);
    REFUSE(INTACT_E_FORMAT, "input 0 is tensor 8", s.p.inputs[0] = 8);
    REFUSE(INTACT_E_FORMAT, "at least one of each", s.p.outputs_len = 0);
    REFUSE(INTACT_E_FORMAT, "at least one of each", s.p.inputs_len = 0);
    REFUSE(INTACT_E_FORMAT, "which is an input already", net_ports(&s.p, (uint32_t[]){ s.x, s.x }, 2, &s.z, 1));
    REFUSE(INTACT_E_SHAPE, "as many", t[1].dims[3] = 3);
}

static void set_u32(uint8_t *at, uint32_t v) { memcpy(at, &v, 4); }

/* Forgeries of the outer layer: sections moved over each other, doubled, missing, with bytes between them. */
static void wrong_sections(void **state)
{
    (void)state;
    blob b = small_blob();
    intact_error e;
    for (int k = 0; k < IT_ITM_SECTIONS; k++)
        for (int forgery = 0; forgery < 5; forgery++) {
            blob c = blob_copy(&b, b.len);
            uint8_t *entry = (uint8_t *)c.bytes + 32 + 24 * k, *previous = entry - 24;
            uint64_t at;
            memcpy(&at, entry + 8, 8);
            if (forgery == 0)
                set_u32(entry, (uint32_t)(k ? k : 2)); /* the kind before: doubled */
            else if (forgery == 1 && k > 0)
                memcpy(entry + 8, previous + 8, 16); /* overlap */
            else if (forgery == 2)
                memcpy(entry + 16, (uint64_t[]){ UINT64_MAX - at + 1 }, 8); /* offset + bytes wraps */
            else if (forgery == 3)
                set_u32(entry, 99);
            else
                memcpy(entry + 8, (uint64_t[]){ at + 64 }, 8);
            blob_seal(c.bytes, c.len);
            assert_int_equal(load_status(&c, &e), INTACT_E_FORMAT);
            blob_free(&c);
        }
    blob c = blob_copy(&b, b.len);
    set_u32((uint8_t *)c.bytes + 4, 2);
    assert_int_equal(load_status(&c, &e), INTACT_E_UNSUPPORTED);
    assert_non_null(strstr(e.message, "version 2"));
    blob_free(&c);
    blob_free(&b);
}

static void unknown_code(void **state)
{
    (void)state;
    simple s;
    simple_init(&s);
    it_instr alien = it_instr_requantize;
    alien.code = 4711;
    s.p.instrs.items[1].kind = &alien;
    blob b = blob_of(&s.p);
    intact_error e;
    assert_int_equal(load_status(&b, &e), INTACT_E_UNSUPPORTED);
    assert_non_null(strstr(e.message, "4711"));
    assert_non_null(strstr(e.where, "second"));
    blob_free(&b);
    it_prog_release(&s.p);
}

static void arguments(void **state)
{
    (void)state;
    blob b = small_blob();
    intact_program *p = (void *)1;
    intact_error e;
    assert_int_equal(intact_program_load(NULL, NULL, &p, &e), INTACT_E_ARG);
    assert_int_equal(intact_program_load("/", NULL, &p, &e), INTACT_E_IO);
    assert_null(p);
    assert_int_equal(intact_program_load("/nowhere/x.itm", NULL, &p, &e), INTACT_E_IO);
    assert_int_equal(intact_program_load("/nowhere/x.itm", NULL, NULL, NULL), INTACT_E_ARG);
    assert_int_equal(intact_program_load_memory(NULL, 5, NULL, &p, &e), INTACT_E_ARG);
    assert_int_equal(intact_program_load_memory((char *)b.bytes + 4, b.len - 4, NULL, &p, &e), INTACT_E_ARG);
    assert_int_equal(intact_program_load_memory(b.bytes, 0, NULL, &p, &e), INTACT_E_FORMAT);
    assert_int_equal(intact_program_load_memory(b.bytes, b.len, &(intact_load_options){ .cpu = (intact_cpu)99 }, &p, &e), INTACT_E_ARG);
    assert_int_equal(intact_program_load_memory(b.bytes, b.len, &(intact_load_options){ .threads = 1u << 30 }, &p, &e), INTACT_E_ARG);
    for (int cpu = 0; cpu < INTACT_CPU_COUNT; cpu++) {
        intact_status st = intact_program_load_memory(b.bytes, b.len, &(intact_load_options){ .cpu = (intact_cpu)cpu }, &p, &e);
        bool can = cpu == INTACT_CPU_AUTO || (intact_cpu_has((intact_cpu)cpu) && it_kern_of((intact_cpu)cpu));
        assert_int_equal(st, can ? INTACT_OK : INTACT_E_UNSUPPORTED);
        intact_program_free(p);
    }
    intact_program_free(NULL);
    blob_free(&b);
}

/* Files with random content and right frames: sections cut to random lengths and shuffled words inside. */
static void shuffled_words(void **state)
{
    (void)state;
    blob b = small_blob();
    it_rng r;
    it_rng_seed(&r, 99);
    for (int round = 0; round < TEST_ROUNDS(3000); round++) {
        blob c = blob_copy(&b, b.len);
        for (uint64_t k = 1 + it_rng_below(&r, 4); k-- > 0;) {
            size_t to = 200 + it_rng_below(&r, b.len / 4 - 60) * 4, from = 200 + it_rng_below(&r, b.len / 4 - 60) * 4;
            if (to + 4 <= b.len && from + 4 <= b.len)
                memcpy((uint8_t *)c.bytes + to, (uint8_t *)b.bytes + from, 4);
        }
        blob_seal(c.bytes, c.len);
        intact_error e;
        (void)!load_status(&c, &e);
        blob_free(&c);
    }
    blob_free(&b);
}

/* Whoever changes a file after it was loaded changes nothing. */
static void file_is_not_needed(void **state)
{
    (void)state;
    blob b = small_blob();
    char path[] = "/tmp/intact-load-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(write(fd, b.bytes, b.len) == (ssize_t)b.len);
    intact_program *g, *h;
    assert_int_equal(intact_program_load(path, NULL, &g, NULL), INTACT_OK);
    memset(b.bytes, 0xff, b.len);
    assert_true(pwrite(fd, b.bytes, b.len, 0) == (ssize_t)b.len);
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    remove(path);
    blob_free(&b);
    b = small_blob();
    h = load_blob(&b, INTACT_CPU_AUTO, NULL);
    expect_same_outputs("changed file", g, h);
    intact_program_free(g);
    intact_program_free(h);
    blob_free(&b);
}

typedef enum crowd { DEAD, ALIVE, JOINED, CROWDS } crowd;

/* n values of one input: of no use; needed until the end, by one long sum; needed by concats of as many as they take. */
static blob crowd_blob(crowd kind, uint32_t n)
{
    enum { C = 8, PARTS = IT_INSTR_IN_MAX };
    it_prog p;
    it_prog_init(&p, NULL);
    uint32_t x = NET_TENSOR(&p, "x", INTACT_U8, 0, 1, C), in[PARTS], len = 0, out = x;
    const uint32_t first = (uint32_t)p.tensors.len, own = kind == ALIVE ? n / 2 : n - n / PARTS - 1;
    for (uint32_t k = 0; k < own; k++) {
        out = NET_TENSOR(&p, "v", INTACT_U8, 0, 1, C);
        net_emit(&p, &it_instr_requantize, "v", &x, 1, out, &(it_requantize_args){ 1 << 30, 30, 0, 255 });
    }
    for (uint32_t k = own; kind == ALIVE && k-- > 1;) {
        const uint32_t sum = NET_TENSOR(&p, "sum", INTACT_U8, 0, 1, C);
        net_emit(&p, &it_instr_add, "sum", (uint32_t[]){ out, first + k - 1 }, 2, sum, &(it_add_args){ 1 << 29, 1 << 29, 30, 0, 255 });
        out = sum;
    }
    for (uint32_t k = 0; kind == JOINED && k < own; k++) {
        in[len++] = first + k;
        if (len < PARTS && k + 1 < own)
            continue;
        out = NET_TENSOR(&p, "join", INTACT_U8, 0, 1, C * len);
        net_emit(&p, &it_instr_concat, "join", in, len, out, &(it_concat_args){ 1 });
        len = 0;
    }
    net_ports(&p, &x, 1, &out, 1);
    blob b = blob_of(&p);
    it_prog_release(&p);
    return b;
}

/* Nothing that loading does may take the square of their number: then this would run into the time limit of tests. */
static void many_instructions(void **state)
{
    enum { MANY = 65000 };
    (void)state;
    for (int kind = DEAD; kind < CROWDS; kind++) {
        blob b = crowd_blob((crowd)kind, MANY);
        for (int separate = 0; separate < 2; separate++) {
            intact_program *p = load_as(&b, INTACT_CPU_AUTO, separate);
            assert_in_range(p->info.peak_bytes, p->info.bound_bytes, SIZE_MAX);
            intact_program_free(p);
        }
        blob_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),           cmocka_unit_test(writing_is_canonical), cmocka_unit_test(every_flip_is_noticed),
        cmocka_unit_test(every_cut_is_noticed), cmocka_unit_test(forged_words),         cmocka_unit_test(wrong_programs),
        cmocka_unit_test(wrong_sections),       cmocka_unit_test(unknown_code),         cmocka_unit_test(arguments),
        cmocka_unit_test(shuffled_words),       cmocka_unit_test(file_is_not_needed),   cmocka_unit_test(many_instructions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
