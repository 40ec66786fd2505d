/* SPDX-License-Identifier: Apache-2.0 */
/* gzip.c: a file's bytes, gunzipped when it begins as gzip does; never more memory than its size can honestly need. */
#include "data/kind.h"

#include <limits.h>
#include <string.h>

#include <zlib.h>

#include "data/image.h"

#define RATIO_MAX 1032 /* deflate's largest gain */
#define GZIP_WINDOW (15 + 16)

static void *on_alloc(void *alloc, unsigned n, unsigned size)
{
    size_t bytes;
    return it_mul_size(n, size, &bytes) ? it_image_block_new(alloc, bytes) : NULL;
}

static void on_free(void *alloc, void *p) { it_image_block_free(alloc, p); }

static intact_status fail_stream(const z_stream *z, int code, const it_data_bytes *b, const char *path, intact_error *err)
{
    if (code == Z_MEM_ERROR)
        return it_fail_nomem(err, path, 0);
    if (z->avail_out == 0 && (code == Z_OK || code == Z_BUF_ERROR))
        return it_fail(err, INTACT_E_DATA, path, "damaged gzip file: it holds more than the %zu bytes that its end states", b->len);
    if (z->msg)
        return it_fail(err, INTACT_E_DATA, path, "damaged gzip file: %s", z->msg);
    return it_fail(err, INTACT_E_DATA, path, "gzip file is cut off: %zu of %zu bytes came out", b->len - z->avail_out, b->len);
}

static intact_status gunzip(const intact_alloc *a, const char *path, it_data_bytes *b, intact_error *err)
{
    const uint8_t *end = (const uint8_t *)b->map.data + b->map.len;
    b->len = (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
    if (b->map.len > UINT_MAX || b->len / RATIO_MAX > b->map.len)
        return it_fail(err, INTACT_E_DATA, path, "gzip file of %zu bytes states %zu bytes of content: damaged, cut off or too large",
                       b->map.len, b->len);
    b->own = it_alloc_new(a, b->len);
    if (!b->own)
        return it_fail_nomem(err, path, b->len);
    b->data = b->own;
    /* A stream that holds exactly b->len bytes still needs a call with room for its end marker; zlib finds it without output. */
    z_stream z = {.zalloc = on_alloc, .zfree = on_free, .opaque = (void *)(uintptr_t)a, .next_in = (Bytef *)(uintptr_t)b->map.data,
                  .avail_in = (unsigned)b->map.len, .next_out = b->own, .avail_out = (unsigned)b->len};
    int code = inflateInit2(&z, GZIP_WINDOW);
    if (code == Z_OK)
        code = inflate(&z, Z_FINISH);
    intact_status status = INTACT_OK;
    if (code != Z_STREAM_END || z.avail_out != 0)
        status = fail_stream(&z, code, b, path, err);
    else if (z.avail_in != 0)
        status = it_fail(err, INTACT_E_DATA, path, "gzip file has %u bytes after its end; one member is expected", z.avail_in);
    inflateEnd(&z);
    return status;
}

intact_status it_data_bytes_open(const intact_alloc *a, const char *path, it_data_bytes *out, intact_error *err)
{
    it_data_bytes b = {0};
    IT_TRY(it_map_open(path, &b.map, err));
    b.data = b.map.data;
    b.len = b.map.len;
    if (b.len >= 18 && memcmp(b.data, "\x1f\x8b", 2) == 0) { /* the shortest gzip file has 18 bytes and some */
        intact_status status = gunzip(a, path, &b, err);
        if (status != INTACT_OK) {
            it_data_bytes_close(a, &b);
            return status;
        }
        it_map_close(&b.map);
        b.map = (it_map){0};
    }
    *out = b;
    return INTACT_OK;
}

void it_data_bytes_close(const intact_alloc *a, it_data_bytes *b)
{
    it_map_close(&b->map);
    it_alloc_free(a, b->own, b->own ? b->len : 0);
    *b = (it_data_bytes){0};
}

size_t it_data_gunzip_head(const void *bytes, size_t len, void *out, size_t out_len)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (unsigned)len, .next_out = out, .avail_out = (unsigned)out_len};
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return 0;
    (void)inflate(&z, Z_SYNC_FLUSH);
    inflateEnd(&z);
    return out_len - z.avail_out;
}
