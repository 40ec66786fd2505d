/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_recipe.c: any bytes as a recipe and as a ranges file: rules or a sentence; what was read, printed and read again is the same. */
#include <stdlib.h>
#include <string.h>

#include "ptq/recipe.h"

static void refused(const intact_error *err)
{
    if (err->code == INTACT_OK || !err->message[0] || !err->where[0])
        abort();
}

static void print_and_read(const it_recipe *r)
{
    intact_error err = {0};
    it_recipe again;
    char *text = it_recipe_print(r), *twice;
    if (!text)
        abort();
    it_recipe_init(&again, NULL);
    if (it_recipe_parse(&again, text, strlen(text), "printed", &err) != INTACT_OK)
        abort();
    twice = it_recipe_print(&again);
    if (!twice || strcmp(text, twice) != 0)
        abort();
    it_recipe_release(&again);
    free(twice);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    intact_error err = {0};
    it_recipe r;
    it_recipe_init(&r, NULL);
    if (it_recipe_parse(&r, (const char *)data, len, "fuzz", &err) != INTACT_OK)
        refused(&err);
    else
        print_and_read(&r);
    it_recipe_release(&r);
    err = (intact_error){0};
    it_recipe_init(&r, NULL);
    if (it_recipe_parse_ranges(&r, (const char *)data, len, "fuzz", &err) != INTACT_OK)
        refused(&err);
    else
        print_and_read(&r);
    it_recipe_release(&r);
    return 0;
}
