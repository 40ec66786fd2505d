/* SPDX-License-Identifier: Apache-2.0 */
/* build.c: layers as nodes: constants, attributes, shapes. */
#include <math.h>
#include <string.h>

#include "arch/build.h"

#define IN_MAX 8
#define OUT_MAX 2
#define BYTES_MAX (UINT64_C(1900) << 20) /* of constants: an ONNX file stays below 2 GiB */
#define DRAWN_AT_ONCE ((size_t)1 << 20) /* weights between two looks at whether to go on; even: they come in pairs */

int64_t it_build_channels(const it_value *x) { return x && x->t.rank > 1 ? x->t.dim[1] : 0; }

static void stop(it_build *b, intact_status st)
{
    if (b->st == INTACT_OK) b->st = st;
}

static void stop_nomem(it_build *b, const char *where, size_t bytes)
{
    if (b->st == INTACT_OK) b->st = it_fail_nomem(b->err, where, bytes);
}

/* ---- constants: named after the node that reads them, which comes next ---- */

static it_value *constant(it_build *b, const char *node, const char *role, it_type type, int rank, const int64_t *dim)
{
    it_tensor t = {.type = type, .rank = rank};
    if (b->st != INTACT_OK) return NULL;
    if (rank) memcpy(t.dim, dim, (size_t)rank * sizeof *dim);
    stop(b, it_shape_check(&t, role, b->err));
    if (b->st != INTACT_OK) return NULL;
    size_t bytes = it_tensor_bytes(&t);
    b->bytes += bytes;
    if (b->bytes > BYTES_MAX) {
        stop(b, it_fail(b->err, INTACT_E_UNSUPPORTED, node,
                        "more than %d MiB of weights; no ONNX file has room for them, take a smaller input", (int)(BYTES_MAX >> 20)));
        return NULL;
    }
    const char *name = it_arena_printf(&b->g->arena, "%s.%s", node, role);
    it_value *v = name ? it_graph_value(b->g, name) : NULL;
    t.data = v ? it_arena_new(&b->g->arena, bytes ? bytes : 1) : NULL;
    if (!t.data) {
        stop_nomem(b, node, bytes);
        return NULL;
    }
    v->t = t;
    v->is_const = true;
    return v;
}

static it_value *constant_ints(it_build *b, const char *node, const char *role, const int64_t *list, int64_t len)
{
    it_value *v = constant(b, node, role, IT_I64, 1, &len);
    if (v) memcpy(v->t.data, list, (size_t)len * sizeof *list);
    return v;
}

static it_value *constant_all(it_build *b, const char *node, const char *role, int rank, int64_t len, float x)
{
    it_value *v = constant(b, node, role, IT_F32, rank, &len);
    for (int64_t i = 0; v && i < it_tensor_len(&v->t); i++) ((float *)v->t.data)[i] = x;
    return v;
}

static it_value *constant_drawn(it_build *b, const char *node, const char *role, int rank, const int64_t *dim, double variance)
{
    it_value *v = constant(b, node, role, IT_F32, rank, dim);
    size_t len = v ? (size_t)it_tensor_len(&v->t) : 0;
    for (size_t i = 0; i < len && b->st == INTACT_OK; i += DRAWN_AT_ONCE) {
        size_t n = len - i < DRAWN_AT_ONCE ? len - i : DRAWN_AT_ONCE;
        it_arch_gauss(&b->rng, (float *)v->t.data + i, n, sqrt(variance));
        b->drawn += n;
        if (b->o->progress && b->o->progress(b->o->user, "drawing weights", b->drawn, 0))
            b->st = it_fail(b->err, INTACT_E_CANCELLED, node, "stopped on request after %llu weights", (unsigned long long)b->drawn);
    }
    return b->st == INTACT_OK ? v : NULL;
}

/* He and others' initialization for rectifiers: variance 2 / fan_in, fan_in being the weights that make one output. */
static it_value *constant_he(it_build *b, const char *node, int rank, const int64_t *dim)
{
    int64_t fan_in = 1;
    for (int k = 1; k < rank; k++) fan_in *= dim[k];
    return constant_drawn(b, node, "weight", rank, dim, 2.0 / (double)fan_in);
}

