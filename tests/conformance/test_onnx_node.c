/* SPDX-License-Identifier: Apache-2.0 */
/* test_onnx_node.c: the ONNX project's backend node tests, with the tolerances of its runner. A case in exceptions.txt must fail, any other
** must pass. Arguments: only cases whose name contains the first. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/helpers.h"

#define CASES_MAX 8192

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Lines "name: reason"; # begins a comment. */
static bool is_exception(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = list; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, n) && line[n] == ':') return true;
    }
    return false;
}

static char *read_text(const char *path)
{
    static char text[1 << 18];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f) fclose(f);
    return text;
}

int main(int argc, char **argv)
{
    char folder[3000], path[4096], what[1200], exceptions[4096];
    static char *names[CASES_MAX];
    size_t len = 0, passed = 0, excepted = 0, wrong = 0;
    const char *source = getenv("INTACT_SOURCE");
    if (!find_folder("INTACT_CONFORMANCE", "conformance", "onnx-node", folder, sizeof folder)) {
        puts("skipped: no onnx-node cases; INTACT_CONFORMANCE names the folder that holds onnx-node");
        return 77;
    }
    snprintf(exceptions, sizeof exceptions, "%s/tests/conformance/exceptions.txt", source ? source : ".");
    const char *list = read_text(exceptions);
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d)) && len < CASES_MAX;)
        if (entry->d_name[0] != '.' && (argc < 2 || strstr(entry->d_name, argv[1]))) names[len++] = strdup(entry->d_name);
    if (d) closedir(d);
    qsort(names, len, sizeof *names, by_text);
    for (size_t i = 0; i < len; i++) {
        char model[4200];
        snprintf(path, sizeof path, "%s/%.500s", folder, names[i]);
        snprintf(model, sizeof model, "%s/model.onnx", path);
        bool ok = run_case(model, path, (tolerance){.rel = 1e-3, .abs = 1e-7}, what, sizeof what);
        bool except = is_exception(list, names[i]);
        passed += ok;
        excepted += !ok && except;
        if (ok == except) {
            wrong++;
            printf("%s: %s\n", names[i], ok ? "passes, but is listed in exceptions.txt: take it out" : what);
        }
        free(names[i]);
    }
    printf("%zu cases: %zu passed, %zu failed as exceptions.txt says, %zu wrong\n", len, passed, excepted, wrong);
    return wrong || !len;
}
