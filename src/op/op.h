/* SPDX-License-Identifier: Apache-2.0 */
/* op.h: what an operator supplies. Each src/op/<name>.c ends in one it_op, with a line in op_list.h. */
#ifndef IT_OP_H
#define IT_OP_H

#include "ir/ir.h"

/* ---- reading attributes: missing gives the default, a wrong kind fails and names node and attribute ---- */

typedef struct it_parse {
    it_graph *g;   /* arena for what args point at */
    it_node *n;    /* in, out, opset, attrs are set; args is zeroed memory of op->args_bytes */
    intact_error *err;
} it_parse;
INTACT_MUST_USE intact_status it_attr_int(it_parse *p, const char *name, int64_t def, int64_t *out);
INTACT_MUST_USE intact_status it_attr_float(it_parse *p, const char *name, float def, float *out);
INTACT_MUST_USE intact_status it_attr_str(it_parse *p, const char *name, const char *def, const char **out);
INTACT_MUST_USE intact_status it_attr_ints(it_parse *p, const char *name, const int64_t **out, size_t *len); /* NULL, 0 when missing */
INTACT_MUST_USE intact_status it_attr_floats(it_parse *p, const char *name, const float **out, size_t *len);
const it_attr *it_attr_find(const it_parse *p, const char *name); /* NULL when missing */
bool it_attr_has(const it_parse *p, const char *name);
/* it_fail with where = "name (OnnxName)". */
INTACT_MUST_USE intact_status it_node_fail(const it_node *n, intact_error *err, intact_status code, const char *fmt, ...) IT_PRINTF(4, 5);

/* ---- running in float ---- */

typedef struct it_op_state { void (*free)(struct it_op_state *s); } it_op_state; /* first member of an operator's cache (oneDNN primitives, reordered weights) */

/* What operands of convolutions and matrix products are rounded to before they are multiplied (op/operand.h); sums stay float32. BF16_DOT: by oneDNN
** with the processor's instructions for bfloat16; BF16: the same operands, multiplied as float32. */
typedef enum it_products { IT_PRODUCTS_F32 = 0, IT_PRODUCTS_BF16, IT_PRODUCTS_BF16_DOT, IT_PRODUCTS_F16, IT_PRODUCTS_COUNT } it_products;

typedef struct it_run_ctx {
    const intact_alloc *alloc;
    it_op_state **state; /* the node's cache, NULL at first; belongs to one executor, freed by it. Valid while shapes stay the same: the
                         ** executor frees it and sets it to NULL when an input's shape or layout changes */
    it_arena *scratch;   /* released after each node */
    uint64_t weights_at; /* without const_weights: 0, or a number that changes when constant inputs' content does; reordered copies may be kept until then */
    it_products products;
    uint32_t rounded;    /* bit k: input k is rounded to them already */
    bool const_weights;  /* inputs that are graph constants keep their content between runs: reordered copies may be cached in state */
} it_run_ctx;

struct it_lower; /* op/lower.h */

typedef enum it_q_out {
    IT_Q_NONE = 0, /* no integer form */
    IT_Q_FREE,     /* the output's range is calibrated */
    IT_Q_SAME,     /* output parameters are input 0's, and the bytes keep their meaning (max pool, reshape, slice, ...) */
    IT_Q_SHARED,   /* the output and the inputs that nobody else reads share one set; lower() requantizes the others (concat) */
    IT_Q_FIXED     /* the output's range is known: fixed_lo..fixed_hi (softmax, sigmoid) */
} it_q_out;

/* What an operator is to decisions that are taken across operators. */
typedef enum it_op_role {
    IT_ROLE_NONE = 0,
    IT_ROLE_DENSE,   /* matrix layer: keeps a 16-bit answer's input wide too, when pooling gives it */
    IT_ROLE_POOL,    /* averages over space; global when only one position is left */
    IT_ROLE_SOFTMAX  /* at the network's end it changes no order and may be left out */
} it_op_role;

