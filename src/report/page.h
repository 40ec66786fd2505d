/* SPDX-License-Identifier: Apache-2.0 */
/* page.h: the parts of a page that reports of all kinds share. Texts go in as they are but for those that say they are escaped. */
#ifndef IT_REPORT_PAGE_H
#define IT_REPORT_PAGE_H

#include "report/out.h"

/* Up to the body's begin; the title is name (escaped) and what. The body's header, then "<main>", are the page's own. */
void it_page_begin(it_out *o, const char *name, const char *what);
void it_page_end(it_out *o); /* from the end of main */
void it_page_section(it_out *o, const char *id, const char *title); /* ends with "</section>" */
void it_page_card(it_out *o, const char *value, const char *what);  /* in a list of class "cards" with --n of them a row */
/* Heads are separated by '|'; one that begins with '>' is over numbers. */
void it_page_table(it_out *o, const char *caption, const char *heads);
void it_page_stack(it_out *o, const char *caption, const char *heads); /* of sentences, which narrow screens show one below the other */
void it_page_table_end(it_out *o);
void it_page_text(it_out *o, const char *s);      /* a cell, escaped */
void it_page_percent(it_out *o, double fraction); /* a cell */

#endif
