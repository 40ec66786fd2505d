/* SPDX-License-Identifier: Apache-2.0 */
/* lists.c: the names that help texts, completion and the support table print. */
#include <string.h>

#include "api/api.h"
#include "calib/calib.h"

const char *const *intact_list_methods(void)
{
#define CALIB(name) #name,
    static const char *const names[] = {
#include "calib/calib_list.h"
        NULL};
#undef CALIB
    return names;
}

const char *const *intact_list_preprocess(void)
{
    static const char *const names[] = {"imagenet", "tf", "caffe", "cifar", "raw", NULL};
    return names;
}

const char *const *intact_list_optimizers(void)
{
#define OPTIMIZER(name) #name,
    static const char *const names[] = {
#include "train/optimizer_list.h"
        NULL};
#undef OPTIMIZER
    return names;
}

const char *const *intact_list_qat_methods(void)
{
#define QAT(name) #name,
    static const char *const names[] = {
#include "qat/qat_list.h"
        NULL};
#undef QAT
    return names;
}

const char *const *intact_list_schedules(void)
{
#define SCHEDULE(name) #name,
    static const char *const names[] = {
#include "train/schedule_list.h"
        NULL};
#undef SCHEDULE
    return names;
}

uint32_t intact_list_operators(intact_op_count *out, uint32_t cap)
{
    uint32_t len = 0;
    for (const it_op *const *op = it_op_all; *op; op++) {
        if (!(*op)->onnx)
            continue;
        if (out && len < cap) {
            out[len] = (intact_op_count){.has_integer = it_op_has_integer(*op)};
            strncpy(out[len].op, (*op)->onnx, sizeof out[len].op - 1);
        }
        len++;
    }
    return len;
}

const char *intact_nearest(const char *word, const char *const *names, size_t len) { return it_nearest(word, names, len); }
