/* SPDX-License-Identifier: Apache-2.0 */
/* load.c: reads and checks every byte of an .itm file; the only reader of the format. Everything is little-endian.
**
**  HEADER
**  OFFSET  SIZE  MEANING
**     0      4   "ITM1"
**     4      4   format version, 1
**     8      8   bytes of the whole file; must equal the real size
**    16      4   number of sections, 7; their 24-byte entries follow at 32
**    20     12   zero
**
**  SECTION ENTRY
**     0      4   kind: 1 strings, 2 tensors, 3 consts, 4 data, 5 instructions, 6 io, 7 meta; in this order
**     4      4   CRC-32 (IEEE 802.3) of the section
**     8      8   offset: the end of what came before, rounded up to 64; the bytes between are zero
**    16      8   bytes; the last section ends the file
**
**  STRINGS       texts that end in NUL; the last byte is NUL. A name elsewhere is the offset of its first byte.
**  TENSORS       u32 count, then 52-byte records
**     0      4   name
**     4      4   type: 0 u8, 2 s16, 3 s32
**     8      4   rank
**    12     32   8 dimensions, dims[0] = 1 for the batch; zero beyond rank
**    44      4   scale, the bits of an IEEE single
**    48      4   zero point
**  CONSTS        u32 count, u32 zero, then 24-byte records
**     0      4   type: 0 u8, 1 s8, 2 s16, 3 s32; 4, 5, 6: s8 as codes of 4, 3, 2 bits
**     4      4   zero; of codes, the constant that is their table
**     8      8   elements; of codes, u32 in a row and u32 rows
**    16      8   offset in the data section: the end of the previous constant rounded up to 64; the bytes between are zero
**  DATA          the constants; ends with the last one
**  INSTRUCTIONS  u32 count, then for each: u16 code, u16 number of optional arguments, u32 inputs, u32 outputs, u32 name, the tensors
**                read, the tensors written, and the arguments of that code (run/instr.h) in order, all u32
**  IO            u32 inputs, u32 outputs, then the tensors
**  META          JSON text, ends in NUL
**
** There is one way to write a program: no gaps, no spare bytes, no order to choose. So every byte is checked or is content. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "run/instr.h"
#include "run/itm.h"

typedef struct load_work {
    const uint8_t *base;
    size_t len;
    it_span sections[IT_ITM_SECTIONS + 1]; /* by kind */
    const char *texts; /* copy of the strings section */
    it_prog *prog;
} load_work;

static const char *section_name(uint32_t kind)
{
    static const char *const names[] = { "header", "strings", "tensors", "consts", "data", "instructions", "io", "meta" };
    return names[kind];
}

static intact_status fail_at(uint32_t kind, size_t at, intact_error *err, const char *fmt, ...) IT_PRINTF(4, 5);
static intact_status fail_at(uint32_t kind, size_t at, intact_error *err, const char *fmt, ...)
{
    char where[64], message[480];
    snprintf(where, sizeof where, "%s at byte %zu", section_name(kind), at);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return it_fail(err, INTACT_E_FORMAT, where, "%s", message);
}

/* A section was read to its end, and not beyond. */
static intact_status expect_end(const it_span *s, uint32_t kind, intact_error *err)
{
    if (s->bad)
        return fail_at(kind, s->at, err, "the section ends in the middle of a record");
    if (s->at != s->len)
        return fail_at(kind, s->at, err, "%zu bytes follow the last record", s->len - s->at);
    return INTACT_OK;
}

static intact_status read_header(load_work *w, uint32_t *sections, intact_error *err)
{
    it_span h = it_span_of(w->base, w->len);
    if (w->len < IT_ITM_HEADER_BYTES)
        return fail_at(0, 0, err, "%zu bytes; a program begins with a header of %d", w->len, IT_ITM_HEADER_BYTES);
    uint32_t magic = it_span_u32(&h), version = it_span_u32(&h);
    uint64_t total = it_span_u64(&h);
    *sections = it_span_u32(&h);
    if (magic != IT_ITM_MAGIC)
        return fail_at(0, 0, err, "0x%08x; an integer program begins with \"ITM1\"", magic);
    if (version != IT_ITM_VERSION)
        return it_fail(err, INTACT_E_UNSUPPORTED, "header at byte 4", "format version %u; this reader knows %d", version, IT_ITM_VERSION);
    if (total != w->len)
        return fail_at(0, 8, err, "the file should have %" PRIu64 " bytes; it has %zu", total, w->len);
    if (*sections != IT_ITM_SECTIONS)
        return fail_at(0, 16, err, "%u sections; there are %d", *sections, IT_ITM_SECTIONS);
    if (it_span_u32(&h) | it_span_u32(&h) | it_span_u32(&h))
        return fail_at(0, 20, err, "bytes 20 to 31 must be zero");
    return INTACT_OK;
}

