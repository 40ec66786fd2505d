/* SPDX-License-Identifier: Apache-2.0 */
/* itm_write.c: writes an integer program as .itm; the format is described above its reader, run/load.c. */
#include <string.h>

#include "base/file.h"
#include "format/format.h"
#include "run/itm.h"

/* Bytes being written. With data NULL the same code only counts them: the file is laid out once, then filled. */
typedef struct out_bytes {
    uint8_t *data;
    size_t at;
} out_bytes;

static void put(out_bytes *o, const void *bytes, size_t n)
{
    if (o->data && n)
        memcpy(o->data + o->at, bytes, n);
    o->at += n;
}

static void put_u32(out_bytes *o, uint32_t v)
{
    const uint8_t b[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };
    put(o, b, sizeof b);
}

static void put_u64(out_bytes *o, uint64_t v)
{
    put_u32(o, (uint32_t)v);
    put_u32(o, (uint32_t)(v >> 32));
}

/* The buffer was zeroed. */
static void put_padding(out_bytes *o) { o->at = it_round_up(o->at, IT_ITM_ALIGN); }

/* Names are stored in the order of use: those of tensors, then those of instructions. */
static void put_strings(out_bytes *o, const it_prog *p)
{
    for (size_t k = 0; k < p->tensors.len; k++)
        put(o, p->tensors.items[k].name, strlen(p->tensors.items[k].name) + 1);
    for (size_t k = 0; k < p->instrs.len; k++)
        put(o, p->instrs.items[k].name, strlen(p->instrs.items[k].name) + 1);
    if (p->tensors.len + p->instrs.len == 0)
        put(o, "", 1);
}

static void put_tensors(out_bytes *o, const it_prog *p, size_t *name)
{
    put_u32(o, (uint32_t)p->tensors.len);
    for (size_t k = 0; k < p->tensors.len; k++) {
        const it_ptensor *t = &p->tensors.items[k];
        put_u32(o, (uint32_t)*name);
        put_u32(o, t->type);
        put_u32(o, t->rank);
        for (uint32_t d = 0; d < INTACT_RANK_MAX; d++)
            put_u32(o, d < t->rank ? t->dims[d] : 0);
        put_u32(o, t->scale_bits);
        put_u32(o, (uint32_t)t->zero_point);
        *name += strlen(t->name) + 1;
    }
}

static void put_consts(out_bytes *o, const it_prog *p)
{
    put_u32(o, (uint32_t)p->consts.len);
    put_u32(o, 0);
    uint64_t at = 0;
    for (size_t k = 0; k < p->consts.len; k++) {
        const it_pconst *c = &p->consts.items[k];
        at = it_round_up(at, IT_ITM_ALIGN);
        put_u32(o, c->bits ? it_itm_code_type(c->bits) : c->type);
        put_u32(o, c->table);
        put_u64(o, c->bits ? c->len / c->rows | (uint64_t)c->rows << 32 : c->len);
        put_u64(o, at);
        at += it_pconst_bytes(c);
    }
}

/* Constants are in memory as in the file: machines are little-endian (run/program.c asserts it). */
static void put_data(out_bytes *o, const it_prog *p)
{
    for (size_t k = 0; k < p->consts.len; k++) {
        put_padding(o);
        put(o, p->consts.items[k].data, it_pconst_bytes(&p->consts.items[k]));
    }
}

static void put_words(out_bytes *o, const uint32_t *words, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        put_u32(o, words[k]);
}

static void put_instrs(out_bytes *o, const it_prog *p, size_t *name)
{
    put_u32(o, (uint32_t)p->instrs.len);
    for (size_t k = 0; k < p->instrs.len; k++) {
        const it_pinstr *i = &p->instrs.items[k];
        const uint32_t fields = it_pinstr_fields(i);
        put_u32(o, it_itm_code_word(i->kind->code, fields - it_instr_fields_least(i->kind)));
        put_u32(o, i->in_len);
        put_u32(o, i->out_len);
        put_u32(o, (uint32_t)*name);
        put_words(o, i->in, i->in_len);
        put_words(o, i->out, i->out_len);
        for (uint32_t f = 0; f < fields; f++) {
            uint32_t v;
            memcpy(&v, (const char *)i->args + i->kind->fields[f].offset, sizeof v);
            put_u32(o, v);
        }
        *name += strlen(i->name) + 1;
    }
}

