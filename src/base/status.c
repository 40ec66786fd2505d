/* SPDX-License-Identifier: Apache-2.0 */
/* status.c: errors that say what, where, which value and what would be right. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static void put_text(char *to, size_t cap, const char *from)
{
    size_t n = strnlen(from, cap - 1);
    memcpy(to, from, n);
    to[n] = 0;
}

intact_status it_fail(intact_error *err, intact_status code, const char *where, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(err->message, sizeof err->message, fmt, ap);
        va_end(ap);
        put_text(err->where, sizeof err->where, where ? where : "");
        err->code = code;
    }
    return code;
}

intact_status it_fail_nomem(intact_error *err, const char *where, size_t bytes)
{
    return it_fail(err, INTACT_E_NOMEM, where, "out of memory: %zu more bytes were refused", bytes);
}

intact_status it_fail_in(intact_error *err, intact_status code, const char *prefix)
{
    if (err) {
        char old[sizeof err->where];
        put_text(old, sizeof old, err->where);
        size_t n = strnlen(prefix, sizeof err->where - 1);
        memcpy(err->where, prefix, n);
        put_text(err->where + n, sizeof err->where - n, old);
        err->code = code;
    }
    return code;
}

const char *intact_status_name(intact_status status)
{
    static const char *const names[] = {
        [INTACT_OK] = "ok",         [INTACT_E_ARG] = "argument", [INTACT_E_NOMEM] = "memory",
        [INTACT_E_IO] = "io",       [INTACT_E_FORMAT] = "format", [INTACT_E_SHAPE] = "shape",
        [INTACT_E_UNSUPPORTED] = "unsupported", [INTACT_E_DATA] = "data", [INTACT_E_CANCELLED] = "cancelled",
        [INTACT_E_GATE] = "gate",
    };
    return (unsigned)status < IT_LEN(names) ? names[status] : "unknown";
}