/* Bytes [from, to) are zero. */
static bool all_zero(const uint8_t *base, uint64_t from, uint64_t to)
{
    for (uint64_t k = from; k < to; k++)
        if (base[k] != 0)
            return false;
    return true;
}

static intact_status read_sections(load_work *w, intact_error *err)
{
    uint32_t n = 0;
    IT_TRY(read_header(w, &n, err));
    it_span t = it_span_of(w->base, w->len);
    it_span_bytes(&t, IT_ITM_HEADER_BYTES);
    uint64_t end = IT_ITM_HEADER_BYTES + (uint64_t)n * IT_ITM_ENTRY_BYTES;
    if (end > w->len)
        return fail_at(0, IT_ITM_HEADER_BYTES, err, "the file ends inside the section table");
    for (uint32_t k = 1; k <= n; k++) {
        const size_t at = t.at;
        uint32_t kind = it_span_u32(&t), crc = it_span_u32(&t);
        uint64_t offset = it_span_u64(&t), bytes = it_span_u64(&t), want = it_round_up(end, IT_ITM_ALIGN);
        if (kind != k)
            return fail_at(0, at, err, "section %u is of kind %u; here stands %s (%u)", k, kind, section_name(k), k);
        if (offset != want || offset > w->len || bytes > w->len - offset)
            return fail_at(0, at, err, "%s at %" PRIu64 " with %" PRIu64 " bytes; it begins at %" PRIu64 " in a file of %zu",
                           section_name(k), offset, bytes, want, w->len);
        if (!all_zero(w->base, end, offset))
            return fail_at(0, end, err, "the bytes between two sections must be zero");
        uint32_t real = it_crc32(w->base + offset, bytes);
        if (real != crc)
            return fail_at(k, offset, err, "checksum 0x%08x, but the content gives 0x%08x: the file is damaged", crc, real);
        w->sections[k] = it_span_of(w->base + offset, bytes);
        end = offset + bytes;
    }
    if (end != w->len)
        return fail_at(0, end, err, "%" PRIu64 " bytes follow the last section", w->len - end);
    return INTACT_OK;
}

/* Both text sections end in NUL, so that any offset inside is a text. They are copied: names are wanted when the file is gone. */
static intact_status read_texts(load_work *w, intact_error *err)
{
    const it_span *s = &w->sections[IT_ITM_STRINGS], *m = &w->sections[IT_ITM_META];
    const char *texts = it_arena_copy(&w->prog->arena, s->data, s->len), *meta = it_arena_copy(&w->prog->arena, m->data, m->len);
    if (!texts || !meta)
        return it_fail_nomem(err, "program", s->len + m->len);
    if (s->len == 0 || texts[s->len - 1] != 0)
        return fail_at(IT_ITM_STRINGS, s->len, err, "the last byte must be zero");
    if (m->len == 0 || memchr(meta, 0, m->len) != meta + m->len - 1)
        return fail_at(IT_ITM_META, m->len, err, "one text that ends in a zero byte is needed");
    w->texts = texts;
    w->prog->meta = meta;
    return INTACT_OK;
}

static intact_status read_name(const load_work *w, uint32_t offset, uint32_t kind, size_t at, const char **out, intact_error *err)
{
    const it_span *s = &w->sections[IT_ITM_STRINGS];
    if (offset >= s->len)
        return fail_at(kind, at, err, "name at %u of the strings, which have %zu bytes", offset, s->len);
    *out = w->texts + offset;
    return INTACT_OK;
}