/* ---- nodes ---- */

static it_attr attr_int(const char *name, int64_t i) { return (it_attr){.name = name, .kind = IT_ATTR_INT, .i = i}; }
static it_attr attr_float(const char *name, float f) { return (it_attr){.name = name, .kind = IT_ATTR_FLOAT, .f = f}; }
static it_attr attr_ints(const char *name, const int64_t *ints, size_t len)
{
    return (it_attr){.name = name, .kind = IT_ATTR_INTS, .ints = ints, .len = len};
}

/* "conv_12": unique by the number of nodes before it. */
static const char *next_name(it_build *b, const char *what)
{
    const char *name = b->st == INTACT_OK ? it_arena_printf(&b->g->arena, "%s_%zu", what, b->g->nodes.len) : NULL;
    if (!name) stop_nomem(b, what, 32);
    return name ? name : "";
}

static bool copy_attrs(it_graph *g, it_node *n, const it_attr *attrs, int len)
{
    it_attr *to = it_arena_copy(&g->arena, attrs, (size_t)len * sizeof *attrs);
    for (int i = 0; to && i < len; i++)
        if (to[i].kind == IT_ATTR_INTS && !(to[i].ints = it_arena_copy(&g->arena, to[i].ints, to[i].len * sizeof(int64_t)))) return false;
    n->attrs = to;
    n->attrs_len = len;
    return to != NULL;
}

static intact_status infer(it_build *b, it_node *n)
{
    const it_tensor *in[IN_MAX] = {NULL};
    it_tensor out[OUT_MAX] = {{0}};
    for (int k = 0; k < n->in_len; k++) in[k] = n->in[k] ? &n->in[k]->t : NULL;
    IT_TRY(it_node_parse(b->g, n, b->err));
    IT_TRY(n->op->infer(n, in, out, b->err));
    for (int k = 0; k < n->out_len; k++) {
        if (out[k].rank < 0) return it_node_fail(n, b->err, INTACT_E_SHAPE, "its output has no fixed shape");
        IT_TRY(it_shape_check(&out[k], n->name, b->err));
        n->out[k]->t = out[k];
        n->out[k]->t.data = NULL;
    }
    return INTACT_OK;
}

typedef struct node_spec { /* attrs and in may be shorter than their arrays */
    const char *name, *onnx;
    it_value *in[IN_MAX];
    int in_len;
    it_attr attrs[6];
    int attrs_len;
} node_spec;

static void add_node(it_build *b, const node_spec *s, it_value **out, int out_len)
{
    for (int k = 0; k < out_len; k++) out[k] = NULL;
    if (b->st != INTACT_OK) return;
    const it_op *op = it_op_find(s->onnx, "", b->g->opset);
    if (!op) {
        stop(b, it_op_unknown(s->name, s->onnx, "", b->g->opset, b->err));
        return;
    }
    it_node *n = it_graph_node(b->g, s->name, op, s->in_len, out_len);
    bool ok = n && copy_attrs(b->g, n, s->attrs, s->attrs_len);
    for (int k = 0; ok && k < s->in_len; k++) n->in[k] = s->in[k];
    for (int k = 0; ok && k < out_len; k++) {
        const char *name = out_len == 1 ? s->name : it_arena_printf(&b->g->arena, "%s.%d", s->name, k);
        n->out[k] = name ? it_graph_value(b->g, name) : NULL;
        ok = n->out[k] != NULL;
        if (ok) n->out[k]->producer = n;
    }
    if (!ok) {
        stop_nomem(b, s->name, sizeof *n);
        return;
    }
    stop(b, infer(b, n));
    for (int k = 0; k < out_len && b->st == INTACT_OK; k++) out[k] = n->out[k];
}

static it_value *add_one(it_build *b, const node_spec *s)
{
    it_value *y;
    add_node(b, s, &y, 1);
    return y;
}

static it_value *unary(it_build *b, it_value *x, const char *what, const char *onnx)
{
    return add_one(b, &(node_spec){.name = next_name(b, what), .onnx = onnx, .in = {x}, .in_len = 1});
}

