/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients against finite differences in double, then single precision in every layout against double. */
#include "back/helpers.h"

/* One node with tensors of one type and layout. */
typedef struct rig {
    it_graph g;
    it_node *n;
    it_arena keep;
    it_tensor in[IN_MAX], out[OUT_MAX], dy[OUT_MAX], dx[IN_MAX];
    const it_tensor *in_ptr[IN_MAX];
    it_tensor *out_ptr[OUT_MAX];
    intact_error err;
} rig;

static double uniform(it_rng *r, double lo, double hi) { return lo + (hi - lo) * (double)it_rng_below(r, 1u << 24) / (double)(1u << 24); }

static void *room(rig *r, const it_tensor *t)
{
    void *p = it_arena_new(&r->keep, it_tensor_bytes(t) + 8);
    assert_non_null(p);
    return p;
}

static bool is_real(const rig *r, int k) { return k < r->n->in_len && r->in_ptr[k] && it_type_is_float(r->in[k].type); }

static void fill(it_tensor *t, const input *from, it_rng *rng)
{
    int64_t len = it_tensor_len(t);
    for (int64_t i = 0; i < len; i++) {
        double v = 0;
        if (from->content == INTS || from->content == INTS32)
            v = (double)from->ints[i];
        else if (from->content == APART) { /* a permutation of a grid, moved off the multiples of 1/2 */
            int64_t at = (i * 7919 + 3) % len; /* 7919 is prime and longer than any tensor here has a factor of */
            v = -2 + 4 * ((double)at + 0.5) / (double)len;
            double near = round(v * 2) / 2;
            if (fabs(v - near) < 0.05)
                v = near + (v < near ? -0.05 : 0.05) + (v - near) * 0.1;
        } else
            v = from->content == POSITIVE ? uniform(rng, 0.5, 1.5) : uniform(rng, -1, 1);
        it_tensor_set(t, i, from->content == INTS || from->content == INTS32 ? v : (double)(float)v); /* the same in every type */
    }
}

static void rig_init(rig *r, const grad_case *c, it_type type)
{
    const it_op *op = it_op_find(c->onnx, "", c->opset);
    it_rng rng;
    int attrs = 0;
    char name[16];
    if (!op && strcmp(c->onnx, "swish") == 0)
        op = &it_op_swish;
    memset(r, 0, sizeof(*r));
    it_rng_seed(&rng, 17);
    assert_non_null(op);
    assert_non_null(op->back);
    it_graph_init(&r->g, &it_alloc_libc);
    it_arena_init(&r->keep, &it_alloc_libc);
    r->n = it_graph_node(&r->g, c->onnx, op, IN_MAX, OUT_MAX);
    assert_non_null(r->n);
    r->n->opset = c->opset;
    r->n->in_len = 0;
    r->n->out_len = c->out_len ? c->out_len : 1;
    for (int k = 0; k < IN_MAX; k++) {
        if (c->in[k].content == MISSING)
            continue;
        r->n->in_len = k + 1;
        r->in[k] = (it_tensor){ .type = c->in[k].content == INTS ? IT_I64 : c->in[k].content == INTS32 ? IT_I32 : type, .rank = c->in[k].rank };
        memcpy(r->in[k].dim, c->in[k].dim, sizeof(c->in[k].dim));
        r->in[k].data = room(r, &r->in[k]);
        fill(&r->in[k], &c->in[k], &rng);
        r->in_ptr[k] = &r->in[k];
        snprintf(name, sizeof(name), "in%d", k);
        r->n->in[k] = it_graph_value(&r->g, name);
        r->n->in[k]->t = r->in[k];
        r->n->in[k]->is_const = k > 0;
    }
    for (int k = 0; k < r->n->out_len; k++) {
        snprintf(name, sizeof(name), "out%d", k);
        r->n->out[k] = it_graph_value(&r->g, name);
        r->out_ptr[k] = &r->out[k];
    }
    while (attrs < ATTR_MAX && c->attrs[attrs].name)
        attrs++;
    r->n->attrs = c->attrs;
    r->n->attrs_len = attrs;
    if (c->clamp_lo != c->clamp_hi) {
        r->n->clamp_lo = c->clamp_lo;
        r->n->clamp_hi = c->clamp_hi;
    }
    if (it_node_parse(&r->g, r->n, &r->err) != INTACT_OK || op->infer(r->n, r->in_ptr, r->out, &r->err) != INTACT_OK)
        fail_msg("%s: %s", c->onnx, r->err.message);
    for (int k = 0; k < r->n->out_len; k++) {
        r->out[k].layout = IT_PLAIN;
        r->out[k].data = room(r, &r->out[k]);
        r->dy[k] = r->out[k];
        r->dy[k].data = room(r, &r->out[k]);
        for (int64_t i = 0; i < it_tensor_len(&r->dy[k]); i++)
            it_tensor_set(&r->dy[k], i, (double)(float)uniform(&rng, -1, 1));
    }
}