static intact_status read_tensor(load_work *w, it_span *s, intact_error *err)
{
    const size_t at = s->at;
    it_ptensor t = { 0 };
    uint32_t name = it_span_u32(s), type = it_span_u32(s);
    t.rank = it_span_u32(s);
    if (type > INTACT_S32 || t.rank > INTACT_RANK_MAX)
        return fail_at(IT_ITM_TENSORS, at, err, "type %u, %u dimensions; types are 0 to 3, dimensions at most %d", type, t.rank,
                       INTACT_RANK_MAX);
    t.type = (intact_type)type;
    for (uint32_t k = 0; k < INTACT_RANK_MAX; k++) {
        t.dims[k] = it_span_u32(s);
        if (k >= t.rank && t.dims[k] != 0)
            return fail_at(IT_ITM_TENSORS, at, err, "dimension %u is %u beyond the rank of %u; it must be zero", k, t.dims[k], t.rank);
    }
    t.scale_bits = it_span_u32(s);
    t.zero_point = (int32_t)it_span_u32(s);
    IT_TRY(read_name(w, name, IT_ITM_TENSORS, at, &t.name, err));
    if (!IT_VEC_ROOM(w->prog->arena.alloc, w->prog->tensors))
        return it_fail_nomem(err, "program", sizeof t);
    w->prog->tensors.items[w->prog->tensors.len++] = t;
    return INTACT_OK;
}

static intact_status read_tensors(load_work *w, intact_error *err)
{
    it_span *s = &w->sections[IT_ITM_TENSORS];
    uint32_t n = it_span_u32(s);
    if (s->len != 4 + (uint64_t)n * IT_ITM_TENSOR_BYTES)
        return fail_at(IT_ITM_TENSORS, 0, err, "%u tensors of %d bytes do not fill a section of %zu", n, IT_ITM_TENSOR_BYTES, s->len);
    for (uint32_t k = 0; k < n; k++)
        IT_TRY(read_tensor(w, s, err));
    return expect_end(s, IT_ITM_TENSORS, err);
}

/* end: where the previous constant ended in the data section; moves on. */
static intact_status read_const(load_work *w, it_span *s, uint64_t *end, intact_error *err)
{
    const size_t at = s->at;
    const it_span *data = &w->sections[IT_ITM_DATA];
    uint32_t type = it_span_u32(s), table = it_span_u32(s), low = it_span_u32(s), high = it_span_u32(s);
    uint64_t offset = it_span_u64(s), want = it_round_up(*end, IT_ITM_ALIGN);
    it_pconst c = { .bits = it_itm_code_bits(type) };
    c.type = c.bits ? INTACT_S8 : (intact_type)type;
    c.len = c.bits ? (uint64_t)low * high : low | (uint64_t)high << 32;
    if (type > IT_ITM_CODES2 || (!c.bits && table != 0))
        return fail_at(IT_ITM_CONSTS, at, err, "type %u, then %u; types are 0 to 6 and the second word is zero for 0 to 3", type, table);
    if (c.len == 0 || c.len > INT32_MAX)
        return fail_at(IT_ITM_CONSTS, at, err, "%" PRIu64 " elements; 1 to 2^31-1 are possible", c.len);
    if (c.bits) {
        c.rows = high;
        c.table = table;
    }
    uint64_t bytes = it_pconst_bytes(&c);
    if (offset != want || offset > data->len || bytes > data->len - offset)
        return fail_at(IT_ITM_CONSTS, at, err,
                       "%" PRIu64 " elements of %" PRIu64 " bytes at %" PRIu64 "; they begin at %" PRIu64 " in %zu bytes of data", c.len,
                       bytes, offset, want, data->len);
    if (!all_zero(data->data, *end, offset))
        return fail_at(IT_ITM_DATA, *end, err, "the bytes between two constants must be zero");
    if (!IT_VEC_ROOM(w->prog->arena.alloc, w->prog->consts))
        return it_fail_nomem(err, "program", sizeof(it_pconst));
    c.data = data->data + offset;
    w->prog->consts.items[w->prog->consts.len++] = c;
    *end = offset + bytes;
    return INTACT_OK;
}

