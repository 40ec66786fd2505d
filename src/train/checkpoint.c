/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.c: the file, little-endian:
**   OFFSET  SIZE  MEANING
**      0      8   "ITCKPT\0\1": the last byte is the version
**      8      8   bytes of the whole file
**     16      4   sections
**     20      4   CRC-32 of all that follows
**     24     16   a section: name, padded with zeros
**    +16      8   its bytes, which follow */
#include "train/checkpoint.h"

#include <string.h>

#include "base/file.h"

enum { HEAD = 24, SECTION_HEAD = 24, SECTIONS_MAX = 10 };
static const char MAGIC[8] = "ITCKPT\0\1";

typedef struct section { const char *name; void *data; size_t len; } section;

/* What the file is about: names and lengths of all parameters, as text would tell them. */
static void fingerprint(it_train *t, char hex[65])
{
    it_sha256 h;
    size_t len;
    const it_train_param *p = it_train_params(t, &len);
    it_sha256_init(&h);
    for (size_t i = 0; i < len; i++) {
        const uint64_t n = p[i].len;
        it_sha256_add(&h, p[i].name, strlen(p[i].name) + 1);
        it_sha256_add(&h, &n, sizeof n);
    }
    it_sha256_hex(&h, hex);
}

typedef struct place { uint64_t step, seed, batch, samples, total, right, count, optimizer_steps; double loss_sum, power1, power2; char network[65]; char zero[7]; } place;

static place place_of(it_train *t, const it_checkpoint *c, const it_optimizer_state *o)
{
    place p = { .step = c->step, .seed = c->seed, .batch = c->batch, .samples = c->samples, .total = c->total, .right = c->right, .count = c->count,
                .optimizer_steps = o->steps, .loss_sum = c->loss_sum, .power1 = o->power1, .power2 = o->power2 };
    fingerprint(t, p.network);
    return p;
}

static size_t sections_of(it_train *t, const it_checkpoint *c, place *p, section *out)
{
    const it_train_state s = it_train_state_of(t);
    size_t len = 0;
    out[len++] = (section){ "place", p, sizeof *p };
    for (size_t i = 0; i < s.arrays; i++)
        if (s.array[i].data) out[len++] = (section){ s.array[i].name, s.array[i].data, s.array[i].len * sizeof(float) };
    if (c->extra_len) out[len++] = (section){ "method", c->extra, c->extra_len };
    return len;
}

static uint32_t crc_more(uint32_t crc, const void *data, size_t len)
{
    /* of the checksums so far and of this part: parts lie apart in memory */
    uint32_t both[2] = { crc, it_crc32(data, len) };
    return it_crc32(both, sizeof both);
}

intact_status it_checkpoint_write(it_train *t, const it_checkpoint *c, const char *path, intact_error *err)
{
    const it_train_state s = it_train_state_of(t);
    uint8_t head[HEAD], heads[SECTIONS_MAX][SECTION_HEAD];
    it_part parts[1 + 2 * SECTIONS_MAX];
    section all[SECTIONS_MAX];
    place p = place_of(t, c, s.optimizer);
    const size_t len = sections_of(t, c, &p, all);
    uint64_t bytes = HEAD;
    uint32_t crc = 0, count = (uint32_t)len;
    for (size_t i = 0; i < len; i++) {
        const uint64_t n = all[i].len;
        memset(heads[i], 0, SECTION_HEAD);
        memcpy(heads[i], all[i].name, strlen(all[i].name));
        memcpy(heads[i] + 16, &n, 8);
        crc = crc_more(crc_more(crc, heads[i], SECTION_HEAD), all[i].data, all[i].len);
        parts[1 + 2 * i] = (it_part){ heads[i], SECTION_HEAD };
        parts[2 + 2 * i] = (it_part){ all[i].data, all[i].len };
        bytes += SECTION_HEAD + n;
    }
    memcpy(head, MAGIC, 8);
    memcpy(head + 8, &bytes, 8);
    memcpy(head + 16, &count, 4);
    memcpy(head + 20, &crc, 4);
    parts[0] = (it_part){ head, HEAD };
    return it_file_replace(path, parts, 1 + 2 * len, err);
}

/* ---- reading ---- */

