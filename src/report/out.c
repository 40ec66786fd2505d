/* SPDX-License-Identifier: Apache-2.0 */
/* out.c: text that grows; escaping; numbers as people read them. */
#include "report/out.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

static void add_bytes(it_out *o, const char *s, size_t n)
{
    if (o->failed)
        return;
    if (o->len + n + 1 > o->cap) {
        size_t cap = (o->len + n + 1) * 2;
        char *p = it_alloc_grow(o->alloc, o->data, o->cap, cap);
        if (!p) {
            o->failed = true;
            return;
        }
        o->data = p;
        o->cap = cap;
    }
    memcpy(o->data + o->len, s, n);
    o->len += n;
}

void it_out_add(it_out *o, const char *s) { add_bytes(o, s, strlen(s)); }

void it_out_printf(it_out *o, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n > 0)
        add_bytes(o, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* Bytes of the UTF-8 character at s: 0 when it is none, overlong, a surrogate or beyond U+10FFFF. */
static size_t utf8_bytes(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static const char *html_escape(char c, char buf[8])
{
    (void)buf;
    return c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : c == '\'' ? "&#39;"
           : ((unsigned char)c < 0x20 && c != '\n') || c == 0x7f ? "\xef\xbf\xbd" : NULL;
}

static const char *json_escape(char c, char buf[8])
{
    if ((unsigned char)c >= 0x20 && c != '"' && c != '\\')
        return NULL;
    snprintf(buf, 8, (unsigned char)c < 0x20 ? "\\u%04x" : "\\%c", c);
    return buf;
}

static void add_escaped(it_out *o, const char *s, const char *(*escape)(char, char[8]))
{
    char buf[8];
    while (s && *s) {
        size_t n = utf8_bytes((const unsigned char *)s);
        const char *instead = n == 0 ? "\xef\xbf\xbd" : n == 1 ? escape(*s, buf) : NULL;
        if (instead)
            it_out_add(o, instead);
        else
            add_bytes(o, s, n);
        s += n ? n : 1;
    }
}

void it_out_html(it_out *o, const char *s) { add_escaped(o, s, html_escape); }

void it_out_json(it_out *o, const char *s)
{
    if (!s) {
        it_out_add(o, "null");
        return;
    }
    it_out_add(o, "\"");
    add_escaped(o, s, json_escape);
    it_out_add(o, "\"");
}

void it_out_real(it_out *o, double v)
{
    if (isfinite(v))
        it_out_printf(o, "%.9g", v);
    else
        it_out_add(o, "null");
}

intact_status it_out_write(it_out *o, const char *path, intact_error *err)
{
    it_part part = {o->data, o->len};
    intact_status st = o->failed ? it_fail_nomem(err, path, o->len) : it_file_replace(path, &part, 1, err);
    it_alloc_free(o->alloc, o->data, o->cap);
    *o = (it_out){0};
    return st;
}

const char *it_report_db(double v, char buf[32])
{
    if (isnan(v))
        return "\u2013";
    if (isinf(v))
        return v > 0 ? "exact" : "none";
    snprintf(buf, 32, "%.1f", v);
    return buf;
}

const char *it_report_bytes(double v, char buf[32])
{
    if (v < 1024)
        snprintf(buf, 32, "%.0f B", v);
    else if (v < 1024 * 1024)
        snprintf(buf, 32, "%.1f KiB", v / 1024);
    else
        snprintf(buf, 32, "%.2f MiB", v / (1024 * 1024));
    return buf;
}

const char *it_report_percent(double fraction, char buf[32])
{
    if (isnan(fraction))
        return "\u2013";
    if (fraction == 0)
        return "0 %";
    double p = 100 * fraction;
    if (p > 0 && p < 0.001)
        return "&lt;0.001 %";
    snprintf(buf, 32, fabs(p) < 1 ? "%.3f %%" : "%.2f %%", p);
    return buf;
}

const char *it_report_points(double points, char buf[32])
{
    if (fabs(points) < 0.005)
        return "0.00";
    snprintf(buf, 32, "%+.2f", points);
    return buf;
}