static void rig_free(rig *r)
{
    it_arena_release(&r->keep);
    it_graph_release(&r->g);
}

static double clamped(const rig *r, int k, double v)
{
    if (k == 0)
        v = v < (double)r->n->clamp_lo ? (double)r->n->clamp_lo : v > (double)r->n->clamp_hi ? (double)r->n->clamp_hi : v;
    return v;
}

static void forward(rig *r)
{
    it_arena scratch;
    it_op_state *state = NULL;
    it_run_ctx c = { .alloc = &it_alloc_libc, .state = &state, .scratch = &scratch };
    it_arena_init(&scratch, &it_alloc_libc);
    if (!r->n->op->forward)
        memcpy(r->out[0].data, r->in[0].data, it_tensor_bytes(&r->out[0]));
    else if (r->n->op->forward(&c, r->n, r->in_ptr, r->out_ptr, &r->err) != INTACT_OK)
        fail_msg("%s: %s", r->n->name, r->err.message);
    it_arena_release(&scratch);
    if (state)
        state->free(state);
    for (int64_t i = 0; i < it_tensor_len(&r->out[0]); i++)
        it_tensor_set(&r->out[0], i, clamped(r, 0, it_tensor_get(&r->out[0], i)));
}

static double loss(rig *r, const grad_case *c)
{
    double sum = 0;
    forward(r);
    for (int k = 0; k < r->n->out_len; k++)
        for (int64_t i = 0; !(c->no_dy >> k & 1) && it_type_is_float(r->out[k].type) && i < it_tensor_len(&r->out[k]); i++)
            sum += it_tensor_get(&r->out[k], i) * it_tensor_get(&r->dy[k], i);
    return sum;
}

/* What the caller of back does: no gradient where the clamp held the answer. */
static void mask(rig *r)
{
    for (int64_t i = 0; i < it_tensor_len(&r->out[0]); i++) {
        double y = it_tensor_get(&r->out[0], i);
        if (!(y > (double)r->n->clamp_lo && y < (double)r->n->clamp_hi))
            it_tensor_set(&r->dy[0], i, 0);
    }
}

typedef struct run_opts { uint32_t want; const intact_alloc *alloc; bool over_dy; int times; } run_opts;

/* Shows the operator only the content that it says it reads; answers must fill everything. */
static intact_status backward(rig *r, const grad_case *c, const run_opts *o)
{
    const it_backward *b = r->n->op->back;
    const intact_alloc *alloc = it_alloc_or_libc(o->alloc);
    it_tensor in[IN_MAX], out[OUT_MAX];
    const it_tensor *in_ptr[IN_MAX] = { NULL }, *out_ptr[OUT_MAX] = { NULL }, *dy[OUT_MAX] = { NULL };
    it_tensor *dx[IN_MAX] = { NULL };
    it_arena scratch;
    it_op_state *state = NULL;
    it_back_ctx ctx = { .alloc = alloc, .state = &state, .scratch = &scratch, .weights_at = 1 };
    intact_status st = INTACT_OK;
    it_arena_init(&scratch, alloc);
    for (int k = 0; k < r->n->in_len; k++) {
        if (!r->in_ptr[k])
            continue;
        in[k] = r->in[k];
        in[k].data = b->reads_in >> k & 1 ? in[k].data : NULL;
        in_ptr[k] = &in[k];
        if (!is_real(r, k) || !(b->gives & o->want & 1u << k))
            continue;
        r->dx[k] = r->in[k];
        r->dx[k].data = o->over_dy ? r->dy[0].data : room(r, &r->in[k]);
        dx[k] = &r->dx[k];
    }
    for (int k = 0; k < r->n->out_len; k++) {
        out[k] = r->out[k];
        out[k].data = b->reads_out >> k & 1 ? out[k].data : NULL;
        out_ptr[k] = &out[k];
        dy[k] = (c->no_dy >> k & 1) || !it_type_is_float(out[k].type) ? NULL : &r->dy[k];
    }
    for (int t = 0; t < (o->times ? o->times : 1) && st == INTACT_OK; t++) {
        for (int k = 0; k < r->n->in_len; k++)
            if (dx[k] && !o->over_dy)
                memset(dx[k]->data, 0xff, it_tensor_bytes(dx[k])); /* not a number */
        st = b->run(&ctx, r->n, in_ptr, out_ptr, dy, dx, &r->err);
        it_arena_release(&scratch);
    }
    it_arena_release(&scratch);
    if (state)
        state->free(state);
    return st;
}

