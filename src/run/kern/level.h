/* SPDX-License-Identifier: Apache-2.0 */
/* level.h: the table of one level, in that level's <folder>/level_<level>.c: the reference, overlaid by the versions of the level's list.
** KERN_LEVEL: the level's name in base/cpu_list.h. KERN_LEVEL_LIST: its <folder>/<level>_list.h. */
#include "base/cpu.h"
#include "run/kern/kern_level.h"

#define LEVEL_PASTE_(a, b) a##b
#define LEVEL_PASTE(a, b) LEVEL_PASTE_(a, b)

#define VERSION(kernel, level) | (1 << IT_CPU_##level)
_Static_assert((0
#include KERN_LEVEL_LIST
                ) == LEVEL_PASTE(IT_CPU_BRANCH_, KERN_LEVEL), "a level's list includes its parent's, of base/cpu_list.h");
#undef VERSION

/* Where a member is initialized twice, the later one holds (C11 6.7.9 p19): that is the overlay, hence no warning about it. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Winitializer-overrides"
#elif defined(__GNUC__)
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

const it_kern LEVEL_PASTE(it_kern_level_, KERN_LEVEL) = {
    .cpu = (intact_cpu)LEVEL_PASTE(IT_CPU_, KERN_LEVEL),
#define KERN(name, type) .name = &it_kern_##name##_ref,
#include "run/kern/kern_list.h"
#undef KERN
#define VERSION(kernel, level) .kernel = &it_kern_##kernel##_##level,
#include KERN_LEVEL_LIST
#undef VERSION
};
