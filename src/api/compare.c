/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c: two networks on the same samples: agreement, paired accuracy (McNemar 1947), signal-to-quantization-noise per layer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"

typedef struct noise { double signal, error, worst, own, clip; uint64_t n; } noise; /* sums of squares, largest |difference|; own, clip: see intact_layer_sqnr */

typedef struct kept { char name[128]; float *x; size_t n, cap; uint32_t stamp; } kept; /* a's value of the present sample */

typedef struct compare_worker {
    it_runner a, b;       /* over whole batches, not recording */
    uint8_t *pix_a, *pix_b;
    float *flo_a, *flo_b;
    uint64_t n, skipped, labelled, same, right_a, right_b, top5_a, top5_b, only_a, only_b;
} compare_worker;

typedef struct compare_job {
    const intact_model *m[2];
    it_source s[2];
    char tap[2][128]; /* the other side's output, if it is a value of this float network; empty: its own output */
    compare_worker *workers;
    noise *out; /* [units]: summed in order, so that the ratio does not depend on the threads */
    uint32_t units;
} compare_job;

static double ratio_db(const noise *z)
{
    if (z->error == 0)
        return INFINITY;
    return z->signal > 0 ? 10 * log10(z->signal / z->error) : -INFINITY;
}

static void add_noise(noise *z, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - b[i];
        z->signal += (double)a[i] * a[i];
        z->error += d * d;
        z->worst = fabs(d) > z->worst ? fabs(d) : z->worst;
    }
    z->n += n;
}

static bool among(const uint32_t *top, uint32_t k, int32_t label)
{
    for (uint32_t i = 0; i < k; i++)
        if ((int32_t)top[i] == label)
            return true;
    return false;
}

static void score_pair(compare_worker *w, const float *ya, const float *yb, size_t n, int32_t label)
{
    uint32_t five_a[5], five_b[5], k = n < 5 ? (uint32_t)n : 5;
    it_top_k(ya, n, k, five_a);
    it_top_k(yb, n, k, five_b);
    if (n == 1) /* the network says the index itself */
        five_a[0] = (uint32_t)(int32_t)ya[0], five_b[0] = (uint32_t)(int32_t)yb[0];
    uint32_t top_a = five_a[0], top_b = five_b[0];
    w->n++;
    w->same += top_a == top_b;
    if (label < 0)
        return;
    bool a = (int32_t)top_a == label, b = (int32_t)top_b == label;
    w->labelled++;
    w->right_a += a;
    w->right_b += b;
    w->top5_a += among(five_a, k, label);
    w->top5_b += among(five_b, k, label);
    w->only_a += a && !b;
    w->only_b += b && !a;
}

/* Keeps sample i of a batch as its j-th. */
static void move_sample(const it_feed *f, it_batch *b, uint8_t *pixels, float *floats, uint32_t i, uint32_t j)
{
    if (i == j)
        return;
    memmove(pixels + j * f->elements, pixels + i * f->elements, f->elements);
    memmove(floats + j * f->elements, floats + i * f->elements, f->elements * sizeof *floats);
    b->sample[j] = b->sample[i];
    b->label[j] = b->label[i];
}

/* What one side could not read (their preprocessing may differ) is left out of both. */
static intact_status read_pair(compare_worker *w, const compare_job *j, size_t first, it_batch *b, intact_error *err)
{
    const it_feed *fa = &j->s[0].feed, *fb = &j->s[1].feed;
    it_batch o;
    uint32_t ia = 0, ib = 0, len = 0;
    IT_TRY(it_feed_batch(fa, first, w->pix_a, w->a.wants_floats ? w->flo_a : NULL, b, err));
    IT_TRY(it_feed_batch(fb, first, w->pix_b, w->b.wants_floats ? w->flo_b : NULL, &o, err));
    uint32_t total = b->len + b->skipped;
    while (ia < b->len && ib < o.len) {
        if (b->sample[ia] < o.sample[ib]) {
            ia++;
        } else if (b->sample[ia] > o.sample[ib]) {
            ib++;
        } else {
            move_sample(fa, b, w->pix_a, w->flo_a, ia++, len);
            move_sample(fb, &o, w->pix_b, w->flo_b, ib++, len++);
        }
    }
    b->len = len;
    b->skipped = total - len;
    return INTACT_OK;
}

