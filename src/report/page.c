/* SPDX-License-Identifier: Apache-2.0 */
/* page.c: what all pages share: one file that needs nothing else, no scripts, nothing fetched, light and dark, printable. */
#include "report/page.h"

static const char style[] =
    ":root{color-scheme:light "
    "dark;--bg:#fff;--fg:#1b212c;--mute:#586273;--rule:#d8dde6;--card:#f4f6f9;--a:#2264c8;--b:#c2620a;--bad:#b3261e;--band:#2264c81f}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#12161d;--fg:#e5e9f0;--mute:#a0aab9;--rule:#323a47;--card:#1a2029;--a:#74a8ff;--b:#f0a354;--bad:#ff8a80;--"
    "band:#74a8ff2b}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1.2rem 1rem 3rem;max-width:76rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,\"Segoe UI\",\"DejaVu "
    "Sans\",sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0}h2{font-size:1.2rem;margin:2.2rem 0 .5rem;padding-bottom:.25rem;border-bottom:1px solid var(--rule)}\n"
    "p{margin:.4rem 0;max-width:50rem}.mute,figcaption,caption{color:var(--mute);font-size:.875rem}caption{text-align:left;padding:.2rem 0 "
    ".4rem;caption-side:top}caption span{display:block;position:sticky;left:0;max-width:calc(100vw - 2.2rem)}\n"
    ".cards{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:.6rem;margin:1rem 0;padding:0;list-style:none}\n"
    ".cards li{background:var(--card);border:1px solid var(--rule);border-radius:.5rem;padding:.55rem .7rem}.cards "
    "b{display:block;font-size:1.15rem;line-height:1.4;white-space:nowrap;font-variant-numeric:tabular-nums}\n"
    ".cards span{color:var(--mute);font-size:.85rem}\n"
    ".cards li:last-child:nth-child(odd){grid-column:span 2}\n"
    "@media(min-width:46rem){.cards{grid-template-columns:repeat(var(--n),minmax(0,1fr))}.cards li:last-child:nth-child(odd){grid-column:auto}}\n"
    "@media(max-width:46rem){.stack thead{display:none}.stack tr,.stack td{display:block}.stack td,.stack td.name{max-width:none;border:0;padding:.1rem 0}.stack "
    "tr{padding:.5rem 0;border-bottom:1px solid var(--rule)}.stack td:first-child{font-weight:600}.stack td:empty{display:none}}\n"
    ".scroll{overflow-x:auto;margin:.5rem 0}table{border-collapse:collapse;font-size:.875rem;width:100%}\n"
    "th,td{padding:.28rem .55rem;border-bottom:1px solid "
    "var(--rule);text-align:left;vertical-align:top;overflow-wrap:normal}th{font-weight:600;vertical-align:bottom}thead th{color:var(--mute)}\n"
    "th.n,td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.name,th.name{min-width:9rem;max-width:20rem;font-weight:400;overflow-"
    "wrap:anywhere}tbody tr:hover{background:var(--card)}\n"
    ".low{color:var(--bad);font-weight:600}a{color:var(--a)}code,pre{font:.85rem/1.45 ui-monospace,\"DejaVu Sans "
    "Mono\",monospace}code{background:var(--card);padding:.05rem .25rem;border-radius:.25rem}\n"
    "pre{background:var(--card);border:1px solid var(--rule);border-radius:.5rem;padding:.7rem;white-space:pre-wrap}\n"
    "svg{display:block;max-width:100%;height:auto}svg text{fill:var(--mute);font:11px system-ui,\"DejaVu "
    "Sans\",sans-serif}.plot{width:100%;max-width:30rem}.wide{width:100%;min-width:44rem}\n"
    ".a{fill:var(--a)}.b{fill:var(--b)}.band{fill:var(--band)}.edge{stroke:var(--bad);stroke-width:1.3;stroke-dasharray:4 "
    "3;fill:none}.axis,.grid{stroke:var(--rule);fill:none}\n"
    ".line,.line-b{stroke:var(--a);stroke-width:1.4;fill:none;opacity:.55}.line-b{stroke:var(--b)}.key{display:inline-block;width:.7rem;height:.7rem;margin:0 "
    ".4rem;vertical-align:-.05rem}.key.a{background:var(--a);"
    "border-radius:50%}.key.b{background:var(--b)}\n"
    "details{border-bottom:1px solid var(--rule)}summary{cursor:pointer;padding:.35rem "
    "0}.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:1rem}\n"
    "figure{margin:.5rem 0}.facts{margin:.2rem 0 .8rem}li{margin:.25rem 0}\n"
    "@media "
    "print{body{max-width:none;font-size:11px}.scroll{overflow:visible}.wide{min-width:0}details::details-content{content-visibility:visible}figure,tr,.cards "
    "li{break-inside:avoid}a{color:inherit;"
    "text-decoration:none}}\n";

void it_page_text(it_out *o, const char *s)
{
    it_out_add(o, "<td class=\"name\">");
    it_out_html(o, s);
    it_out_add(o, "</td>");
}

void it_page_percent(it_out *o, double v)
{
    char buf[32];
    it_out_printf(o, "<td class=\"n\">%s</td>", it_report_percent(v, buf));
}

void it_page_section(it_out *o, const char *id, const char *title) { it_out_printf(o, "<section id=\"%s\"><h2>%s</h2>\n", id, title); }

static void table_heads(it_out *o, const char *heads)
{
    for (const char *h = heads; *h;) {
        bool number = *h == '>';
        h += number;
        it_out_add(o, number ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">");
        for (; *h && *h != '|'; h++)
            it_out_printf(o, "%c", *h);
        it_out_add(o, "</th>");
        h += *h == '|';
    }
    it_out_add(o, "</tr></thead><tbody>\n");
}

/* Heads separated by '|'; one that begins with '>' is over numbers. */
void it_page_table(it_out *o, const char *caption, const char *heads)
{
    it_out_printf(o, "<div class=\"scroll\" tabindex=\"0\"><table><caption><span>%s</span></caption><thead><tr>", caption);
    table_heads(o, heads);
}

/* Sentences and lines, which narrow screens show one below the other. */
void it_page_stack(it_out *o, const char *caption, const char *heads)
{
    it_out_printf(o, "<div class=\"scroll\"><table class=\"stack\"><caption><span>%s</span></caption><thead><tr>", caption);
    table_heads(o, heads);
}

void it_page_table_end(it_out *o) { it_out_add(o, "</tbody></table></div>\n"); }

void it_page_card(it_out *o, const char *value, const char *what)
{
    it_out_printf(o, "<li><b>%s</b><span>%s</span></li>", value, what);
}

void it_page_begin(it_out *o, const char *name, const char *what)
{
    it_out_add(o, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
    it_out_html(o, name);
    it_out_printf(o, " %s</title><style>\n", what);
    it_out_add(o, style);
    it_out_add(o, "</style></head><body>\n");
}

void it_page_end(it_out *o) { it_out_add(o, "</main></body></html>\n"); }