static intact_status read_consts(load_work *w, intact_error *err)
{
    it_span *s = &w->sections[IT_ITM_CONSTS];
    uint32_t n = it_span_u32(s), zero = it_span_u32(s);
    if (s->len != 8 + (uint64_t)n * IT_ITM_CONST_BYTES || zero != 0)
        return fail_at(IT_ITM_CONSTS, 0, err, "%u constants of %d bytes do not fill a section of %zu", n, IT_ITM_CONST_BYTES, s->len);
    uint64_t end = 0;
    for (uint32_t k = 0; k < n; k++)
        IT_TRY(read_const(w, s, &end, err));
    if (end != w->sections[IT_ITM_DATA].len)
        return fail_at(IT_ITM_DATA, end, err, "%" PRIu64 " bytes follow the last constant", w->sections[IT_ITM_DATA].len - end);
    return expect_end(s, IT_ITM_CONSTS, err);
}

/* n words; NULL without memory. The caller made sure that they are there. */
static uint32_t *read_words(load_work *w, it_span *s, uint32_t n)
{
    uint32_t *to = it_arena_new(&w->prog->arena, n * sizeof *to);
    for (uint32_t k = 0; to && k < n; k++)
        to[k] = it_span_u32(s);
    return to;
}

static intact_status read_instr(load_work *w, it_span *s, uint32_t index, intact_error *err)
{
    const size_t at = s->at;
    it_pinstr i = { 0 };
    uint32_t word = it_span_u32(s), code = it_itm_word_code(word), more = it_itm_word_more(word);
    i.in_len = it_span_u32(s);
    i.out_len = it_span_u32(s);
    uint32_t name = it_span_u32(s);
    IT_TRY(read_name(w, name, IT_ITM_INSTRS, at, &i.name, err));
    i.kind = it_instr_by_code(code);
    if (!i.kind)
        return it_fail(err, INTACT_E_UNSUPPORTED, i.name, "instruction %u has code %u, which this version does not know", index, code);
    const uint32_t fields = it_instr_fields_least(i.kind) + more;
    if (fields > i.kind->fields_len)
        return it_fail(err, INTACT_E_UNSUPPORTED, i.name, "instruction %u (%s) has %u optional arguments; this version knows %u", index,
                       i.kind->name, more, i.kind->fields_len - it_instr_fields_least(i.kind));
    uint64_t words = (uint64_t)i.in_len + i.out_len + fields;
    if (s->bad || words > (s->len - s->at) / 4)
        return fail_at(IT_ITM_INSTRS, at, err, "instruction %u (%s) with %u inputs, %u outputs and %u arguments leaves the section", index,
                       i.kind->name, i.in_len, i.out_len, fields);
    i.in = read_words(w, s, i.in_len);
    i.out = read_words(w, s, i.out_len);
    i.args = it_arena_new(&w->prog->arena, i.kind->args_bytes);
    if (!i.in || !i.out || !i.args || !IT_VEC_ROOM(w->prog->arena.alloc, w->prog->instrs))
        return it_fail_nomem(err, i.name, words * 4);
    for (uint32_t k = 0; k < i.kind->fields_len; k++) {
        uint32_t v = k < fields ? it_span_u32(s) : IT_NO_CONST;
        memcpy((char *)i.args + i.kind->fields[k].offset, &v, sizeof v);
    }
    if (it_pinstr_fields(&i) != fields)
        return fail_at(IT_ITM_INSTRS, at, err, "instruction %u (%s): the last of %u optional arguments is not there", index, i.kind->name,
                       more);
    w->prog->instrs.items[w->prog->instrs.len++] = i;
    return INTACT_OK;
}

static intact_status read_instrs(load_work *w, intact_error *err)
{
    it_span *s = &w->sections[IT_ITM_INSTRS];
    uint32_t n = it_span_u32(s);
    for (uint32_t k = 0; k < n; k++) {
        if (s->bad || s->at == s->len) /* n is not yet trusted */
            return fail_at(IT_ITM_INSTRS, s->at, err, "%u instructions announced; the section ends after %u", n, k);
        IT_TRY(read_instr(w, s, k, err));
    }
    return expect_end(s, IT_ITM_INSTRS, err);
}

static intact_status read_io(load_work *w, intact_error *err)
{
    it_span *s = &w->sections[IT_ITM_IO];
    it_prog *p = w->prog;
    p->inputs_len = it_span_u32(s);
    p->outputs_len = it_span_u32(s);
    if (s->len != 8 + 4 * ((uint64_t)p->inputs_len + p->outputs_len))
        return fail_at(IT_ITM_IO, 0, err, "%u inputs and %u outputs do not fill a section of %zu", p->inputs_len, p->outputs_len, s->len);
    p->inputs = read_words(w, s, p->inputs_len);
    p->outputs = read_words(w, s, p->outputs_len);
    if (!p->inputs || !p->outputs)
        return it_fail_nomem(err, "program", s->len);
    return expect_end(s, IT_ITM_IO, err);
}