static intact_status run_pair(compare_worker *w, const compare_job *j, uint32_t unit, it_batch *b, intact_error *err)
{
    IT_TRY(read_pair(w, j, (size_t)unit * IT_FEED_BATCH, b, err));
    if (b->len == 0)
        return INTACT_OK;
    IT_TRY(it_runner_run(&w->a, &j->s[0].feed, w->pix_a, w->flo_a, b->len, err));
    IT_TRY(it_runner_run(&w->b, &j->s[1].feed, w->pix_b, w->flo_b, b->len, err));
    if (w->a.outs[0].len != w->b.outs[0].len)
        return it_fail(err, INTACT_E_SHAPE, j->m[1]->path, "its first output has %zu values per sample, that of %s %zu; only networks with the same outputs compare",
                       w->b.outs[0].len, j->m[0]->path, w->a.outs[0].len);
    return INTACT_OK;
}

static intact_status compare_unit(void *arg, uint32_t u, uint32_t thread, uint64_t *steps, intact_error *err)
{
    compare_job *j = arg;
    compare_worker *w = &j->workers[thread];
    it_batch b;
    IT_TRY(run_pair(w, j, u, &b, err));
    *steps = b.len + b.skipped;
    w->skipped += b.skipped;
    size_t n = w->a.outs[0].len;
    for (uint32_t i = 0; i < b.len; i++) {
        const float *ya = w->a.outs[0].real + i * n, *yb = w->b.outs[0].real + i * n;
        const char *sample = it_dataset_name(j->s[0].data, b.sample[i]);
        IT_TRY(it_check_answer(j->m[0], sample, ya, n, err));
        IT_TRY(it_check_answer(j->m[1], sample, yb, n, err));
        score_pair(w, ya, yb, n, b.label[i]);
        add_noise(&j->out[u], ya, yb, n);
    }
    return INTACT_OK;
}

static const char *tap_of(const compare_job *j, int side) { return j->tap[side][0] ? j->tap[side] : NULL; }

/* A network between QuantizeLinear and DequantizeLinear ends in codes. */
static bool ends_in_codes(const intact_model *m)
{
    const it_node *n = m->kind == INTACT_MODEL_FLOAT ? m->g.outputs.items[0]->producer : NULL;
    return n && strcmp(n->op->onnx ? n->op->onnx : "", "DequantizeLinear") == 0;
}

/* An integer program, or one as an ONNX network, ends where a Softmax was left out: a float network on the other side is read at that very value. */
static void find_taps(compare_job *j)
{
    for (int side = 0; side < 2; side++) {
        intact_port p;
        const intact_model *other = j->m[1 - side];
        if (j->m[side]->kind == INTACT_MODEL_FLOAT && other->program && intact_program_output(other->program, 0, &p) == INTACT_OK)
            memcpy(j->tap[side], p.name, sizeof p.name);
        else if (!ends_in_codes(j->m[side]) && ends_in_codes(other))
            snprintf(j->tap[side], sizeof j->tap[side], "%s", other->g.outputs.items[0]->name);
    }
}

static intact_status compare_worker_open(compare_worker *w, const compare_job *j, intact_error *err)
{
    const intact_alloc *al = j->m[0]->ctx->alloc;
    size_t na = IT_FEED_BATCH * j->s[0].feed.elements, nb = IT_FEED_BATCH * j->s[1].feed.elements;
    w->pix_a = it_alloc_new(al, na);
    w->pix_b = it_alloc_new(al, nb);
    w->flo_a = it_alloc_new(al, na * sizeof(float));
    w->flo_b = it_alloc_new(al, nb * sizeof(float));
    if (!w->pix_a || !w->pix_b || !w->flo_a || !w->flo_b)
        return it_fail_nomem(err, "comparison", (na + nb) * 5);
    IT_TRY(it_runner_open(&w->a, j->m[0], tap_of(j, 0), NULL, NULL, err));
    return it_runner_open(&w->b, j->m[1], tap_of(j, 1), NULL, NULL, err);
}

