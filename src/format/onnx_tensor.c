/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_tensor.c: TensorProto to it_tensor. The content comes in raw_data, in one of the typed lists, or from a file beside the model.
**
**   type                                   typed list        an element
**   float | double | int64                 float | double | int64    itself
**   uint32, uint64                         uint64            in 64 bits
**   int8..32, uint8, uint16, bool, float16 int32             in 32 bits (float16: its bits)
**   int4, uint4                            int32             two in 32 bits, as raw_data has two in a byte: the first in the low half
*/
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/onnx.h"

typedef struct it_reading {
    it_onnx_reader *r;
    const Onnx__TensorProto *p;
    const char *where;
    it_tensor *t;
    size_t len, bytes; /* elements and bytes that the shape asks for */
} it_reading;

static intact_status wrong_count(const it_reading *a, const char *what, size_t has, size_t needs)
{
    char shape[160];
    return it_fail(a->r->err, INTACT_E_FORMAT, a->where, "%s has %zu; the shape %s needs %zu", what, has,
                   it_tensor_print(a->t, shape, sizeof shape), needs);
}

static intact_status room(const it_reading *a, void **out)
{
    *out = it_arena_new(a->r->arena, a->bytes ? a->bytes : 1);
    return *out ? INTACT_OK : it_fail_nomem(a->r->err, a->where, a->bytes);
}

/* Bytes as they are, kept where they lie when they may be. */
static intact_status take(const it_reading *a, const void *bytes)
{
    bool keep = !a->r->copy && a->len && (uintptr_t)bytes % it_type_bytes(a->t->type) == 0;
    if (keep && a->t->type == IT_BOOL) /* operators count on 0 and 1 */
        for (size_t i = 0; i < a->len && keep; i++) keep = ((const uint8_t *)bytes)[i] <= 1;
    a->t->data = (void *)(uintptr_t)bytes;
    if (keep) return INTACT_OK;
    IT_TRY(room(a, &a->t->data));
    if (a->bytes) memcpy(a->t->data, bytes, a->bytes);
    if (a->t->type == IT_BOOL)
        for (size_t i = 0; i < a->len; i++) ((uint8_t *)a->t->data)[i] = ((uint8_t *)a->t->data)[i] != 0;
    return INTACT_OK;
}

/* Two to a byte in the file, one in memory. */
static intact_status take_halves(const it_reading *a, const void *from, size_t step)
{
    IT_TRY(room(a, &a->t->data));
    for (size_t i = 0; i < a->len; i++) {
        int v = ((const uint8_t *)from)[i / 2 * step] >> (i % 2 * 4) & 15;
        ((int8_t *)a->t->data)[i] = (int8_t)(a->t->type == IT_I4 && v > 7 ? v - 16 : v);
    }
    return INTACT_OK;
}

static size_t stored_bytes(const it_reading *a) { return it_type_is_4bit(a->t->type) ? (a->len + 1) / 2 : a->bytes; }

static intact_status take_list(const it_reading *a, const char *name, size_t has, const void *items)
{
    if (has != a->len) return wrong_count(a, name, has, a->len);
    return take(a, items);
}

#define NARROW(T)                                                                                                                 \
    for (size_t i = 0; i < a->len; i++) ((T *)a->t->data)[i] = (T)list[i]

static intact_status take_int32s(const it_reading *a)
{
    const int32_t *list = a->p->int32_data;
    if (it_type_is_4bit(a->t->type)) {
        if (a->p->n_int32_data != stored_bytes(a)) return wrong_count(a, "int32_data", a->p->n_int32_data, stored_bytes(a));
        return take_halves(a, list, sizeof *list); /* the low byte is the first one: little-endian machines only */
    }
    if (a->p->n_int32_data != a->len) return wrong_count(a, "int32_data", a->p->n_int32_data, a->len);
    if (a->t->type == IT_I32) return take(a, list);
    IT_TRY(room(a, &a->t->data));
    if (a->t->type == IT_BOOL)
        for (size_t i = 0; i < a->len; i++) ((uint8_t *)a->t->data)[i] = list[i] != 0;
    else if (it_type_bytes(a->t->type) == 1)
        NARROW(uint8_t);
    else
        NARROW(uint16_t);
    return INTACT_OK;
}

