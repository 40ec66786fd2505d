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
/* SHA-256 of the network that g was read from: of its file, and where weights lie in other files, of those files behind it, in the order of their
** first use. path: the same as it was read from. */
INTACT_MUST_USE intact_status it_onnx_sha256(const char *path, const it_graph *g, char out[65], intact_error *err);
/* A TensorProto (the .pb files of conformance cases): data in arena. */
INTACT_MUST_USE intact_status it_onnx_tensor(const void *bytes, size_t len, const char *where, it_arena *arena, it_tensor *out, intact_error *err);

/* Writes a network as an ONNX model, atomically: IR version 7 (up to 10, as the opset needs), g->opset, constants as raw data, attributes
** as they were read or built; title, text and metadata of the file it was read from. Refuses what ONNX cannot say: operators of our own and
** fused clamps, so networks are written before passes run. */
INTACT_MUST_USE intact_status it_onnx_write(const it_graph *g, const char *path, intact_error *err);
/* The same into memory (it_alloc_free(g->alloc, bytes, len)). */
INTACT_MUST_USE intact_status it_onnx_write_memory(const it_graph *g, void **bytes, size_t *len, intact_error *err);

/* Writes a network whose values and weights have quantization parameters (v->q; where there are none it stays in float) as an ONNX model of float
** operators between QuantizeLinear and DequantizeLinear. Fused clamps become Relu or Clip, our own operators what they stand for. */
INTACT_MUST_USE intact_status it_onnx_write_quantized(const it_graph *g, const char *path, intact_error *err);

/* A checked program as an ONNX network in an initialised graph, to be written as it is. Fails with UNSUPPORTED and the layer where there
** is no way to say it. */
typedef struct it_export_format it_export_format;
typedef struct it_export_options {
    bool pixels; /* raw pixels are the input, else what they stand for */
    bool exact_input; /* a float input becomes codes in doubles, ties up, and only then floats again: QuantizeLinear alone rounds ties otherwise */
    bool int4;   /* weights of layers that are packed and fit -8..7 are int4, which few runtimes compute with; else int8 */
} it_export_options;
extern const it_export_format *const it_export_format_all[]; /* NULL at the end; from export_list.h */
const char *it_export_format_name(const it_export_format *f);
const char *it_export_format_summary(const it_export_format *f);
const it_export_format *it_export_format_find(const char *name); /* NULL when unknown */
INTACT_MUST_USE intact_status it_export_graph(const it_prog *p, const it_export_format *f, it_export_options opt, it_graph *g, intact_error *err);

/* Writes a checked program as .itm (docs/FORMAT.md), atomically. */
INTACT_MUST_USE intact_status it_itm_write(const it_prog *p, const char *path, uint64_t *file_bytes, intact_error *err);
/* The same into memory (it_alloc_free(bytes, len)). */
INTACT_MUST_USE intact_status it_itm_write_memory(const it_prog *p, const intact_alloc *a, void **bytes, size_t *len, intact_error *err);

#endif
