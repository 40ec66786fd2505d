/* SPDX-License-Identifier: Apache-2.0 */
/* type.c: sizes of the runtime's element types. */
#include "base/base.h"

size_t intact_type_bytes(intact_type type)
{
    static const uint8_t bytes[] = {[INTACT_U8] = 1, [INTACT_S8] = 1, [INTACT_S16] = 2, [INTACT_S32] = 4};
    return (unsigned)type < IT_LEN(bytes) ? bytes[type] : 0;
}
