/* SPDX-License-Identifier: Apache-2.0 */
/* elem_avx512vbmi: elementwise kernels that live on byte permutations. */
#include "run/kern/x86/elem_avx512.h"

typedef struct byte_table { __m512i t[4]; } byte_table;

static inline byte_table table_open(const uint8_t table[256])
{
    return (byte_table){ { _mm512_loadu_si512(table), _mm512_loadu_si512(table + 64), _mm512_loadu_si512(table + 128),
                           _mm512_loadu_si512(table + 192) } };
}

static inline __m512i table_look(const byte_table *b, __m512i x)
{
    const __m512i low = _mm512_permutex2var_epi8(b->t[0], x, b->t[1]), high = _mm512_permutex2var_epi8(b->t[2], x, b->t[3]);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(x), high);
}

void it_kern_lut_u8_avx512vbmi(const uint8_t *x, uint8_t *y, size_t n, const uint8_t table[256])
{
    const byte_table b = table_open(table);
    size_t i = 0;
    for (; i + 128 <= n; i += 128) {
        const __m512i v0 = table_look(&b, _mm512_loadu_si512(x + i)), v1 = table_look(&b, _mm512_loadu_si512(x + i + 64));
        _mm512_storeu_si512(y + i, v0);
        _mm512_storeu_si512(y + i + 64, v1);
    }
    for (; i < n; i += 64)
        store_first(y + i, n - i, table_look(&b, load_first(x + i, n - i)));
}

static inline __m512i look(const uint8_t table[256], __m512i x)
{
    const byte_table b = table_open(table);
    return table_look(&b, x);
}

static line_columns columns_of(const it_lines *l, const uint8_t *b, size_t n)
{
    const __m512i x = load_first(b, n);
    return line_columns_of(look(l->factor_low, x), look(l->factor_high, x), look(l->offset_low, x), look(l->offset_high, x),
                           look(l->tail, x), look(l->shift, x));
}

void it_kern_mul_rows_u8_avx512vbmi(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k)
{
    if (k->lines)
        line_mul_rows(columns_of, a, b, y, rows, n, k);
    else
        it_kern_mul_rows_u8_avx512vnni(a, b, y, rows, n, k);
}
