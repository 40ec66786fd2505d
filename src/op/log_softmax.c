/* SPDX-License-Identifier: Apache-2.0 */
/* log_softmax: x - max - log(sum exp(x - max)) over an axis. */
#include "op/softmax.h"

static intact_status log_softmax_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                         intact_error *err)
{
    return it_softmax_run(c, n, in[0], out[0], true, err);
}

static intact_status log_softmax_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out,
                                      const it_tensor *const *dy, it_tensor *const *dx, intact_error *err)
{
    (void)in;
    return it_softmax_back(c, n, out[0], dy[0], dx[0], true, err);
}

static const it_backward log_softmax_back = { .reads_out = 1, .gives = 1, .run = log_softmax_run_back };

const it_op it_op_log_softmax = {
    .name = "log_softmax", .onnx = "LogSoftmax", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_softmax_op_args),
    .parse = it_softmax_parse, .infer = it_softmax_infer, .forward = log_softmax_forward,
    .quant = { .role = IT_ROLE_SOFTMAX },
    .hint = "end the network at LogSoftmax's input, whose order is the same, or use Softmax",
    .back = &log_softmax_back,
};
