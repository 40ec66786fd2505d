/* SPDX-License-Identifier: Apache-2.0 */
/* op.c: the table of operators, and what to say when a name is not in it. */
#include <stdio.h>
#include <string.h>

#include "op/op.h"

const it_op *const it_op_all[] = {
#define OP(name) &it_op_##name,
#include "op/op_list.h"
#undef OP
    NULL
};

static const char *domain_name(const char *domain) { return domain && strcmp(domain, "ai.onnx") ? domain : ""; }
static int until_of(const it_op *op) { return op->until ? op->until : IT_OPSET_MAX; }

const it_op *it_op_find(const char *onnx, const char *domain, int opset)
{
    for (const it_op *const *op = it_op_all; *op; op++)
        if ((*op)->onnx && !strcmp((*op)->onnx, onnx) && !strcmp(domain_name((*op)->domain), domain_name(domain)) &&
            opset >= (*op)->since && opset <= until_of(*op))
            return *op;
    return NULL;
}

/* The opsets at which the operator would be understood: "7 to 12, 13 to 21"; empty when at none. */
static void ranges(const char *onnx, const char *domain, char *buf, size_t len)
{
    size_t at = 0;
    buf[0] = 0;
    for (const it_op *const *op = it_op_all; *op && at < len; op++)
        if ((*op)->onnx && !strcmp((*op)->onnx, onnx) && !strcmp(domain_name((*op)->domain), domain_name(domain)))
            at += (size_t)snprintf(buf + at, len - at, "%s%d to %d", at ? ", " : "", (*op)->since, until_of(*op));
}

/* Operators of ONNX that are not here, and what computes the same or nearly. */
typedef struct replacement { const char *onnx, *instead; } replacement;

#define NO_FLOW "export the network without control flow: trace it with fixed shapes, so that loops unroll and branches are chosen"
#define NO_SEQUENCE "sequences have no place in a network of fixed shapes: use Split and Concat on tensors"
#define AFTER "end the network before it, and compute it on the outputs"
#define BEFORE "compute it before the network, and feed the result"
#define NO_CHANCE "random numbers have no place in inference: export with model.eval(), or feed them as an input"
#define NO_TEXT "feed numbers: text is processed before the network"
#define NO_LOSS "a loss belongs to training: export the network without it"

static const replacement STANDARD[] = {
    { "AffineGrid", "export with a fixed size, so that the grid is a constant; resampling by a grid has no replacement, Resize has" },
    { "Attention", "MatMul, Mul, Softmax and MatMul (in float; integers need constant matrices)" },
    { "Bernoulli", NO_CHANCE },
    { "BitwiseAnd", BEFORE }, { "BitwiseNot", BEFORE }, { "BitwiseOr", BEFORE }, { "BitwiseXor", BEFORE },
    { "BlackmanWindow", "store the window as a constant" },
    { "CenterCropPad", "Slice and Pad with constant sizes" },
    { "Col2Im", "ConvTranspose with a constant weight of ones and zeros" },
    { "ConcatFromSequence", "Concat" },
    { "DFT", "MatMul with the constant matrix of the transform" },
    { "DeformConv", "Conv: offsets that the network computes have no replacement" },
    { "Det", AFTER },
    { "Einsum", "MatMul, Transpose, Mul and ReduceSum: most equations are a Transpose of each operand and one MatMul" },
    { "GridSample", "Resize when the grid is regular; other grids have no replacement" },
    { "GroupNormalization", "Reshape to (N, groups, -1), InstanceNormalization, Reshape, and Mul and Add per channel; in integers BatchNormalization" },
    { "HammingWindow", "store the window as a constant" },
    { "HannWindow", "store the window as a constant" },
    { "Hardmax", "ArgMax, as the network's output" },
    { "If", NO_FLOW }, { "Loop", NO_FLOW }, { "Scan", NO_FLOW },
    { "ImageDecoder", "feed pixels: images are decoded before the network" },
    { "LpNormalization", "ReduceL2 (or ReduceL1) with keepdims, and Div" },
    { "MaxRoiPool", "MaxPool over a region of fixed size after a Slice" },
    { "MaxUnpool", "Resize (nearest), or ConvTranspose" },
    { "MeanVarianceNormalization", "InstanceNormalization with scale 1 and bias 0; in integers BatchNormalization" },
    { "MelWeightMatrix", "store the matrix as a constant" },
    { "Multinomial", NO_CHANCE },
    { "NegativeLogLikelihoodLoss", NO_LOSS },
    { "NonMaxSuppression", "end the network at the boxes and scores, and suppress overlapping ones on the outputs" },
    { "Optional", NO_FLOW }, { "OptionalGetElement", NO_FLOW }, { "OptionalHasElement", NO_FLOW },
    { "RMSNormalization", "Mul, ReduceMean, Add, Sqrt and Div; in integers BatchNormalization" },
    { "RandomNormal", NO_CHANCE }, { "RandomNormalLike", NO_CHANCE }, { "RandomUniform", NO_CHANCE }, { "RandomUniformLike", NO_CHANCE },
    { "RegexFullMatch", NO_TEXT },
    { "RoiAlign", "Slice and Resize for regions at constant places; others are cut out between two networks" },
    { "RotaryEmbedding", "Split, Mul by constants, Neg, Add and Concat" },
    { "STFT", "Conv with the windowed sines and cosines as its constant weight" },
    { "SequenceAt", NO_SEQUENCE }, { "SequenceConstruct", NO_SEQUENCE }, { "SequenceEmpty", NO_SEQUENCE }, { "SequenceErase", NO_SEQUENCE },
    { "SequenceInsert", NO_SEQUENCE }, { "SequenceLength", NO_SEQUENCE }, { "SequenceMap", NO_SEQUENCE }, { "SplitToSequence", NO_SEQUENCE },
    { "Shrink", "Sub of x and Clip(x, -lambd, lambd), when bias is lambd" },
    { "SoftmaxCrossEntropyLoss", NO_LOSS },
    { "StringConcat", NO_TEXT }, { "StringNormalizer", NO_TEXT }, { "StringSplit", NO_TEXT }, { "TfIdfVectorizer", NO_TEXT },
    { "Unique", AFTER },
};

