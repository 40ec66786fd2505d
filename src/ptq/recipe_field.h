/* SPDX-License-Identifier: Apache-2.0 */
/* recipe_field.h: one field of a recipe: how its text is read and printed, which bytes of it_plans it is. */
#ifndef IT_RECIPE_FIELD_H
#define IT_RECIPE_FIELD_H

#include "ptq/recipe.h"

typedef enum it_field_kind { IT_FIELD_NUMBER, IT_FIELD_TEXT, IT_FIELD_PAIR /* of numbers */ } it_field_kind; /* its form in JSON */

typedef struct it_recipe_field {
    const char *name; /* "weights.bits": the member of the JSON object that comes before the point */
    it_field_kind kind;
    intact_status (*read)(it_plans *p, const char *text, const char *where, intact_error *err);
    void (*print)(const it_plans *p, char *out, size_t len); /* len >= 64 */
    size_t offset, bytes;
    bool of_input;  /* a rule for a layer may set it, of the value that the layer reads */
    bool of_one;    /* of one value: never for all */
} it_recipe_field;

extern const it_recipe_field it_recipe_fields[];
extern const uint32_t it_recipe_fields_len;

#endif
