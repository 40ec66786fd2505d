/* SPDX-License-Identifier: Apache-2.0 */
/* kern_level.h: the names of all versions, from the levels' own lists. A version of kernel K at level L is it_kern_K_L, in ref/ or
** <arch>/; it takes effect by its line in <arch>/<level>_list.h (the same form as kern_list.h). */
#ifndef IT_KERN_LEVEL_H
#define IT_KERN_LEVEL_H

#include "run/kern/kern.h"

#if defined(__x86_64__) && !defined(INTACT_SCALAR)
#define IT_KERN_X86 1
#elif defined(__aarch64__) && !defined(__AARCH64EB__) && !defined(INTACT_SCALAR)
#define IT_KERN_ARM 1
#endif

#define KERN(name, type) extern type it_kern_##name##_ref;
#include "run/kern/kern_list.h"
#undef KERN

#ifdef IT_KERN_X86
#define KERN(name, type) extern type it_kern_##name##_avx2;
#include "run/kern/x86/avx2_list.h"
#undef KERN
#define KERN(name, type) extern type it_kern_##name##_avxvnni;
#include "run/kern/x86/avxvnni_list.h"
#undef KERN
#define KERN(name, type) extern type it_kern_##name##_avx512vnni;
#include "run/kern/x86/avx512vnni_list.h"
#undef KERN
#define KERN(name, type) extern type it_kern_##name##_avx512vbmi;
#include "run/kern/x86/avx512vbmi_list.h"
#undef KERN
#endif

#ifdef IT_KERN_ARM
#define KERN(name, type) extern type it_kern_##name##_neon;
#include "run/kern/arm/neon_list.h"
#undef KERN
#define KERN(name, type) extern type it_kern_##name##_neondot;
#include "run/kern/arm/neondot_list.h"
#undef KERN
#endif

#endif
