/* SPDX-License-Identifier: Apache-2.0 */
/* patches.c: rows of a layer's matrix product. Two executors run batch after batch up to the layer, one in float, one simulating what is
** quantized already; which positions are kept is drawn beforehand from the seed, so that threads leave no trace. */
#include "ptq/patches.h"

#include <stdio.h>
#include <string.h>

#include "ptq/trail.h"

typedef struct patch_worker {
    const struct patch_job *job;
    it_exec *exec[2];   /* float, simulated */
    const it_tensor *x; /* the layer's input in the present run */
    uint8_t *pixels;
    float *floats;
    double *mean[2];    /* [groups][k] */
    double positions;
    float *row;         /* [k] */
    double *column;     /* [in_w][groups * in_c] */
} patch_worker;

typedef struct patch_job {
    it_ptq *p;
    const it_node *n;
    it_patches *out;
    const float *w;
    uint32_t *pick;     /* [rows]: positions, sample * area + place, ascending */
    size_t samples, area;
    uint32_t step, parts; /* samples of a run, runs of a unit in each network */
    patch_worker *workers;
    double *unit_mean[2]; /* [units][groups][k]: added up in order, so that sums do not depend on threads */
    uint32_t *unit_len;
} patch_job;

static bool simulates(void *user, const it_value *v)
{
    (void)user, (void)v;
    return true;
}

/* ---- one window ---- */

typedef struct strides { int64_t sample, c, h, w; } strides;

static strides strides_of(const it_tensor *x, const it_linear *l)
{
    int64_t c = l->groups * l->in_c;
    if (x->rank == 2)
        return (strides){ c, 1, 0, 0 };
    if (x->layout == IT_NHWC)
        return (strides){ c * l->in_h * l->in_w, 1, l->in_w * c, c };
    return (strides){ c * l->in_h * l->in_w, l->in_h * l->in_w, l->in_w, 1 };
}

static void window(const it_tensor *x, const it_linear *l, int64_t sample, int64_t place, int64_t group, float *row)
{
    strides s = strides_of(x, l);
    const float *from = (const float *)x->data + sample * s.sample + group * l->in_c * s.c;
    int64_t oh = place / l->out_w, ow = place % l->out_w;
    for (int64_t c = 0; c < l->in_c; c++)
        for (int64_t kh = 0; kh < l->kh; kh++)
            for (int64_t kw = 0; kw < l->kw; kw++) {
                int64_t h = oh * l->stride_h + kh * l->dil_h - l->pad_t, w = ow * l->stride_w + kw * l->dil_w - l->pad_l;
                bool inside = h >= 0 && h < l->in_h && w >= 0 && w < l->in_w;
                *row++ = inside ? from[c * s.c + h * s.h + w * s.w] : 0;
            }
}

/* Rows of x that tap kh of any output reads, added up: column[w * groups * in_c + c], in x's own order of the two. */
static void add_rows(const it_tensor *x, const it_linear *l, int64_t samples, int64_t kh, double *column)
{
    strides s = strides_of(x, l);
    int64_t c_len = l->groups * l->in_c;
    bool together = s.c == 1; /* a row's channels lie between its pixels */
    int64_t chunks = together ? 1 : c_len, len = together ? c_len * l->in_w : l->in_w;
    for (int64_t b = 0; b < samples; b++)
        for (int64_t oh = 0; oh < l->out_h; oh++) {
            int64_t h = oh * l->stride_h + kh * l->dil_h - l->pad_t;
            for (int64_t chunk = 0; h >= 0 && h < l->in_h && chunk < chunks; chunk++) {
                const float *row = (const float *)x->data + b * s.sample + chunk * s.c + h * s.h;
                double *to = column + chunk * len;
                for (int64_t i = 0; i < len; i++)
                    to[i] += (double)row[i];
            }
        }
}

