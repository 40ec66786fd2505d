/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: a network of one operator, run in float and, lowered, in integers. */
#ifndef OP_SHAPE_HELPERS_H
#define OP_SHAPE_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exec/exec.h"
#include "op/op.h"

#define INTS(n, ...)                                                                                                                       \
    {                                                                                                                                      \
        .name = n, .kind = IT_ATTR_INTS, .ints = (const int64_t[]){ __VA_ARGS__ }, .len = sizeof((const int64_t[]){ __VA_ARGS__ }) / 8     \
    }
#define INT(n, v) { .name = n, .kind = IT_ATTR_INT, .i = v }
#define FLT(n, v) { .name = n, .kind = IT_ATTR_FLOAT, .f = v }
#define FLTS(n, ...)                                                                                                                       \
    {                                                                                                                                      \
        .name = n, .kind = IT_ATTR_FLOATS, .floats = (const float[]){ __VA_ARGS__ }, .len = sizeof((const float[]){ __VA_ARGS__ }) / 4     \
    }
#define STR(n, v) { .name = n, .kind = IT_ATTR_STRING, .s = v }

typedef struct net {
    it_graph g;
    it_exec *e;
    it_value *in[8], *out[8]; /* as the node has them; NULL: left out */
    it_tensor fed[8];         /* what the graph inputs are given */
    size_t fed_len;
    int out_len;
    it_arena arena;           /* of the tensors that tests make */
    intact_error err;
    intact_status status;     /* of making it */
} net;

/* Shapes and content. list: int64; none: left out. */
it_tensor tensor(net *t, it_type type, int rank, const int64_t *dim);                 /* random content */
it_tensor list(net *t, int len, const int64_t *v);
it_tensor floats(net *t, int rank, const int64_t *dim, const float *v);
#define DIMS(...) (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / 8), (const int64_t[]){ __VA_ARGS__ }
extern const it_tensor none; /* rank IT_RANK_UNKNOWN */

void net_init(net *t, uint64_t seed);
/* consts: bit k makes input k a constant instead of a graph input. Infers with the shapes given. Returns t->status. */
intact_status net_make(net *t, const char *onnx, int opset, const it_attr *attrs, int attrs_len, const it_tensor *in, int in_len,
                       unsigned consts, int out_len);
#define MAKE(t, onnx, opset, attrs, in, consts, outs) net_make(t, onnx, opset, attrs, (int)IT_LEN(attrs), in, (int)IT_LEN(in), consts, outs)
intact_status net_run(net *t);
const it_tensor *net_out(const net *t, int k);
void net_free(net *t);
uint64_t net_random(uint64_t n);

/* Gives every float input random codes and every output parameters (out_scale 0: the input's), runs both forms and compares: the integer
** result must be within slack codes of the float one. Checks that lowering works. s16: 16-bit activations. */
void net_check_integer(net *t, bool s16, float out_scale, double slack);
/* Lowering must fail with UNSUPPORTED and a sentence that holds word. */
void net_check_refused(net *t, const char *word);

#endif
