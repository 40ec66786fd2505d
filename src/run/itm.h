/* SPDX-License-Identifier: Apache-2.0 */
/* itm.h: the numbers of the .itm format that its reader (load.c) and its writer (format/itm_write.c) share; docs/FORMAT.md. */
#ifndef IT_ITM_H
#define IT_ITM_H

#include "base/base.h"

#define IT_ITM_MAGIC 0x314d5449u /* "ITM1", little-endian */

enum {
    IT_ITM_VERSION = 1,
    IT_ITM_HEADER_BYTES = 32,
    IT_ITM_ENTRY_BYTES = 24,  /* of the section table */
    IT_ITM_TENSOR_BYTES = 52, /* a record of the tensor section */
    IT_ITM_CONST_BYTES = 24,  /* a record of the constant section */
    IT_ITM_ALIGN = 64         /* sections, and constants within data */
};

/* The type of a constant in the file: that of its elements (intact_type), or one of these: s8 packed to codes of 4, 3 and 2 bits. */
enum { IT_ITM_CODES4 = INTACT_S32 + 1, IT_ITM_CODES3, IT_ITM_CODES2 };
static inline uint32_t it_itm_code_bits(uint32_t type) { return type >= IT_ITM_CODES4 && type <= IT_ITM_CODES2 ? 8 - type : 0; }
static inline uint32_t it_itm_code_type(uint32_t bits) { return 8 - bits; }

/* The first word of an instruction: its code, and how many arguments follow beyond those that every such instruction has. */
static inline uint32_t it_itm_code_word(uint32_t code, uint32_t more) { return code | more << 16; }
static inline uint32_t it_itm_word_code(uint32_t word) { return word & 0xffff; }
static inline uint32_t it_itm_word_more(uint32_t word) { return word >> 16; }

/* In the order of the file; every file has each once. */
typedef enum it_itm_section {
    IT_ITM_STRINGS = 1,
    IT_ITM_TENSORS,
    IT_ITM_CONSTS,
    IT_ITM_DATA,
    IT_ITM_INSTRS,
    IT_ITM_IO,
    IT_ITM_META,
    IT_ITM_SECTIONS = IT_ITM_META
} it_itm_section;

#endif
