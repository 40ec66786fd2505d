/* SPDX-License-Identifier: Apache-2.0 */
/* assign.c: ranges become scales and zero points of activations, weights become codes. Nothing downstream asks who wrote them. */
#include <math.h>
#include <string.h>

#include "ptq/ptq.h"

/* Krishnamoorthi 2018, section 2: the range holds 0, and 0 is a code. levels = 2^bits - 1. */
static void affine_u8(it_range r, int bits, bool symmetric, float *scale, int32_t *zero)
{
    int levels = (1 << bits) - 1;
    double lo = r.lo < 0 ? r.lo : 0, hi = r.hi > 0 ? r.hi : 0;
    if (symmetric && lo < 0) {
        double alpha = -lo > hi ? -lo : hi;
        int half = (levels - 1) / 2; /* 127 of 8 bits */
        *scale = (float)(alpha / half);
        *zero = half + 1;
    } else {
        *scale = (float)((hi - lo) / levels);
        *zero = *scale > 0 ? (int32_t)floor(-lo / *scale + 0.5) : 0;
    }
    if (!(*scale > 0)) /* a value that never leaves zero, or so small that a float cannot hold its step */
        *scale = 1.0f / (float)levels, *zero = 0;
    if (*zero > levels)
        *zero = levels;
}

static it_quant *quant_new(it_graph *g, intact_type type, int bits, int axis, int64_t len)
{
    it_quant *q = it_arena_new(&g->arena, sizeof *q);
    if (!q)
        return NULL;
    *q = (it_quant){.type = type, .bits = bits, .axis = axis, .len = len};
    q->scale = it_arena_new(&g->arena, (size_t)len * sizeof *q->scale);
    q->zero = it_arena_new(&g->arena, (size_t)len * sizeof *q->zero);
    return q->scale && q->zero ? q : NULL;
}

/* Values below lo or above hi, by whole bins: what the report calls clipped. */
static uint64_t count_clipped(const it_hist *h, it_range r)
{
    uint64_t n = 0;
    if (h->count == 0 || (h->min == 0 && h->max == 0))
        return 0;
    double width = ldexp(1.0, h->k);
    for (int i = 0; i < IT_HIST_BINS; i++) {
        if (i * width >= r.hi && r.hi < h->max)
            n += h->pos[i];
        if (-i * width <= r.lo && r.lo > h->min)
            n += h->neg[i];
    }
    return n;
}

static intact_status group_range(it_group *gr, const it_ptq_options *o, int bits, intact_error *err)
{
    if (!gr->fixed) {
        if (!gr->hist || gr->hist->count == 0)
            return it_fail(err, INTACT_E_DATA, gr->first->name, "calibration never reached this value");
        it_calib_args a = {.bits = bits, .symmetric = o->symmetric_acts, .percentile = o->percentile};
        gr->range = gr->type == INTACT_S16 ? it_calib_max.range(gr->hist, &a) : o->calib->range(gr->hist, &a);
        gr->clipped = count_clipped(gr->hist, gr->range);
    }
    if (!isfinite(gr->range.lo) || !isfinite(gr->range.hi))
        return it_fail(err, INTACT_E_DATA, gr->first->name, "its range is %g..%g; finite numbers are needed", gr->range.lo, gr->range.hi);
    return INTACT_OK;
}

static bool is_mac(const it_node *n) { return n->op->quant.weight_in > 0 && n->in_len > n->op->quant.weight_in && n->in[n->op->quant.weight_in] && n->in[n->op->quant.weight_in]->is_const; }

/* A group read by a kept layer, or an input or output of the network, stays at 8 bits. */
static int *group_bits(const it_groups *gs, const it_graph *g, const it_ptq_options *o)
{
    int *bits = it_alloc_new(gs->alloc, gs->g.len * sizeof *bits);
    if (!bits)
        return NULL;
    for (size_t i = 0; i < gs->g.len; i++)
        bits[i] = o->act_bits;
    size_t len = 0, at = 0;
    for (size_t i = 0; i < g->nodes.len; i++)
        len += is_mac(g->nodes.items[i]);
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        if (is_mac(n) && it_ptq_kept(o, n, at++, len) && gs->of[n->in[0]->id] >= 0)
            bits[gs->of[n->in[0]->id]] = 8;
    }
    for (size_t i = 0; i < g->inputs.len; i++)
        if (gs->of[g->inputs.items[i]->id] >= 0)
            bits[gs->of[g->inputs.items[i]->id]] = 8;
    for (size_t i = 0; i < g->outputs.len; i++)
        if (gs->of[g->outputs.items[i]->id] >= 0)
            bits[gs->of[g->outputs.items[i]->id]] = 8;
    return bits;
}

