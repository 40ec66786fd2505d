/* SPDX-License-Identifier: Apache-2.0 */
/* html.c: the report of a quantization as a page. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/page.h"

static void cell_db(it_out *o, double v)
{
    char buf[32];
    it_out_printf(o, "<td class=\"n%s\">%s</td>", v < 20 ? " low" : "", it_report_db(v, buf));
}

/* As cards() has them. */
static int cards_len(const it_report *r)
{
    const it_report_eval *e = &r->eval;
    int of_eval = !e->measured ? 0 : e->labelled ? 4 : 1;
    return of_eval + !isnan(e->measured ? e->db : r->output_db) + 1 + (r->file_bytes && r->network_bytes) + (r->peak_bytes > 0);
}

static void summary(it_out *o, const it_report *r)
{
    char a[32], text[96];
    const it_report_eval *e = &r->eval;
    it_out_add(o, "<header><h1>");
    it_out_html(o, r->network);
    it_out_add(o, "</h1><p class=\"mute\">quantized to ");
    it_out_html(o, r->output);
    it_out_printf(o, " by Intact %s</p></header>", INTACT_VERSION_STRING);
    int len = cards_len(r);
    it_out_printf(o, "<section id=\"summary\"><ul class=\"cards\" style=\"--n:%d\">", len > 4 ? (len + 1) / 2 : len); /* rows of one length, or one less */
    if (e->measured && e->labelled) {
        it_page_card(o, it_report_percent(e->top1_integer, a), "top-1, integer");
        it_page_card(o, it_report_percent(e->top1_float, a), "top-1, float");
        snprintf(text, sizeof text, "%s ± %.2f", it_report_points(-100 * e->loss, a), 100 * e->loss_error);
        it_page_card(o, text, "points of accuracy, ± standard error");
    }
    if (e->measured)
        it_page_card(o, it_report_percent(e->agreement, a), "same answer as the float network");
    snprintf(text, sizeof text, "%s dB", it_report_db(e->measured ? e->db : r->output_db, a));
    if (!isnan(e->measured ? e->db : r->output_db))
        it_page_card(o, text, "signal to noise of the answer");
    it_page_card(o, it_report_bytes((double)r->file_bytes, a), "program");
    if (r->file_bytes && r->network_bytes) {
        snprintf(text, sizeof text, "%.2f×", (double)r->network_bytes / (double)r->file_bytes);
        it_page_card(o, text, "smaller than the float file");
    }
    if (r->peak_bytes)
        it_page_card(o, it_report_bytes((double)r->peak_bytes, a), "activations at the peak");
    it_out_add(o, "</ul></section>\n");
}

static void done(it_out *o, const it_report *r)
{
    it_page_section(o, "done", "What was done");
    it_out_add(o, "<ul>");
    for (size_t i = 0; i < r->done_len; i++) {
        it_out_add(o, "<li>");
        it_out_html(o, r->done[i]);
        it_out_add(o, "</li>");
    }
    it_out_add(o, "</ul>");
    if (r->recipe) {
        it_out_add(o, "<details><summary>The recipe, complete</summary><div><pre>");
        it_out_html(o, r->recipe);
        it_out_add(o, "</pre></div></details>");
    }
    it_out_add(o, "</section>\n");
}

static void accuracy(it_out *o, const it_report *r)
{
    const it_report_eval *e = &r->eval;
    if (!e->measured)
        return;
    char a[32], b[32];
    it_page_section(o, "accuracy", "Accuracy");
    it_out_printf(o, "<p>%llu samples of ", (unsigned long long)e->n);
    it_out_html(o, e->data);
    it_out_printf(o, ", both networks on each of them: the answer is the same on %s.</p>\n", it_report_percent(e->agreement, a));
    if (e->labelled) {
        it_page_table(o, "Correct among labelled samples", "Network|>top-1|>top-5|>right alone");
        it_out_printf(o, "<tr><td>float</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%llu</td></tr>", it_report_percent(e->top1_float, a),
                      it_report_percent(e->top5_float, b), (unsigned long long)e->only_float);
        it_out_printf(o, "<tr><td>integer</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%llu</td></tr>\n",
                      it_report_percent(e->top1_integer, a), it_report_percent(e->top5_integer, b), (unsigned long long)e->only_integer);
        it_page_table_end(o);
        it_out_printf(
            o, "<p>The integer network is %s points apart; the standard error of this paired difference (McNemar) is %.2f points over %llu samples.</p>",
            it_report_points(-100 * e->loss, a), 100 * e->loss_error, (unsigned long long)e->labelled);
    }
    it_out_add(o, "</section>\n");
}