static void compare_worker_close(compare_worker *w, const compare_job *j)
{
    const intact_alloc *al = j->m[0]->ctx->alloc;
    size_t na = IT_FEED_BATCH * j->s[0].feed.elements, nb = IT_FEED_BATCH * j->s[1].feed.elements;
    it_runner_close(&w->a);
    it_runner_close(&w->b);
    it_alloc_free(al, w->pix_a, na);
    it_alloc_free(al, w->pix_b, nb);
    it_alloc_free(al, w->flo_a, na * sizeof(float));
    it_alloc_free(al, w->flo_b, nb * sizeof(float));
}

/* ---- layers: a's values of one sample are kept, b's are held against them by name ---- */

typedef struct layer_state {
    const intact_alloc *alloc;
    struct { kept *items; size_t len, cap; } kept;
    struct { intact_layer_sqnr *items; size_t len, cap; } rows;
    struct { noise *items; size_t len, cap; } noise; /* beside rows */
    uint32_t stamp;
    const intact_program *codes; /* b's, with a step for every value; NULL: b is a float network */
    bool failed;
} layer_state;

/* What the codes of b's value make of a's numbers. */
static void add_own(noise *z, const intact_program *p, const char *name, const float *x, size_t n)
{
    intact_step s = {.out_type = INTACT_S32};
    uint32_t k = 0;
    while (k < intact_program_steps(p) && (intact_program_step(p, k, &s) != INTACT_OK || strcmp(s.out_name, name) != 0))
        k++;
    if (k == intact_program_steps(p) || s.out_type == INTACT_S32)
        return;
    double scale = (double)s.out_scale, zero = s.out_zero_point, least = s.out_type == INTACT_S16 ? -32767 : 0, most = s.out_type == INTACT_S16 ? 32767 : 255;
    for (size_t i = 0; i < n; i++) {
        double q = floor((double)x[i] / scale + 0.5) + zero, in = q < least ? least : q > most ? most : q, e = (double)x[i] - scale * (in - zero);
        z->own += e * e;
        z->clip += q == in ? 0 : e * e;
    }
}

static void record_a(void *user, const char *name, const float *x, size_t n)
{
    layer_state *s = user;
    kept *k = NULL;
    for (size_t i = 0; i < s->kept.len && !k; i++)
        if (strncmp(s->kept.items[i].name, name, sizeof s->kept.items[i].name - 1) == 0)
            k = &s->kept.items[i];
    if (!k) {
        if (!IT_VEC_ROOM(s->alloc, s->kept)) {
            s->failed = true;
            return;
        }
        k = &s->kept.items[s->kept.len++];
        *k = (kept){0};
        strncpy(k->name, name, sizeof k->name - 1);
    }
    if (n > k->cap) {
        float *p = it_alloc_grow(s->alloc, k->x, k->cap * sizeof *p, n * sizeof *p);
        if (!p) {
            s->failed = true;
            return;
        }
        k->x = p;
        k->cap = n;
    }
    memcpy(k->x, x, n * sizeof *x);
    k->n = n;
    k->stamp = s->stamp;
}

static void record_b(void *user, const char *name, const float *x, size_t n)
{
    layer_state *s = user;
    const kept *k = NULL;
    for (size_t i = 0; i < s->kept.len && !k; i++)
        if (strncmp(s->kept.items[i].name, name, sizeof s->kept.items[i].name - 1) == 0)
            k = &s->kept.items[i];
    if (!k || k->n != n || k->stamp != s->stamp)
        return;
    size_t row = 0;
    while (row < s->rows.len && strncmp(s->rows.items[row].name, name, sizeof s->rows.items[row].name - 1) != 0)
        row++;
    if (row == s->rows.len) {
        if (!IT_VEC_ROOM(s->alloc, s->rows) || !IT_VEC_ROOM(s->alloc, s->noise)) {
            s->failed = true;
            return;
        }
        s->rows.items[s->rows.len++] = (intact_layer_sqnr){0};
        s->noise.items[s->noise.len++] = (noise){0};
        strncpy(s->rows.items[row].name, name, sizeof s->rows.items[row].name - 1);
    }
    add_noise(&s->noise.items[row], k->x, x, n);
    if (s->codes)
        add_own(&s->noise.items[row], s->codes, name, k->x, n);
}