intact_status it_ptq_assign_acts(it_groups *gs, it_graph *g, const it_ptq_options *o, intact_error *err)
{
    int *bits = group_bits(gs, g, o);
    if (!bits)
        return it_fail_nomem(err, "quantization", gs->g.len * sizeof *bits);
    intact_status st = INTACT_OK;
    for (size_t i = 0; i < gs->g.len && st == INTACT_OK; i++)
        st = group_range(&gs->g.items[i], o, bits[i], err);
    for (size_t i = 0; i < g->values.len && st == INTACT_OK; i++) {
        it_value *v = g->values.items[i];
        int k = v->id < (int)gs->of_len ? gs->of[v->id] : -1;
        if (k < 0)
            continue;
        const it_group *gr = &gs->g.items[k];
        bool wide = gr->type == INTACT_S16;
        v->q = quant_new(g, gr->type, wide ? 16 : bits[k], -1, 1);
        if (!v->q) {
            st = it_fail_nomem(err, v->name, sizeof *v->q);
        } else if (wide) {
            /* Answers beyond the calibration set's largest must not saturate; of 15 bits one can be spared. A known range needs no room. */
            float top = (gr->fixed ? 1 : 2) * fmaxf(fabsf(gr->range.lo), fabsf(gr->range.hi));
            v->q->scale[0] = top / 32767 > 0 && isfinite(top) ? top / 32767 : 1.0f / 32767;
        } else {
            affine_u8(gr->range, bits[k], o->symmetric_acts, &v->q->scale[0], &v->q->zero[0]);
        }
    }
    it_alloc_free(gs->alloc, bits, gs->g.len * sizeof *bits);
    return st;
}

/* ---- weights ---- */

/* From the largest |w| of each channel. A dead channel (all zeros, or nothing that could show beside the others) takes the layer's largest
** scale: its codes are zeros, and its bias, which the scale serves too, fits like the others'. */
static void spread_scales(it_quant *q, int top)
{
    float most = 0;
    for (int64_t c = 0; c < q->len; c++)
        most = q->scale[c] > most ? q->scale[c] : most;
    for (int64_t c = 0; c < q->len; c++) {
        float m = q->scale[c] > most * 0x1p-40f ? q->scale[c] : most;
        q->scale[c] = m / (float)top > 0 ? m / (float)top : 1.0f / (float)top; /* a layer of zeros: any scale */
    }
}

/* Elements of one output channel are count runs of inner elements, stride apart: w[o * inner + i * dim * inner + j]. */
static void quantize_weight(const it_tensor *t, int axis, int bits, bool per_tensor, it_quant *q, int8_t *codes)
{
    const float *w = t->data;
    int64_t dim = t->dim[axis], inner = 1, outer = 1;
    for (int i = 0; i < axis; i++)
        outer *= t->dim[i];
    for (int i = axis + 1; i < t->rank; i++)
        inner *= t->dim[i];
    int top = (1 << (bits - 1)) - 1; /* 127: -128 is never used */
    for (int64_t c = 0; c < dim; c++)
        for (int64_t i = 0; i < outer; i++)
            for (int64_t j = 0; j < inner; j++) {
                float m = fabsf(w[(i * dim + c) * inner + j]), *s = &q->scale[per_tensor ? 0 : c];
                *s = m > *s ? m : *s;
            }
    spread_scales(q, top);
    for (int64_t c = 0; c < dim; c++) {
        double inv = 1.0 / q->scale[per_tensor ? 0 : c];
        for (int64_t i = 0; i < outer; i++)
            for (int64_t j = 0; j < inner; j++) {
                int64_t at = (i * dim + c) * inner + j;
                double v = nearbyint(w[at] * inv);
                codes[at] = (int8_t)(v > top ? top : v < -top ? -top : v);
            }
    }
}

static intact_status check_finite(const it_node *n, const it_value *v, intact_error *err)
{
    const float *w = v->t.data;
    if (v->t.type != IT_F32 || !w)
        return INTACT_OK;
    int64_t len = it_tensor_len(&v->t);
    for (int64_t i = 0; i < len; i++)
        if (!isfinite(w[i]))
            return it_fail(err, INTACT_E_DATA, n->name, "weight %s holds %g at element %lld; finite numbers are needed", v->name, (double)w[i],
                           (long long)i);
    return INTACT_OK;
}