static void advice(it_out *o, const it_report *r)
{
    if (!r->advice_len)
        return;
    it_page_section(o, "next", "What to do next");
    bool lines = false;
    for (size_t i = 0; i < r->advice_len; i++)
        lines = lines || r->advice[i].line[0];
    if (!lines) { /* nothing to put anywhere */
        for (size_t i = 0; i < r->advice_len; i++) {
            it_out_add(o, "<p>");
            it_out_html(o, r->advice[i].layer);
            it_out_add(o, ": ");
            it_out_html(o, r->advice[i].why);
            it_out_add(o, "</p>\n");
        }
        it_out_add(o, "</section>\n");
        return;
    }
    it_page_stack(o, "Lines go into the array of that name in a recipe (--recipe FILE.json)", "Where|Why|Goes to|Line");
    for (size_t i = 0; i < r->advice_len; i++) {
        it_out_add(o, "<tr>");
        it_page_text(o, r->advice[i].layer);
        it_page_text(o, r->advice[i].why);
        it_out_printf(o, "<td>%s</td><td class=\"name\">", r->advice[i].where);
        if (r->advice[i].line[0]) {
            it_out_add(o, "<code>");
            it_out_html(o, r->advice[i].line);
            it_out_add(o, "</code>");
        }
        it_out_add(o, "</td></tr>\n");
    }
    it_page_table_end(o);
    it_out_add(o, "</section>\n");
}

/* ---- layers ---- */

static void layer_row(it_out *o, const it_report_layer *l, size_t i)
{
    it_out_printf(o, "<tr><td class=\"n\">%zu</td><th scope=\"row\" class=\"name\"><a href=\"#l%zu\">", i + 1, i + 1);
    it_out_html(o, l->name);
    it_out_add(o, "</a></th><td>");
    it_out_html(o, l->op);
    it_out_add(o, "</td>");
    if (l->weight_bits) {
        it_out_printf(o, "<td class=\"n\">%d</td>", l->weight_bits);
        cell_db(o, l->weight_db);
    } else {
        it_out_add(o, "<td class=\"n\"></td><td class=\"n\"></td>");
    }
    it_out_printf(o, "<td class=\"n\">%d</td><td class=\"n\">%.4g</td><td class=\"n\">%.4g</td>", l->bits, l->lo, l->hi);
    it_page_percent(o, l->clipped);
    cell_db(o, l->own_db);
    cell_db(o, l->input_db);
    cell_db(o, l->db);
    it_out_printf(o, "<td>%s</td></tr>\n", l->cause ? l->cause : "");
}

static void layers(it_out *o, const it_report *r)
{
    if (!r->layers_len)
        return;
    it_page_section(o, "layers", "Layers");
    if (r->measured_samples) {
        it_out_printf(
            o,
            "<p>Signal to noise of each value, the quantized network simulated against the float one on %llu calibration samples; of weights, their codes "
            "against the floats. "
            "6 dB are one bit.</p><p><span class=\"key a\"></span>values <span class=\"key b\"></span>weights</p><div class=\"scroll\" tabindex=\"0\">",
            (unsigned long long)r->measured_samples);
        it_plot_layers(o, r);
        it_out_add(o, "</div>\n");
    }
    it_page_table(o,
                "Own: the float network’s value in its codes, nothing else quantized. Inputs: the worst of what the layer reads. Most: where most of the noise "
                "comes from.",
                ">#|Layer|Operator|>Weight bits|>Weights dB|>Bits|>From|>To|>Clipped|>Own dB|>Inputs dB|>Value dB|Most");
    for (size_t i = 0; i < r->layers_len; i++)
        layer_row(o, &r->layers[i], i);
    it_page_table_end(o);
    it_out_add(o, "</section>\n");
}

static void figure(it_out *o, const it_report_hist *h, const char *what, const char *name, const char *colour, const char *caption)
{
    char title[256];
    snprintf(title, sizeof title, "%s of %.180s", what, name);
    it_out_add(o, "<figure>");
    it_plot_hist(o, h, title, colour);
    it_out_printf(o, "<figcaption>%s</figcaption></figure>", caption);
}

static void layer_notes(it_out *o, const it_report *r, const it_report_layer *l)
{
    for (size_t i = 0; i < r->notes_len; i++)
        if (r->notes[i].layer && ((l->value && strcmp(r->notes[i].layer, l->value) == 0) || strcmp(r->notes[i].layer, l->name) == 0)) {
            it_out_add(o, "<p>Note: ");
            it_out_html(o, r->notes[i].text);
            it_out_add(o, "</p>");
        }
}