/* ---- finite differences ---- */

/* (L(x + h d) - L(x - h d)) / 2h in double; x is put back. */
static double slope(rig *r, const grad_case *c, int k, const double *d, double h)
{
    int64_t len = it_tensor_len(&r->in[k]);
    double *x = r->in[k].data, at[2];
    double *keep = it_arena_copy(&r->keep, x, (size_t)len * sizeof(double));
    for (int s = 0; s < 2; s++) {
        for (int64_t i = 0; i < len; i++)
            x[i] = keep[i] + (s ? -h : h) * d[i];
        at[s] = loss(r, c);
    }
    memcpy(x, keep, (size_t)len * sizeof(double));
    return (at[0] - at[1]) / (2 * h);
}

/* Two directions: one along the signs of the gradient, where 1 % is far outside the tolerance, and any other. Errors of the quotient: h^2 of the
** third derivative and 1e-16 / h of the loss, both below 1e-7 for h = 1e-5 at these sizes. */
static void check_slopes(rig *r, const grad_case *c, int k, it_rng *rng)
{
    int64_t len = it_tensor_len(&r->in[k]);
    const double *dx = r->dx[k].data;
    double *d = it_arena_new(&r->keep, (size_t)len * sizeof(double) + 8);
    for (int way = 0; way < 2; way++) {
        double got = 0, size = 0, want, tol;
        for (int64_t i = 0; i < len; i++) {
            d[i] = way ? uniform(rng, -1, 1) : uniform(rng, 0.5, 1.5) * (dx[i] < 0 ? -1 : 1);
            got += dx[i] * d[i];
            size += fabs(dx[i] * d[i]);
        }
        want = slope(r, c, k, d, 1e-5);
        tol = 1e-6 * size + 1e-8;
        if (!(fabs(got - want) <= tol))
            fail_msg("%s input %d way %d: <dx, d> is %.12g, the difference quotient %.12g", c->onnx, k, way, got, want);
        if (way == 0 && !(fabs(1.01 * got - want) > tol))
            fail_msg("%s input %d: the test would not see a gradient 1 %% too large (%.3g)", c->onnx, k, got);
    }
}

/* ---- single precision ---- */

static int64_t nhwc_index(const it_tensor *t, int64_t i)
{
    int64_t hw = t->dim[2] * t->dim[3], ch = i / hw % t->dim[1], n = i / (hw * t->dim[1]);
    return (n * hw + i % hw) * t->dim[1] + ch;
}

static void set_layout(rig *r, it_tensor *t)
{
    it_tensor plain = *t;
    t->data = room(r, t);
    for (int64_t i = 0; i < it_tensor_len(t); i++)
        it_tensor_set(t, nhwc_index(t, i), it_tensor_get(&plain, i));
    t->layout = IT_NHWC;
}

/* Input k, output k by the operator's own rule. */
static bool goes_nhwc(const rig *r, const it_tensor *t, int k)
{
    return t->rank == 4 && t->type == IT_F32 && (r->n->op->layout == IT_LAYOUT_ANY || (r->n->op->layout == IT_LAYOUT_NHWC && k == 0));
}

static void rig_f32(rig *f, const rig *wide, const grad_case *c, bool nhwc)
{
    rig_init(f, c, IT_F32);
    for (int k = 0; k < f->n->out_len; k++)
        for (int64_t i = 0; it_type_is_float(f->out[k].type) && i < it_tensor_len(&f->out[k]); i++) {
            it_tensor_set(&f->out[k], i, it_tensor_get(&wide->out[k], i));
            it_tensor_set(&f->dy[k], i, it_tensor_get(&wide->dy[k], i));
        }
    for (int k = 0; nhwc && k < f->n->out_len; k++)
        if (goes_nhwc(f, &f->out[k], k)) {
            set_layout(f, &f->out[k]);
            set_layout(f, &f->dy[k]);
        }
    for (int k = 0; nhwc && k < f->n->in_len; k++)
        if (f->in_ptr[k] && goes_nhwc(f, &f->in[k], k))
            set_layout(f, &f->in[k]);
}