/* A layer with weights as a matrix product: output (position, g * out_c + o) = bias + sum over k of weight (g * out_c + o, k) times the input
** under the window; k runs over (in_c, kh, kw). Dense layers: all of in_h .. kw are 1. */
typedef struct it_linear {
    int64_t groups, in_c, out_c; /* channels of a group */
    int64_t in_h, in_w, out_h, out_w, kh, kw, stride_h, stride_w, dil_h, dil_w, pad_t, pad_l;
} it_linear;

typedef struct it_op_quant {
    it_op_role role;
    /* The layer behind n for inputs of x's shape (dimension 0 is the batch; dense: (..., K)); the weight's order without its channel axis is
    ** k's. False: it is not one. */
    bool (*linear)(const it_node *n, const it_tensor *x, it_linear *out);
    bool clamps;                                  /* lower() honours node->clamp_lo/hi: a following Relu or Clip fuses */
    bool all_parameters;                          /* every constant input is a weight (batch normalization), not only weight_in, bias_in */
    bool shape_inputs;                            /* inputs from 1 on only say sizes (resize) */
    it_q_out out;
    float fixed_lo, fixed_hi;
    int weight_in, bias_in;                       /* index of the constant weight and bias inputs, 0 when none (input 0 never is one) */
    int (*weight_axis)(const it_node *n);         /* the output-channel axis of the weight */
    uint32_t in_types, out_types;                 /* bits 1 << INTACT_U8 | 1 << INTACT_S16 that lower() can take and give */
} it_op_quant;

/* Operators on codes (QLinearConv, ...): the float operator behind them and where its inputs stand. Codes at input k have their scale at k + 1
** and their zero point at k + 2; the scale of the output stands at y, its zero point behind it. */
typedef struct it_q_form {
    const struct it_op *base;
    int8_t in[2], in_len;
    int8_t step;      /* any number of codes: at in[0], in[0] + step, ...; 0: those of in */
    int8_t bias;      /* int32 at the product of the inputs' scales; 0: none */
    int8_t y;
    bool float_out;   /* without a scale at y the output is float */
} it_q_form;

/* Which layouts of rank-4 float32 tensors forward takes. The executor converts where they do not fit. */
typedef enum it_op_layout {
    IT_LAYOUT_PLAIN = 0, /* everything plain */
    IT_LAYOUT_ANY,       /* elementwise: all rank-4 inputs come in one layout (others are scalars or plain of lower rank only if plain), output gets it too */
    IT_LAYOUT_NHWC       /* input 0 and output 0 NHWC when rank 4 and float32; other inputs plain */
} it_op_layout;

typedef struct it_op {
    const char *name;        /* lower case, the file's name */
    const char *onnx;        /* "Conv"; NULL for our own (never read from a file) */
    const char *domain;      /* NULL: ai.onnx */
    int since, until;        /* opsets understood; until 0: the newest we know, IT_OPSET_MAX */
    int in_min, in_max, out_min, out_max; /* in_max -1: any number */
    size_t args_bytes;
    intact_status (*parse)(it_parse *p);  /* NULL: no attributes that matter */
    /* in[i] NULL when left out; in[i]->data NULL when content is not known. Fills type, rank, dim of out[]. Checks everything that
    ** forward relies on. If it needs content that is not known it sets out[k].rank = IT_RANK_UNKNOWN and returns OK. */
    intact_status (*infer)(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err);
    /* out[k]->data is allocated as inferred; out[k] NULL when the output is not wanted. */
    intact_status (*forward)(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err);
    intact_status (*lower)(struct it_lower *lw, const it_node *n, intact_error *err);
    /* y = f(x) on one real number: gives a table in integers to any operator of one input; NULL otherwise. */
    float (*scalar)(const it_node *n, float x);
    it_op_quant quant;
    it_op_layout layout;
    const struct it_backward *back; /* op/back.h; NULL: cannot be trained through */
    const struct it_across *across; /* op/back.h; NULL: samples do not meet in it */
    const it_q_form *form;   /* of operators on codes; NULL: no such operator */
    bool absorbed;           /* of networks that came quantized: becomes parameters of values or another operator (pass/absorb.h) */
    bool unrolled;           /* becomes other operators before quantization (pass/unroll.h) */
    const char *hint;        /* when lower is NULL: what would work instead */
    bool inplace;            /* forward may get out[0]->data == in[0]->data */
    bool view;               /* out[0] is in[0]'s bytes under another shape (plain layout; with IT_LAYOUT_ANY the same shape in either layout).
                             ** forward is called only when a further output is wanted, or when the bytes must be copied (out[0]->data != in[0]->data) */
    bool shape_only;         /* the outputs depend on the shapes of the inputs alone: inference computes them without content */
} it_op;

