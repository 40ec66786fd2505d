/* SPDX-License-Identifier: Apache-2.0 */
/* fold_batchnorm: BatchNormalization, and Mul, Add, Sub, Div by constants per channel, go into the weights and bias of the layer before.
** y[c] = scale[c] * x[c] + shift[c] after x = W[c] * in + b[c] is a layer with scale[c] * W[c] and scale[c] * b[c] + shift[c]. Computed in
** double precision, rounded once. A weight that has codes already (quantization-aware training) keeps them: its scales are multiplied by |scale[c]|, and the
** codes of a channel change sign where scale[c] is negative. */
#include "pass/edit.h"

#include <math.h>
#include <string.h>

typedef struct affine {
    int64_t len;
    double *scale, *shift; /* per channel */
} affine;

/* Content of a weight, with codes or without. */
static const float *weights_of(const it_value *w)
{
    const bool coded = w && w->q && w->q->codes && !w->q->given && !w->q->group;
    for (int64_t c = 0; coded && c < w->q->len; c++)
        if (w->q->zero[c] != 0) return NULL;
    return coded && w->is_const && w->t.type == IT_F32 ? w->t.data : it_edit_floats(w);
}

/* Where the layer keeps what belongs to channel c: weight element i is of channel (i / inner % len) + (i / per_group) * len. */
typedef struct layer {
    it_node *n;
    int64_t channels, len, inner, per_group;
} layer;

static bool layer_of(it_node *n, layer *l)
{
    const it_value *w = n ? it_edit_in(n, 1) : NULL, *b = n ? it_edit_in(n, 2) : NULL;
    if (!n || n->out_len < 1 || !n->out[0] || !weights_of(w) || (b && !it_edit_floats(b)) || n->in[0]->q || n->out[0]->q || n->out[0]->t.type != IT_F32) return false;
    const it_tensor *t = &w->t;
    int64_t all = it_tensor_len(t);
    if (all == 0 || t->rank < 2) return false;
    *l = (layer){.n = n, .per_group = all};
    if (it_edit_is(n, "Conv")) { /* (out, in / group, kernel) */
        l->len = l->channels = t->dim[0];
        l->inner = all / t->dim[0];
    } else if (it_edit_is(n, "ConvTranspose")) { /* (in, out / group, kernel) */
        int64_t group = it_edit_attr_int(n, "group", 1);
        if (group < 1 || t->dim[0] % group) return false;
        l->len = t->dim[1];
        l->channels = l->len * group;
        l->inner = all / t->dim[0] / t->dim[1];
        l->per_group = all / group;
    } else if (it_edit_is(n, "Gemm") && t->rank == 2) { /* (out, in) when transposed, else (in, out) */
        bool trans = it_edit_attr_int(n, "transB", 0) != 0;
        l->len = l->channels = t->dim[trans ? 0 : 1];
        l->inner = trans ? t->dim[1] : 1;
    } else {
        return false;
    }
    if (w->q && l->len != l->channels) return false;
    return !b || it_tensor_len(&b->t) == l->channels || it_tensor_len(&b->t) == 1;
}

static bool affine_new(it_arena *a, int64_t len, affine *out)
{
    out->len = len;
    out->scale = it_arena_new(a, (size_t)len * sizeof(double));
    out->shift = it_arena_new(a, (size_t)len * sizeof(double));
    return out->scale && out->shift;
}

static bool is_finite(const affine *f)
{
    for (int64_t c = 0; c < f->len; c++)
        if (!isfinite(f->scale[c]) || !isfinite(f->shift[c])) return false;
    return true;
}

static bool of_batchnorm(const it_node *n, affine *f)
{
    const float *p[4]; /* scale, shift, mean, variance */
    double epsilon = (double)it_edit_attr_float(n, "epsilon", 1e-5f);
    if (it_edit_attr_int(n, "training_mode", 0) || !it_edit_attr_int(n, "spatial", 1)) return false;
    for (int k = 0; k < 4; k++) {
        p[k] = it_edit_floats(it_edit_in(n, k + 1));
        if (!p[k] || it_tensor_len(&n->in[k + 1]->t) != f->len) return false;
    }
    for (int k = 1; k < n->out_len; k++)
        if (n->out[k]) return false;
    for (int64_t c = 0; c < f->len; c++) {
        f->scale[c] = (double)p[0][c] / sqrt((double)p[3][c] + epsilon);
        f->shift[c] = (double)p[1][c] - (double)p[2][c] * f->scale[c];
    }
    return true;
}

