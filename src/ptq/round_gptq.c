/* SPDX-License-Identifier: Apache-2.0 */
/* round_gptq.c: weights are rounded one input after another, and what is lost is put on the inputs that follow, as the second moments of the
** layer's inputs say. Frantar et al. 2022 (GPTQ): H = X X^T, U the upper Cholesky factor of H^-1; error (w - q) / U_kk times U_k, k.. .
** Convolutions are unfolded. Damping is added to the whole diagonal, a hundredth of its mean, after inputs that are always 0 got 1 there; those inputs'
** weights, which nothing pulls at and whose errors move no others, are rounded to nearest like any (GPTQ's own program makes them 0): outside the calibration
** samples they may count. The order of the inputs is the weight's. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op/dnnl.h"
#include "ptq/method.h"
#include "ptq/patches.h"

enum { ROWS = 8192, K_MAX = 2500 /* inputs of a window: the factors take K^2 numbers and K^3 / 2 steps */ };
#define DAMPING 0.01 /* of the mean of H's diagonal */

typedef struct gptq_job {
    it_ptq *p;
    const it_node *n;
    const it_quant *q;
    const it_patches *t;
    int8_t *codes;
} gptq_job;

/* H = R R^T with R upper triangular, in place (Cholesky from the last row up); false when H is not positive. */
static bool factor(double *h, int64_t n)
{
    for (int64_t j = n - 1; j >= 0; j--) {
        double d = h[j * n + j];
        for (int64_t k = j + 1; k < n; k++)
            d -= h[j * n + k] * h[j * n + k];
        if (!(d > 0))
            return false;
        h[j * n + j] = sqrt(d);
        for (int64_t i = 0; i < j; i++) {
            double s = h[i * n + j];
            for (int64_t k = j + 1; k < n; k++)
                s -= h[i * n + k] * h[j * n + k];
            h[i * n + j] = s / h[j * n + j];
        }
    }
    return true;
}

/* U = R^-1, upper triangular, in place: H^-1 = U^T U. */
static void invert(double *r, int64_t n, double *column)
{
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i <= j; i++)
            column[i] = r[i * n + j];
        double d = 1 / column[j];
        for (int64_t i = 0; i < j; i++) { /* columns before j are done: U_ij = -sum_k U_ik R_kj / R_jj */
            double s = 0;
            for (int64_t k = i; k < j; k++)
                s += r[i * n + k] * column[k];
            r[i * n + j] = -s * d;
        }
        r[j * n + j] = d;
    }
}

static intact_status moments(const gptq_job *j, int64_t group, double *h, float *room, intact_error *err)
{
    const it_patches *t = j->t;
    const float *x = t->x + (size_t)group * t->rows * (size_t)t->k;
    const int64_t k = t->k;
    it_dnnl_mat g = { .m = k, .n = k, .k = (int64_t)t->rows, .lda = k, .ldb = k, .trans_a = true, .alpha = 1 };
    IT_TRY(it_dnnl_matmul(j->n, &g, x, x, room, err));
    double mean = 0;
    for (int64_t i = 0; i < k; i++)
        mean += (double)room[i * k + i] / (double)k;
    for (int64_t i = 0; i < k * k; i++)
        h[i] = (double)room[i];
    for (int64_t i = 0; i < k; i++) { /* an input that is always 0 pulls at nothing */
        if (!(h[i * k + i] > 0))
            h[i * k + i] = 1;
        h[i * k + i] += mean > 0 ? DAMPING * mean : 1;
    }
    return INTACT_OK;
}

static void round_channel(const gptq_job *j, const double *u, int64_t group, int64_t o, double *w)
{
    const it_patches *t = j->t;
    const float *from = it_ptq_weight(j->n)->t.data;
    const int64_t c = j->q->len == 1 ? 0 : group * t->lin.out_c + o, n = t->k;
    const double zero = j->q->zero[c], top = (1 << (j->q->bits - 1)) - 1, low = zero != 0 ? -top - 1 : -top;
    for (int64_t k = 0; k < n; k++)
        w[k] = (double)from[it_patches_weight(t, j->n, group, o, k)];
    for (int64_t k = 0; k < n; k++) {
        const double s = it_weight_step(j->q, c, k);
        double q = nearbyint(w[k] / s) + zero;
        q = q < low ? low : q > top ? top : q;
        j->codes[it_patches_weight(t, j->n, group, o, k)] = (int8_t)q;
        double e = (w[k] - s * (q - zero)) / u[k * n + k];
        for (int64_t i = k + 1; i < n; i++)
            w[i] -= e * u[k * n + i];
    }
}

static intact_status gptq_unit(void *user, uint32_t unit, uint32_t thread, uint64_t *steps, intact_error *err)
{
    const gptq_job *j = user;
    const int64_t k = j->t->k;
    const size_t bytes = (size_t)(k * k) * (sizeof(double) + sizeof(float)) + (size_t)k * sizeof(double);
    double *h = it_alloc_new(j->p->alloc, bytes);
    (void)thread, (void)steps;
    if (!h)
        return it_fail_nomem(err, j->n->name, bytes);
    double *w = h + k * k;
    intact_status st = moments(j, unit, h, (float *)(w + k), err);
    if (st == INTACT_OK && !factor(h, k))
        st = it_fail(err, INTACT_E_DATA, j->n->name, "the second moments of its inputs have no Cholesky factor; are the calibration samples finite?");
    if (st == INTACT_OK) {
        invert(h, k, w);
        for (int64_t o = 0; o < j->t->lin.out_c; o++)
            round_channel(j, h, unit, o, w);
    }
    it_alloc_free(j->p->alloc, h, bytes);
    return st;
}

static intact_status gptq(it_ptq *p, it_node *n, it_quant *q, int8_t *codes, intact_error *err)
{
    it_patches t;
    it_linear l;
    if (!n->op->quant.linear || !n->op->quant.linear(n, &n->in[0]->t, &l))
        return it_rounding_nearest.round(p, n, q, codes, err);
    if (l.in_c * l.kh * l.kw > K_MAX) {
        if (it_ptq_say(p, n->name, "gptq is for windows of up to %d inputs; this one of %lld is rounded to nearest", K_MAX, (long long)(l.in_c * l.kh * l.kw)) != INTACT_OK)
            return it_fail_nomem(err, n->name, sizeof(it_ptq_note));
        return it_rounding_nearest.round(p, n, q, codes, err);
    }
    IT_TRY(it_patches_make(p, n, ROWS, 0, &t, err));
    gptq_job j = { .p = p, .n = n, .q = q, .t = &t, .codes = codes };
    char what[80];
    snprintf(what, sizeof what, "rounding %.60s", n->name);
    intact_status st = it_job_run(p->job, what, (uint32_t)l.groups, (uint64_t)l.groups, gptq_unit, &j, err);
    it_patches_release(&t);
    return st;
}

const it_rounding it_rounding_gptq = { .name = "gptq", .data = true, .summary = "errors of rounding passed on to the inputs that follow", .round = gptq };
