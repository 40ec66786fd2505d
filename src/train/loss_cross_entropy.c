/* SPDX-License-Identifier: Apache-2.0 */
/* loss_cross_entropy: -sum p log q with q the softmax of the answers and p the label, smoothed (Szegedy et al. 2016, section 7). With a
** teacher: (1 - alpha) times that plus alpha T^2 times the Kullback-Leibler divergence of softmax(y / T) from softmax(teacher / T)
** (Hinton et al. 2015). In doubles: the answers are few. */
#include <math.h>

#include "train/loss.h"

/* log of the sum of e^(y / t), and the place of the largest. */
static double log_sum(const float *y, int64_t k, double t, int64_t *top)
{
    double sum = 0;
    *top = 0;
    for (int64_t c = 1; c < k; c++)
        if (y[c] > y[*top]) *top = c;
    const double max = (double)y[*top] / t;
    for (int64_t c = 0; c < k; c++) sum += exp((double)y[c] / t - max);
    return max + log(sum);
}

static double hard(const it_loss_block *b, int64_t i, double share, bool *right)
{
    const int64_t k = b->per_sample;
    const float *y = b->y + i * k;
    const double low = b->spec->smoothing / (double)k, high = 1 - b->spec->smoothing + low;
    int64_t top;
    const double all = log_sum(y, k, 1, &top);
    double loss = 0;
    for (int64_t c = 0; c < k; c++) {
        const double p = c == b->label[i] ? high : low, log_q = (double)y[c] - all;
        if (p != 0) loss -= p * log_q;
        if (b->dy) b->dy[i * k + c] = (float)(b->weight * share * (exp(log_q) - p));
    }
    *right = top == b->label[i];
    return loss;
}

static double soft(const it_loss_block *b, int64_t i, double share, double t)
{
    const int64_t k = b->per_sample;
    const float *y = b->y + i * k, *z = b->teacher + i * k;
    int64_t top;
    const double all = log_sum(y, k, t, &top), teacher_all = log_sum(z, k, t, &top);
    double loss = 0;
    for (int64_t c = 0; c < k; c++) {
        const double log_p = (double)z[c] / t - teacher_all, log_q = (double)y[c] / t - all, p = exp(log_p);
        loss += t * t * p * (log_p - log_q);
        if (b->dy) b->dy[i * k + c] += (float)(b->weight * share * t * (exp(log_q) - p));
    }
    return loss;
}

static intact_status cross_entropy_run(it_loss_block *b, intact_error *err)
{
    const double alpha = b->teacher ? b->spec->alpha : 0, t = b->spec->temperature > 0 ? b->spec->temperature : 1;
    const int64_t k = b->per_sample;
    b->loss = 0;
    b->right = 0;
    for (int64_t i = 0; i < b->len; i++) {
        bool right;
        if (b->label[i] < 0) {
            for (int64_t c = 0; b->dy && c < k; c++) b->dy[i * k + c] = 0;
            continue;
        }
        if (b->label[i] >= k)
            return it_fail(err, INTACT_E_DATA, "labels", "label %d; the network has %lld classes, 0 to %lld", b->label[i], (long long)k, (long long)k - 1);
        b->loss += (1 - alpha) * hard(b, i, 1 - alpha, &right);
        if (alpha > 0) b->loss += alpha * soft(b, i, alpha, t);
        b->right += right;
    }
    return INTACT_OK;
}

const it_loss it_loss_cross_entropy = {
    .name = "cross_entropy", .what = "cross-entropy of the softmax", .logits = true, .labels = true, .run = cross_entropy_run,
};