/* One value for all, or one for each channel along axis 1 of x and nothing along the others. */
static const float *per_channel(const it_value *v, const it_tensor *x, int64_t channels, int64_t *stride)
{
    const float *p = it_edit_floats(v);
    if (!p || v->t.rank > x->rank) return NULL;
    *stride = 0;
    for (int j = 0; j < v->t.rank; j++) {
        if (v->t.dim[j] == 1) continue;
        if (x->rank - v->t.rank + j != 1 || v->t.dim[j] != channels) return NULL;
        *stride = 1;
    }
    return p;
}

static bool of_arithmetic(const it_node *n, const it_value *x, affine *f)
{
    int side = n->in_len == 2 && n->in[1] == x ? 0 : 1; /* of the constant */
    int64_t step;
    bool mul = it_edit_is(n, "Mul"), add = it_edit_is(n, "Add"), sub = it_edit_is(n, "Sub"), div = it_edit_is(n, "Div");
    if ((!mul && !add && !sub && !div) || n->in_len != 2 || (div && side == 0)) return false;
    const float *p = per_channel(n->in[side], &x->t, f->len, &step);
    if (!p) return false;
    for (int64_t c = 0; c < f->len; c++) {
        double v = (double)p[c * step];
        f->scale[c] = mul ? v : div ? 1.0 / v : sub && side == 0 ? -1.0 : 1.0;
        f->shift[c] = add || (sub && side == 0) ? v : sub ? -v : 0.0;
    }
    return true;
}

/* scale * clamp(x) + shift = clamp to scaled bounds, when scale is positive and both are the same for all channels. */
static bool fits_clamp(const it_node *n, const affine *f)
{
    if (!it_edit_clamped(n)) return true;
    for (int64_t c = 0; c < f->len; c++)
        if (f->scale[c] != f->scale[0] || f->shift[c] != f->shift[0] || !(f->scale[c] > 0.0)) return false;
    return f->len > 0;
}

/* A channel that a scale of almost nothing makes dead has codes of zero, and the largest scale of the others: it serves the bias too. */
static intact_status scaled_codes(it_graph *g, const layer *l, const affine *f, const it_value *w, it_value *to, intact_error *err)
{
    const it_quant *from = w->q;
    const int64_t len = it_tensor_len(&w->t);
    it_quant *q = it_arena_copy(&g->arena, from, sizeof *q);
    int8_t *codes = it_arena_copy(&g->arena, from->codes, (size_t)len);
    float *content = to->t.data, most = 0;
    if (!q || !codes) return it_fail_nomem(err, w->name, (size_t)len);
    q->axis = l->n->op->quant.weight_axis(l->n);
    q->len = l->channels;
    q->scale = it_arena_new(&g->arena, (size_t)q->len * sizeof *q->scale);
    q->zero = it_arena_new(&g->arena, (size_t)q->len * sizeof *q->zero);
    if (!q->scale || !q->zero) return it_fail_nomem(err, w->name, (size_t)q->len * sizeof *q->scale);
    for (int64_t c = 0; c < q->len; c++) {
        q->scale[c] = (float)((double)from->scale[from->len == 1 ? 0 : c] * fabs(f->scale[c]));
        most = fmaxf(most, q->scale[c]);
    }
    for (int64_t i = 0; i < len; i++) {
        const int64_t c = i / l->inner % l->len;
        const bool dead = !(q->scale[c] > most * 0x1p-40f);
        codes[i] = (int8_t)(dead ? 0 : f->scale[c] < 0 ? -codes[i] : codes[i]);
        content[i] = dead ? 0 : q->scale[c] * (float)codes[i];
    }
    for (int64_t c = 0; c < q->len; c++)
        if (!(q->scale[c] > most * 0x1p-40f)) q->scale[c] = most > 0 ? most : 1;
    q->codes = codes;
    to->q = q;
    return INTACT_OK;
}

static intact_status scaled_weight(it_graph *g, const layer *l, const affine *f, it_value **out, intact_error *err)
{
    const it_value *w = l->n->in[1];
    IT_TRY(it_edit_const(g, w->name, &w->t, out, err));
    if (w->q) return scaled_codes(g, l, f, w, *out, err);
    float *to = (*out)->t.data;
    for (int64_t i = 0, len = it_tensor_len(&w->t); i < len; i++) {
        int64_t c = i / l->inner % l->len + i / l->per_group * l->len;
        to[i] = (float)((double)to[i] * f->scale[c]);
    }
    return INTACT_OK;
}

