/* SPDX-License-Identifier: Apache-2.0 */
/* test_formulas.c: losses against differences and hand-made values, optimizers against steps written out, schedules' values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "train/helpers.h"
#include "train/schedule.h"

/* ---- losses ---- */

enum { SAMPLES = 3, CLASSES = 5 };
static const float Y[SAMPLES * CLASSES] = { 0.5f, -1, 2, 0.25f, 0, 3, 3, -2, 1, 0.125f, -0.5f, 0.75f, 0.5f, 0, 1.5f };
static const float TEACHER[SAMPLES * CLASSES] = { 1, -1, 3, 0, 0.5f, 2, 1, -2, 0, 1, 0, 0, 1, 2, -1 };
static const float TARGET[SAMPLES * CLASSES] = { 0, 1, 2, 0.5f, 0, 1, 2, 3, 0, -1, 0.25f, 0.25f, 0, 0, 1 };

static double loss_of(const it_loss_spec *s, const float *y, const int32_t *label, const float *teacher, float *dy, size_t *right)
{
    intact_error err = { .code = INTACT_OK };
    it_loss_block b = { .spec = s, .len = SAMPLES, .per_sample = CLASSES, .y = y, .label = s->loss->labels ? label : NULL,
                        .target = s->loss->labels ? NULL : TARGET, .teacher = teacher, .weight = 1, .dy = dy };
    must(s->loss->run(&b, &err), &err);
    *right = b.right;
    return b.loss;
}

static void losses_differentiate(void **state)
{
    static const int32_t LABEL[] = { 2, 1, 0 };
    const it_loss_spec specs[] = {
        { .loss = &it_loss_cross_entropy }, { .loss = &it_loss_cross_entropy, .smoothing = 0.1 },
        { .loss = &it_loss_cross_entropy, .smoothing = 0.1, .alpha = 0.7, .temperature = 4 }, { .loss = &it_loss_cross_entropy, .alpha = 1 },
        { .loss = &it_loss_mean_squared }, { .loss = &it_loss_mean_squared, .alpha = 0.25 },
    };
    (void)state;
    for (size_t i = 0; i < IT_LEN(specs); i++) {
        float dy[SAMPLES * CLASSES], y[SAMPLES * CLASSES];
        size_t right;
        const float *teacher = specs[i].alpha > 0 ? TEACHER : NULL;
        loss_of(&specs[i], Y, LABEL, teacher, dy, &right);
        for (int k = 0; k < SAMPLES * CLASSES; k++) {
            double l[2];
            for (int side = 0; side < 2; side++) {
                memcpy(y, Y, sizeof y);
                y[k] += side ? 0x1p-9f : -0x1p-9f;
                l[side] = loss_of(&specs[i], y, LABEL, teacher, NULL, &right);
            }
            assert_float_equal(dy[k], (l[1] - l[0]) / 0x1p-8, 1e-5);
        }
    }
}

static void cross_entropy_by_hand(void **state)
{
    const it_loss_spec plain = { .loss = &it_loss_cross_entropy }, same = { .loss = &it_loss_cross_entropy, .alpha = 1, .temperature = 3 };
    const int32_t none[] = { 2, -1, 4 }, tie[] = { 2, 0, 4 };
    float dy[SAMPLES * CLASSES];
    double sum = 0;
    size_t right;
    (void)state;
    for (int c = 0; c < CLASSES; c++) sum += exp((double)Y[c]);
    double want = log(sum) - (double)Y[2];
    sum = 0;
    for (int c = 0; c < CLASSES; c++) sum += exp((double)Y[2 * CLASSES + c]);
    want += log(sum) - (double)Y[2 * CLASSES + 4];
    assert_float_equal(loss_of(&plain, Y, none, NULL, dy, &right), want, 1e-9);
    assert_int_equal(right, 2);
    for (int c = 0; c < CLASSES; c++) assert_true(dy[CLASSES + c] == 0); /* left out */
    loss_of(&plain, Y, tie, NULL, dy, &right);
    assert_int_equal(right, 3); /* of equal answers the first */
    assert_float_equal(loss_of(&same, Y, tie, Y, dy, &right), 0, 1e-9); /* a network that is its own teacher */
}

/* ---- optimizers ---- */

static void take(const it_optimizer_spec *s, double rate, double decay, const double *g, int steps, float *w)
{
    float m[2] = { 0, 0 };
    it_optimizer_state st = { .power1 = 1, .power2 = 1 };
    for (int i = 0; i < steps; i++) {
        float grad = (float)g[i];
        st.steps++;
        st.power1 *= s->beta1;
        st.power2 *= s->beta2;
        it_update u = { .spec = s, .state = &st, .rate = rate, .decay = decay, .w = w, .g = &grad, .m = { &m[0], &m[1] }, .n = 1 };
        s->optimizer->apply(&u);
    }
}

