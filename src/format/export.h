/* SPDX-License-Identifier: Apache-2.0 */
/* export.h: integer programs as ONNX networks. A format (export_<name>.c, a line in export_list.h) is a list of rules, one an instruction.
**
** Channels come second, as ONNX has it: runtime dims (1, rest, C) are (N, C, rest) here, N a symbolic batch. Every tensor of the program
** exists as codes (uint8, int16; int64 for s32), and, where somebody asks for it, as real numbers behind a DequantizeLinear.
** The makers return NULL once anything failed (e->st), and take NULL from one another, so only emit's end needs to look. */
#ifndef IT_EXPORT_H
#define IT_EXPORT_H

#include "format/format.h"
#include "op/op.h"
#include "run/instr.h"

typedef struct it_exporter it_exporter;

typedef struct it_export_rule {
    const it_instr *kind;
    void (*emit)(it_exporter *e, const it_pinstr *i); /* gives i's output codes, or fails */
} it_export_rule;

struct it_export_format {
    const char *name, *summary;
    const it_export_rule *rules;
    size_t rules_len;
    const it_export_format *base; /* its rules serve instructions that this one has none for; NULL: none */
};
#define FORMAT(name) extern const it_export_format it_export_##name;
#include "format/export_list.h"
#undef FORMAT

struct it_exporter {
    const it_prog *p;
    const it_export_format *format;
    it_export_options opt;
    it_graph *g;
    const char **name;    /* [tensors]: unique */
    it_value **codes, **real, **scale, **zero; /* [tensors]; NULL until made */
    const it_pinstr *i;   /* the present one */
    const char *about;    /* what is made now is named after this; NULL: after the present instruction's output */
    it_arena scratch;     /* for one instruction */
    struct { const char **slots; size_t len, cap; } taken; /* names: a hash table, cap is a power of two */
    intact_status st;
    intact_error *err;
};

/* ---- making (export_make.c) ---- */

#define IT_EX_IN(...) ((it_value *const[]){ __VA_ARGS__ }), (int)(sizeof((it_value *const[]){ __VA_ARGS__ }) / sizeof(it_value *))
#define IT_EX_ATTRS(...) ((const it_attr[]){ __VA_ARGS__, { .name = NULL } })
#define IT_EX_INT(n, v) { .name = (n), .kind = IT_ATTR_INT, .i = (v) }
#define IT_EX_INTS(n, v, l) { .name = (n), .kind = IT_ATTR_INTS, .ints = (v), .len = (size_t)(l) }

/* "layer (instruction): sentence", UNSUPPORTED. */
void it_export_fail(it_exporter *e, const char *fmt, ...) IT_PRINTF(2, 3);
void *it_export_room(it_exporter *e, size_t len, size_t size); /* zeroed, for the present instruction; NULL and failed without memory */
const char *it_export_name(it_exporter *e, const char *base, const char *end); /* not yet taken; it is now */
it_value *it_export_const(it_exporter *e, const char *end, it_type type, int rank, const int64_t *dim, const void *data);
it_value *it_export_one(it_exporter *e, const char *end, it_type type, double v); /* rank 0 */
it_value *it_export_dims(it_exporter *e, const char *end, const int64_t *v, int64_t len); /* int64 [len] */
/* A node of an ONNX operator, or of one of domain com.microsoft; its output is named after the present instruction's. NULL in the middle
** of in: left out. attrs may be NULL. */
it_value *it_export_node(it_exporter *e, const char *op, it_value *const *in, int in_len, const it_attr *attrs);
it_value *it_export_cast(it_exporter *e, it_value *x, it_type to);
it_value *it_export_reshape(it_exporter *e, it_value *x, int rank, const int64_t *dim); /* dim[0] stays the batch */

/* ---- tensors of the program (export_tensor.c) ---- */