static intact_status take_typed(const it_reading *a)
{
    const Onnx__TensorProto *p = a->p;
    switch (a->t->type) {
    case IT_F32: return take_list(a, "float_data", p->n_float_data, p->float_data);
    case IT_F64: return take_list(a, "double_data", p->n_double_data, p->double_data);
    case IT_I64: return take_list(a, "int64_data", p->n_int64_data, p->int64_data);
    case IT_U64: return take_list(a, "uint64_data", p->n_uint64_data, p->uint64_data);
    case IT_U32: {
        const uint64_t *list = p->uint64_data;
        if (p->n_uint64_data != a->len) return wrong_count(a, "uint64_data", p->n_uint64_data, a->len);
        IT_TRY(room(a, &a->t->data));
        NARROW(uint32_t);
        return INTACT_OK;
    }
    default: return take_int32s(a);
    }
}

/* ---- external data ---- */

/* The file that location names: inside the model's folder, by name and after following links. */
static intact_status external_path(const it_reading *a, const char *location, char out[PATH_MAX])
{
    char base[PATH_MAX], joined[PATH_MAX];
    intact_error *err = a->r->err;
    if (!location || !location[0]) return it_fail(err, INTACT_E_FORMAT, a->where, "external data without a location");
    if (!a->r->folder)
        return it_fail(err, INTACT_E_UNSUPPORTED, a->where, "external data in \"%s\", but the model was not read from a file", location);
    bool up = location[0] == '/';
    for (const char *part = location; part && !up; part = strchr(part, '/')) {
        part += *part == '/';
        up = !strncmp(part, "..", 2) && (part[2] == '/' || !part[2]);
    }
    if (up)
        return it_fail(err, INTACT_E_FORMAT, a->where, "external data in \"%s\"; it must be below the model's own folder", location);
    if (snprintf(joined, sizeof joined, "%s/%s", a->r->folder, location) >= (int)sizeof joined)
        return it_fail(err, INTACT_E_FORMAT, a->where, "the path of the external data is longer than %d bytes", PATH_MAX);
    if (!realpath(a->r->folder, base)) return it_fail(err, INTACT_E_IO, a->r->folder, "cannot be found: %s", strerror(errno));
    if (!realpath(joined, out)) return it_fail(err, INTACT_E_IO, a->where, "external data \"%s\": %s", joined, strerror(errno));
    size_t n = strlen(base);
    if (strncmp(out, base, n) || (out[n] != '/' && n > 1))
        return it_fail(err, INTACT_E_FORMAT, a->where, "external data in \"%s\" leads out of the model's folder", location);
    return INTACT_OK;
}

static intact_status external_map(const it_reading *a, const char *path, const it_map **out)
{
    it_onnx_owner *o = a->r->owner;
    for (size_t i = 0; i < o->files.len; i++)
        if (!strcmp(o->files.items[i].path, path)) {
            *out = &o->files.items[i].map;
            return INTACT_OK;
        }
    size_t bytes = strlen(path) + 1;
    it_onnx_file f = {.path = IT_VEC_ROOM(o->alloc, o->files) ? it_alloc_new(o->alloc, bytes) : NULL};
    if (!f.path) return it_fail_nomem(a->r->err, a->where, bytes);
    memcpy(f.path, path, bytes);
    intact_status st = it_map_open(path, &f.map, a->r->err);
    if (st != INTACT_OK) {
        it_alloc_free(o->alloc, f.path, bytes);
        return st;
    }
    o->files.items[o->files.len++] = f;
    *out = &o->files.items[o->files.len - 1].map;
    return INTACT_OK;
}

static intact_status external_number(const it_reading *a, const char *key, const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = text && text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (!text || text[0] < '0' || text[0] > '9' || *end || errno)
        return it_fail(a->r->err, INTACT_E_FORMAT, a->where,
                       "external data: %s is \"%s\"; it must be a number of bytes", key, text ? text : "");
    return INTACT_OK;
}