static void sgd_by_hand(void **state)
{
    const double g[] = { 1, -0.5, 2 };
    float w = 1;
    (void)state;
    take(&(it_optimizer_spec){ .optimizer = &it_optimizer_sgd, .momentum = 0.9 }, 0.1, 0, g, 3, &w);
    /* m: 1, 0.4, 2.36 */
    assert_float_equal(w, 1 - 0.1 * (1 + 0.4 + 2.36), 1e-6);
    w = 1;
    take(&(it_optimizer_spec){ .optimizer = &it_optimizer_sgd, .momentum = 0.9, .nesterov = true }, 0.1, 0, g, 3, &w);
    /* g + 0.9 m: 1.9, -0.14, 4.124 */
    assert_float_equal(w, 1 - 0.1 * (1.9 - 0.14 + 4.124), 1e-6);
    w = 1;
    take(&(it_optimizer_spec){ .optimizer = &it_optimizer_sgd }, 0.1, 0.5, g, 2, &w);
    /* 1 - 0.1 (1 + 0.5) = 0.85, then - 0.1 (-0.5 + 0.425) */
    assert_float_equal(w, 0.8575, 1e-6);
}

static void adam_by_hand(void **state)
{
    const double g[] = { 1, -0.5, 2 };
    const it_optimizer_spec adam = { .optimizer = &it_optimizer_adam, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8 };
    it_optimizer_spec adamw = adam;
    double w[2] = { 1, 1 }, m[2] = { 0 }, v[2] = { 0 };
    float got[2] = { 1, 1 };
    (void)state;
    adamw.optimizer = &it_optimizer_adamw;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) { /* 0: decay in the gradient, 1: beside it */
            const double d = g[i] + (k ? 0 : 0.1 * w[k]);
            if (k) w[k] -= 0.05 * 0.1 * w[k];
            m[k] = 0.9 * m[k] + 0.1 * d;
            v[k] = 0.99 * v[k] + 0.01 * d * d;
            w[k] -= 0.05 * (m[k] / (1 - pow(0.9, i + 1))) / (sqrt(v[k] / (1 - pow(0.99, i + 1))) + 1e-8);
        }
    take(&adam, 0.05, 0.1, g, 3, &got[0]);
    take(&adamw, 0.05, 0.1, g, 3, &got[1]);
    assert_float_equal(got[0], w[0], 1e-6);
    assert_float_equal(got[1], w[1], 1e-6);
}

/* ---- schedules ---- */

static void schedules_by_hand(void **state)
{
    it_schedule_spec s = { .schedule = &it_schedule_cosine, .rate = 2, .warmup = 10, .total = 110 };
    (void)state;
    assert_float_equal(it_schedule_rate(&s, 0), 0.2, 1e-12);
    assert_float_equal(it_schedule_rate(&s, 9), 2, 1e-12);
    assert_float_equal(it_schedule_rate(&s, 10), 2, 1e-12);
    assert_float_equal(it_schedule_rate(&s, 60), 1, 1e-12);
    assert_float_equal(it_schedule_rate(&s, 109), 1 + cos(3.14159265358979323846 * 0.99), 1e-12);
    assert_true(it_schedule_rate(&s, 500) == it_schedule_rate(&s, 109));
    s.last = 0.5;
    assert_float_equal(it_schedule_rate(&s, 60), 1.5, 1e-12);
    s.schedule = &it_schedule_linear;
    s.last = 0;
    assert_float_equal(it_schedule_rate(&s, 60), 1, 1e-12);
    assert_float_equal(it_schedule_rate(&s, 35), 1.5, 1e-12);
    s.schedule = &it_schedule_constant;
    assert_float_equal(it_schedule_rate(&s, 109), 2, 1e-12);
    s = (it_schedule_spec){ .schedule = &it_schedule_step, .rate = 1, .total = 100 };
    assert_float_equal(it_schedule_rate(&s, 49), 1, 1e-12);
    assert_float_equal(it_schedule_rate(&s, 50), 0.1, 1e-12);
    assert_float_equal(it_schedule_rate(&s, 75), 0.01, 1e-12);
    s.at_len = 1, s.at[0] = 0.3, s.factor = 0.2;
    assert_float_equal(it_schedule_rate(&s, 29), 1, 1e-12);
    assert_float_equal(it_schedule_rate(&s, 30), 0.2, 1e-12);
}

static void finds_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(it_loss_find("cross_entropy"), &it_loss_cross_entropy);
    assert_ptr_equal(it_optimizer_find("adamw"), &it_optimizer_adamw);
    assert_ptr_equal(it_schedule_find("cosine"), &it_schedule_cosine);
    assert_null(it_schedule_find("sine"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_differentiate), cmocka_unit_test(cross_entropy_by_hand), cmocka_unit_test(sgd_by_hand),
        cmocka_unit_test(adam_by_hand), cmocka_unit_test(schedules_by_hand), cmocka_unit_test(finds_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
