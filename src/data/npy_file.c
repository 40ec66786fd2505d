/* SPDX-License-Identifier: Apache-2.0 */
/* npy_file.c: NumPy's .npy files, versions 1 to 3, little-endian.
**
**   OFFSET  SIZE  MEANING
**      0      6   93 'N' 'U' 'M' 'P' 'Y'
**      6      2   version: major, minor
**      8    2, 4  header bytes, little-endian: two from version 1, four from 2 and 3
**                 {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } padded with blanks, ended by a line feed
**                 the elements
*/
#include "data/data.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define RANK_MAX 8
#define HEADER_MAX (1u << 20)

typedef struct reader { const char *s, *end; } reader; /* the header's text */

static void skip(reader *r)
{
    while (r->s < r->end && (*r->s == ' ' || *r->s == '\t' || *r->s == '\n' || *r->s == '\r'))
        r->s++;
}

static bool take(reader *r, char c)
{
    skip(r);
    if (r->s >= r->end || *r->s != c)
        return false;
    r->s++;
    return true;
}

static bool take_word(reader *r, const char *word)
{
    size_t len = strlen(word);
    skip(r);
    if ((size_t)(r->end - r->s) < len || memcmp(r->s, word, len) != 0)
        return false;
    r->s += len;
    return true;
}

static bool take_string(reader *r, const char **s, size_t *len)
{
    skip(r);
    if (r->s >= r->end || (*r->s != '\'' && *r->s != '"'))
        return false;
    char quote = *r->s++;
    const char *close = memchr(r->s, quote, (size_t)(r->end - r->s));
    if (!close)
        return false;
    *s = r->s;
    *len = (size_t)(close - r->s);
    r->s = close + 1;
    return true;
}

static bool take_number(reader *r, uint64_t *out)
{
    skip(r);
    const char *from = r->s;
    uint64_t v = 0;
    for (; r->s < r->end && *r->s >= '0' && *r->s <= '9'; r->s++)
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*r->s - '0'), &v))
            return false;
    *out = v;
    if (r->s > from && r->s < r->end && *r->s == 'L') /* as Python 2 wrote long numbers */
        r->s++;
    return r->s > from;
}

static bool take_shape(reader *r, it_npy *out)
{
    if (!take(r, '('))
        return false;
    for (out->rank = 0; !take(r, ')');) {
        if (out->rank == RANK_MAX || !take_number(r, &out->dim[out->rank]))
            return false;
        out->rank++;
        if (!take(r, ',')) /* the comma after the last one may be missing, except in (n,), which we take too */
            return take(r, ')');
    }
    return true;
}

static intact_status parse_descr(const char *s, size_t len, const char *where, it_npy *out, intact_error *err)
{
    int shown = (int)(len < 24 ? len : 24);
    if (len < 3 || len > 4 || !memchr("<>|=", s[0], 4))
        return it_fail(err, INTACT_E_FORMAT, where, "element type '%.*s' cannot be read; one such as '<f4' or '|u1' is needed", shown, s);
    uint32_t bytes = 0;
    for (size_t i = 2; i < len; i++)
        bytes = s[i] >= '0' && s[i] <= '9' ? bytes * 10 + (uint32_t)(s[i] - '0') : 1000;
    bool good = s[1] == 'f' ? bytes == 2 || bytes == 4 || bytes == 8
                : s[1] == 'b' ? bytes == 1 : (s[1] == 'i' || s[1] == 'u') && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
    if (!good)
        return it_fail(err, INTACT_E_UNSUPPORTED, where, "element type '%.*s'; known are b1, i1 to i8, u1 to u8, f2, f4 and f8", shown, s);
    if (s[0] == '>' && bytes > 1)
        return it_fail(err, INTACT_E_UNSUPPORTED, where, "element type '%.*s' is big-endian; save it with .astype('<%.*s')", shown, s,
                       shown - 1, s + 1);
    out->kind = s[1];
    out->item_bytes = bytes;
    return INTACT_OK;
}

