/* SPDX-License-Identifier: Apache-2.0 */
/* test_models.c: whole networks on real inputs against the float outputs of another runtime: |error| <= 1e-3 |y| + 1e-5 max|y|. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "conformance/helpers.h"

int main(void)
{
    char models[3000], folder[3000], what[1200];
    int cases = 0, wrong = 0;
    if (!find_folder("INTACT_CONFORMANCE", "conformance", "models", folder, sizeof folder) ||
        !find_folder("INTACT_DATA", "data", "models", models, sizeof models)) {
        puts("skipped: no models; INTACT_DATA names the folder that holds models, INTACT_CONFORMANCE the one that holds their outputs");
        return 77;
    }
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char model[4096], set[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(model, sizeof model, "%s/%.255s.onnx", models, entry->d_name);
        snprintf(set, sizeof set, "%s/%.255s", folder, entry->d_name);
        bool ok = run_case(model, set, (tolerance){.rel = 1e-3, .of_max = 1e-5}, what, sizeof what);
        printf("%s: %s\n", entry->d_name, ok ? "passed" : what);
        cases++;
        wrong += !ok;
    }
    if (d) closedir(d);
    printf("%d networks, %d wrong\n", cases, wrong);
    return wrong || !cases;
}
