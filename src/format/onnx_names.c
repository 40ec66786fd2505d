/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_names.c: the hash table of value names while a model is read, and the memory that outlives the reading. */
#include <string.h>

#include "format/onnx.h"

static uint64_t hash(const char *s) /* FNV-1a */
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *s; s++) h = (h ^ (uint8_t)*s) * 0x100000001b3u;
    return h ^ h >> 32;
}

static it_value **slot(it_value **slots, size_t cap, const char *name)
{
    size_t i = (size_t)hash(name) & (cap - 1);
    while (slots[i] && strcmp(slots[i]->name, name)) i = (i + 1) & (cap - 1);
    return &slots[i];
}

it_value *it_onnx_names_find(const it_onnx_names *t, const char *name) { return t->cap ? *slot(t->slots, t->cap, name) : NULL; }

bool it_onnx_names_add(it_onnx_names *t, it_value *v)
{
    if (t->len * 2 >= t->cap) { /* at most half full */
        size_t cap = t->cap ? t->cap * 2 : 64;
        it_value **slots = it_alloc_zero(t->alloc, cap * sizeof *slots);
        if (!slots) return false;
        for (size_t i = 0; i < t->cap; i++)
            if (t->slots[i]) *slot(slots, cap, t->slots[i]->name) = t->slots[i];
        it_alloc_free(t->alloc, t->slots, t->cap * sizeof *slots);
        t->slots = slots;
        t->cap = cap;
    }
    *slot(t->slots, t->cap, v->name) = v;
    t->len++;
    return true;
}

void it_onnx_names_release(it_onnx_names *t)
{
    it_alloc_free(t->alloc, t->slots, t->cap * sizeof *t->slots);
    t->slots = NULL;
    t->len = t->cap = 0;
}

/* protobuf-c's allocator gives no sizes on free, ours wants them: the size stands in a header before the block, in 16 bytes, or in
** 64 for blocks of a page or more, so that weights keep the alignment of our allocator. */
enum { HEAD_SMALL = 16, HEAD_LARGE = 64, LARGE = 4096 };

static void *proto_alloc(void *user, size_t bytes)
{
    it_onnx_heap *heap = user;
    size_t head = bytes < LARGE ? HEAD_SMALL : HEAD_LARGE, all;
    char *p = it_add_size(bytes, head, &all) ? it_alloc_new(heap->alloc, all) : NULL;
    if (!p) {
        heap->failed = true;
        return NULL;
    }
    p += head;
    memcpy(p - HEAD_SMALL, &(size_t[2]){all, head}, HEAD_SMALL);
    return p;
}

static void proto_free(void *user, void *p)
{
    size_t at[2];
    if (!p) return;
    memcpy(at, (char *)p - HEAD_SMALL, sizeof at);
    it_alloc_free(((it_onnx_heap *)user)->alloc, (char *)p - at[1], at[0]);
}

void it_onnx_allocator(ProtobufCAllocator *out, it_onnx_heap *heap, const intact_alloc *alloc)
{
    *heap = (it_onnx_heap){.alloc = it_alloc_or_libc(alloc)};
    *out = (ProtobufCAllocator){.alloc = proto_alloc, .free = proto_free, .allocator_data = heap};
}

intact_status it_onnx_owner_new(const intact_alloc *alloc, it_onnx_owner **out, intact_error *err)
{
    it_onnx_owner *o = it_alloc_zero(alloc, sizeof *o);
    *out = o;
    if (!o) return it_fail_nomem(err, "model", sizeof *o);
    o->alloc = it_alloc_or_libc(alloc);
    it_onnx_allocator(&o->proto, &o->heap, alloc);
    return INTACT_OK;
}

void it_onnx_owner_free(void *owner, size_t unused)
{
    it_onnx_owner *o = owner;
    (void)unused;
    if (!o) return;
    if (o->model) onnx__model_proto__free_unpacked(o->model, &o->proto);
    for (size_t i = 0; i < o->files.len; i++) {
        it_map_close(&o->files.items[i].map);
        it_alloc_free(o->alloc, o->files.items[i].path, strlen(o->files.items[i].path) + 1);
    }
    IT_VEC_FREE(o->alloc, o->files);
    it_alloc_free(o->alloc, o, sizeof *o);
}