/* The three keys in any order, each once. */
static intact_status parse_header(reader *r, const char *where, it_npy *out, intact_error *err)
{
    unsigned seen = 0;
    bool good = take(r, '{');
    while (good && !take(r, '}')) {
        const char *key, *text;
        size_t key_len, text_len;
        unsigned bit = 0;
        good = take_string(r, &key, &key_len) && take(r, ':');
        if (good && key_len == 5 && memcmp(key, "descr", 5) == 0) {
            bit = 1;
            if (!take_string(r, &text, &text_len))
                return it_fail(err, INTACT_E_UNSUPPORTED, where, "the elements are records; an array of plain numbers is needed");
            IT_TRY(parse_descr(text, text_len, where, out, err));
        } else if (good && key_len == 13 && memcmp(key, "fortran_order", 13) == 0) {
            bit = 2;
            out->fortran = take_word(r, "True");
            good = out->fortran || take_word(r, "False");
        } else if (good && key_len == 5 && memcmp(key, "shape", 5) == 0) {
            bit = 4;
            good = take_shape(r, out);
        }
        good = good && bit && !(seen & bit);
        seen |= bit;
        if (good && !take(r, ',')) {
            good = take(r, '}');
            break;
        }
    }
    skip(r);
    if (!good || seen != 7 || r->s != r->end)
        return it_fail(err, INTACT_E_FORMAT, where,
                       "the header is not {'descr': '<f4', 'fortran_order': False, 'shape': (n, ...)} with at most %d dimensions",
                       RANK_MAX);
    return INTACT_OK;
}

intact_status it_npy_parse(const void *bytes, size_t len, const char *where, it_npy *out, intact_error *err)
{
    it_span s = it_span_of(bytes, len);
    const uint8_t *magic = it_span_bytes(&s, 6);
    if (!magic || memcmp(magic, "\x93NUMPY", 6) != 0)
        return it_fail(err, INTACT_E_FORMAT, where, "not an .npy file: it does not begin 93 NUMPY");
    uint8_t major = it_span_u8(&s), minor = it_span_u8(&s);
    if (!s.bad && (major < 1 || major > 3))
        return it_fail(err, INTACT_E_UNSUPPORTED, where, ".npy version %u.%u; 1 to 3 are known", major, minor);
    size_t header_len = major == 1 ? it_span_u16(&s) : it_span_u32(&s);
    const char *header = header_len <= HEADER_MAX ? it_span_bytes(&s, header_len) : NULL;
    if (s.bad || !header)
        return it_fail(err, INTACT_E_FORMAT, where, ".npy file of %zu bytes is cut off in its header of %zu bytes", len, header_len);
    it_npy n = {0};
    IT_TRY(parse_header(&(reader){header, header + header_len}, where, &n, err));
    size_t want = n.item_bytes;
    bool fits = true;
    for (uint32_t i = 0; i < n.rank; i++)
        if (n.dim[i] == 0)
            want = 0;
    for (uint32_t i = 0; want && i < n.rank; i++)
        fits = fits && it_mul_size(want, n.dim[i], &want);
    if (!fits || want > len - s.at)
        return it_fail(err, INTACT_E_FORMAT, where, ".npy file is cut off: its shape needs %s%zu bytes, %zu follow the header",
                       fits ? "" : "more than ", fits ? want : SIZE_MAX, len - s.at);
    n.data = (const uint8_t *)bytes + s.at;
    n.len = want;
    *out = n;
    return INTACT_OK;
}

intact_status it_npy_write(const char *path, char kind, uint32_t item_bytes, uint32_t rank, const uint64_t *dim, const void *data,
                           intact_error *err)
{
    char head[512];
    size_t bytes = item_bytes;
    if (rank > RANK_MAX || !memchr("bfiu", kind, 4) || item_bytes == 0 || item_bytes > 8)
        return it_fail(err, INTACT_E_ARG, path, "an .npy array of kind %c, %u bytes and %u dimensions cannot be written", kind, item_bytes,
                       rank);
    int at = 10 + snprintf(head + 10, sizeof head - 10, "{'descr': '%c%c%u', 'fortran_order': False, 'shape': (",
                           item_bytes == 1 ? '|' : '<', kind, item_bytes);
    for (uint32_t i = 0; i < rank; i++) { /* at most 8 numbers of 20 digits */
        at += snprintf(head + at, sizeof head - (size_t)at, i ? ", %llu" : "%llu", (unsigned long long)dim[i]);
        if (!it_mul_size(bytes, dim[i], &bytes))
            return it_fail(err, INTACT_E_ARG, path, "the array's size overflows");
    }
    at += snprintf(head + at, sizeof head - (size_t)at, rank == 1 ? ",), }" : "), }");
    size_t len = it_round_up((size_t)at + 1, 64); /* the data begins at a multiple of 64, as NumPy writes it */
    memset(head + at, ' ', len - (size_t)at);
    head[len - 1] = '\n';
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = (char)((len - 10) & 255);
    head[9] = (char)((len - 10) >> 8);
    return it_file_replace(path, (it_part[]){{head, len}, {data, bytes}}, 2, err);
}