/* Sums of the inputs under every window: for each tap and channel, over all places where it is inside. column: room for a row. */
static void add_means(const it_tensor *x, const it_linear *l, int64_t samples, double *mean, double *column)
{
    int64_t c_len = l->groups * l->in_c, taps = l->kh * l->kw;
    bool together = strides_of(x, l).c == 1;
    for (int64_t kh = 0; kh < l->kh; kh++) {
        memset(column, 0, (size_t)(c_len * l->in_w) * sizeof *column);
        add_rows(x, l, samples, kh, column);
        for (int64_t c = 0; c < c_len; c++)
            for (int64_t kw = 0; kw < l->kw; kw++)
                for (int64_t ow = 0; ow < l->out_w; ow++) {
                    int64_t w = ow * l->stride_w + kw * l->dil_w - l->pad_l;
                    if (w >= 0 && w < l->in_w)
                        mean[c * taps + kh * l->kw + kw] += column[together ? w * c_len + c : c * l->in_w + w];
                }
    }
}

size_t it_patches_weight(const it_patches *t, const it_node *n, int64_t g, int64_t o, int64_t k)
{
    int64_t channel = g * t->lin.out_c + o, channels = t->lin.groups * t->lin.out_c;
    return (size_t)(n->op->quant.weight_axis(n) == 0 ? channel * t->k + k : k * channels + channel);
}

static void answers(const patch_job *j, const float *row, int64_t group, float *y)
{
    const it_patches *t = j->out;
    for (int64_t o = 0; o < t->lin.out_c; o++) {
        float sum = t->bias[group * t->lin.out_c + o];
        size_t at = it_patches_weight(t, j->n, group, o, 0), step = t->k > 1 ? it_patches_weight(t, j->n, group, o, 1) - at : 0;
        for (int64_t k = 0; k < t->k; k++)
            sum += row[k] * j->w[at + (size_t)k * step];
        y[o] = sum;
    }
}

/* The drawn rows of samples first .. first + len, out of the input of one of the two networks. */
static void keep_rows(patch_worker *w, size_t first, size_t len, bool simulated)
{
    const patch_job *j = w->job;
    const it_patches *t = j->out;
    size_t lo = 0, hi = t->rows;
    while (lo < hi) { /* the first one drawn of these samples */
        size_t mid = (lo + hi) / 2;
        if (j->pick[mid] < first * j->area)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < t->rows && j->pick[lo] < (first + len) * j->area; lo++)
        for (int64_t g = 0; g < t->lin.groups; g++) {
            size_t at = (size_t)g * t->rows + lo;
            float *to = simulated ? t->x + at * (size_t)t->k : w->row;
            window(w->x, &t->lin, (int64_t)(j->pick[lo] / j->area - first), (int64_t)(j->pick[lo] % j->area), g, to);
            if (!simulated)
                answers(j, to, g, t->y + at * (size_t)t->lin.out_c);
        }
}

/* ---- running ---- */

/* first: of the samples as drawn from; those that could not be read leave the rows after them to their followers. */
static intact_status run_to_layer(patch_worker *w, int which, uint32_t unit, uint32_t len, intact_error *err)
{
    const patch_job *j = w->job;
    const it_linear *l = &j->out->lin;
    const size_t first = (size_t)unit * IT_FEED_BATCH, elements = j->p->feed->elements;
    const it_value *in = j->n->in[0];
    for (uint32_t at = 0, part = 0; at < len; at += j->step, part++) {
        it_tensor t = j->p->g->inputs.items[0]->t;
        uint32_t now = len - at < j->step ? len - at : j->step;
        t.dim[0] = now;
        t.layout = IT_PLAIN;
        t.data = w->floats + at * elements;
        IT_TRY(it_trail_run(j->p, ((size_t)unit * j->parts + part) * 2 + (size_t)which, w->exec[which], &t, now, err));
        w->x = it_exec_value(w->exec[which], in);
        if (!w->x)
            return it_fail(err, INTACT_E_UNSUPPORTED, j->n->name, "its input is never computed");
        if (j->out->rows == 0)
            add_means(w->x, l, now, j->unit_mean[which] + unit * (size_t)(l->groups * j->out->k), w->column);
        keep_rows(w, first + at, now, which == 1);
    }
    return INTACT_OK;
}

