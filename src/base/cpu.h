/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h: the tree of CPU levels (cpu_list.h) and what this machine has of it. */
#ifndef IT_CPU_H
#define IT_CPU_H

#include "base/base.h"
#include "base/cpu_list.h"

/* IT_CPU_ON_<folder>(text): the text, where the program is built for that folder's architecture. */
#if defined(__x86_64__)
#define IT_CPU_ON_x86(...) __VA_ARGS__
#else
#define IT_CPU_ON_x86(...)
#endif
#if defined(__aarch64__) && !defined(__AARCH64EB__)
#define IT_CPU_ON_arm(...) __VA_ARGS__
#else
#define IT_CPU_ON_arm(...)
#endif

/* By a level's name, for text that macros make: its constant, and the bits (1 << constant) of its branch of the tree, plain C excepted. */
enum {
    IT_CPU_scalar = INTACT_CPU_SCALAR,
    IT_CPU_BRANCH_scalar = 0,
#define IT_CPU_NAMED(with, id, name, parent, ...) \
    IT_CPU_##name = INTACT_CPU_##id, IT_CPU_BRANCH_##name = IT_CPU_BRANCH_##parent | 1 << INTACT_CPU_##id,
    IT_CPU_LEVELS(IT_CPU_NAMED, )
#undef IT_CPU_NAMED
};

intact_cpu it_cpu_best(void);              /* the best level that this machine and its system can run */
intact_cpu it_cpu_parent(intact_cpu cpu);  /* the level it inherits from; INTACT_CPU_COUNT: none */

#endif