int it_export_shape(const it_ptensor *t, int64_t dim[IT_RANK_MAX]); /* rank; dims as ONNX orders them, dim[0] = 1 */
/* (C, positions) of a sample as it is here: element (c, p) is element p * C + c of the program's. Rank 2 and below: positions is 1. */
void it_export_planes(const it_ptensor *t, int64_t *channels, int64_t *positions);
it_type it_export_type(intact_type t);
double it_export_scale_of(const it_ptensor *t);
it_value *it_export_scale(it_exporter *e, uint32_t t);
it_value *it_export_zero(it_exporter *e, uint32_t t);
it_value *it_export_codes(it_exporter *e, uint32_t t);
it_value *it_export_real(it_exporter *e, uint32_t t);
/* Real values as if the scale were another one: the codes' share in an instruction whose multiplier says so. Any sign, 0 too. */
it_value *it_export_real_at(it_exporter *e, uint32_t t, double scale);
/* t's codes are v, clamped to lo..hi where these are not all codes. */
void it_export_set(it_exporter *e, uint32_t t, it_value *v, int32_t lo, int32_t hi);
void it_export_set_all(it_exporter *e, uint32_t t, it_value *v); /* without a clamp */
void it_export_quantize(it_exporter *e, uint32_t t, it_value *real, int32_t lo, int32_t hi); /* the same, v a real value */
/* v's elements are in the program's order, whatever its shape: as t's shape here. */
it_value *it_export_from_rows(it_exporter *e, uint32_t t, it_value *v);
double it_export_factor(int32_t m, uint32_t s); /* m * 2^-s */
bool it_export_near(double a, double b);        /* equal but for the rounding of scales and multipliers */

/* ---- layers with weights (export_mac.c) ---- */

typedef struct it_export_mac { /* of the present instruction */
    it_value *weight;          /* int8 (O, I / group, KH, KW), (O, I, KW), (O, K) */
    bool bytes;                /* it is int8; else int16, because fixes lead out of int8, or int4, which operators on codes do not know */
    it_value *scale, *zero;    /* of the weight: float and its type, [O]; NULL with thresholds */
    it_value *bias;            /* int32 [O], without the input's zero point */
    it_value *bias_scale, *bias_zero;
    bool no_bias;              /* all zero */
    uint32_t thresholds, levels;
    int32_t lo, hi;
} it_export_mac;
bool it_export_mac_of(it_exporter *e, const it_pinstr *i, it_export_mac *m); /* false: failed */
typedef struct it_export_window { int64_t kernel[2], stride[2], dil[2], pad[4]; int len; } it_export_window;
/* One spatial axis where x has rank 3. Padding that no window reaches is left out. */
bool it_export_window_of(it_exporter *e, const it_pinstr *i, it_export_window *w);
/* conv's attributes into attrs, which has room for 6. */
const it_attr *it_export_conv_attrs(it_exporter *e, const it_pinstr *i, const it_export_window *w, it_attr *attrs);
/* x of a dense layer as (N, K): its codes. */
it_value *it_export_flat(it_exporter *e, uint32_t t);

/* Its table is exp of single codes, and its sum is 1. Else it is no Softmax but the integer formula. */
bool it_export_softmax_is_plain(const it_exporter *e, const it_pinstr *i);

/* ---- rules that formats share (export_codes.c, export_copy.c, export_count.c): on codes, exact ---- */

void it_export_concat(it_exporter *e, const it_pinstr *i);
void it_export_pad(it_exporter *e, const it_pinstr *i);
void it_export_copy(it_exporter *e, const it_pinstr *i);
void it_export_resize(it_exporter *e, const it_pinstr *i);
void it_export_lut(it_exporter *e, const it_pinstr *i);
void it_export_pixels(it_exporter *e, const it_pinstr *i);
void it_export_requantize(it_exporter *e, const it_pinstr *i);
void it_export_softmax(it_exporter *e, const it_pinstr *i);
void it_export_argmax(it_exporter *e, const it_pinstr *i);
void it_export_threshold(it_exporter *e, const it_pinstr *i);
void it_export_counted(it_exporter *e, const it_pinstr *i); /* conv, dwconv, dense with thresholds */

#endif