static intact_status check_same(const place *now, const place *then, const char *path, intact_error *err)
{
    const struct { const char *what; uint64_t a, b; } same[] = {
        { "the seed", now->seed, then->seed }, { "the batch", now->batch, then->batch },
        { "the number of training samples", now->samples, then->samples }, { "the number of steps", now->total, then->total },
    };
    if (memcmp(now->network, then->network, 64) != 0)
        return it_fail(err, INTACT_E_FORMAT, path, "the checkpoint is of another network or method: its parameters are others");
    for (size_t i = 0; i < IT_LEN(same); i++)
        if (same[i].a != same[i].b)
            return it_fail(err, INTACT_E_ARG, path, "%s is %llu here, and was %llu in the run that wrote this checkpoint", same[i].what, (unsigned long long)same[i].a,
                           (unsigned long long)same[i].b);
    return INTACT_OK;
}

/* The file's own parts, every byte checked; copies nothing. */
static intact_status walk(const it_map *m, section parts[SECTIONS_MAX], uint32_t *parts_len, const char *path, intact_error *err)
{
    it_span s = it_span_of(m->data, m->len);
    const void *magic = it_span_bytes(&s, 8);
    const uint64_t bytes = it_span_u64(&s);
    const uint32_t count = it_span_u32(&s), crc = it_span_u32(&s);
    uint32_t is = 0;
    if (s.bad || memcmp(magic, MAGIC, 8) != 0) return it_fail(err, INTACT_E_FORMAT, path, "not a checkpoint of this version");
    if (bytes != m->len) return it_fail(err, INTACT_E_FORMAT, path, "the file has %zu bytes, it should have %llu", m->len, (unsigned long long)bytes);
    if (count > SECTIONS_MAX) return it_fail(err, INTACT_E_FORMAT, path, "%u parts; at most %d are possible", count, SECTIONS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const char *head = it_span_bytes(&s, SECTION_HEAD);
        uint64_t len = 0;
        if (head) memcpy(&len, head + 16, 8);
        void *data = head && len <= m->len ? (void *)(uintptr_t)it_span_bytes(&s, (size_t)len) : NULL;
        if (!data || head[15]) return it_fail(err, INTACT_E_FORMAT, path, "part %u ends early or has no name", i);
        is = crc_more(crc_more(is, head, SECTION_HEAD), data, (size_t)len);
        parts[i] = (section){ head, data, (size_t)len };
    }
    if (is != crc) return it_fail(err, INTACT_E_FORMAT, path, "the checksum is wrong: the file was damaged");
    *parts_len = count;
    return INTACT_OK;
}

/* Finds what this run wants in the file. */
static intact_status find(const it_map *m, const place *now, const section *want, size_t want_len, const void **found, const char *path, intact_error *err)
{
    section parts[SECTIONS_MAX];
    uint32_t count;
    place then;
    IT_TRY(walk(m, parts, &count, path, err));
    if (count && strcmp(parts[0].name, "place") == 0 && parts[0].len == sizeof then) { /* before its parts: of two differences this says more */
        memcpy(&then, parts[0].data, sizeof then);
        IT_TRY(check_same(now, &then, path, err));
    }
    if (count != want_len) return it_fail(err, INTACT_E_FORMAT, path, "%u parts; this run has %zu: optimizer or method are others", count, want_len);
    for (size_t i = 0; i < want_len; i++) {
        if (parts[i].len != want[i].len || strcmp(parts[i].name, want[i].name) != 0)
            return it_fail(err, INTACT_E_FORMAT, path, "part %zu is not %s of %zu bytes: network, optimizer or method are others", i, want[i].name, want[i].len);
        found[i] = parts[i].data;
    }
    return INTACT_OK;
}

static intact_status read_from(it_train *t, it_checkpoint *c, const it_map *m, const char *path, intact_error *err)
{
    const it_train_state s = it_train_state_of(t);
    section want[SECTIONS_MAX];
    const void *found[SECTIONS_MAX];
    place now = place_of(t, c, s.optimizer), then;
    const size_t len = sections_of(t, c, &now, want);
    IT_TRY(find(m, &now, want, len, found, path, err));
    memcpy(&then, found[0], sizeof then);
    for (size_t i = 1; i < len; i++)
        if (want[i].len) memcpy(want[i].data, found[i], want[i].len);
    *s.optimizer = (it_optimizer_state){ then.optimizer_steps, then.power1, then.power2 };
    c->step = then.step;
    c->loss_sum = then.loss_sum;
    c->right = then.right;
    c->count = then.count;
    it_train_touch(t);
    return INTACT_OK;
}

intact_status it_checkpoint_read(it_train *t, it_checkpoint *c, const char *path, intact_error *err)
{
    it_map m;
    IT_TRY(it_map_open(path, &m, err));
    intact_status st = read_from(t, c, &m, path, err);
    it_map_close(&m);
    return st;
}