intact_status it_ptq_check_weights(const it_graph *g, intact_error *err)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        for (int k = 1; k < n->in_len; k++)
            if (n->in[k] && n->in[k]->is_const && (n->op->quant.all_parameters || k == n->op->quant.weight_in || k == n->op->quant.bias_in))
                IT_TRY(check_finite(n, n->in[k], err));
    }
    return INTACT_OK;
}

static intact_status assign_one(it_graph *g, it_node *n, const it_ptq_options *o, int bits, intact_error *err)
{
    it_value *v = n->in[n->op->quant.weight_in];
    int axis = n->op->quant.weight_axis(n);
    if (v->t.type != IT_F32)
        return it_fail(err, INTACT_E_UNSUPPORTED, n->name, "weight %s is %s; float32 can be quantized", v->name, it_type_name(v->t.type));
    IT_TRY(check_finite(n, v, err));
    if (v->q) { /* two layers share this weight: a copy, since their axes or bits may differ */
        v = it_graph_const(g, v->name, &v->t);
        if (!v)
            return it_fail_nomem(err, n->name, 0);
        n->in[n->op->quant.weight_in] = v;
    }
    it_quant *q = quant_new(g, INTACT_S8, bits, o->per_tensor_weights ? -1 : axis, o->per_tensor_weights ? 1 : v->t.dim[axis]);
    int8_t *codes = it_arena_new(&g->arena, (size_t)it_tensor_len(&v->t));
    if (!q || !codes)
        return it_fail_nomem(err, n->name, (size_t)it_tensor_len(&v->t));
    quantize_weight(&v->t, axis, bits, o->per_tensor_weights, q, codes);
    q->codes = codes;
    v->q = q;
    return INTACT_OK;
}

intact_status it_ptq_assign_weights(it_graph *g, const it_ptq_options *o, intact_error *err)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; i < g->nodes.len; i++)
        len += is_mac(g->nodes.items[i]);
    for (size_t i = 0; i < g->nodes.len; i++) {
        it_node *n = g->nodes.items[i];
        if (!is_mac(n))
            continue;
        int bits = it_ptq_kept(o, n, at++, len) ? 8 : o->weight_bits;
        IT_TRY(assign_one(g, n, o, bits, err));
    }
    return INTACT_OK;
}

/* ---- layers that keep 8 bits ---- */

static bool next_word(const char **list, const char **word, size_t *len)
{
    if (!*list || !**list)
        return false;
    *word = *list;
    *len = strcspn(*list, ",");
    *list += *len + ((*list)[*len] == ',');
    return true;
}

static bool word_is(const char *word, size_t len, const char *s) { return strlen(s) == len && memcmp(word, s, len) == 0; }

bool it_ptq_kept(const it_ptq_options *o, const it_node *n, size_t i, size_t len)
{
    const char *list = o->keep8, *word;
    size_t n_word;
    while (next_word(&list, &word, &n_word))
        if ((word_is(word, n_word, "first") && i == 0) || (word_is(word, n_word, "last") && i + 1 == len) || word_is(word, n_word, n->name))
            return true;
    return false;
}

intact_status it_ptq_check_keep(const it_graph *g, const it_ptq_options *o, intact_error *err)
{
    const char *list = o->keep8, *word;
    size_t len;
    while (next_word(&list, &word, &len)) {
        bool known = word_is(word, len, "first") || word_is(word, len, "last") || word_is(word, len, "none");
        const char *names[1024];
        size_t names_len = 0;
        for (size_t i = 0; i < g->nodes.len && !known; i++) {
            const it_node *n = g->nodes.items[i];
            known = is_mac(n) && word_is(word, len, n->name);
            if (is_mac(n) && names_len < IT_LEN(names))
                names[names_len++] = n->name;
        }
        if (!known) {
            char text[128];
            size_t cut = len < sizeof text ? len : sizeof text - 1;
            memcpy(text, word, cut);
            text[cut] = 0;
            const char *near = it_nearest(text, names, names_len);
            return it_fail(err, INTACT_E_ARG, "--keep8", "no layer is called %s%s%s", text, near ? "; nearest: " : "", near ? near : "");
        }
    }
    return INTACT_OK;
}
