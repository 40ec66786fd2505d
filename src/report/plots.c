/* SPDX-License-Identifier: Apache-2.0 */
/* plots.c: the drawings of a report as inline SVG. Colours are the page's, by class. */
#include <math.h>

#include "report/out.h"

#define HIST_W 320.0
#define HIST_H 110.0
#define SNR_W 960.0
#define SNR_H 240.0

/* ---- histogram: heights are logarithms, most values are near zero ---- */

static double hist_x(const it_report_hist *h, double v)
{
    double from = h->lo < h->hi ? fmin(h->from, h->lo) : h->from, to = h->lo < h->hi ? fmax(h->to, h->hi) : h->to;
    return 4 + (HIST_W - 8) * (to > from ? (v - from) / (to - from) : 0.5);
}

static void hist_bars(it_out *o, const it_report_hist *h, const char *colour)
{
    uint64_t most = 1;
    double step = (h->to - h->from) / IT_REPORT_BARS;
    for (int i = 0; i < IT_REPORT_BARS; i++)
        most = h->bar[i] > most ? h->bar[i] : most;
    it_out_printf(o, "<path class=\"%s\" d=\"", colour);
    for (int i = 0; i < IT_REPORT_BARS; i++) {
        if (!h->bar[i])
            continue;
        double x = hist_x(h, h->from + i * step), next = hist_x(h, h->from + (i + 1) * step), width = fmax(next - x, 1.5);
        double high = (HIST_H - 26) * (0.04 + 0.96 * log1p((double)h->bar[i]) / log1p((double)most));
        it_out_printf(o, "M%.1f %.0fv-%.1fh%.1fv%.1fz", x, HIST_H - 18, high, width, high);
    }
    it_out_add(o, "\"/>");
}

void it_plot_hist(it_out *o, const it_report_hist *h, const char *title, const char *colour)
{
    it_out_printf(o, "<svg class=\"plot\" viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>", HIST_W, HIST_H);
    it_out_html(o, title);
    it_out_add(o, "</title>");
    if (h->lo < h->hi) {
        double lo = hist_x(h, h->lo), hi = hist_x(h, h->hi);
        it_out_printf(o, "<rect class=\"band\" x=\"%.1f\" y=\"4\" width=\"%.1f\" height=\"%.0f\"/>", lo, hi - lo, HIST_H - 22);
    }
    hist_bars(o, h, colour);
    if (h->lo < h->hi)
        it_out_printf(o, "<path class=\"edge\" d=\"M%.1f 4v%.0fM%.1f 4v%.0f\"/>", hist_x(h, h->lo), HIST_H - 22, hist_x(h, h->hi), HIST_H - 22);
    double from = h->lo < h->hi ? fmin(h->from, h->lo) : h->from, to = h->lo < h->hi ? fmax(h->to, h->hi) : h->to, zero = hist_x(h, 0);
    it_out_printf(o, "<path class=\"axis\" d=\"M4 %.0fH%.0f\"/>", HIST_H - 18, HIST_W - 4);
    it_out_printf(o, "<text x=\"4\" y=\"%.0f\">%.4g</text><text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%.4g</text>", HIST_H - 5, from, HIST_W - 4,
                  HIST_H - 5, to);
    if (zero > 60 && zero < HIST_W - 60)
        it_out_printf(o, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">0</text>", zero, HIST_H - 5);
    it_out_add(o, "</svg>");
}

/* ---- ratios of all layers in order ---- */

double it_plot_x(const it_plot_frame *f, double v) { return f->x0 + (f->x1 - f->x0) * (f->right > f->left ? (v - f->left) / (f->right - f->left) : 0.5); }
double it_plot_y(const it_plot_frame *f, double v)
{
    return f->y0 + (f->y1 - f->y0) * (f->high > f->low ? (f->high - fmin(fmax(v, f->low), f->high)) / (f->high - f->low) : 0.5);
}

static void widen(it_plot_frame *f, double v)
{
    if (isfinite(v)) {
        f->low = fmin(f->low, floor(v / 10) * 10);
        f->high = fmax(f->high, ceil(fmin(v, 60) / 10) * 10); /* what is better lies at the upper edge */
    }
}

static void grid_db(it_out *o, const it_plot_frame *f)
{
    double step = f->high - f->low > 60 ? 20 : 10;
    for (double v = f->low; v <= f->high + 0.1; v += step)
        it_out_printf(o, "<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/><text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>", f->x0, it_plot_y(f, v), f->x1,
                      f->x0 - 6, it_plot_y(f, v) + 4, v);
}

/* One number of one thing: a row of the plot's two. */
typedef struct series { double (*at)(const it_report *r, size_t i); const char *(*name)(const it_report *r, size_t i); const char *what; bool square; } series;

static void mark(it_out *o, const it_plot_frame *f, const it_report *r, const series *s, size_t i)
{
    double v = s->at(r, i), x = it_plot_x(f, (double)i + 1), y = it_plot_y(f, v);
    char buf[32];
    if (!isfinite(v))
        return;
    if (s->square)
        it_out_printf(o, "<rect class=\"b\" x=\"%.1f\" y=\"%.1f\" width=\"6\" height=\"6\"><title>", x - 3, y - 3);
    else
        it_out_printf(o, "<circle class=\"a\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\"><title>", x, y);
    it_out_printf(o, "%zu: ", i + 1);
    it_out_html(o, s->name(r, i));
    it_out_printf(o, ", %s %s dB</title></%s>", s->what, it_report_db(v, buf), s->square ? "rect" : "circle");
}

