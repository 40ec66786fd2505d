/* SPDX-License-Identifier: Apache-2.0 */
/* ir.h: the toolkit's network: values, nodes, graph, quantization parameters. Shapes are ONNX's (NCHW), always concrete:
** a symbolic batch is bound by it_graph_infer (lower with 1, run with 8). Everything lives in the graph's arena. */
#ifndef IT_IR_H
#define IT_IR_H

#include "base/base.h"

#define IT_RANK_MAX 8
#define IT_RANK_UNKNOWN (-1)

typedef enum it_type {
    IT_F32, IT_F64, IT_F16, IT_BOOL, IT_I8, IT_U8, IT_I16, IT_U16, IT_I32, IT_U32, IT_I64, IT_U64,
    IT_I4, IT_U4, /* a byte each in memory */
    IT_TYPE_COUNT
} it_type;
size_t it_type_bytes(it_type t);
const char *it_type_name(it_type t); /* ONNX's: "float", "int64", ... */
bool it_type_is_float(it_type t);
static inline bool it_type_is_4bit(it_type t) { return t == IT_I4 || t == IT_U4; }
bool it_type_of_onnx(int64_t code, it_type *out); /* TensorProto.DataType; false for those that are not ours */
const char *it_type_onnx_name(int64_t code);      /* "bfloat16", ...: for messages, any code */
int it_type_to_onnx(it_type t);

typedef enum it_layout { IT_PLAIN /* row-major as ONNX */, IT_NHWC /* rank 4 only: dims stay NCHW, bytes are channels-last */ } it_layout;

/* A shape and perhaps its content. Does not own data. */
typedef struct it_tensor {
    it_type type;
    int rank; /* IT_RANK_UNKNOWN: nothing is known yet */
    int64_t dim[IT_RANK_MAX];
    it_layout layout;
    void *data; /* NULL: content not known (during inference) */
} it_tensor;

int64_t it_tensor_len(const it_tensor *t);   /* elements; 1 for rank 0 */
size_t it_tensor_bytes(const it_tensor *t);
bool it_tensor_same_shape(const it_tensor *a, const it_tensor *b);
double it_tensor_get(const it_tensor *t, int64_t i);     /* element i as double, any type (plain layout) */
int64_t it_tensor_get_int(const it_tensor *t, int64_t i);/* element i as int64, any type, floats truncated */
void it_tensor_set(const it_tensor *t, int64_t i, double v);
/* "float[1,3,224,224]" into buf. */
const char *it_tensor_print(const it_tensor *t, char *buf, size_t len);
float it_f16_to_f32(uint16_t h);
uint16_t it_f32_to_f16(float f); /* nearest even */
/* Product of dims checked against 2^40 and against negative dims. */
INTACT_MUST_USE intact_status it_shape_check(const it_tensor *t, const char *where, intact_error *err);

/* ---- quantization parameters: real = scale[c] * (q - zero[c]) ---- */

typedef struct it_quant {
    intact_type type;   /* U8 or S16 for activations, S8 for weights */
    int bits;           /* 2..8, or 16 */
    int axis;           /* -1: one scale; else the ONNX axis that scale runs along */
    int64_t len;        /* of scale and zero: 1 or the dimension of axis */
    float *scale;
    int32_t *zero;
    const int8_t *codes;/* weights: the integer codes in the value's own (ONNX) order; NULL for activations */
    const int32_t *wide;/* of a bias (type S32) that came with the network: its codes, at the scale of the layer's sums */
    bool given;         /* came with the network: quantization leaves it as it is */
    const uint8_t *levels; /* of u8 activations of 8 bits: the codes in use, ascending, 2 to 16 of them; NULL: all codes */
    int levels_len;
    /* Of weights while their codes are being chosen: a channel's scale is times group[channel][k / group_len] for its k-th weight. Finished codes are
    ** times that already. NULL: none. */
    const uint8_t *group;
    int64_t group_len, groups;
} it_quant;

#define IT_QUANT_LEVELS_MAX 16
/* Each code's nearest level; between two levels the upper one. Without levels each code stays. */
void it_quant_nearest(const it_quant *q, uint8_t nearest[256]);

typedef struct it_node it_node;
typedef struct it_value {
    int id;
    const char *name;
    it_tensor t;          /* shape after it_graph_infer; t.data only for constants */
    bool is_const;        /* an initializer or the output of Constant */
    bool is_input, is_output;
    it_node *producer;    /* NULL for inputs and constants */
    it_quant *q;          /* NULL: not quantized */
    const struct it_value *like; /* shares its quantization parameters (the same thing in an earlier step of a recurrent layer); NULL: with nobody */
    bool wide;            /* asks for 16 bits where its readers take them */
    const float *tuned;   /* a constant's content in the quantized network, where methods changed it (a corrected bias); NULL: t.data */
    int64_t declared[IT_RANK_MAX]; /* inputs and outputs: dims as the model declares them, -1 symbolic */
    int declared_rank;
} it_value;