static intact_status layer_samples(layer_state *s, const compare_job *j, uint64_t want, uint64_t *done, intact_error *err)
{
    compare_worker w = {0};
    intact_status st = compare_worker_open(&w, j, err);
    it_runner_close(&w.a);
    it_runner_close(&w.b);
    if (st == INTACT_OK)
        st = it_runner_open(&w.a, j->m[0], tap_of(j, 0), record_a, s, err);
    if (st == INTACT_OK)
        st = it_runner_open(&w.b, j->m[1], tap_of(j, 1), record_b, s, err);
    s->codes = w.b.separate;
    const it_feed *fa = &j->s[0].feed, *fb = &j->s[1].feed;
    for (uint32_t u = 0; st == INTACT_OK && *done < want && (size_t)u * IT_FEED_BATCH < fa->len; u++) {
        it_batch a;
        st = read_pair(&w, j, (size_t)u * IT_FEED_BATCH, &a, err);
        for (uint32_t i = 0; st == INTACT_OK && i < a.len && *done < want; i++, (*done)++) {
            s->stamp++;
            st = it_runner_run(&w.a, fa, w.pix_a + i * fa->elements, w.flo_a + i * fa->elements, 1, err);
            if (st == INTACT_OK)
                st = it_runner_run(&w.b, fb, w.pix_b + i * fb->elements, w.flo_b + i * fb->elements, 1, err);
        }
    }
    s->codes = NULL;
    compare_worker_close(&w, j);
    return st == INTACT_OK && s->failed ? it_fail_nomem(err, "comparison of layers", 0) : st;
}

static intact_status compare_layers(intact_ctx *c, const compare_job *j, uint64_t want, intact_compare_result *out, intact_error *err)
{
    layer_state s = {.alloc = c->alloc};
    intact_status st = layer_samples(&s, j, want, &out->layer_samples, err);
    for (size_t i = 0; i < s.rows.len; i++) {
        s.rows.items[i].sqnr_db = ratio_db(&s.noise.items[i]);
        s.rows.items[i].max_error = s.noise.items[i].worst;
        s.rows.items[i].elements = s.noise.items[i].n;
        s.rows.items[i].own_db = s.rows.items[i].own_clip = NAN;
        if (j->m[1]->program) {
            const noise *z = &s.noise.items[i];
            s.rows.items[i].own_db = ratio_db(&(noise){.signal = z->signal, .error = z->own});
            s.rows.items[i].own_clip = z->own > 0 ? z->clip / z->own : 0;
        }
    }
    if (st == INTACT_OK && s.rows.len) {
        out->layers = it_alloc_new(c->alloc, s.rows.len * sizeof *out->layers);
        if (out->layers) {
            memcpy(out->layers, s.rows.items, s.rows.len * sizeof *out->layers);
            out->layers_len = (uint32_t)s.rows.len;
        } else {
            st = it_fail_nomem(err, "comparison of layers", s.rows.len * sizeof *out->layers);
        }
    }
    for (size_t i = 0; i < s.kept.len; i++)
        it_alloc_free(c->alloc, s.kept.items[i].x, s.kept.items[i].cap * sizeof(float));
    IT_VEC_FREE(c->alloc, s.kept);
    IT_VEC_FREE(c->alloc, s.rows);
    IT_VEC_FREE(c->alloc, s.noise);
    return st;
}