static intact_status patch_unit(void *user, uint32_t u, uint32_t thread, uint64_t *steps, intact_error *err)
{
    patch_job *j = user;
    patch_worker *w = &j->workers[thread];
    const size_t first = (size_t)u * IT_FEED_BATCH;
    it_batch b = { .len = 0 };
    if (!it_trail_has(j->p))
        IT_TRY(it_feed_batch(j->p->feed, first, w->pixels, w->floats, &b, err));
    for (uint32_t part = 0; it_trail_has(j->p) && part < j->parts; part++)
        b.len += it_trail_samples(j->p, ((size_t)u * j->parts + part) * 2);
    b.len = first + b.len > j->samples ? (uint32_t)(j->samples - first) : b.len;
    *steps = b.len + b.skipped;
    j->unit_len[u] = b.len;
    for (int which = 0; which < 2 && b.len; which++)
        IT_TRY(run_to_layer(w, which, u, b.len, err));
    return INTACT_OK;
}

static size_t column_bytes(const it_linear *l) { return (size_t)(l->groups * l->in_c * l->in_w) * sizeof(double); }

static intact_status worker_open(patch_worker *w, const patch_job *j, intact_error *err)
{
    const intact_alloc *a = j->p->alloc;
    const size_t batch = IT_FEED_BATCH * j->p->feed->elements;
    w->job = j;
    w->pixels = it_alloc_new(a, batch);
    w->floats = it_alloc_new(a, batch * sizeof(float));
    w->row = it_alloc_new(a, (size_t)j->out->k * sizeof(float));
    w->column = it_alloc_new(a, column_bytes(&j->out->lin));
    if (!w->pixels || !w->floats || !w->row || !w->column)
        return it_fail_nomem(err, j->n->name, batch * 5);
    it_exec_options eo = { .simulates = simulates };
    IT_TRY(it_exec_new(j->p->g, NULL, &w->exec[0], err));
    return it_exec_new(j->p->g, &eo, &w->exec[1], err);
}

static void worker_close(patch_worker *w, const patch_job *j)
{
    const intact_alloc *a = j->p->alloc;
    const size_t batch = IT_FEED_BATCH * j->p->feed->elements;
    it_exec_free(w->exec[0]);
    it_exec_free(w->exec[1]);
    it_alloc_free(a, w->pixels, batch);
    it_alloc_free(a, w->floats, batch * sizeof(float));
    it_alloc_free(a, w->row, (size_t)j->out->k * sizeof(float));
    it_alloc_free(a, w->column, column_bytes(&j->out->lin));
}

/* ---- which positions ---- */

/* One out of each of `rows` equal stretches of all positions: ascending, evenly spread, the same on every machine. */
static void draw(patch_job *j, uint64_t seed)
{
    const uint64_t all = (uint64_t)j->samples * j->area, rows = j->out->rows;
    it_rng r;
    it_rng_seed(&r, seed);
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t from = all * i / rows, to = all * (i + 1) / rows;
        j->pick[i] = (uint32_t)(from + it_rng_below(&r, to - from));
    }
}

static void finish_means(patch_job *j, uint32_t units)
{
    const it_patches *t = j->out;
    const size_t means = (size_t)(t->lin.groups * t->k);
    double n = 0;
    for (uint32_t u = 0; u < units; u++)
        n += j->unit_len[u];
    for (int which = 0; which < 2; which++)
        for (size_t i = 0; i < means; i++) {
            double sum = 0;
            for (uint32_t u = 0; u < units; u++)
                sum += j->unit_mean[which][u * means + i];
            (which ? t->x_mean : t->x_float_mean)[i] = (float)(sum / (n * (double)j->area));
        }
}

/* Rows of samples that could not be read stay zero on both sides: they weigh nothing. */
static intact_status patch_all(patch_job *j, uint32_t units, intact_error *err)
{
    const uint32_t threads = it_pool_threads(j->p->job->pool);
    intact_status st = INTACT_OK;
    char what[80];
    for (uint32_t t = 0; t < threads && st == INTACT_OK; t++)
        st = worker_open(&j->workers[t], j, err);
    snprintf(what, sizeof what, "reading %.60s", j->n->name);
    if (st == INTACT_OK)
        st = it_job_run(j->p->job, what, units, j->samples, patch_unit, j, err);
    if (st == INTACT_OK)
        finish_means(j, units);
    for (uint32_t t = 0; t < threads; t++)
        worker_close(&j->workers[t], j);
    return st;
}

static intact_status describe(const it_ptq *p, const it_node *n, it_patches *out, intact_error *err)
{
    if (!n->op->quant.linear || !n->op->quant.linear(n, &n->in[0]->t, &out->lin))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "is no matrix product of a constant weight; its weights are rounded to nearest");
    out->k = out->lin.in_c * out->lin.kh * out->lin.kw;
    out->alloc = p->alloc;
    return INTACT_OK;
}

