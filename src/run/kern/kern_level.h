/* SPDX-License-Identifier: Apache-2.0 */
/* kern_level.h: the names of all versions and tables. A version of kernel K at level L is it_kern_K_L, in ref/ or <folder>/; it takes
** effect by its line in <folder>/<level>_list.h. A name here does not say that there is such a version. */
#ifndef IT_KERN_LEVEL_H
#define IT_KERN_LEVEL_H

#include "base/cpu_list.h"
#include "run/kern/kern.h"

#define KERN_VERSION(kernel, id, level, ...) extern it_version_##kernel it_kern_##kernel##_##level;
#define KERN(name, type) extern it_version_##name it_kern_##name##_ref; IT_CPU_LEVELS(KERN_VERSION, name)
#include "run/kern/kern_list.h"
#undef KERN
#undef KERN_VERSION

#define KERN_TABLE(with, id, level, ...) extern const it_kern it_kern_level_##level;
IT_CPU_LEVELS(KERN_TABLE, )
#undef KERN_TABLE

#endif
