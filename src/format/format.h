/* SPDX-License-Identifier: Apache-2.0 */
/* format.h: network files. */
#ifndef IT_FORMAT_H
#define IT_FORMAT_H

#include "ir/ir.h"
#include "run/program.h"

/* Reads an ONNX file into an initialised graph: parsed, sorted, verified, not yet inferred. Opsets 7 to 21; initializers raw, typed,
** external or in Constant nodes. Before protobuf-c unpacks, a pass over the bytes refuses nesting beyond 64 and more than 2^20 nodes. */
INTACT_MUST_USE intact_status it_onnx_read(const char *path, it_graph *g, intact_error *err);
/* The same from memory; folder is where external data may be (NULL: refused). */
INTACT_MUST_USE intact_status it_onnx_read_memory(const void *bytes, size_t len, const char *name, const char *folder, it_graph *g, intact_error *err);
/* A TensorProto (the .pb files of conformance cases): data in arena. */
INTACT_MUST_USE intact_status it_onnx_tensor(const void *bytes, size_t len, const char *where, it_arena *arena, it_tensor *out, intact_error *err);

/* Writes a network as an ONNX model, atomically: IR version 7, g->opset, constants as raw data, attributes as they were read or built.
** Refuses what ONNX cannot say: operators of our own and fused clamps, so networks are written before passes run. */
INTACT_MUST_USE intact_status it_onnx_write(const it_graph *g, const char *path, intact_error *err);

/* Writes a checked program as .itm (docs/FORMAT.md), atomically. */
INTACT_MUST_USE intact_status it_itm_write(const it_prog *p, const char *path, uint64_t *file_bytes, intact_error *err);
/* The same into memory (it_alloc_free(bytes, len)). */
INTACT_MUST_USE intact_status it_itm_write_memory(const it_prog *p, const intact_alloc *a, void **bytes, size_t *len, intact_error *err);

#endif
