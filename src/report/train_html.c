/* SPDX-License-Identifier: Apache-2.0 */
/* train_html.c: the report of a training run as a page: curves of loss, accuracy and learning rate, the epochs, the settings. */
#include <math.h>
#include <stdio.h>

#include "report/page.h"
#include "report/train_report.h"

#define PLOT_W 960.0
#define PLOT_H 240.0

/* ---- curves ---- */

typedef struct curve { double (*at)(const it_report_epoch *e); const char *what; } curve; /* the first is blue and round, the second orange and square */

/* A step of 1, 2 or 5 times a power of ten, of which about four fit. */
static double step_of(double range)
{
    double step = pow(10, floor(log10(range / 4)));
    return range / step > 20 ? step * 5 : range / step > 8 ? step * 2 : step;
}

static void find_frame(it_plot_frame *f, const it_report_train *r, const curve *curves, int len)
{
    f->low = INFINITY;
    f->high = -INFINITY;
    for (size_t i = 0; i < r->epochs_len; i++)
        for (int k = 0; k < len; k++) {
            double v = curves[k].at(&r->epochs[i]);
            if (isfinite(v))
                f->low = fmin(f->low, v), f->high = fmax(f->high, v);
        }
    if (!(f->high > f->low)) {
        double v = isfinite(f->low) ? f->low : 0;
        f->low = v - fmax(fabs(v) * 0.1, 1e-3);
        f->high = v + fmax(fabs(v) * 0.1, 1e-3);
    }
    double step = step_of(f->high - f->low);
    f->low = floor(f->low / step) * step;
    f->high = ceil(f->high / step) * step;
}

static void grid(it_out *o, const it_plot_frame *f)
{
    double step = step_of(f->high - f->low);
    int lines = (int)((f->high - f->low) / step + 0.5);
    for (int i = 0; i <= lines; i++) {
        double v = f->low + i * step;
        it_out_printf(o, "<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/><text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>", f->x0, it_plot_y(f, v), f->x1, f->x0 - 6, it_plot_y(f, v) + 4,
                      fabs(v) < step * 1e-6 ? 0 : v);
    }
}

static void line(it_out *o, const it_plot_frame *f, const it_report_train *r, const curve *c, bool second)
{
    bool pen = false;
    char buf[64];
    it_out_printf(o, "<path class=\"%s\" d=\"", second ? "line-b" : "line");
    for (size_t i = 0; i < r->epochs_len; i++) {
        double v = c->at(&r->epochs[i]);
        if (isfinite(v))
            it_out_printf(o, "%c%.1f %.1f", pen ? 'L' : 'M', it_plot_x(f, r->epochs[i].epoch), it_plot_y(f, v));
        pen = isfinite(v);
    }
    it_out_add(o, pen ? "\"/>" : "M0 0\"/>");
    for (size_t i = 0; i < r->epochs_len; i++) {
        double v = c->at(&r->epochs[i]), x = it_plot_x(f, r->epochs[i].epoch);
        if (!isfinite(v))
            continue;
        snprintf(buf, sizeof buf, "epoch %u, %s %.5g", r->epochs[i].epoch, c->what, v);
        if (second)
            it_out_printf(o, "<rect class=\"b\" x=\"%.1f\" y=\"%.1f\" width=\"5\" height=\"5\"><title>%s</title></rect>", x - 2.5, it_plot_y(f, v) - 2.5, buf);
        else
            it_out_printf(o, "<circle class=\"a\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.8\"><title>%s</title></circle>", x, it_plot_y(f, v), buf);
    }
}