/* The line is of the second series. */
static void plot_db(it_out *o, const it_report *r, size_t len, const series two[2], const char *title)
{
    it_plot_frame f = {.x0 = 40, .x1 = SNR_W - 8, .y0 = 10, .y1 = SNR_H - 34, .left = 1, .right = (double)len, .low = 20, .high = 40};
    for (size_t i = 0; i < len; i++)
        for (int k = 0; k < 2; k++)
            widen(&f, two[k].at(r, i));
    it_out_printf(o, "<svg class=\"wide\" viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>%s</title>", SNR_W, SNR_H, title);
    grid_db(o, &f);
    bool pen = false;
    it_out_add(o, "<path class=\"line\" d=\"");
    for (size_t i = 0; i < len; i++)
        if (isfinite(two[1].at(r, i))) {
            it_out_printf(o, "%c%.1f %.1f", pen ? 'L' : 'M', it_plot_x(&f, (double)i + 1), it_plot_y(&f, two[1].at(r, i)));
            pen = true;
        }
    it_out_add(o, pen ? "\"/>" : "M0 0\"/>");
    for (size_t i = 0; i < len; i++)
        for (int k = 0; k < 2; k++)
            mark(o, &f, r, &two[k], i);
    size_t every = len / 24 + 1;
    for (size_t i = 0; i < len; i += every)
        it_out_printf(o, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%zu</text>", it_plot_x(&f, (double)i + 1), SNR_H - 18, i + 1);
    it_out_printf(o, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">layer, in order of execution; dB upward</text></svg>", SNR_W / 2, SNR_H - 3);
}

static const char *layer_name(const it_report *r, size_t i) { return r->layers[i].name; }
static double layer_weights(const it_report *r, size_t i) { return r->layers[i].weight_bits ? r->layers[i].weight_db : NAN; }
static double layer_value(const it_report *r, size_t i) { return r->layers[i].db; }

void it_plot_layers(it_out *o, const it_report *r)
{
    static const series two[2] = {{layer_weights, layer_name, "weights", true}, {layer_value, layer_name, "value", false}};
    plot_db(o, r, r->layers_len, two, "Signal to noise of every layer's value and weights, in order of execution");
}

/* ---- sensitivity ---- */

static const char *sense_name(const it_report *r, size_t i) { return r->sensitivity[i].layer; }
static double sense_weights(const it_report *r, size_t i) { return r->sensitivity[i].weights_db; }
static double sense_value(const it_report *r, size_t i) { return r->sensitivity[i].acts_db; }

void it_plot_sensitivity(it_out *o, const it_report *r)
{
    static const series two[2] = {{sense_weights, sense_name, "weights alone", true}, {sense_value, sense_name, "value alone", false}};
    plot_db(o, r, r->sensitivity_len, two, "Signal to noise of the answer when one layer alone is quantized, in order of execution");
}

/* ---- size against accuracy ---- */

void it_plot_points(it_out *o, const it_report *r)
{
    it_plot_frame f = {.x0 = 56, .x1 = SNR_W - 40, .y0 = 12, .y1 = SNR_H - 34, .left = INFINITY, .right = -INFINITY, .low = INFINITY, .high = -INFINITY};
    char a[32], b[32];
    for (size_t i = 0; i < r->points_len; i++) {
        f.left = fmin(f.left, r->points[i].bytes), f.right = fmax(f.right, r->points[i].bytes);
        f.low = fmin(f.low, r->points[i].accuracy), f.high = fmax(f.high, r->points[i].accuracy);
    }
    it_out_printf(o, "<svg class=\"wide\" viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>Size against accuracy</title>", SNR_W, SNR_H);
    for (int k = 0; k <= 2; k++) {
        double v = f.low + (f.high - f.low) * k / 2, s = f.left + (f.right - f.left) * k / 2;
        it_out_printf(o, "<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/><text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%.1f</text>", f.x0, it_plot_y(&f, v), f.x1,
                      f.x0 - 6, it_plot_y(&f, v) + 4, 100 * v);
        it_out_printf(o, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>", it_plot_x(&f, s), SNR_H - 18, it_report_bytes(s, a));
    }
    it_out_add(o, "<path class=\"line\" d=\"");
    for (size_t i = 0; i < r->points_len; i++)
        it_out_printf(o, "%c%.1f %.1f", i ? 'L' : 'M', it_plot_x(&f, r->points[i].bytes), it_plot_y(&f, r->points[i].accuracy));
    it_out_add(o, "\"/>");
    for (size_t i = 0; i < r->points_len; i++) {
        const it_report_point *p = &r->points[i];
        it_out_printf(o, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"><title>", p->chosen ? "b" : "a", it_plot_x(&f, p->bytes), it_plot_y(&f, p->accuracy),
                      p->chosen ? 6 : 4);
        it_out_html(o, p->label);
        it_out_printf(o, ": %s, %s</title></circle>", it_report_bytes(p->bytes, a), it_report_percent(p->accuracy, b));
    }
    it_out_printf(o, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">size of the program; accuracy in %% upward</text></svg>", SNR_W / 2, SNR_H - 3);
}