static intact_status take_external(const it_reading *a)
{
    const char *location = NULL;
    uint64_t offset = 0, length = stored_bytes(a);
    char path[PATH_MAX];
    const it_map *map = NULL;
    for (size_t i = 0; i < a->p->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = a->p->external_data[i];
        const char *key = e->key ? e->key : "";
        if (!strcmp(key, "location")) location = e->value;
        if (!strcmp(key, "offset")) IT_TRY(external_number(a, key, e->value, &offset));
        if (!strcmp(key, "length")) IT_TRY(external_number(a, key, e->value, &length));
    }
    IT_TRY(external_path(a, location, path));
    if (length != stored_bytes(a)) return wrong_count(a, "external data", (size_t)length, stored_bytes(a));
    IT_TRY(external_map(a, path, &map));
    if (offset > map->len || length > map->len - offset)
        return it_fail(a->r->err, INTACT_E_FORMAT, a->where,
                       "external data: bytes %llu to %llu of a file of %zu", (unsigned long long)offset,
                       (unsigned long long)(offset + length), map->len);
    const char *bytes = a->bytes ? (const char *)map->data + offset : "";
    return it_type_is_4bit(a->t->type) ? take_halves(a, bytes, 1) : take(a, bytes);
}

/* ---- */

static intact_status read_shape(const it_reading *a)
{
    const Onnx__TensorProto *p = a->p;
    it_tensor *t = a->t;
    if (!it_type_of_onnx(p->data_type, &t->type))
        return it_fail(a->r->err, INTACT_E_UNSUPPORTED, a->where, "its type is %s (%d); numbers from 4 to 64 bits and bool are supported",
                       it_type_onnx_name(p->data_type), (int)p->data_type);
    if (p->n_dims > IT_RANK_MAX)
        return it_fail(a->r->err, INTACT_E_UNSUPPORTED, a->where, "%zu dimensions; at most %d are supported", p->n_dims, IT_RANK_MAX);
    t->rank = (int)p->n_dims;
    for (int i = 0; i < t->rank; i++) t->dim[i] = p->dims[i];
    IT_TRY(it_shape_check(t, a->where, a->r->err));
    if (p->segment) return it_fail(a->r->err, INTACT_E_UNSUPPORTED, a->where, "tensors in segments are not supported");
    return INTACT_OK;
}

intact_status it_onnx_read_tensor(it_onnx_reader *r, const Onnx__TensorProto *p, const char *what, const char *name, it_tensor *out)
{
    char where[160];
    snprintf(where, sizeof where, "%s \"%.100s\"", what, name ? name : "");
    *out = (it_tensor){0};
    it_reading a = {.r = r, .p = p, .where = where, .t = out};
    IT_TRY(read_shape(&a));
    a.len = (size_t)it_tensor_len(out);
    a.bytes = it_tensor_bytes(out);
    if (p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) return take_external(&a);
    if (!p->has_raw_data) return take_typed(&a);
    if (p->raw_data.len != stored_bytes(&a)) return wrong_count(&a, "raw_data", p->raw_data.len, stored_bytes(&a));
    return it_type_is_4bit(out->type) ? take_halves(&a, p->raw_data.data, 1) : take(&a, p->raw_data.data);
}

intact_status it_onnx_tensor(const void *bytes, size_t len, const char *where, it_arena *arena, it_tensor *out, intact_error *err)
{
    char prefix[170];
    ProtobufCAllocator proto;
    it_onnx_heap heap;
    it_onnx_reader r = {.arena = arena, .copy = true, .err = err};
    snprintf(prefix, sizeof prefix, "%.150s: ", where);
    intact_status st = it_onnx_scan(bytes, len, IT_ONNX_TENSOR, err);
    if (st != INTACT_OK) return it_fail_in(err, st, prefix);
    it_onnx_allocator(&proto, &heap, arena->alloc);
    Onnx__TensorProto *p = onnx__tensor_proto__unpack(&proto, len, bytes);
    if (!p)
        return heap.failed ? it_fail_nomem(err, where, len)
                           : it_fail(err, INTACT_E_FORMAT, where, "its %zu bytes are not a tensor in ONNX's format", len);
    st = it_onnx_read_tensor(&r, p, "tensor", p->name, out);
    onnx__tensor_proto__free_unpacked(p, &proto);
    return st == INTACT_OK ? st : it_fail_in(err, st, prefix);
}