#define IT_OPSET_MIN 7
#define IT_OPSET_MAX 21

/* Whether quantized networks may hold it. */
static inline bool it_op_has_integer(const it_op *op) { return op->lower || op->absorbed || op->unrolled; }

extern const it_op *const it_op_all[];          /* NULL at the end; from op_list.h */
/* NULL when unknown. */
const it_op *it_op_find(const char *onnx, const char *domain, int opset);
/* "Foo of domain "" at opset 13 is not supported; nearest: ..." with the node named. */
INTACT_MUST_USE intact_status it_op_unknown(const char *node, const char *onnx, const char *domain, int opset, intact_error *err);

/* Checks the node's counts of inputs and outputs against its operator, then parses its attributes into n->args (op/infer.c). */
INTACT_MUST_USE intact_status it_node_parse(it_graph *g, it_node *n, intact_error *err);

/* ---- helpers shared by operators (op/util.c) ---- */

/* Multidirectional broadcasting of len inputs into out (rank, dim). */
INTACT_MUST_USE intact_status it_broadcast(const it_node *n, const it_tensor *const *in, int len, it_tensor *out, intact_error *err);
/* Strides in elements of t seen as out's shape: 0 where t is broadcast. */
void it_broadcast_strides(const it_tensor *t, const it_tensor *out, int64_t stride[IT_RANK_MAX]);
/* axis in -rank..rank-1 to 0..rank-1; fails with the values. */
INTACT_MUST_USE intact_status it_axis(const it_node *n, int64_t axis, int rank, int *out, intact_error *err);
void it_shape_copy(it_tensor *to, const it_tensor *from); /* rank, dims and type; layout plain */
intact_status it_infer_same(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err); /* out 0 like in 0 */

/* Windows of convolution and pooling, spatial dims only (rank - 2 of them, at most 3). pads: begins then ends. */
typedef struct it_window {
    int len;
    int64_t kernel[3], stride[3], dil[3], pad[6];
    enum { IT_PAD_EXPLICIT, IT_PAD_SAME_UPPER, IT_PAD_SAME_LOWER, IT_PAD_VALID } mode;
    bool ceil_mode;
} it_window;
/* Reads kernel_shape (optional), strides, dilations, pads, auto_pad, ceil_mode and checks their lengths and ranges. */
INTACT_MUST_USE intact_status it_window_parse(it_parse *p, it_window *w);
/* Resolves missing kernel (from kernel), auto_pad and the output's spatial dims for this input. */
INTACT_MUST_USE intact_status it_window_resolve(const it_node *n, const it_window *w, const int64_t *kernel, const it_tensor *x,
                                                it_window *out, int64_t out_dim[3], intact_error *err);

#define OP(name) extern const it_op it_op_##name;
#include "op/op_list.h"
#undef OP

/* An Identity that passes put where the same numbers get other quantization parameters; never read from a file, so not in the list. */
extern const it_op it_op_requantize;

#endif