static void layer_detail(it_out *o, const it_report *r, const it_report_layer *l, size_t i)
{
    char buf[32], text[256];
    it_out_printf(o, "<details><summary>%zu. ", i + 1);
    it_out_html(o, l->name);
    it_out_add(o, " <span class=\"mute\">");
    it_out_html(o, l->op);
    if (!isnan(l->db))
        it_out_printf(o, ", %s dB", it_report_db(l->db, buf));
    it_out_printf(o, "</span></summary><div id=\"l%zu\"><div class=\"pair\">", i + 1);
    if (l->acts.count) {
        snprintf(text, sizeof text, "Value: seen %.5g to %.5g, codes from %.5g to %.5g (dashed); %s of %llu values clipped. Heights are logarithms.", l->min,
                 l->max, l->lo, l->hi, it_report_percent(l->clipped, buf), (unsigned long long)l->acts.count);
        figure(o, &l->acts, "Values", l->value, "a", text);
    }
    if (l->weights.count) {
        snprintf(text, sizeof text, "Weights: %llu from %.5g to %.5g; %s clipped. Heights are logarithms.", (unsigned long long)l->weights.count,
                 l->weights.from, l->weights.to, it_report_percent(l->weight_clipped, buf));
        figure(o, &l->weights, "Weights", l->name, "b", text);
    }
    it_out_add(o, "</div><p class=\"facts\">Value ");
    it_out_html(o, l->value);
    it_out_printf(o, ": %d bits, %s, scale %.6g, zero point %d, range %.6g to %.6g%s.", l->bits, l->how ? l->how : "", l->scale, l->zero_point, l->lo, l->hi,
                  l->known ? ", known without data" : "");
    if (l->weight_bits)
        it_out_printf(o, " Weights: %d bits, %s.", l->weight_bits, l->weight_how ? l->weight_how : "");
    it_out_add(o, "</p>");
    layer_notes(o, r, l);
    it_out_add(o, "</div></details>\n");
}

static void details(it_out *o, const it_report *r)
{
    if (!r->layers_len)
        return;
    it_page_section(o, "details", "Each layer");
    for (size_t i = 0; i < r->layers_len; i++)
        layer_detail(o, r, &r->layers[i], i);
    it_out_add(o, "</section>\n");
}

/* ---- what searches add ---- */

/* Of few samples it is 0 in most rows: then the ratios say more. */
static bool tells_loss(const it_report *r)
{
    for (size_t i = 0; i < r->sensitivity_len; i++)
        if (!isnan(r->sensitivity[i].drop) && r->sensitivity[i].drop != 0)
            return true;
    return false;
}

static void sensitivity(it_out *o, const it_report *r)
{
    if (!r->sensitivity_len)
        return;
    bool loss = tells_loss(r);
    char caption[200];
    it_page_section(o, "sensitivity", "Sensitivity");
    it_out_add(o, "<p><span class=\"key a\"></span>values <span class=\"key b\"></span>weights</p><div class=\"scroll\" tabindex=\"0\">");
    it_plot_sensitivity(o, r);
    it_out_add(o, "</div>\n");
    snprintf(caption, sizeof caption, "The answer’s signal to noise when this layer alone is quantized, on %llu samples%s",
             (unsigned long long)r->sensitivity_samples,
             loss ? "; accuracy lost with both" : isnan(r->sensitivity[0].drop) ? "" : "; none of it changed the accuracy on them");
    it_page_table(o, caption, loss ? "Layer|>Weights dB|>Values dB|>Both dB|>Accuracy lost|Cause|Recipe" : "Layer|>Weights dB|>Values dB|>Both dB|Cause|Recipe");
    for (size_t i = 0; i < r->sensitivity_len; i++) {
        const it_report_sensitivity *s = &r->sensitivity[i];
        it_out_add(o, "<tr>");
        it_page_text(o, s->layer);
        cell_db(o, s->weights_db);
        cell_db(o, s->acts_db);
        cell_db(o, s->both_db);
        if (loss)
            it_page_percent(o, s->drop);
        it_page_text(o, s->cause);
        bool acts = s->line && s->line[0];
        it_out_add(o, acts ? "<td class=\"name\"><code>" : "<td class=\"name\">");
        it_out_html(o, s->line);
        it_out_add(o, acts ? "</code></td></tr>\n" : "no line of a recipe acts on it</td></tr>\n");
    }
    it_page_table_end(o);
    it_out_add(o, "</section>\n");
}