static it_value *binary(it_build *b, it_value *x, it_value *y, const char *what, const char *onnx)
{
    return add_one(b, &(node_spec){.name = next_name(b, what), .onnx = onnx, .in = {x, y}, .in_len = 2});
}

/* ---- convolution, normalization, dense ---- */

/* Pads of one axis for IT_BUILD_SAME. */
static void same_pads(int64_t size, int64_t k, int64_t stride, int64_t *before, int64_t *after)
{
    int64_t total = ((size + stride - 1) / stride - 1) * stride + k - size;
    *before = total > 0 ? total / 2 : 0;
    *after = total > 0 ? total - *before : 0;
}

static void conv_pads(const it_conv_spec *s, const it_value *x, const int64_t k[2], int64_t pads[4])
{
    for (int i = 0; i < 2; i++) {
        int64_t pad = s->pad_mode == IT_BUILD_HALF ? k[i] / 2 : s->pad_mode == IT_BUILD_PAD ? s->pad : 0;
        pads[i] = pads[i + 2] = pad;
        if (s->pad_mode == IT_BUILD_SAME) same_pads(x->t.dim[i + 2], k[i], s->stride, &pads[i], &pads[i + 2]);
    }
}

it_value *it_build_conv(it_build *b, it_value *x, it_conv_spec s)
{
    const char *name = next_name(b, s.depthwise ? "dwconv" : "conv");
    if (b->st != INTACT_OK) return NULL;
    s.k = s.k ? s.k : 1;
    s.stride = s.stride ? s.stride : 1;
    int64_t in = it_build_channels(x), out = s.depthwise ? in : s.out, k[2] = {s.k, s.kw ? s.kw : s.k}, pads[4];
    conv_pads(&s, x, k, pads);
    node_spec n = {.name = name, .onnx = "Conv", .in = {x}, .in_len = s.bn ? 2 : 3, .attrs_len = 4};
    n.attrs[0] = attr_ints("kernel_shape", k, 2);
    n.attrs[1] = attr_ints("strides", (int64_t[]){s.stride, s.stride}, 2);
    n.attrs[2] = attr_ints("pads", pads, 4);
    n.attrs[3] = attr_int("group", s.depthwise ? in : 1);
    n.in[1] = constant_he(b, name, 4, (int64_t[]){out, s.depthwise ? 1 : in, k[0], k[1]});
    if (!s.bn) n.in[2] = constant_all(b, name, "bias", 1, out, 0);
    it_value *y = add_one(b, &n);
    return it_build_act(b, s.bn ? it_build_batchnorm(b, y) : y, s.act);
}

it_value *it_build_batchnorm(it_build *b, it_value *x)
{
    const char *name = next_name(b, "bn");
    int64_t channels = it_build_channels(x);
    node_spec n = {.name = name, .onnx = "BatchNormalization", .in = {x}, .in_len = 5};
    n.in[1] = constant_all(b, name, "scale", 1, channels, 1);
    n.in[2] = constant_all(b, name, "bias", 1, channels, 0);
    n.in[3] = constant_all(b, name, "mean", 1, channels, 0);
    n.in[4] = constant_all(b, name, "var", 1, channels, 1);
    return add_one(b, &n);
}

it_value *it_build_dense(it_build *b, it_value *x, int64_t out, it_act act)
{
    const char *name = next_name(b, "dense");
    node_spec n = {.name = name, .onnx = "Gemm", .in = {x}, .in_len = 3, .attrs = {attr_int("transB", 1)}, .attrs_len = 1};
    n.in[1] = constant_he(b, name, 2, (int64_t[]){out, it_build_channels(x)});
    n.in[2] = constant_all(b, name, "bias", 1, out, 0);
    return it_build_act(b, add_one(b, &n), act);
}

/* ---- activations ---- */

static it_value *relu6(it_build *b, it_value *x)
{
    const char *name = next_name(b, "relu6");
    it_value *lo = constant_all(b, name, "min", 0, 0, 0), *hi = constant_all(b, name, "max", 0, 0, 6);
    return add_one(b, &(node_spec){.name = name, .onnx = "Clip", .in = {x, lo, hi}, .in_len = 3});
}

