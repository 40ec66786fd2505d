/* SPDX-License-Identifier: Apache-2.0 */
/* op.c: the table of operators, and what to say when a name is not in it. */
#include <stdio.h>
#include <string.h>

#include "op/op.h"

const it_op *const it_op_all[] = {
#define OP(name) &it_op_##name,
#include "op/op_list.h"
#undef OP
    NULL
};

static const char *domain_name(const char *domain) { return domain && strcmp(domain, "ai.onnx") ? domain : ""; }
static int until_of(const it_op *op) { return op->until ? op->until : IT_OPSET_MAX; }

const it_op *it_op_find(const char *onnx, const char *domain, int opset)
{
    for (const it_op *const *op = it_op_all; *op; op++)
        if ((*op)->onnx && !strcmp((*op)->onnx, onnx) && !strcmp(domain_name((*op)->domain), domain_name(domain)) &&
            opset >= (*op)->since && opset <= until_of(*op))
            return *op;
    return NULL;
}

/* The opsets at which the operator would be understood: "7 to 12, 13 to 21"; empty when at none. */
static void ranges(const char *onnx, const char *domain, char *buf, size_t len)
{
    size_t at = 0;
    buf[0] = 0;
    for (const it_op *const *op = it_op_all; *op && at < len; op++)
        if ((*op)->onnx && !strcmp((*op)->onnx, onnx) && !strcmp(domain_name((*op)->domain), domain_name(domain)))
            at += (size_t)snprintf(buf + at, len - at, "%s%d to %d", at ? ", " : "", (*op)->since, until_of(*op));
}

intact_status it_op_unknown(const char *node, const char *onnx, const char *domain, int opset, intact_error *err)
{
    const char *d = domain_name(domain), *near = NULL, *names[512];
    char where[200], at[120];
    size_t len = 0;
    snprintf(where, sizeof where, "%s (%s)", node, onnx);
    ranges(onnx, domain, at, sizeof at);
    if (at[0])
        return it_fail(err, INTACT_E_UNSUPPORTED, where, "operator %s is not supported at opset %d; it is at opsets %s", onnx, opset, at);
    for (const it_op *const *op = it_op_all; *op && len < IT_LEN(names); op++)
        if ((*op)->onnx && !strcmp((*op)->onnx, onnx)) {
            return it_fail(err, INTACT_E_UNSUPPORTED, where,
                           "operator %s of domain \"%s\" is not supported; that of domain \"%s\" is", onnx, d,
                           domain_name((*op)->domain));
        } else if ((*op)->onnx && (*op)->since <= opset && until_of(*op) >= opset) {
            names[len++] = (*op)->onnx;
        }
    near = it_nearest(onnx, names, len);
    if (near && near[0] == onnx[0]) /* "Pow" is no misspelling of "Not" */
        return it_fail(err, INTACT_E_UNSUPPORTED, where,
                       "operator %s of domain \"%s\" is not supported at opset %d; the nearest name that is: %s",
                       onnx, d, opset, near);
    return it_fail(
        err, INTACT_E_UNSUPPORTED, where,
        "operator %s of domain \"%s\" is not supported at opset %d; export the network with standard operators of opsets %d to %d", onnx, d,
        opset, IT_OPSET_MIN, IT_OPSET_MAX);
}
