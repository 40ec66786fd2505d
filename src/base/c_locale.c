/* SPDX-License-Identifier: Apache-2.0 */
/* c_locale.c: the locale "C" for one thread and a while. */
#include "base/c_locale.h"

void it_c_locale_enter(it_c_locale *l)
{
    l->own = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    l->before = l->own ? uselocale(l->own) : (locale_t)0; /* out of memory: the caller's locale stays, and all runs as it would have */
}

void it_c_locale_leave(it_c_locale *l)
{
    if (!l->own)
        return;
    uselocale(l->before);
    freelocale(l->own);
    l->own = (locale_t)0;
}
