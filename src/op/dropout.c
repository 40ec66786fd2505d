/* SPDX-License-Identifier: Apache-2.0 */
/* dropout: y = x, the mask all ones: networks are run, not trained. From opset 12 on, ratio and training_mode are inputs; training with a
** ratio above 0 is refused, for its result is random. */
#include <string.h>

#include "op/back.h"
#include "op/lower.h"

static intact_status dropout_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    it_shape_copy(&out[0], in[0]);
    if (n->out_len > 1) {
        it_shape_copy(&out[1], in[0]);
        if (n->opset >= 10) out[1].type = IT_BOOL;
    }
    bool training = n->in_len > 2 && in[2];
    if (training && in[2]->data && it_tensor_len(in[2]) == 1 && !it_tensor_get(in[2], 0)) training = false;
    bool ratio = true;
    if (n->in_len > 1 && in[1] && in[1]->data && it_tensor_len(in[1]) == 1 && it_tensor_get(in[1], 0) == 0) ratio = false;
    if (training && ratio && in[2]->data)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "training_mode is set; only inference is supported: export the network in evaluation mode");
    return INTACT_OK;
}

static intact_status dropout_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    it_tensor again[2] = {0};
    (void)c;
    IT_TRY(dropout_infer(n, in, again, err)); /* training_mode may be known only now */
    if (out[0] && out[0]->data != in[0]->data) memcpy(out[0]->data, in[0]->data, it_tensor_bytes(in[0]));
    if (n->out_len > 1 && out[1]) {
        int64_t len = it_tensor_len(out[1]);
        if (out[1]->type == IT_BOOL)
            memset(out[1]->data, 1, (size_t)len);
        else
            for (int64_t i = 0; i < len; i++) it_tensor_set(out[1], i, 1);
    }
    return INTACT_OK;
}

const it_op it_op_dropout = {
    .name = "dropout", .onnx = "Dropout", .since = 7,
    .in_min = 1, .in_max = 3, .out_min = 1, .out_max = 2,
    .infer = dropout_infer, .forward = dropout_forward, .lower = it_lower_pass,
    .quant = {.out = IT_Q_SAME, .in_types = 1u << INTACT_U8 | 1u << INTACT_S16, .out_types = 1u << INTACT_U8 | 1u << INTACT_S16},
    .layout = IT_LAYOUT_ANY, .view = true, .back = &it_back_view,
};
