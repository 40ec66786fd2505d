/* SPDX-License-Identifier: Apache-2.0 */
/* gzip.c: a file's bytes, gunzipped when it begins as gzip does; never more memory than its size can honestly need. */
#include "data/kind.h"

#include <limits.h>
#include <string.h>

#include <zlib.h>

#include "data/image.h"

#define GZIP_WINDOW (15 + 16)
#define GZIP_BYTES_MIN 18 /* header and trailer */

static void *on_alloc(void *alloc, unsigned n, unsigned size)
{
    size_t bytes;
    return it_mul_size(n, size, &bytes) ? it_image_block_new(alloc, bytes) : NULL;
}

static void on_free(void *alloc, void *p) { it_image_block_free(alloc, p); }

typedef struct unpacking {
    z_stream z;
    it_data_bytes *to; /* own grows, len is its size */
    const intact_alloc *alloc;
    size_t stated;     /* the content's size as the last four bytes give it; any number when the file is cut off */
} unpacking;

/* Room for what comes: at first what files like these tend to need, then twice as much, never more than is stated. */
static bool make_room(unpacking *u)
{
    size_t cap = u->to->len, typical = 4 * u->to->map.len, want = cap ? 2 * cap : typical;
    if (want > u->stated)
        want = u->stated;
    uint8_t *p = it_alloc_grow(u->alloc, u->to->own, cap, want);
    if (!p)
        return false;
    u->to->own = p;
    u->to->len = want;
    u->z.next_out = p + cap;
    u->z.avail_out = (unsigned)(want - cap); /* stated has 32 bits */
    return true;
}

/* To the end of the stream, or of what is stated; beyond that nothing is kept: only what is wrong with the file is found out. */
static int inflate_all(unpacking *u)
{
    uint8_t beyond[4096];
    int code = Z_OK;
    while (code == Z_OK) {
        if (u->z.avail_out == 0 && u->to->len == u->stated) {
            u->z.next_out = beyond;
            u->z.avail_out = sizeof beyond;
        } else if (u->z.avail_out == 0 && !make_room(u)) {
            return Z_MEM_ERROR;
        }
        code = inflate(&u->z, Z_NO_FLUSH);
    }
    return code;
}

static intact_status gunzip(const intact_alloc *a, const char *path, it_data_bytes *b, intact_error *err)
{
    const uint8_t *end = (const uint8_t *)b->map.data + b->map.len;
    if (b->map.len < GZIP_BYTES_MIN)
        return it_fail(err, INTACT_E_DATA, path, "gzip file is cut off: %zu bytes; the shortest has more than %d", b->map.len, GZIP_BYTES_MIN);
    if (b->map.len > UINT_MAX)
        return it_fail(err, INTACT_E_DATA, path, "gzip file of %zu bytes; at most %u can be read", b->map.len, UINT_MAX);
    b->len = 0;
    unpacking u = {.to = b, .alloc = a,
                   .stated = (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24};
    u.z = (z_stream){.zalloc = on_alloc, .zfree = on_free, .opaque = (void *)(uintptr_t)a, .next_in = (Bytef *)(uintptr_t)b->map.data,
                     .avail_in = (unsigned)b->map.len};
    int code = inflateInit2(&u.z, GZIP_WINDOW);
    if (code == Z_OK)
        code = inflate_all(&u);
    intact_status status = INTACT_OK;
    if (code == Z_MEM_ERROR)
        status = it_fail_nomem(err, path, 2 * b->len);
    else if (code == Z_BUF_ERROR) /* no input left */
        status = it_fail(err, INTACT_E_DATA, path, "gzip file is cut off: its %zu bytes end in the middle, %lu bytes into the content",
                         b->map.len, u.z.total_out);
    else if (code != Z_STREAM_END) /* zlib also compares the checksum and the stated size */
        status = it_fail(err, INTACT_E_DATA, path, "damaged gzip file: %s", u.z.msg ? u.z.msg : "a dictionary is needed");
    else if (u.z.avail_in != 0)
        status = it_fail(err, INTACT_E_DATA, path, "gzip file has %u bytes after its end; one member is expected", u.z.avail_in);
    inflateEnd(&u.z);
    if (status == INTACT_OK && u.z.total_out != u.stated) /* 2^32 bytes and more look like less */
        status = it_fail(err, INTACT_E_DATA, path, "gzip file holds %lu bytes; at most %u can be read", u.z.total_out, UINT_MAX);
    b->data = b->own;
    return status;
}

intact_status it_data_bytes_open(const intact_alloc *a, const char *path, it_data_bytes *out, intact_error *err)
{
    it_data_bytes b = {0};
    IT_TRY(it_map_open(path, &b.map, err));
    b.data = b.map.data;
    b.len = b.map.len;
    if (b.len >= 2 && memcmp(b.data, "\x1f\x8b", 2) == 0) {
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
