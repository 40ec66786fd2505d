/* SPDX-License-Identifier: Apache-2.0 */
/* c_locale.h: decimal points that are points whatever locale the caller set: for what prints numbers into files, or reads them. */
#ifndef IT_BASE_C_LOCALE_H
#define IT_BASE_C_LOCALE_H

#include <locale.h>

typedef struct it_c_locale { locale_t own, before; } it_c_locale;

/* This thread has the locale "C" from enter to leave, which nest; the locale of other threads is left alone. */
void it_c_locale_enter(it_c_locale *l);
void it_c_locale_leave(it_c_locale *l);

#endif
