/* SPDX-License-Identifier: Apache-2.0 */
/* kern.c: the constant table of each CPU level: the reference, overlaid by the parents' lists and at last the level's own. */
#include "run/kern/kern_level.h"

/* Where a member is initialized twice, the later one holds (C11 6.7.9 p19): that is the overlay, hence no warning about it. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Winitializer-overrides"
#elif defined(__GNUC__)
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

static const it_kern kern_scalar = {
    .cpu = INTACT_CPU_SCALAR,
    .parent = NULL,
#define KERN(name, type) .name = &it_kern_##name##_ref,
#include "run/kern/kern_list.h"
#undef KERN
};

#ifdef IT_KERN_X86
static const it_kern kern_avx2 = {
    .cpu = INTACT_CPU_AVX2,
    .parent = &kern_scalar,
#define KERN(name, type) .name = &it_kern_##name##_ref,
#include "run/kern/kern_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_avx2,
#include "run/kern/x86/avx2_list.h"
#undef KERN
};

static const it_kern kern_avxvnni = {
    .cpu = INTACT_CPU_AVXVNNI,
    .parent = &kern_avx2,
#define KERN(name, type) .name = &it_kern_##name##_ref,
#include "run/kern/kern_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_avx2,
#include "run/kern/x86/avx2_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_avxvnni,
#include "run/kern/x86/avxvnni_list.h"
#undef KERN
};

static const it_kern kern_avx512vnni = {
    .cpu = INTACT_CPU_AVX512VNNI,
    .parent = &kern_avx2,
#define KERN(name, type) .name = &it_kern_##name##_ref,
#include "run/kern/kern_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_avx2,
#include "run/kern/x86/avx2_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_avx512vnni,
#include "run/kern/x86/avx512vnni_list.h"
#undef KERN
};

static const it_kern kern_avx512vbmi = {
    .cpu = INTACT_CPU_AVX512VBMI,
    .parent = &kern_avx512vnni,
#define KERN(name, type) .name = &it_kern_##name##_ref,
#include "run/kern/kern_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_avx2,
#include "run/kern/x86/avx2_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_avx512vnni,
#include "run/kern/x86/avx512vnni_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_avx512vbmi,
#include "run/kern/x86/avx512vbmi_list.h"
#undef KERN
};
#endif

#ifdef IT_KERN_ARM
static const it_kern kern_neon = {
    .cpu = INTACT_CPU_NEON,
    .parent = &kern_scalar,
#define KERN(name, type) .name = &it_kern_##name##_ref,
#include "run/kern/kern_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_neon,
#include "run/kern/arm/neon_list.h"
#undef KERN
};

static const it_kern kern_neondot = {
    .cpu = INTACT_CPU_NEONDOT,
    .parent = &kern_neon,
#define KERN(name, type) .name = &it_kern_##name##_ref,
#include "run/kern/kern_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_neon,
#include "run/kern/arm/neon_list.h"
#undef KERN
#define KERN(name, type) .name = &it_kern_##name##_neondot,
#include "run/kern/arm/neondot_list.h"
#undef KERN
};
#endif

static const it_kern *const kern_tables[INTACT_CPU_COUNT] = {
    [INTACT_CPU_SCALAR] = &kern_scalar,
#ifdef IT_KERN_X86
    [INTACT_CPU_AVX2] = &kern_avx2,
    [INTACT_CPU_AVXVNNI] = &kern_avxvnni,
    [INTACT_CPU_AVX512VNNI] = &kern_avx512vnni,
    [INTACT_CPU_AVX512VBMI] = &kern_avx512vbmi,
#endif
#ifdef IT_KERN_ARM
    [INTACT_CPU_NEON] = &kern_neon,
    [INTACT_CPU_NEONDOT] = &kern_neondot,
#endif
};

const it_kern *it_kern_of(intact_cpu cpu) { return (unsigned)cpu < INTACT_CPU_COUNT ? kern_tables[cpu] : NULL; }