/* Every element within a few roundings of the largest. */
static void expect_same(const rig *f, const rig *wide, const grad_case *c, int k, const char *what)
{
    double most = 0, off = 0;
    for (int64_t i = 0; i < it_tensor_len(&wide->dx[k]); i++) {
        it_tensor t = f->dx[k];
        t.layout = IT_PLAIN;
        double want = it_tensor_get(&wide->dx[k], i), got = it_tensor_get(&t, f->dx[k].layout == IT_NHWC ? nhwc_index(&t, i) : i);
        most = fmax(most, fabs(want));
        off = got == got ? fmax(off, fabs(got - want)) : INFINITY;
    }
    if (!(off <= 5e-6 * most))
        fail_msg("%s input %d, %s: off by %.3g where the largest is %.3g", c->onnx, k, what, off, most);
}

static void check_f32(const rig *wide, const grad_case *c, bool nhwc)
{
    const it_backward *b = wide->n->op->back;
    char what[80];
    uint32_t real = 0;
    for (int k = 0; k < wide->n->in_len; k++)
        real |= is_real(wide, k) && b->gives >> k & 1 ? 1u << k : 0;
    for (int k = -1; k < wide->n->in_len; k++) { /* all at once, twice with one state; each alone */
        rig f;
        run_opts o = { .want = k < 0 ? UINT32_MAX : 1u << k, .times = k < 0 ? 2 : 1 };
        if (k >= 0 && !(real >> k & 1))
            continue;
        rig_f32(&f, wide, c, nhwc);
        if (backward(&f, c, &o) != INTACT_OK)
            fail_msg("%s: %s", c->onnx, f.err.message);
        snprintf(what, sizeof(what), "float %s, %s", nhwc ? "channels-last" : "plain", k < 0 ? "all" : "alone");
        for (int j = 0; j < f.n->in_len; j++)
            if (o.want & real & 1u << j)
                expect_same(&f, wide, c, j, what);
        rig_free(&f);
    }
    for (int k = 0; k < wide->n->in_len; k++) { /* what may share dy's memory */
        rig f;
        bool fits = real >> k & 1 && it_tensor_len(&wide->in[k]) == it_tensor_len(&wide->out[0]) && !(c->no_dy & 1);
        if (!fits || !((b->inplace | b->pass) >> k & 1))
            continue;
        rig_f32(&f, wide, c, nhwc);
        f.dx[k] = f.in[k];
        f.dx[k].data = f.dy[0].data;
        if (b->inplace >> k & 1 && backward(&f, c, &(run_opts){ .want = 1u << k, .over_dy = true }) != INTACT_OK)
            fail_msg("%s: %s", c->onnx, f.err.message);
        expect_same(&f, wide, c, k, "sharing dy's memory");
        rig_free(&f);
    }
}

/* ---- memory ---- */

typedef struct failing { long left, live; } failing;

static void *failing_grow(void *user, void *ptr, size_t old, size_t bytes)
{
    failing *f = user;
    if (bytes == 0)
        f->live -= ptr != NULL;
    else if (f->left-- <= 0)
        return NULL;
    else
        f->live += ptr == NULL;
    return it_alloc_libc.grow(it_alloc_libc.user, ptr, old, bytes);
}

static void check_no_memory(const rig *wide, const grad_case *c)
{
    intact_status st = INTACT_E_NOMEM;
    for (long i = 0; st == INTACT_E_NOMEM; i++) {
        failing f = { .left = i };
        intact_alloc a = { failing_grow, &f };
        rig r;
        assert_true(i < 200);
        rig_f32(&r, wide, c, !c->no_nhwc);
        st = backward(&r, c, &(run_opts){ .want = UINT32_MAX, .alloc = &a });
        if (st != INTACT_OK && st != INTACT_E_NOMEM)
            fail_msg("%s: %s", c->onnx, r.err.message);
        assert_int_equal(f.live, 0);
        rig_free(&r);
    }
}

void check_gradient(const grad_case *c)
{
    rig r;
    it_rng rng;
    it_rng_seed(&rng, 5);
    rig_init(&r, c, IT_F64);
    forward(&r);
    void *dy = r.dy[0].data; /* the loss weighs the clamped answer, back gets the masked gradient */
    r.dy[0].data = it_arena_copy(&r.keep, dy, it_tensor_bytes(&r.dy[0]));
    mask(&r);
    if (backward(&r, c, &(run_opts){ .want = UINT32_MAX }) != INTACT_OK)
        fail_msg("%s: %s", c->onnx, r.err.message);
    check_f32(&r, c, false);
    if (!c->no_nhwc)
        check_f32(&r, c, true);
    check_no_memory(&r, c);
    r.dy[0].data = dy;
    for (int k = 0; k < r.n->in_len; k++)
        if (is_real(&r, k) && r.n->op->back->gives >> k & 1)
            check_slopes(&r, c, k, &rng);
    rig_free(&r);
}
