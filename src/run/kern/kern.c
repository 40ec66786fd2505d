/* SPDX-License-Identifier: Apache-2.0 */
/* kern.c: the table of plain C, and all tables by level. */
#include "base/cpu.h"
#include "run/kern/kern_level.h"

static const it_kern kern_scalar = {
    .cpu = INTACT_CPU_SCALAR,
#define KERN(name, type) .name = &it_kern_##name##_ref,
#include "run/kern/kern_list.h"
#undef KERN
};

static const it_kern *const kern_tables[INTACT_CPU_COUNT] = {
    [INTACT_CPU_SCALAR] = &kern_scalar,
#ifndef INTACT_SCALAR
#define KERN_TABLE(with, id, level, parent, folder, ...) IT_CPU_ON_##folder([INTACT_CPU_##id] = &it_kern_level_##level,)
    IT_CPU_LEVELS(KERN_TABLE, )
#undef KERN_TABLE
#endif
};

const it_kern *it_kern_of(intact_cpu cpu) { return (unsigned)cpu < INTACT_CPU_COUNT ? kern_tables[cpu] : NULL; }

const it_kern *it_kern_parent(const it_kern *kern) { return it_kern_of(it_cpu_parent(kern->cpu)); }