/* Gemm's beta goes into the bias too. */
static intact_status scaled_bias(it_graph *g, const layer *l, const affine *f, it_arena *a, it_value **out, intact_error *err)
{
    const it_value *b = it_edit_in(l->n, 2);
    const float *from = it_edit_floats(b);
    bool one = from && it_tensor_len(&b->t) == 1;
    double beta = it_edit_is(l->n, "Gemm") ? (double)it_edit_attr_float(l->n, "beta", 1.0f) : 1.0;
    float *to = it_arena_new(a, (size_t)l->channels * sizeof(float));
    const char *name = b ? b->name : it_arena_printf(a, "%s.bias", l->n->name);
    if (!to || !name) return it_fail_nomem(err, l->n->name, (size_t)l->channels * sizeof(float));
    for (int64_t c = 0; c < l->channels; c++) {
        double v = from ? beta * (double)from[one ? 0 : c] : 0.0;
        to[c] = (float)(v * f->scale[c] + f->shift[c]);
    }
    it_tensor t = {.type = IT_F32, .rank = 1, .dim = {l->channels}, .data = to};
    return it_edit_const(g, name, &t, out, err);
}

static intact_status apply(it_graph *g, layer *l, const affine *f, it_arena *a, intact_error *err)
{
    it_value *w = NULL, *b = NULL;
    it_node *n = l->n;
    bool scales = false, shifts = it_edit_in(n, 2) != NULL;
    for (int64_t c = 0; c < f->len; c++) {
        scales |= f->scale[c] != 1.0;
        shifts |= f->shift[c] != 0.0;
    }
    if (scales) IT_TRY(scaled_weight(g, l, f, &w, err));
    if (shifts) IT_TRY(scaled_bias(g, l, f, a, &b, err));
    if (w) n->in[1] = w;
    if (b) IT_TRY(it_edit_set_in(g, n, 2, b, err));
    if (b && it_edit_is(n, "Gemm") && it_edit_attr_float(n, "beta", 1.0f) != 1.0f) {
        it_attr beta = {.name = "beta", .kind = IT_ATTR_FLOAT, .f = 1.0f};
        IT_TRY(it_edit_set_attrs(g, n, &beta, 1, err));
    }
    if (it_edit_clamped(n)) {
        n->clamp_lo = (float)((double)n->clamp_lo * f->scale[0] + f->shift[0]);
        n->clamp_hi = (float)((double)n->clamp_hi * f->scale[0] + f->shift[0]);
    }
    return INTACT_OK;
}

/* n reads the layer's output, alone, and is a map per channel. */
static intact_status try_fold(it_graph *g, it_node *n, it_arena *a, bool *folded, intact_error *err)
{
    *folded = false;
    if (n->in_len < 2 || n->out_len < 1 || !n->out[0]) return INTACT_OK;
    int side = n->in_len == 2 && n->in[1] && n->in[1]->producer ? 1 : 0;
    it_value *x = n->in[side];
    layer l;
    affine f;
    if (!x || !layer_of(x->producer, &l) || x->t.rank < 2 || n->out[0]->q || !it_edit_reads_once(g, x, n)) return INTACT_OK;
    if (!affine_new(a, l.channels, &f)) return it_fail_nomem(err, n->name, (size_t)l.channels * sizeof(double));
    bool is_map = it_edit_is(n, "BatchNormalization") ? side == 0 && of_batchnorm(n, &f) : of_arithmetic(n, x, &f);
    if (!is_map || !is_finite(&f) || !fits_clamp(l.n, &f)) return INTACT_OK;
    IT_TRY(apply(g, &l, &f, a, err));
    if (it_edit_clamped(n)) { /* n's own clamp comes last */
        l.n->clamp_lo = fminf(fmaxf(l.n->clamp_lo, n->clamp_lo), n->clamp_hi);
        l.n->clamp_hi = fminf(fmaxf(l.n->clamp_hi, n->clamp_lo), n->clamp_hi);
    }
    it_edit_take(g, l.n, n);
    *folded = true;
    return INTACT_OK;
}

static intact_status fold_batchnorm_run(it_graph *g, size_t *changes, intact_error *err)
{
    for (size_t i = 0; i < g->nodes.len;) {
        bool folded;
        it_arena a;
        it_arena_init(&a, g->alloc);
        intact_status st = try_fold(g, g->nodes.items[i], &a, &folded, err);
        it_arena_release(&a);
        if (st != INTACT_OK) return st;
        *changes += folded;
        i += !folded;
    }
    return INTACT_OK;
}

const it_pass it_pass_fold_batchnorm = {
    .name = "fold_batchnorm", .what = "moves per-channel scales and shifts into the weights before them", .run = fold_batchnorm_run,
};
