/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_itm.c: any bytes as a program. Totals, checksums and section offsets are put right first, so that changes reach the deep checks
** instead of dying at the first one; every eighth input is taken as it comes. What loads and is small is run once on zeros. */
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

enum { PORTS_MAX = 8, RUN_BYTES_MAX = 1 << 20 };

static size_t ports(const intact_program *p, uint32_t n, intact_status (*get)(const intact_program *, uint32_t, intact_port *), void **to)
{
    size_t total = 0;
    for (uint32_t k = 0; k < n; k++) {
        intact_port port;
        if (get(p, k, &port) != INTACT_OK || port.bytes > RUN_BYTES_MAX)
            return SIZE_MAX;
        to[k] = calloc(port.bytes, 1);
        total += port.bytes;
    }
    return total;
}

static void run_once(const intact_program *p)
{
    intact_program_info info;
    intact_program_get_info(p, &info);
    if (info.inputs_len > PORTS_MAX || info.outputs_len > PORTS_MAX || info.peak_bytes > RUN_BYTES_MAX || info.macs > 4000000)
        return;
    for (uint32_t k = 0; k < intact_program_steps(p); k++) { /* a huge output straight into the caller's buffer, a huge window */
        intact_step step;
        if (intact_program_step(p, k, &step) != INTACT_OK || step.out_elements > RUN_BYTES_MAX)
            return;
    }
    void *in[PORTS_MAX] = { 0 }, *out[PORTS_MAX] = { 0 };
    intact_session *s = NULL;
    if (ports(p, info.inputs_len, intact_program_input, in) != SIZE_MAX && ports(p, info.outputs_len, intact_program_output, out) != SIZE_MAX &&
        intact_session_new(p, NULL, &s, NULL) == INTACT_OK) {
        const void *ins[PORTS_MAX];
        memcpy(ins, in, sizeof in);
        if (intact_session_bytes(s) < 64 * RUN_BYTES_MAX && intact_session_run(s, ins, info.inputs_len, out, info.outputs_len, NULL) != INTACT_OK)
            abort(); /* a loaded program with right arguments always runs */
    }
    intact_session_free(s);
    for (int k = 0; k < PORTS_MAX; k++) {
        free(in[k]);
        free(out[k]);
    }
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
    uint8_t *b = aligned_alloc(64, it_round_up(size, 64));
    memcpy(b, data, size);
    if (data[size - 1] % 8 != 7)
        mend(b, size);
    intact_program *p;
    intact_error e;
    intact_load_options opt = { .alloc = &little };
    if (intact_program_load_memory(b, size, &opt, &p, &e) == INTACT_OK) {
        run_once(p);
        intact_program_free(p);
    }
    free(b);
    return 0;
}