static const char *instead_of(const char *onnx)
{
    for (size_t i = 0; i < IT_LEN(STANDARD); i++)
        if (!strcmp(STANDARD[i].onnx, onnx))
            return STANDARD[i].instead;
    return NULL;
}

intact_status it_op_unknown(const char *node, const char *onnx, const char *domain, int opset, intact_error *err)
{
    const char *d = domain_name(domain), *near = NULL, *names[512];
    char where[200], at[120];
    size_t len = 0;
    snprintf(where, sizeof where, "%s (%s)", node, onnx);
    ranges(onnx, domain, at, sizeof at);
    if (at[0])
        return it_fail(err, INTACT_E_UNSUPPORTED, where, "operator %s is not supported at opset %d; it is at opsets %s", onnx, opset, at);
    for (const it_op *const *op = it_op_all; *op && len < IT_LEN(names); op++)
        if ((*op)->onnx && !strcmp((*op)->onnx, onnx)) {
            return it_fail(err, INTACT_E_UNSUPPORTED, where,
                           "operator %s of domain \"%s\" is not supported; that of domain \"%s\" is", onnx, d,
                           domain_name((*op)->domain));
        } else if ((*op)->onnx && (*op)->since <= opset && until_of(*op) >= opset) {
            names[len++] = (*op)->onnx;
        }
    const char *instead = d[0] ? NULL : instead_of(onnx);
    if (instead)
        return it_fail(err, INTACT_E_UNSUPPORTED, where, "operator %s is not supported (opset %d); what would work instead: %s", onnx, opset,
                       instead);
    near = it_nearest(onnx, names, len);
    if (near && near[0] == onnx[0]) /* "Pow" is no misspelling of "Not" */
        return it_fail(err, INTACT_E_UNSUPPORTED, where,
                       "operator %s of domain \"%s\" is not supported at opset %d; the nearest name that is: %s",
                       onnx, d, opset, near);
    if (d[0])
        return it_fail(err, INTACT_E_UNSUPPORTED, where, "operator %s of domain \"%s\" is not supported (opset %d); such operators come from "
                       "optimizers and extensions: give the network as it was exported, of standard operators alone", onnx, d, opset);
    return it_fail(err, INTACT_E_UNSUPPORTED, where, "operator %s of domain \"\" is not supported at opset %d; it is not one of ONNX %d to %d: "
                   "export what it computes as standard operators (Conv, MatMul, Add, Mul, Relu, ...)", onnx, opset, IT_OPSET_MIN, IT_OPSET_MAX);
}
