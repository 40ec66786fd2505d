/* SPDX-License-Identifier: Apache-2.0 */
/* toolkit.c: makes a context and asks it something: enough to need the toolkit and all that it links. */
#include <intact/intact.h>
#include <stdio.h>

int main(void)
{
    static const char *const methods[] = {"max", "entropy", "mse"};
    intact_ctx_options options;
    intact_ctx *ctx;
    intact_error err;
    intact_ctx_options_default(&options);
    if (intact_ctx_new(&options, &ctx, &err) != INTACT_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.message);
        return 1;
    }
    const char *near = intact_nearest("entrpy", methods, 3);
    printf("nearest: %s\n", near ? near : "none");
    intact_model *model; /* a file that is not there: the reader, the operators and what they stand on are linked */
    intact_status status = intact_model_open(ctx, "there is no such file", INTACT_CPU_AUTO, &model, &err);
    intact_ctx_free(ctx);
    return status == INTACT_E_IO ? 0 : 1;
}