/* ---- attributes as the file gave them; operators parse them once into typed structs ---- */

typedef enum it_attr_kind { IT_ATTR_INT, IT_ATTR_FLOAT, IT_ATTR_STRING, IT_ATTR_TENSOR, IT_ATTR_INTS, IT_ATTR_FLOATS, IT_ATTR_STRINGS, IT_ATTR_OTHER } it_attr_kind;
typedef struct it_attr {
    const char *name;
    it_attr_kind kind;
    int64_t i;
    float f;
    const char *s;            /* NUL-terminated copy */
    it_tensor tensor;
    size_t len;               /* of ints, floats, strings */
    const int64_t *ints;
    const float *floats;
    const char *const *strings;
} it_attr;

struct it_op; /* op/op.h */

struct it_node {
    const char *name;         /* never empty: made up from the output's name when the file has none */
    const struct it_op *op;
    int opset;                /* of the node's domain */
    int in_len, out_len;
    it_value **in;            /* NULL: optional input left out */
    it_value **out;           /* NULL: optional output left out */
    const it_attr *attrs;     /* raw, for writing back */
    int attrs_len;
    void *args;               /* op->args_bytes, filled by op->parse */
    const it_node *repeats;   /* a layer of the same weights that is quantized for both: the step before; NULL: none */
    float clamp_lo, clamp_hi; /* applied to out[0] after the operator: a fused ReLU or Clip; -INF..+INF when none */
};

typedef struct it_prop { const char *key, *value; } it_prop;
typedef struct it_about {
    const char *title, *doc, *domain; /* the graph's name, the model's text and domain; NULL: not said */
    int64_t version;                  /* of the model; 0: not said */
    const it_prop *props;             /* metadata */
    size_t props_len;
} it_about;

typedef struct it_graph {
    it_arena arena;
    const intact_alloc *alloc;
    const char *name;         /* of the file, for messages */
    const char *meta;         /* JSON that a written model carries as metadata "intact"; NULL: none */
    it_about about;           /* what the file says of itself, for writing back */
    struct { it_value **items; size_t len, cap; } values;
    struct { it_node **items; size_t len, cap; } nodes; /* topological order */
    struct { it_value **items; size_t len, cap; } inputs, outputs;
    int opset;
    uint64_t file_bytes;      /* with those of the files beside it that hold weights */
    void *map; size_t map_len; /* kept while constants point into it; opaque here */
    void (*map_close)(void *map, size_t len);
} it_graph;

void it_graph_init(it_graph *g, const intact_alloc *alloc);
void it_graph_release(it_graph *g);
it_value *it_graph_value(it_graph *g, const char *name); /* new value; NULL when out of memory */
it_node *it_graph_node(it_graph *g, const char *name, const struct it_op *op, int in_len, int out_len); /* appended */
it_value *it_graph_find(const it_graph *g, const char *name); /* linear; NULL */
it_value *it_graph_const(it_graph *g, const char *name, const it_tensor *t); /* copies data */
int it_graph_uses(const it_graph *g, const it_value *v, const it_node **only); /* nodes reading v (each once), graph outputs count 1; *only = the last reader */
void it_graph_replace(it_graph *g, it_value *from, it_value *to); /* every reader of from reads to; graph outputs are kept by renaming */
void it_graph_remove(it_graph *g, it_node *n);
INTACT_MUST_USE intact_status it_graph_sort(it_graph *g, intact_error *err); /* topological; fails on a cycle, naming a node in it */
/* The numbered invariants at the top of ir/verify.c; every pass is followed by it. */
INTACT_MUST_USE intact_status it_graph_verify(const it_graph *g, intact_error *err);
/* Shapes of every value, with symbolic dims of inputs bound: dimension 0 to batch, the others must be declared or set
** in in_shapes (one per graph input, may be NULL). Values whose shape depends on run-time data get rank IT_RANK_UNKNOWN. */
INTACT_MUST_USE intact_status it_graph_infer(it_graph *g, int64_t batch, const it_tensor *in_shapes, intact_error *err);

/* A real multiplier as m * 2^-s with 2^30 <= m < 2^31 (bits = 31) or 2^14 <= m < 2^15 (bits = 15), sign kept; below 2^-32: m = 0, s = 62 - ...
** Fails (E_UNSUPPORTED) when |real| >= 2^30 or is not finite. */
INTACT_MUST_USE intact_status it_mult_of(double real, int bits, it_mult *out, const char *where, intact_error *err);

#endif
