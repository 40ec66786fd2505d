/* SPDX-License-Identifier: Apache-2.0 */
/* calib.c: the list of calibrators, and how one is named on a command line. */
#include "calib/calib.h"

#include <stdio.h>
#include <string.h>

#include "base/c_locale.h"

const it_calib *const it_calib_all[] = {
#define CALIB(name) &it_calib_##name,
#include "calib/calib_list.h"
#undef CALIB
    NULL
};

/* digits[.digits] in (0, 100]; not strtod, whose decimal point depends on the locale. */
static bool parse_percent(const char *s, double *out)
{
    double v = 0.0, unit = 1.0;
    bool digits = false, point = false;
    for (; *s; s++) {
        if (*s == '.' && !point) {
            point = true;
        } else if (*s >= '0' && *s <= '9' && v < 1e14 && unit < 1e12) {
            digits = true;
            v = v * 10.0 + (*s - '0'); /* whole until the one division: rounded once */
            if (point) unit *= 10.0;
        } else {
            return false;
        }
    }
    *out = v /= unit;
    return digits && v > 0.0 && v <= 100.0;
}

bool it_calib_try(size_t k, const it_calib **out, double *parameter)
{
    for (size_t i = 0; it_calib_all[i]; i++) {
        const it_calib *c = it_calib_all[i];
        size_t len = c->searches ? 0 : c->has_parameter ? c->tries_len : 1;
        if (k < len) {
            *out = c;
            *parameter = c->has_parameter ? c->tries[k] : 0;
            return true;
        }
        k -= len;
    }
    return false;
}

void it_calib_print(const it_calib *c, double parameter, char out[40])
{
    it_c_locale l;
    it_c_locale_enter(&l);
    snprintf(out, 40, c->has_parameter ? "%s:%.10g" : "%s", c->name, parameter);
    it_c_locale_leave(&l);
}

static intact_status unknown(const char *word, intact_error *err)
{
    const char *names[IT_LEN(it_calib_all)];
    char list[160] = "";
    size_t len = 0;
    for (; it_calib_all[len]; len++) {
        names[len] = it_calib_all[len]->name;
        if (len) strncat(list, ", ", sizeof(list) - strlen(list) - 1);
        strncat(list, names[len], sizeof(list) - strlen(list) - 1);
    }
    const char *near = it_nearest(word, names, len);
    if (near)
        return it_fail(err, INTACT_E_ARG, "calibrator", "there is no calibrator \"%.40s\"; did you mean \"%s\"? (there are: %s)",
                       word, near, list);
    return it_fail(err, INTACT_E_ARG, "calibrator", "there is no calibrator \"%.40s\"; there are: %s", word, list);
}

intact_status it_calib_parse(const char *text, const it_calib **out, double *parameter, intact_error *err)
{
    char word[48];
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    if (len >= sizeof(word)) len = sizeof(word) - 1;
    memcpy(word, text, len);
    word[len] = '\0';
    const it_calib *found = NULL;
    for (size_t i = 0; it_calib_all[i]; i++)
        if (strcmp(it_calib_all[i]->name, word) == 0) found = it_calib_all[i];
    if (!found) return unknown(word, err);
    double value = found->parameter_default;
    if (colon && !found->has_parameter)
        return it_fail(err, INTACT_E_ARG, "calibrator", "%s takes no parameter, got \"%.40s\"; write \"%s\"", word, colon + 1, word);
    if (colon && !parse_percent(colon + 1, &value))
        return it_fail(err, INTACT_E_ARG, "calibrator",
                       "parameter \"%.40s\" of %s is not a number above 0 and up to 100; write for example \"%s:%g\"", colon + 1, word,
                       word, found->parameter_default);
    *out = found;
    *parameter = value;
    return INTACT_OK;
}