static it_value *hard_sigmoid(it_build *b, it_value *x)
{
    node_spec n = {.name = next_name(b, "hard_sigmoid"), .onnx = "HardSigmoid", .in = {x}, .in_len = 1, .attrs_len = 2};
    n.attrs[0] = attr_float("alpha", 1.0f / 6);
    n.attrs[1] = attr_float("beta", 0.5f);
    return add_one(b, &n);
}

it_value *it_build_act(it_build *b, it_value *x, it_act act)
{
    switch (act) {
    case IT_ACT_RELU: return unary(b, x, "relu", "Relu");
    case IT_ACT_RELU6: return relu6(b, x);
    case IT_ACT_SIGMOID: return unary(b, x, "sigmoid", "Sigmoid");
    case IT_ACT_HARD_SIGMOID: return hard_sigmoid(b, x);
    case IT_ACT_SWISH: return it_build_mul(b, x, unary(b, x, "sigmoid", "Sigmoid"));
    case IT_ACT_HARD_SWISH: return it_build_mul(b, x, hard_sigmoid(b, x)); /* HardSwish is an operator since opset 14 */
    default: return x;
    }
}

it_value *it_build_add(it_build *b, it_value *x, it_value *y) { return binary(b, x, y, "add", "Add"); }
it_value *it_build_mul(it_build *b, it_value *x, it_value *y) { return binary(b, x, y, "mul", "Mul"); }

/* ---- pooling ---- */

it_value *it_build_max_pool(it_build *b, it_value *x, int64_t k, int64_t stride, int64_t pad, bool ceil_mode)
{
    node_spec n = {.name = next_name(b, "max_pool"), .onnx = "MaxPool", .in = {x}, .in_len = 1, .attrs_len = 4};
    n.attrs[0] = attr_ints("kernel_shape", (int64_t[]){k, k}, 2);
    n.attrs[1] = attr_ints("strides", (int64_t[]){stride, stride}, 2);
    n.attrs[2] = attr_ints("pads", (int64_t[]){pad, pad, pad, pad}, 4);
    n.attrs[3] = attr_int("ceil_mode", ceil_mode);
    return add_one(b, &n);
}

it_value *it_build_average(it_build *b, it_value *x) { return unary(b, x, "average", "GlobalAveragePool"); }

it_value *it_build_squeeze_excite(it_build *b, it_value *x, int64_t squeeze, it_act act, it_act gate)
{
    it_value *s = it_build_conv(b, it_build_average(b, x), (it_conv_spec){.out = squeeze, .act = act});
    return it_build_mul(b, it_build_conv(b, s, (it_conv_spec){.out = it_build_channels(x), .act = gate}), x);
}

/* ---- moving ---- */

it_value *it_build_concat(it_build *b, it_value **parts, int len)
{
    node_spec n = {.name = next_name(b, "concat"), .onnx = "Concat", .in_len = len < IN_MAX ? len : IN_MAX, .attrs_len = 1};
    for (int k = 0; k < n.in_len; k++) n.in[k] = parts[k];
    n.attrs[0] = attr_int("axis", 1);
    return add_one(b, &n);
}

void it_build_halves(it_build *b, it_value *x, it_value *half[2])
{
    const char *name = next_name(b, "split");
    int64_t c = it_build_channels(x);
    node_spec n = {.name = name, .onnx = "Split", .in = {x}, .in_len = 2};
    n.in[1] = constant_ints(b, name, "split", (int64_t[]){c / 2, c - c / 2}, 2);
    n.attrs[0] = attr_int("axis", 1);
    n.attrs_len = 1;
    add_node(b, &n, half, 2);
}

static it_value *reshape(it_build *b, it_value *x, const int64_t *dim, int rank)
{
    const char *name = next_name(b, "reshape");
    return add_one(b, &(node_spec){.name = name, .onnx = "Reshape", .in = {x, constant_ints(b, name, "shape", dim, rank)}, .in_len = 2});
}

static it_value *transpose(it_build *b, it_value *x, const int64_t *perm, size_t len)
{
    node_spec n = {.name = next_name(b, "transpose"), .onnx = "Transpose", .in = {x}, .in_len = 1, .attrs_len = 1};
    n.attrs[0] = attr_ints("perm", perm, len);
    return add_one(b, &n);
}