static void sum_workers(const compare_job *j, uint32_t threads, intact_compare_result *out)
{
    uint64_t same = 0, right_a = 0, right_b = 0, top5_a = 0, top5_b = 0;
    noise z = {0};
    for (uint32_t t = 0; t < threads; t++) {
        const compare_worker *w = &j->workers[t];
        out->n += w->n;
        out->skipped += w->skipped;
        out->labelled += w->labelled;
        out->only_a += w->only_a;
        out->only_b += w->only_b;
        same += w->same;
        right_a += w->right_a;
        right_b += w->right_b;
        top5_a += w->top5_a;
        top5_b += w->top5_b;
    }
    for (uint32_t u = 0; u < j->units; u++) {
        z.signal += j->out[u].signal;
        z.error += j->out[u].error;
    }
    double n = (double)(out->labelled ? out->labelled : 1), d = (double)out->only_a - (double)out->only_b;
    out->agreement = out->n ? (double)same / (double)out->n : 0;
    out->top1_a = (double)right_a / n;
    out->top1_b = (double)right_b / n;
    out->top5_a = (double)top5_a / n;
    out->top5_b = (double)top5_b / n;
    out->loss = d / n;
    out->loss_standard_error = sqrt((double)(out->only_a + out->only_b) - d * d / n) / n;
    out->output_sqnr_db = ratio_db(&z);
}

intact_status intact_compare(intact_ctx *c, const intact_model *a, const intact_model *b, const intact_data_options *d, uint64_t layer_samples_want,
                             intact_compare_result *out, intact_error *err)
{
    *out = (intact_compare_result){0};
    double start = it_seconds();
    uint32_t threads = it_pool_threads(c->pool);
    compare_job j = {.m = {a, b}};
    intact_data_options db = *d;
    char stored[256]; /* preprocessing that one side's program stores serves the other side too */
    bool stores_a = a->program && it_meta_string(a->program, "preprocess", stored, sizeof stored), stores_b = b->program && it_meta_string(b->program, "preprocess", stored, sizeof stored);
    if (!d->preprocess && stores_a != stores_b && it_meta_string(stores_a ? a->program : b->program, "preprocess", stored, sizeof stored))
        db.preprocess = stored;
    find_taps(&j);
    IT_TRY(it_source_open(&j.s[0], a, stores_a ? d : &db, err));
    intact_status st = it_source_open(&j.s[1], b, stores_b ? d : &db, err);
    if (st == INTACT_OK)
        it_source_hint(&j.s[0], a, d);
    j.s[1].feed.on_skip = NULL; /* told once */
    j.workers = it_alloc_zero(c->alloc, threads * sizeof(compare_worker));
    j.units = (uint32_t)((j.s[0].feed.len + IT_FEED_BATCH - 1) / IT_FEED_BATCH);
    j.out = it_alloc_zero(c->alloc, j.units * sizeof *j.out);
    if (st == INTACT_OK && (!j.workers || !j.out))
        st = it_fail_nomem(err, "comparison", threads * sizeof(compare_worker));
    for (uint32_t t = 0; t < threads && st == INTACT_OK; t++)
        st = compare_worker_open(&j.workers[t], &j, err);
    it_job job = it_api_job(c);
    if (st == INTACT_OK)
        st = it_job_run(&job, "comparing", j.units, j.s[0].feed.len, compare_unit, &j, err);
    if (st == INTACT_OK)
        sum_workers(&j, threads, out);
    if (st == INTACT_OK && out->n == 0)
        st = it_fail(err, INTACT_E_DATA, d->path, "none of the %llu samples could be read", (unsigned long long)out->skipped);
    for (uint32_t t = 0; j.workers && t < threads; t++)
        compare_worker_close(&j.workers[t], &j);
    it_alloc_free(c->alloc, j.out, j.units * sizeof *j.out);
    it_alloc_free(c->alloc, j.workers, threads * sizeof(compare_worker));
    if (st == INTACT_OK && layer_samples_want)
        st = compare_layers(c, &j, layer_samples_want, out, err);
    it_source_close(&j.s[0]);
    it_source_close(&j.s[1]);
    out->seconds = it_seconds() - start;
    return st;
}

void intact_compare_result_release(intact_ctx *c, intact_compare_result *r)
{
    it_alloc_free(c->alloc, r->layers, r->layers_len * sizeof *r->layers);
    r->layers = NULL;
    r->layers_len = 0;
}
