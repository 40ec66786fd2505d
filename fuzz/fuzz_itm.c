/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_itm.c: any bytes as a program. Totals, checksums and section offsets are put right first, so that changes reach the deep checks
** instead of dying at the first one; some inputs are taken as they come. What loads and is small is run: in plain C with every instruction
** a step and every value a place of its own, and as programs run otherwise, at a level, batch and number of threads that the input says. */
#include <stdlib.h>
#include <string.h>

#include "run/itm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t word(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* Lays the sections one after another where the format wants them, keeping their lengths; what does not fit is cut. */
static void mend(uint8_t *b, size_t len)
{
    if (len < IT_ITM_HEADER_BYTES + IT_ITM_SECTIONS * IT_ITM_ENTRY_BYTES)
        return;
    uint32_t head[5] = { IT_ITM_MAGIC, IT_ITM_VERSION, (uint32_t)len, 0, IT_ITM_SECTIONS };
    memcpy(b, head, sizeof head);
    memset(b + 20, 0, 12);
    size_t end = IT_ITM_HEADER_BYTES + IT_ITM_SECTIONS * IT_ITM_ENTRY_BYTES;
    for (uint32_t k = 1; k <= IT_ITM_SECTIONS; k++) {
        uint8_t *entry = b + IT_ITM_HEADER_BYTES + (k - 1) * IT_ITM_ENTRY_BYTES;
        uint64_t at = it_round_up(end, IT_ITM_ALIGN), n = word(entry + 16);
        if (at > len)
            return;
        n = k == IT_ITM_SECTIONS || n > len - at ? len - at : n;
        memset(b + end, 0, at - end);
        if ((k == IT_ITM_STRINGS || k == IT_ITM_META) && n > 0)
            b[at + n - 1] = 0;
        uint32_t crc = it_crc32(b + at, n);
        memcpy(entry, &k, 4);
        memcpy(entry + 4, &crc, 4);
        memcpy(entry + 8, &at, 8);
        memcpy(entry + 16, &n, 8);
        end = at + n;
    }
}

enum { PORTS_MAX = 8, RUN_BYTES_MAX = 1 << 20, BATCH = 2, THREADS = 2 };

typedef struct ports { void *data[PORTS_MAX]; size_t bytes[PORTS_MAX]; uint32_t len; } ports;

static void ports_release(ports *p)
{
    for (uint32_t k = 0; k < p->len; k++)
        free(p->data[k]);
}

/* Buffers for BATCH samples of inputs or outputs; false when one is large. Filled with a pattern. */
static bool ports_init(ports *to, const intact_program *p, uint32_t n,
                       intact_status (*get)(const intact_program *, uint32_t, intact_port *))
{
    *to = (ports){ .len = 0 };
    for (; to->len < n; to->len++) {
        intact_port port;
        if (get(p, to->len, &port) != INTACT_OK || port.bytes > RUN_BYTES_MAX)
            return false;
        const size_t bytes = BATCH * port.bytes;
        uint8_t *data = malloc(bytes);
        for (size_t k = 0; k < bytes; k++)
            data[k] = (uint8_t)(k * k * 37 + k / 3);
        to->data[to->len] = data;
        to->bytes[to->len] = bytes;
    }
    return true;
}

static bool is_small(const intact_program *p)
{
    intact_program_info info;
    intact_program_get_info(p, &info);
    if (info.inputs_len > PORTS_MAX || info.outputs_len > PORTS_MAX || info.peak_bytes > RUN_BYTES_MAX || info.macs > 4000000)
        return false;
    for (uint32_t k = 0; k < intact_program_steps(p); k++) { /* an output may go straight into the caller's buffer */
        intact_step step;
        if (intact_program_step(p, k, &step) != INTACT_OK || step.out_elements > RUN_BYTES_MAX)
            return false;
    }
    return true;
}

/* All BATCH samples, `batch` at once; false: that would take much. */
static bool run_all(const intact_program *p, uint32_t batch, uint32_t threads, const ports *in, ports *out)
{
    intact_session *s = NULL;
    if (intact_session_new(p, &(intact_session_options){ .batch = batch, .threads = threads }, &s, NULL) != INTACT_OK)
        return false;
    const bool runs = intact_session_bytes(s) < (size_t)64 * RUN_BYTES_MAX;
    for (uint32_t n = 0; n < BATCH && runs; n += batch) {
        const void *ins[PORTS_MAX];
        void *outs[PORTS_MAX];
        for (uint32_t k = 0; k < in->len; k++)
            ins[k] = (const uint8_t *)in->data[k] + in->bytes[k] / BATCH * n;
        for (uint32_t k = 0; k < out->len; k++)
            outs[k] = (uint8_t *)out->data[k] + out->bytes[k] / BATCH * n;
        if (intact_session_run(s, ins, in->len, outs, out->len, NULL) != INTACT_OK)
            abort(); /* a loaded program with right arguments always runs */
    }
    intact_session_free(s);
    return runs;
}

/* Any level gives the bytes of the plain C version. how: what the input says. */
static void run_and_compare(const intact_program *fast, const intact_program *plain, uint8_t how)
{
    intact_program_info info;
    intact_program_get_info(plain, &info);
    ports in, a, b;
    bool fits = ports_init(&in, plain, info.inputs_len, intact_program_input);
    fits = ports_init(&a, plain, info.outputs_len, intact_program_output) && fits;
    fits = ports_init(&b, plain, info.outputs_len, intact_program_output) && fits;
    if (fits && run_all(plain, 1, 1, &in, &b) && run_all(fast, how & 1 ? 1 : BATCH, how & 2 ? 1 : THREADS, &in, &a)) {
        for (uint32_t k = 0; k < a.len; k++)
            if (memcmp(a.data[k], b.data[k], a.bytes[k]) != 0)
                abort();
    }
    ports_release(&in);
    ports_release(&a);
    ports_release(&b);
}

/* Refuses what a small machine would: an input of some kilobytes has no business asking for more. */
static void *grow_little(void *user, void *ptr, size_t bytes_old, size_t bytes_new)
{
    (void)user;
    return bytes_new > (size_t)256 << 20 ? NULL : it_alloc_libc.grow(NULL, ptr, bytes_old, bytes_new);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const intact_alloc little = { grow_little, NULL };
    if (size == 0)
        return 0;
    void *block;
    if (posix_memalign(&block, 64, size) != 0) /* not a byte more than size: reading past the end is seen */
        return 0;
    uint8_t *b = memcpy(block, data, size);
    if (data[size - 1] % 8 != 7)
        mend(b, size);
    const uint8_t how = data[size / 2];
    intact_program *fast = NULL, *plain = NULL;
    intact_error e;
    intact_cpu cpu = (intact_cpu)(how / 4 % INTACT_CPU_COUNT); /* AUTO among them */
    if (!intact_cpu_has(cpu))
        cpu = INTACT_CPU_AUTO;
    const intact_load_options separate = { .alloc = &little, .cpu = INTACT_CPU_SCALAR, .separate = 1 };
    intact_status st = intact_program_load_memory(b, size, &(intact_load_options){ .alloc = &little, .cpu = cpu }, &fast, &e);
    if (st == INTACT_OK && is_small(fast) && intact_program_load_memory(b, size, &separate, &plain, &e) == INTACT_OK && is_small(plain)) {
        memset(b, 0xff, size); /* a loaded program needs it no more */
        run_and_compare(fast, plain, how);
    }
    intact_program_free(fast);
    intact_program_free(plain);
    free(b);
    return 0;
}