static void put_io(out_bytes *o, const it_prog *p)
{
    put_u32(o, p->inputs_len);
    put_u32(o, p->outputs_len);
    put_words(o, p->inputs, p->inputs_len);
    put_words(o, p->outputs, p->outputs_len);
}

static void put_section(out_bytes *o, const it_prog *p, it_itm_section kind, size_t *name)
{
    switch (kind) {
    case IT_ITM_STRINGS: put_strings(o, p); break;
    case IT_ITM_TENSORS: put_tensors(o, p, name); break;
    case IT_ITM_CONSTS: put_consts(o, p); break;
    case IT_ITM_DATA: put_data(o, p); break;
    case IT_ITM_INSTRS: put_instrs(o, p, name); break;
    case IT_ITM_IO: put_io(o, p); break;
    case IT_ITM_META: put(o, p->meta, strlen(p->meta) + 1); break;
    }
}

typedef struct section { size_t offset, bytes; } section;

/* All sections, and where they are; the header has its room but no content. */
static void put_sections(out_bytes *o, const it_prog *p, section *sections)
{
    size_t name = 0;
    o->at = IT_ITM_HEADER_BYTES + IT_ITM_SECTIONS * IT_ITM_ENTRY_BYTES;
    for (int kind = 1; kind <= IT_ITM_SECTIONS; kind++) {
        put_padding(o);
        sections[kind].offset = o->at;
        put_section(o, p, (it_itm_section)kind, &name);
        sections[kind].bytes = o->at - sections[kind].offset;
    }
}

static void put_header(out_bytes *o, size_t total, const section *sections)
{
    o->at = 0;
    put_u32(o, IT_ITM_MAGIC);
    put_u32(o, IT_ITM_VERSION);
    put_u64(o, total);
    put_u32(o, IT_ITM_SECTIONS);
    o->at = IT_ITM_HEADER_BYTES;
    for (int kind = 1; kind <= IT_ITM_SECTIONS; kind++) {
        put_u32(o, (uint32_t)kind);
        put_u32(o, it_crc32(o->data + sections[kind].offset, sections[kind].bytes));
        put_u64(o, sections[kind].offset);
        put_u64(o, sections[kind].bytes);
    }
}

intact_status it_itm_write_memory(const it_prog *p, const intact_alloc *a, void **bytes, size_t *len, intact_error *err)
{
    *bytes = NULL;
    *len = 0;
    IT_TRY(it_prog_check(p, err));
    section sections[IT_ITM_SECTIONS + 1] = { { 0 } };
    out_bytes o = { 0 };
    put_sections(&o, p, sections);
    const size_t total = o.at;
    if (sections[IT_ITM_STRINGS].bytes > UINT32_MAX)
        return it_fail(err, INTACT_E_UNSUPPORTED, "program", "names of %zu bytes; at most 2^32-1 fit into a program",
                       sections[IT_ITM_STRINGS].bytes);
    o.data = it_alloc_zero(a, total);
    if (!o.data)
        return it_fail_nomem(err, "program file", total);
    put_sections(&o, p, sections);
    put_header(&o, total, sections);
    *bytes = o.data;
    *len = total;
    return INTACT_OK;
}

intact_status it_itm_write(const it_prog *p, const char *path, uint64_t *file_bytes, intact_error *err)
{
    void *bytes;
    size_t len;
    IT_TRY(it_itm_write_memory(p, p->arena.alloc, &bytes, &len, err));
    intact_status st = it_file_replace(path, &(it_part){ bytes, len }, 1, err);
    it_alloc_free(p->arena.alloc, bytes, len);
    if (st == INTACT_OK && file_bytes)
        *file_bytes = len;
    return st;
}
