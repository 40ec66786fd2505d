/* SPDX-License-Identifier: Apache-2.0 */
/* top_k: the k largest (or smallest) elements along an axis and their indices; of equal ones the lower index comes first. */
#include "op/move.h"

#include <string.h>

typedef struct top_k_args { int64_t axis, k, largest, sorted; } top_k_args;
typedef struct pick { int64_t key, index; } pick;

static intact_status top_k_parse(it_parse *p)
{
    top_k_args *a = p->n->args;

    a->largest = a->sorted = 1;
    IT_TRY(it_attr_int(p, "axis", -1, &a->axis));
    if (p->n->opset < 10) {
        IT_TRY(it_attr_int(p, "k", -1, &a->k));
        if (a->k < 0)
            return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "attribute \"k\" is missing or negative; opset %d needs it", p->n->opset);
        return INTACT_OK;
    }
    if (p->n->in_len < 2)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "input 1, k, is missing; opset %d needs it", p->n->opset);
    if (p->n->opset >= 11) {
        IT_TRY(it_attr_int(p, "largest", 1, &a->largest));
        IT_TRY(it_attr_int(p, "sorted", 1, &a->sorted));
    }
    return INTACT_OK;
}

static intact_status top_k_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const top_k_args *a = n->args;
    int64_t k = a->k, dim[IT_RANK_MAX];
    int axis, len = 1;
    bool known = true;

    if (it_move_unknown(n, in, out)) {
        out[n->out_len - 1].type = n->out_len > 1 ? IT_I64 : out[0].type;
        return INTACT_OK;
    }
    IT_TRY(it_axis(n, a->axis, in[0]->rank, &axis, err));
    if (it_move_has(n, in, 1))
        IT_TRY(it_move_ints(n, in, 1, "k", &k, 1, &len, &known, err));
    if (len != 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "k is empty; one number is needed");
    if (known && (k < 0 || k > in[0]->dim[axis]))
        return it_node_fail(n, err, INTACT_E_SHAPE, "k is %lld; axis %d has %lld elements", (long long)k, axis,
                            (long long)in[0]->dim[axis]);
    memcpy(dim, in[0]->dim, sizeof(dim));
    dim[axis] = k;
    if (known)
        IT_TRY(it_move_shape(n, &out[0], in[0]->type, in[0]->rank, dim, err));
    else
        it_move_set_unknown(n, in, out);
    if (n->out_len > 1) {
        out[1] = out[0];
        out[1].type = IT_I64;
    }
    return INTACT_OK;
}

/* A number whose signed order is the element's: floats through their bits (both zeros equal, not-a-number above all), uint64 shifted. */
static int64_t key_of(const it_tensor *t, int64_t i)
{
    double d;
    int64_t bits;

    if (t->type == IT_U64)
        return (int64_t)(((const uint64_t *)t->data)[i] ^ (uint64_t)1 << 63);
    if (!it_type_is_float(t->type))
        return it_tensor_get_int(t, i);
    d = it_tensor_get(t, i);
    if (d != d)
        return INT64_MAX;
    d += 0.0; /* -0 becomes +0 */
    memcpy(&bits, &d, sizeof(bits));
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

/* a is to come after b: a smaller key, or an equal one at a higher index. */
static bool after(pick a, pick b)
{
    return a.key != b.key ? a.key < b.key : a.index > b.index;
}

/* heap[0] is the one that comes last of len; puts v in its place. */
static void sink(pick *heap, int64_t len, pick v)
{
    int64_t i = 0, child;

    while ((child = 2 * i + 1) < len) {
        if (child + 1 < len && after(heap[child + 1], heap[child]))
            child++;
        if (!after(heap[child], v))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = v;
}

static void rise(pick *heap, int64_t i, pick v)
{
    while (i > 0 && after(v, heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = v;
}

/* The best k of the len elements at base + i * step, best first. */
static void choose(const it_tensor *x, int64_t base, int64_t step, int64_t len, bool largest, pick *heap, int64_t k)
{
    for (int64_t i = 0; i < len; i++) {
        int64_t key = key_of(x, base + i * step);
        pick v = { largest ? key : ~key, i };
        if (i < k)
            rise(heap, i, v);
        else if (k > 0 && after(heap[0], v))
            sink(heap, k, v);
    }
    for (int64_t end = k - 1; end > 0; end--) { /* the last one goes to the end, again and again */
        pick last = heap[0];
        sink(heap, end, heap[end]);
        heap[end] = last;
    }
}

static intact_status top_k_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const top_k_args *a = n->args;
    const it_tensor *x = in[0], *shape = out[0] ? out[0] : n->out_len > 1 ? out[1] : NULL;
    int64_t inner = 1, outer = 1, len, k;
    size_t item = it_type_bytes(x->type);
    pick *heap;
    int axis;

    IT_TRY(it_move_verify(c, n, in, out, err));
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    if (!shape)
        return INTACT_OK;
    len = x->dim[axis];
    k = shape->dim[axis];
    for (int j = 0; j < x->rank; j++) {
        outer *= j < axis ? x->dim[j] : 1;
        inner *= j > axis ? x->dim[j] : 1;
    }
    heap = it_arena_new(c->scratch, (size_t)(k + 1) * sizeof(*heap));
    if (!heap)
        return it_fail_nomem(err, n->name, (size_t)(k + 1) * sizeof(*heap));
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < inner; i++) {
            int64_t base = o * len * inner + i;
            choose(x, base, inner, len, a->largest != 0, heap, k);
            for (int64_t j = 0; j < k; j++) {
                int64_t to = (o * k + j) * inner + i;
                if (out[0])
                    memcpy((uint8_t *)out[0]->data + (size_t)to * item,
                           (const uint8_t *)x->data + (size_t)(base + heap[j].index * inner) * item, item);
                if (n->out_len > 1 && out[1])
                    ((int64_t *)out[1]->data)[to] = heap[j].index;
            }
        }
    }
    return INTACT_OK;
}

const it_op it_op_top_k = {
    .name = "top_k", .onnx = "TopK", .since = 1,
    .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 2,
    .args_bytes = sizeof(top_k_args),
    .parse = top_k_parse, .infer = top_k_infer, .forward = top_k_forward,
    .hint = "an ArgMax has an integer form; otherwise cut the network before the ranking",
};