/* Without a bound nothing is held. */
static const char *standing(const it_report *r, const it_report_step *s)
{
    bool holds = r->bound && s->holds;
    if (s->failed)
        return "failed";
    if (s->chosen)
        return holds ? "holds, chosen" : r->bound ? "chosen, does not hold" : "chosen";
    return s->equal ? holds ? "holds, equal" : "equal" : holds ? "holds" : "";
}

static void steps_caption(it_out *o, const it_report *r)
{
    size_t equal = 0;
    for (size_t i = 0; i < r->steps_len; i++)
        equal += r->steps[i].equal;
    it_out_add(o, "<p>In this order, cheapest first. ");
    if (r->bound) {
        it_out_add(o, "To be held: ");
        it_out_html(o, r->bound);
        it_out_add(o, ".");
    } else {
        it_out_add(o, "No bound was given: all were tried, and the one that loses least is taken.");
    }
    if (equal > 1)
        it_out_printf(o,
                      " %zu steps are equal: what they lose differs from the least by less than two standard errors, which samples as many as these cannot "
                      "tell apart.%s",
                      equal, r->bound ? "" : " Of these the one with the best signal to noise is taken.");
    it_out_add(o, "</p>\n");
}

static void steps(it_out *o, const it_report *r)
{
    if (!r->steps_len)
        return;
    char a[32];
    it_page_section(o, "steps", "Steps tried");
    steps_caption(o, r);
    it_page_table(o, "Points lost: of top-1, against the float network, with the standard error of this paired difference",
                "Step|Change|>Size|>Accuracy|>Points lost|>Same answer|>dB|>Seconds|Standing");
    for (size_t i = 0; i < r->steps_len; i++) {
        const it_report_step *s = &r->steps[i];
        it_out_add(o, "<tr>");
        it_page_text(o, s->what);
        it_page_text(o, s->change);
        it_out_printf(o, "<td class=\"n\">%s</td>", s->failed ? "\u2013" : it_report_bytes(s->bytes, a));
        it_page_percent(o, s->accuracy);
        if (isnan(s->drop) || isnan(s->accuracy))
            it_out_add(o, "<td class=\"n\">\u2013</td>");
        else
            it_out_printf(o, "<td class=\"n\">%s ± %.2f</td>", it_report_points(100 * s->drop, a), 100 * s->drop_error);
        it_page_percent(o, s->agreement);
        cell_db(o, s->db);
        it_out_printf(o, "<td class=\"n\">%.1f</td><td>%s</td></tr>\n", s->seconds, standing(r, s));
    }
    it_page_table_end(o);
    it_out_add(o, "</section>\n");
}

static void points(it_out *o, const it_report *r)
{
    if (!r->points_len)
        return;
    char a[32];
    it_page_section(o, "pareto", "Size against accuracy");
    if (r->points_len > 1) { /* a point is no curve */
        it_out_add(o, "<div class=\"scroll\" tabindex=\"0\">");
        it_plot_points(o, r);
        it_out_add(o, "</div>");
    }
    it_page_table(o, "Steps that no other beats in both", "Point|>Size|>Accuracy|Chosen");
    for (size_t i = 0; i < r->points_len; i++) {
        it_out_add(o, "<tr>");
        it_page_text(o, r->points[i].label);
        it_out_printf(o, "<td class=\"n\">%s</td>", it_report_bytes(r->points[i].bytes, a));
        it_page_percent(o, r->points[i].accuracy);
        it_out_printf(o, "<td>%s</td></tr>\n", r->points[i].chosen ? "yes" : "");
    }
    it_page_table_end(o);
    it_out_add(o, "</section>\n");
}

static void notes(it_out *o, const it_report *r)
{
    if (!r->notes_len)
        return;
    it_page_section(o, "notes", "Notes");
    it_out_add(o, "<ul>");
    for (size_t i = 0; i < r->notes_len; i++) {
        it_out_add(o, "<li><b>");
        it_out_html(o, r->notes[i].layer);
        it_out_add(o, "</b>: ");
        it_out_html(o, r->notes[i].text);
        it_out_add(o, "</li>\n");
    }
    it_out_add(o, "</ul></section>\n");
}

intact_status it_report_write_html(const it_report *r, const char *path, const intact_alloc *a, intact_error *err)
{
    it_out o = {.alloc = a};
    it_page_begin(&o, r->network, "quantized");
    summary(&o, r);
    it_out_add(&o, "<main>\n");
    static void (*const sections[])(it_out *, const it_report *) = {accuracy, advice, done, layers, sensitivity, steps, points, details, notes};
    for (size_t i = 0; i < IT_LEN(sections); i++)
        sections[i](&o, r);
    it_page_end(&o);
    return it_out_write(&o, path, err);
}
