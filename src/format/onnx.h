/* SPDX-License-Identifier: Apache-2.0 */
/* onnx.h: what the parts of the ONNX reader share: scan (bytes), tensor, names, node, read (the model). */
#ifndef IT_ONNX_H
#define IT_ONNX_H

#include "base/file.h"
#include "format/format.h"
#include "onnx/onnx.pb-c.h"

/* ---- scan: the wire format before protobuf-c sees it ---- */

typedef enum it_onnx_root { IT_ONNX_MODEL, IT_ONNX_TENSOR } it_onnx_root;
/* Fails with FORMAT, where = "byte N": broken varints, lengths that leave their message, groups, a wire type that a message field cannot
** have, a single message given twice, nesting beyond 64; with UNSUPPORTED: more than 2^20 nodes, or too many parts for memory. */
INTACT_MUST_USE intact_status it_onnx_scan(const void *bytes, size_t len, it_onnx_root root, intact_error *err);

/* ---- what lives as long as the graph, because constants and attributes point into it ---- */

typedef struct it_onnx_file { char *path; it_map map; } it_onnx_file; /* external data */

typedef struct it_onnx_heap {
    const intact_alloc *alloc;
    bool failed; /* memory ran out: why unpacking failed */
} it_onnx_heap;

typedef struct it_onnx_owner {
    const intact_alloc *alloc;
    it_onnx_heap heap;
    ProtobufCAllocator proto; /* on top of heap */
    Onnx__ModelProto *model;
    struct { it_onnx_file *items; size_t len, cap; } files;
} it_onnx_owner;

void it_onnx_allocator(ProtobufCAllocator *out, it_onnx_heap *heap, const intact_alloc *alloc); /* heap must outlive it */
INTACT_MUST_USE intact_status it_onnx_owner_new(const intact_alloc *alloc, it_onnx_owner **out, intact_error *err);
void it_onnx_owner_free(void *owner, size_t unused);

/* ---- names: a hash table from name to value ---- */

typedef struct it_onnx_names {
    const intact_alloc *alloc;
    it_value **slots;
    size_t len, cap; /* cap is a power of two */
} it_onnx_names;

it_value *it_onnx_names_find(const it_onnx_names *t, const char *name);
bool it_onnx_names_add(it_onnx_names *t, it_value *v); /* false when out of memory; the name must be new */
void it_onnx_names_release(it_onnx_names *t);

/* ---- reading ---- */

typedef struct it_onnx_reader {
    it_graph *g;
    it_arena *arena;
    it_onnx_owner *owner;
    const char *folder; /* NULL: external data is refused */
    bool copy;          /* content goes to arena, even where the message could keep it */
    it_onnx_names names;
    intact_error *err;
} it_onnx_reader;

/* what: "initializer", "attribute value of ..."; name may be NULL. */
INTACT_MUST_USE intact_status it_onnx_read_tensor(it_onnx_reader *r, const Onnx__TensorProto *p, const char *what, const char *name,
                                                  it_tensor *out);
/* Values of all outputs, operator, attributes; inputs are joined later, when every name is known. */
INTACT_MUST_USE intact_status it_onnx_read_node(it_onnx_reader *r, const Onnx__NodeProto *p, size_t index);
INTACT_MUST_USE intact_status it_onnx_join_node(it_onnx_reader *r, const Onnx__NodeProto *p, it_node *n);

#endif