static intact_status read_all(load_work *w, intact_error *err)
{
    IT_TRY(read_sections(w, err));
    IT_TRY(read_texts(w, err));
    IT_TRY(read_tensors(w, err));
    IT_TRY(read_consts(w, err));
    IT_TRY(read_instrs(w, err));
    return read_io(w, err);
}

intact_status it_prog_read(const void *bytes, size_t len, const intact_alloc *alloc, it_prog *p, intact_error *err)
{
    it_prog_init(p, alloc);
    load_work w = { .base = bytes, .len = len, .prog = p };
    intact_status st = read_all(&w, err);
    if (st == INTACT_OK)
        st = it_prog_check(p, err);
    if (st != INTACT_OK)
        it_prog_release(p);
    return st;
}

/* What instructions read while they run is copied, and checked then: whoever changes the file afterwards changes nothing. */
static intact_status copy_run_consts(load_work *w, intact_error *err)
{
    it_prog *p = w->prog;
    for (size_t k = 0; k < p->instrs.len; k++)
        for (uint32_t j = 0; j < p->instrs.items[k].kind->fields_len; j++) {
            const it_field *f = &p->instrs.items[k].kind->fields[j];
            const uint32_t at = f->flags & (IT_F_RUN | IT_F_LEVELS) ? it_field_const(&p->instrs.items[k], f) : IT_NO_CONST;
            it_pconst *c = at < p->consts.len ? &p->consts.items[at] : NULL; /* indexes are checked with all the rest */
            if (!c || (uintptr_t)c->data - (uintptr_t)w->base >= w->len)
                continue;
            const uint64_t bytes = it_pconst_bytes(c);
            void *copy = it_arena_raw(&p->arena, bytes);
            if (!copy)
                return it_fail_nomem(err, "program", bytes);
            c->data = memcpy(copy, c->data, bytes);
        }
    return INTACT_OK;
}

static intact_status load(const void *bytes, size_t len, const intact_load_options *opt, intact_program **out, intact_error *err)
{
    static const intact_load_options none = { 0 };
    opt = opt ? opt : &none;
    it_prog prog;
    it_prog_init(&prog, opt->alloc);
    load_work w = { .base = bytes, .len = len, .prog = &prog };
    intact_status st = read_all(&w, err);
    if (st == INTACT_OK)
        st = copy_run_consts(&w, err);
    if (st == INTACT_OK) {
        const it_pack_options pack = { .alloc = opt->alloc, .cpu = opt->cpu, .threads = opt->threads, .file_bytes = len,
                                       .separate = opt->separate != 0 };
        st = it_program_pack(&prog, &pack, out, err);
    }
    it_prog_release(&prog);
    return st;
}

intact_status intact_program_load(const char *path, const intact_load_options *opt, intact_program **out, intact_error *err)
{
    if (!path || !out)
        return it_fail(err, INTACT_E_ARG, "program", "path and out must not be NULL");
    *out = NULL;
    it_map map;
    IT_TRY(it_map_open(path, &map, err));
    intact_status st = load(map.data, map.len, opt, out, err);
    it_map_close(&map);
    if (st != INTACT_OK) {
        char prefix[120];
        snprintf(prefix, sizeof prefix, "%s: ", path);
        st = it_fail_in(err, st, prefix);
    }
    return st;
}

intact_status intact_program_load_memory(const void *bytes, size_t len, const intact_load_options *opt, intact_program **out,
                                         intact_error *err)
{
    if (!bytes || !out)
        return it_fail(err, INTACT_E_ARG, "program", "bytes and out must not be NULL");
    *out = NULL;
    if ((uintptr_t)bytes % IT_ITM_ALIGN != 0)
        return it_fail(err, INTACT_E_ARG, "program", "the bytes are at %p; they must be aligned to %d", bytes, IT_ITM_ALIGN);
    return load(bytes, len, opt, out, err);
}