static intact_status allocate(it_patches *t, const it_node *n, intact_error *err)
{
    const size_t groups = (size_t)t->lin.groups, k = (size_t)t->k, o = (size_t)t->lin.out_c;
    t->bytes = (groups * t->rows * (k + o) + 2 * groups * k + groups * o) * sizeof(float);
    t->x = it_alloc_zero(t->alloc, t->bytes);
    if (!t->x)
        return it_fail_nomem(err, n->name, t->bytes);
    t->y = t->x + groups * t->rows * k;
    t->x_mean = t->y + groups * t->rows * o;
    t->x_float_mean = t->x_mean + groups * k;
    t->bias = t->x_float_mean + groups * k;
    return INTACT_OK;
}

/* One number for each channel, or one for all of them, in any shape. */
static void read_bias(it_patches *t, const it_node *n)
{
    const it_value *b = it_ptq_bias(n);
    const int64_t channels = t->lin.groups * t->lin.out_c, len = b && b->is_const && b->t.type == IT_F32 ? it_tensor_len(&b->t) : 0;
    t->fits_bias = n->op->quant.bias_in > 0 && (!b || len == channels || len == 1);
    for (int64_t c = 0; c < channels && (len == channels || len == 1); c++)
        t->bias[c] = (float)it_tensor_get(&b->t, len == 1 ? 0 : c);
}

static size_t node_index(const it_graph *g, const it_node *n)
{
    size_t i = 0;
    while (g->nodes.items[i] != n)
        i++;
    return i;
}

intact_status it_patches_make(it_ptq *p, const it_node *n, size_t rows, size_t samples, it_patches *out, intact_error *err)
{
    const uint32_t threads = it_pool_threads(p->job->pool);
    patch_job j = { .p = p, .n = n, .out = out, .samples = samples && samples < p->feed->len ? samples : p->feed->len };
    *out = (it_patches){ 0 };
    IT_TRY(describe(p, n, out, err));
    const it_value *in = p->g->inputs.items[0];
    j.step = in->declared_rank > 0 && in->declared[0] > 0 && in->declared[0] < IT_FEED_BATCH ? (uint32_t)in->declared[0] : IT_FEED_BATCH;
    j.parts = (IT_FEED_BATCH + j.step - 1) / j.step;
    j.area = (size_t)(out->lin.out_h * out->lin.out_w);
    if (j.samples * (uint64_t)j.area > UINT32_MAX)
        j.samples = UINT32_MAX / j.area;
    out->rows = rows < j.samples * j.area ? rows : j.samples * j.area;
    IT_TRY(allocate(out, n, err));
    read_bias(out, n);
    j.w = it_ptq_weight(n)->t.data;
    const uint32_t units = (uint32_t)((j.samples + IT_FEED_BATCH - 1) / IT_FEED_BATCH);
    const size_t means = (size_t)(out->lin.groups * out->k);
    const size_t bytes = units * (2 * means * sizeof(double) + sizeof(uint32_t)) + out->rows * sizeof(uint32_t) + threads * sizeof(patch_worker);
    uint8_t *room = it_alloc_zero(p->alloc, bytes);
    intact_status st = room ? INTACT_OK : it_fail_nomem(err, n->name, bytes);
    if (room) {
        j.unit_mean[0] = (double *)room;
        j.unit_mean[1] = j.unit_mean[0] + units * means;
        j.workers = (patch_worker *)(j.unit_mean[1] + units * means);
        j.unit_len = (uint32_t *)(j.workers + threads);
        j.pick = j.unit_len + units;
        draw(&j, p->recipe->seed);
        st = it_trail_begin(p, node_index(p->g, n), (size_t)units * j.parts * 2, err);
        if (st == INTACT_OK)
            st = patch_all(&j, units, err);
        it_trail_end(p, st == INTACT_OK);
    }
    it_alloc_free(p->alloc, room, bytes);
    if (st != INTACT_OK)
        it_patches_release(out);
    return st;
}

void it_patches_release(it_patches *t)
{
    it_alloc_free(t->alloc, t->x, t->bytes);
    t->x = NULL;
}