it_value *it_build_shuffle(it_build *b, it_value *x, int64_t groups)
{
    if (b->st != INTACT_OK) return NULL;
    int64_t c = it_build_channels(x), h = x->t.dim[2], w = x->t.dim[3];
    it_value *y = reshape(b, x, (int64_t[]){0, groups, c / groups, h, w}, 5); /* 0: the batch stays */
    return reshape(b, transpose(b, y, (int64_t[]){0, 2, 1, 3, 4}, 5), (int64_t[]){0, c, h, w}, 4);
}

it_value *it_build_subsample(it_build *b, it_value *x, int64_t step)
{
    const char *name = next_name(b, "slice");
    node_spec n = {.name = name, .onnx = "Slice", .in = {x}, .in_len = 5};
    n.in[1] = constant_ints(b, name, "starts", (int64_t[]){0, 0}, 2);
    n.in[2] = constant_ints(b, name, "ends", (int64_t[]){INT32_MAX, INT32_MAX}, 2);
    n.in[3] = constant_ints(b, name, "axes", (int64_t[]){2, 3}, 2);
    n.in[4] = constant_ints(b, name, "steps", (int64_t[]){step, step}, 2);
    return add_one(b, &n);
}

it_value *it_build_pad_channels(it_build *b, it_value *x, int64_t before, int64_t after)
{
    const char *name = next_name(b, "pad");
    it_value *pads = constant_ints(b, name, "pads", (int64_t[]){0, before, 0, 0, 0, after, 0, 0}, 8);
    return add_one(b, &(node_spec){.name = name, .onnx = "Pad", .in = {x, pads}, .in_len = 2});
}

it_value *it_build_rows(it_build *b, it_value *x)
{
    if (b->st != INTACT_OK) return NULL;
    const int64_t h = x->t.dim[2], row = x->t.dim[1] * x->t.dim[3];
    if (x->t.dim[1] > 1) x = transpose(b, x, (int64_t[]){0, 2, 1, 3}, 4);
    return reshape(b, x, (int64_t[]){0, h, row}, 3);
}

/* Glorot and Bengio's variance 1 / fan_in for what goes through tanh and sigmoid; what a cell keeps begins with a bias of 1 (Jozefowicz and others 2015). */
it_value *it_build_recurrent(it_build *b, it_value *x, const char *onnx, int gates, int64_t hidden)
{
    x = transpose(b, x, (int64_t[]){1, 0, 2}, 3);
    const char *name = next_name(b, "recurrent");
    if (b->st != INTACT_OK) return NULL;
    const bool cells = gates == 4;
    node_spec n = {.name = name, .onnx = onnx, .in = {x}, .in_len = 4, .attrs_len = cells ? 1 : 2};
    n.attrs[0] = attr_int("hidden_size", hidden);
    n.attrs[1] = attr_int("linear_before_reset", 1); /* as cuDNN and PyTorch */
    n.in[1] = constant_drawn(b, name, "weight", 3, (int64_t[]){1, gates * hidden, x->t.dim[2]}, 1.0 / (double)x->t.dim[2]);
    n.in[2] = constant_drawn(b, name, "recurrence", 3, (int64_t[]){1, gates * hidden, hidden}, 1.0 / (double)hidden);
    n.in[3] = constant(b, name, "bias", IT_F32, 2, (int64_t[]){1, 2 * gates * hidden});
    for (int64_t i = 0; cells && n.in[3] && i < hidden; i++) ((float *)n.in[3]->t.data)[2 * hidden + i] = 1; /* gates i, o, f, c */
    it_value *y[2];
    add_node(b, &n, y, 2);
    return reshape(b, y[1], (int64_t[]){-1, hidden}, 2);
}

it_value *it_build_flatten(it_build *b, it_value *x) { return unary(b, x, "flatten", "Flatten"); }

it_value *it_build_head(it_build *b, it_value *x)
{
    return it_build_dense(b, it_build_flatten(b, it_build_average(b, x)), b->classes, IT_ACT_NONE);
}
