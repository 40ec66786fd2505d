/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: small ONNX models made in memory. */
#ifndef IT_TESTS_ONNX_H
#define IT_TESTS_ONNX_H

#include "format/format.h"
#include "onnx/onnx.pb-c.h"

#define BUILD_MAX 64

typedef struct build {
    it_arena arena;
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    Onnx__NodeProto *nodes[BUILD_MAX];
    Onnx__TensorProto *inits[BUILD_MAX];
    Onnx__ValueInfoProto *inputs[BUILD_MAX], *outputs[BUILD_MAX];
} build;

void build_begin(build *b, int opset);
void build_end(build *b);
/* inputs and outputs are separated by commas; "" is an input left out. */
Onnx__NodeProto *build_node(build *b, const char *op, const char *name, const char *inputs, const char *outputs);
Onnx__AttributeProto *build_attr(build *b, Onnx__NodeProto *n, const char *name, Onnx__AttributeProto__AttributeType type);
Onnx__TensorProto *build_tensor(build *b, const char *name, int type, int rank, const int64_t *dims);
void build_raw(Onnx__TensorProto *t, const void *data, size_t bytes);
Onnx__TensorProto *build_init(build *b, const char *name, int type, int rank, const int64_t *dims, const void *data, size_t bytes);
Onnx__ValueInfoProto *build_input(build *b, const char *name, int type, int rank,
                                  const int64_t *dims); /* -1: symbolic "N"; rank -1: no shape */
void build_output(build *b, const char *name);
void build_external(build *b, Onnx__TensorProto *t, const char *location, const char *offset, const char *length); /* NULL: left out */
/* The model's bytes, in the builder's arena. */
void *build_pack(build *b, size_t *len);
/* x float[N,2] -> Relu -> y */
void build_relu(build *b);

/* Reads the model into g (which the caller releases). */
intact_status read_built(build *b, const char *folder, it_graph *g, intact_error *err);
/* Reading must fail so, with text in the message or the place. */
void expect_fail(build *b, intact_status status, const char *text);

/* An allocator that counts, and fails at the given call (and only there). */
typedef struct counting { long calls, fail_at, live; } counting;
intact_alloc counting_alloc(counting *c);

#endif