static void plot(it_out *o, const it_report_train *r, const curve *curves, int len, const char *title)
{
    it_plot_frame f = {.x0 = 56, .x1 = PLOT_W - 12, .y0 = 10, .y1 = PLOT_H - 34, .left = 1, .right = r->epochs_all};
    find_frame(&f, r, curves, len);
    it_out_printf(o, "<div class=\"scroll\" tabindex=\"0\"><svg class=\"wide\" viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>%s</title>", PLOT_W, PLOT_H, title);
    grid(o, &f);
    for (int k = 0; k < len; k++)
        line(o, &f, r, &curves[k], k == 1);
    for (uint32_t i = 1, every = r->epochs_all / 24 + 1; i <= r->epochs_all; i += every)
        it_out_printf(o, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%u</text>", it_plot_x(&f, i), PLOT_H - 18, i);
    it_out_printf(o, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">epoch</text></svg></div>\n", PLOT_W / 2, PLOT_H - 3);
}

static double e_loss(const it_report_epoch *e) { return e->loss; }
static double e_top1(const it_report_epoch *e) { return 100 * e->top1; }
static double e_val(const it_report_epoch *e) { return 100 * e->val_top1; }
static double e_rate(const it_report_epoch *e) { return e->rate; }

static void curves(it_out *o, const it_report_train *r)
{
    static const curve loss[] = {{e_loss, "loss"}}, rate[] = {{e_rate, "learning rate"}}, top1[] = {{e_top1, "top-1 % in training"}, {e_val, "top-1 % in validation"}};
    it_page_section(o, "accuracy", "Accuracy");
    if (r->val)
        it_out_add(o, "<p><span class=\"key a\"></span>training samples, augmented, as the network stood at each step <span class=\"key b\"></span>validation samples, after the epoch; top-1 in %</p>\n");
    else
        it_out_add(o, "<p>Training samples, augmented, as the network stood at each step; top-1 in %. Nothing was given to validate on.</p>\n");
    plot(o, r, top1, r->val ? 2 : 1, "Top-1 accuracy of every epoch");
    it_out_add(o, "</section>\n");
    it_page_section(o, "loss", "Loss");
    plot(o, r, loss, 1, "Mean loss of every epoch");
    it_out_add(o, "</section>\n");
    it_page_section(o, "rate", "Learning rate");
    plot(o, r, rate, 1, "Learning rate at the end of every epoch");
    it_out_add(o, "</section>\n");
}

/* ---- the rest ---- */

static double seconds_of(const it_report_train *r)
{
    double s = 0;
    for (size_t i = 0; i < r->epochs_len; i++)
        s += r->epochs[i].seconds;
    return s;
}

/* Of the epochs that were timed as a whole. */
static double speed_of(const it_report_train *r)
{
    double images = 0, seconds = 0;
    for (size_t i = 0; i < r->epochs_len; i++) {
        const it_report_epoch *e = &r->epochs[i];
        if (e->images_per_second > 0)
            images += (double)e->images, seconds += (double)e->images / e->images_per_second;
    }
    return seconds > 0 ? images / seconds : 0;
}

static void summary(it_out *o, const it_report_train *r)
{
    char text[96], a[32];
    const it_report_epoch *last = r->epochs_len ? &r->epochs[r->epochs_len - 1] : NULL;
    const bool timed = speed_of(r) > 0;
    it_out_add(o, "<header><h1>");
    it_out_html(o, r->network);
    it_out_add(o, "</h1><p class=\"mute\">trained to ");
    it_out_html(o, r->output);
    it_out_printf(o, " by Intact %s</p></header>", INTACT_VERSION_STRING);
    it_out_printf(o, "<section id=\"summary\"><ul class=\"cards\" style=\"--n:%d\">", r->val ? 3 : 2);
    if (last && r->val) {
        if (isfinite(r->val_error))
            snprintf(text, sizeof text, "top-1 in validation, standard error %.2f", 100 * r->val_error);
        else
            snprintf(text, sizeof text, "top-1 in validation, so far");
        it_page_card(o, it_report_percent(isfinite(r->val_top1) ? r->val_top1 : last->val_top1, a), text);
        it_page_card(o, it_report_percent(last->top1, a), "top-1 in training");
    }
    snprintf(text, sizeof text, "%.4f", last ? last->loss : NAN);
    it_page_card(o, last ? text : "\u2013", "loss of the last epoch");
    snprintf(text, sizeof text, "%zu of %u", r->epochs_len, r->epochs_all);
    it_page_card(o, text, "epochs");
    if (timed) {
        snprintf(text, sizeof text, "%.0f", speed_of(r));
        it_page_card(o, text, "images a second in training");
    }
    snprintf(text, sizeof text, seconds_of(r) < 600 ? "%.0f s" : "%.1f min", seconds_of(r) < 600 ? seconds_of(r) : seconds_of(r) / 60);
    it_page_card(o, text, "in all, with validation");
    it_out_add(o, "</ul></section>\n");
}

static void facts(it_out *o, const it_report_train *r)
{
    char a[32];
    it_page_section(o, "done", "What was done");
    it_out_add(o, "<ul><li>");
    it_out_printf(o, "%llu parameters learned from %llu samples of ", (unsigned long long)r->parameters, (unsigned long long)r->samples);
    it_out_html(o, r->data);
    if (r->val) {
        it_out_printf(o, "; accuracy measured on %llu samples of ", (unsigned long long)r->val_samples);
        it_out_html(o, r->val);
    }
    it_out_printf(o, ".</li><li>The trainer's buffers took %s.</li>", it_report_bytes((double)r->memory_bytes, a));
    it_out_printf(o, "<li>The network that was read: SHA-256 <code>%s</code>.</li>", r->network_sha);
    if (r->output_sha)
        it_out_printf(o, "<li>The network that was written: %s, SHA-256 <code>%s</code>.</li>", it_report_bytes((double)r->file_bytes, a), r->output_sha);
    else
        it_out_add(o, "<li>The run goes on: nothing is written yet.</li>");
    it_out_add(o, "</ul>\n");
    it_page_table(o, "Settings that decide about the result", "Setting|Value");
    for (size_t i = 0; i < r->settings_len; i++) {
        it_out_add(o, "<tr>");
        it_page_text(o, r->settings[i].key);
        it_page_text(o, r->settings[i].value);
        it_out_add(o, "</tr>\n");
    }
    it_page_table_end(o);
    it_out_add(o, "</section>\n");
}

static void epochs(it_out *o, const it_report_train *r)
{
    uint64_t skipped = 0;
    for (size_t i = 0; i < r->epochs_len; i++)
        skipped += r->epochs[i].skipped;
    it_page_section(o, "epochs", "Epochs");
    it_page_table(o, "Waited: seconds that the trainer stood still for want of samples. Gradient: its length at the epoch’s last step",
                  r->val ? ">Epoch|>Loss|>Training|>Validation|>Rate|>Gradient|>Images/s|>Seconds|>Waited" : ">Epoch|>Loss|>Training|>Rate|>Gradient|>Images/s|>Seconds|>Waited");
    for (size_t i = 0; i < r->epochs_len; i++) {
        const it_report_epoch *e = &r->epochs[i];
        it_out_printf(o, "<tr><td class=\"n\">%u</td><td class=\"n\">%.4f</td>", e->epoch, e->loss);
        it_page_percent(o, e->top1);
        if (r->val)
            it_page_percent(o, e->val_top1);
        it_out_printf(o, "<td class=\"n\">%.4g</td><td class=\"n\">%.4g</td><td class=\"n\">%.0f</td><td class=\"n\">%.1f</td><td class=\"n\">%.1f</td></tr>\n", e->rate, e->norm,
                      e->images_per_second, e->seconds, e->waited);
    }
    it_page_table_end(o);
    if (skipped)
        it_out_printf(o, "<p>Unreadable samples were left out %llu times.</p>", (unsigned long long)skipped);
    it_out_add(o, "</section>\n");
}

intact_status it_report_train_html(const it_report_train *r, const char *path, const intact_alloc *a, intact_error *err)
{
    it_out o = {.alloc = a};
    it_page_begin(&o, r->network, "trained");
    summary(&o, r);
    it_out_add(&o, "<main>\n");
    if (r->epochs_len)
        curves(&o, r);
    epochs(&o, r);
    facts(&o, r);
    it_page_end(&o);
    return it_out_write(&o, path, err);
}
