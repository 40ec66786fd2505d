/* SPDX-License-Identifier: Apache-2.0 */
/* precision.c: names of product types, and how the loss's scale moves. */
#include "train/precision.h"

#include <string.h>

#include "op/operand.h"

const char *const it_products_names[] = { "f32", "bf16", "f16", NULL };

bool it_products_find(const char *name, it_products *out)
{
    const it_products to[] = { IT_PRODUCTS_F32, it_operand_dot_is_faster() ? IT_PRODUCTS_BF16_DOT : IT_PRODUCTS_BF16, IT_PRODUCTS_F16 };
    for (size_t i = 0; it_products_names[i]; i++)
        if (strcmp(it_products_names[i], name) == 0) {
            *out = to[i];
            return true;
        }
    return false;
}

void it_scaling_begin(const it_scaling_spec *s, it_scaling *now)
{
    *now = (it_scaling){ .scale = s->kind == IT_SCALE_NONE ? 1 : s->start > 0 ? (float)s->start : IT_SCALE_START };
}

void it_scaling_step(const it_scaling_spec *s, it_scaling *now, bool finite)
{
    const uint32_t patience = s->patience ? s->patience : IT_SCALE_PATIENCE;
    now->good = finite ? now->good + 1 : 0;
    now->skips = finite ? 0 : now->skips + 1;
    if (s->kind != IT_SCALE_DYNAMIC) {
        now->good = 0; /* nobody asks, and floats count only so far */
    } else if (!finite) {
        now->scale /= 2;
    } else if (now->good >= (float)patience) {
        now->good = 0;
        if (now->scale < IT_SCALE_MOST)
            now->scale *= 2;
    }
}
