/* SPDX-License-Identifier: Apache-2.0 */
/* out.h: text that grows, escaped for HTML or JSON, and the drawings of a report. */
#ifndef IT_REPORT_OUT_H
#define IT_REPORT_OUT_H

#include "report/report.h"

typedef struct it_out {
    const intact_alloc *alloc;
    char *data;
    size_t len, cap;
    bool failed; /* out of memory: what follows is dropped, it_out_write() says so */
} it_out;

void it_out_add(it_out *o, const char *s);
void it_out_printf(it_out *o, const char *fmt, ...) IT_PRINTF(2, 3);
/* s with the characters that mean something escaped; what is no UTF-8 becomes U+FFFD. NULL is "". */
void it_out_html(it_out *o, const char *s);
void it_out_json(it_out *o, const char *s); /* with its quotes; NULL is null */
void it_out_real(it_out *o, double v);      /* JSON: null when not finite */
/* Writes o to path and frees it. */
INTACT_MUST_USE intact_status it_out_write(it_out *o, const char *path, intact_error *err);

/* "31.2", "exact", "–"; "1.50 MiB"; "12.30 %", "&lt;0.001 %": for HTML. */
const char *it_report_db(double v, char buf[32]);
const char *it_report_bytes(double v, char buf[32]);
const char *it_report_percent(double fraction, char buf[32]);
const char *it_report_points(double points, char buf[32]); /* "+0.25", "0.00" */

/* Where a plot's values are drawn: pixels, and the values at their ends. What lies beyond low or high is drawn there. */
typedef struct it_plot_frame { double x0, x1, y0, y1, left, right, low, high; } it_plot_frame;
double it_plot_x(const it_plot_frame *f, double v);
double it_plot_y(const it_plot_frame *f, double v);

/* SVG, one element each. */
void it_plot_hist(it_out *o, const it_report_hist *h, const char *title, const char *colour);
void it_plot_layers(it_out *o, const it_report *r);
void it_plot_sensitivity(it_out *o, const it_report *r);
void it_plot_points(it_out *o, const it_report *r);

#endif
