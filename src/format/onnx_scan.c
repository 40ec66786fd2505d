/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_scan.c: walks the protobuf wire format along the structure of ONNX's messages before protobuf-c unpacks them: its recursion has no
** limit, and a few bytes of an empty message cost it hundreds.
**
**   a message is a sequence of fields; a field is a key and a value
**   key    varint   field number * 8 + wire type
**   value  0: varint   1: 8 bytes   2: varint length, that many bytes   5: 4 bytes   (3 and 4, groups, do not occur in ONNX)
*/
#include <stdio.h>

#include "format/onnx.h"

#define DEPTH_MAX 64
#define NODES_MAX (1u << 20)
#define MESSAGES_MAX (1u << 23)
#define FIELDS_MAX (1u << 24) /* strings, bytes, messages: what costs an allocation each */

enum {
    MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SEGMENT, SPARSE, VALUE_INFO, TYPE, TYPE_TENSOR, TYPE_SEQUENCE, TYPE_MAP, TYPE_OPTIONAL,
    TYPE_SPARSE, SHAPE, DIMENSION, ENTRY, ANNOTATION, TRAINING, OPSET, FUNCTION
};

/* The fields that are messages; once: not repeated. protobuf-c merges a single message given twice, which takes quadratic time. */
static const struct { uint8_t in, field, is, once;
} PARTS[] = {
    {MODEL, 7, GRAPH, 1},        {MODEL, 8, OPSET, 0},       {MODEL, 14, ENTRY, 0},       {MODEL, 20, TRAINING, 0},
    {MODEL, 25, FUNCTION, 0},    {GRAPH, 1, NODE, 0},        {GRAPH, 5, TENSOR, 0},       {GRAPH, 15, SPARSE, 0},
    {GRAPH, 11, VALUE_INFO, 0},  {GRAPH, 12, VALUE_INFO, 0}, {GRAPH, 13, VALUE_INFO, 0},  {GRAPH, 14, ANNOTATION, 0},
    {NODE, 5, ATTRIBUTE, 0},     {ATTRIBUTE, 5, TENSOR, 1},  {ATTRIBUTE, 6, GRAPH, 1},    {ATTRIBUTE, 22, SPARSE, 1},
    {ATTRIBUTE, 14, TYPE, 1},    {ATTRIBUTE, 10, TENSOR, 0}, {ATTRIBUTE, 11, GRAPH, 0},   {ATTRIBUTE, 23, SPARSE, 0},
    {ATTRIBUTE, 15, TYPE, 0},    {TENSOR, 3, SEGMENT, 1},    {TENSOR, 13, ENTRY, 0},      {SPARSE, 1, TENSOR, 1},
    {SPARSE, 2, TENSOR, 1},      {VALUE_INFO, 2, TYPE, 1},   {TYPE, 1, TYPE_TENSOR, 1},   {TYPE, 4, TYPE_SEQUENCE, 1},
    {TYPE, 5, TYPE_MAP, 1},      {TYPE, 8, TYPE_SPARSE, 1},  {TYPE, 9, TYPE_OPTIONAL, 1}, {TYPE_TENSOR, 2, SHAPE, 1},
    {TYPE_SEQUENCE, 1, TYPE, 1}, {TYPE_MAP, 2, TYPE, 1},     {TYPE_OPTIONAL, 1, TYPE, 1}, {TYPE_SPARSE, 2, SHAPE, 1},
    {SHAPE, 1, DIMENSION, 0},    {ANNOTATION, 2, ENTRY, 0},  {TRAINING, 1, GRAPH, 1},     {TRAINING, 2, GRAPH, 1},
    {TRAINING, 3, ENTRY, 0},     {TRAINING, 4, ENTRY, 0},    {FUNCTION, 7, NODE, 0},      {FUNCTION, 9, OPSET, 0},
};

typedef struct it_scan {
    const uint8_t *data;
    size_t nodes, messages, fields;
    intact_error *err;
} it_scan;

static intact_status bad(it_scan *s, size_t at, const char *what)
{
    char where[40];
    snprintf(where, sizeof where, "byte %zu", at);
    return it_fail(s->err, INTACT_E_FORMAT, where, "%s; the file is damaged or not an ONNX file", what);
}

static intact_status varint(it_scan *s, size_t *at, size_t end, uint64_t *out)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (*at >= end) return bad(s, *at, "a number is cut off");
        uint8_t b = s->data[(*at)++];
        v |= shift < 64 ? (uint64_t)(b & 127) << shift : 0;
        if (!(b & 128)) {
            *out = v;
            return INTACT_OK;
        }
    }
    return bad(s, *at, "a number takes more than 10 bytes");
}

static int part_of(int message, uint64_t field)
{
    for (int i = 0; i < (int)IT_LEN(PARTS); i++)
        if (PARTS[i].in == message && PARTS[i].field == field) return i;
    return -1;
}

static intact_status limits(it_scan *s, int is, int depth, size_t at)
{
    char where[40];
    snprintf(where, sizeof where, "byte %zu", at);
    if (depth > DEPTH_MAX)
        return it_fail(s->err, INTACT_E_FORMAT, where, "messages are nested more than %d deep; the file is damaged or hostile", DEPTH_MAX);
    if (is == NODE && ++s->nodes > NODES_MAX)
        return it_fail(s->err, INTACT_E_UNSUPPORTED, where, "more than %u nodes", NODES_MAX);
    if (++s->messages > MESSAGES_MAX)
        return it_fail(s->err, INTACT_E_UNSUPPORTED, where, "more than %u parts (attributes, tensors, dimensions)", MESSAGES_MAX);
    return INTACT_OK;
}

static intact_status message(it_scan *s, int is, int depth, size_t at, size_t end)
{
    uint64_t seen = 0; /* single messages, by field number (all below 64) */
    IT_TRY(limits(s, is, depth, at));
    while (at < end) {
        size_t begin = at;
        uint64_t key = 0, n = 0;
        IT_TRY(varint(s, &at, end, &key));
        uint64_t field = key >> 3;
        int wire = (int)(key & 7), part = part_of(is, field);
        if (field == 0 || field > 0x1fffffff) return bad(s, begin, "a field has a number that is not allowed");
        if (part >= 0 && wire != 2) return bad(s, begin, "a part has the wrong wire type");
        if (part >= 0 && PARTS[part].once && seen >> field & 1) return bad(s, begin, "a part that may occur once occurs twice");
        seen |= part >= 0 ? (uint64_t)1 << field : 0;
        if (wire == 0) {
            IT_TRY(varint(s, &at, end, &n));
            continue;
        }
        if (wire == 1 || wire == 5)
            n = wire == 1 ? 8 : 4;
        else if (wire == 2)
            IT_TRY(varint(s, &at, end, &n));
        else
            return bad(s, begin, "a field has an unknown wire type");
        if (n > end - at) return bad(s, begin, "a field is longer than what holds it");
        if (wire == 2 && ++s->fields > FIELDS_MAX) return bad(s, begin, "there are too many fields");
        if (part >= 0) IT_TRY(message(s, PARTS[part].is, depth + 1, at, at + (size_t)n));
        at += (size_t)n;
    }
    return INTACT_OK;
}

intact_status it_onnx_scan(const void *bytes, size_t len, it_onnx_root root, intact_error *err)
{
    it_scan s = {.data = bytes, .err = err};
    return message(&s, root == IT_ONNX_MODEL ? MODEL : TENSOR, 1, 0, len);
}
