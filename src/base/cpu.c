/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c: what this machine and its system can run, and the tree of levels. */
#include "base/cpu.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

static const char *const cpu_names[INTACT_CPU_COUNT] = {
    [INTACT_CPU_AUTO] = "auto",       [INTACT_CPU_SCALAR] = "scalar",         [INTACT_CPU_AVX2] = "avx2",
    [INTACT_CPU_AVXVNNI] = "avxvnni", [INTACT_CPU_AVX512VNNI] = "avx512vnni", [INTACT_CPU_AVX512VBMI] = "avx512vbmi",
    [INTACT_CPU_NEON] = "neon",       [INTACT_CPU_NEONDOT] = "neondot",
};

const char *intact_cpu_name(intact_cpu cpu) { return (unsigned)cpu < INTACT_CPU_COUNT ? cpu_names[cpu] : "unknown"; }

intact_cpu intact_cpu_parse(const char *name)
{
    for (int i = 0; name && i < INTACT_CPU_COUNT; i++)
        if (!strcmp(name, cpu_names[i]))
            return (intact_cpu)i;
    return INTACT_CPU_COUNT;
}

intact_cpu it_cpu_parent(intact_cpu cpu)
{
    switch (cpu) {
    case INTACT_CPU_AVX2:
    case INTACT_CPU_NEON:
        return INTACT_CPU_SCALAR;
    case INTACT_CPU_AVXVNNI:
    case INTACT_CPU_AVX512VNNI:
        return INTACT_CPU_AVX2;
    case INTACT_CPU_AVX512VBMI:
        return INTACT_CPU_AVX512VNNI;
    case INTACT_CPU_NEONDOT:
        return INTACT_CPU_NEON;
    default:
        return INTACT_CPU_COUNT;
    }
}

#if defined(__x86_64__)
/* Bits by the Intel manual, volume 2A, CPUID: leaf 1 and leaf 7 with sub-leaves 0 and 1. */
enum {
    LEAF1_ECX_OSXSAVE = 1u << 27,
    LEAF1_ECX_AVX = 1u << 28,
    LEAF7_EBX_AVX2 = 1u << 5,
    LEAF7_EBX_AVX512F = 1u << 16,
    LEAF7_EBX_AVX512DQ = 1u << 17,
    LEAF7_EBX_AVX512BW = 1u << 30,
    LEAF7_ECX_AVX512VBMI = 1u << 1,
    LEAF7_ECX_AVX512VNNI = 1u << 11,
    LEAF7_1_EAX_AVXVNNI = 1u << 4,
    XCR0_YMM = 0x6,  /* the system saves xmm and ymm */
    XCR0_ZMM = 0xe6, /* and masks and all of zmm */
};
#define LEAF7_EBX_AVX512VL (1u << 31)

static bool all_of(uint32_t value, uint32_t bits) { return (value & bits) == bits; }

static uint32_t xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

static bool cpu_supports(intact_cpu cpu)
{
    uint32_t a, b, c, d, a1, b1, c1, d1;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !all_of(c, LEAF1_ECX_OSXSAVE | LEAF1_ECX_AVX) || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return false;
    uint32_t saved = xcr0(), sub_leaves = a;
    bool avx2 = all_of(b, LEAF7_EBX_AVX2) && all_of(saved, XCR0_YMM);
    if (cpu == INTACT_CPU_AVX2)
        return avx2;
    if (cpu == INTACT_CPU_AVXVNNI)
        return avx2 && sub_leaves >= 1 && __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1) && all_of(a1, LEAF7_1_EAX_AVXVNNI);
    if (cpu == INTACT_CPU_AVX512VNNI || cpu == INTACT_CPU_AVX512VBMI)
        return avx2 && all_of(saved, XCR0_ZMM) && all_of(c, LEAF7_ECX_AVX512VNNI) &&
               all_of(b, LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW | LEAF7_EBX_AVX512VL) &&
               (cpu == INTACT_CPU_AVX512VNNI || all_of(c, LEAF7_ECX_AVX512VBMI));
    return false;
}
#elif defined(__aarch64__)
enum { ARM_HWCAP_ASIMD = 1 << 1, ARM_HWCAP_ASIMDDP = 1 << 20 }; /* <asm/hwcap.h> of arm64 */

static bool cpu_supports(intact_cpu cpu)
{
    unsigned long cap = getauxval(AT_HWCAP);
    return (cpu == INTACT_CPU_NEON && (cap & ARM_HWCAP_ASIMD)) ||
           (cpu == INTACT_CPU_NEONDOT && (cap & ARM_HWCAP_ASIMD) && (cap & ARM_HWCAP_ASIMDDP));
}
#else
static bool cpu_supports(intact_cpu cpu) { (void)cpu; return false; }
#endif

int intact_cpu_has(intact_cpu cpu) { return cpu == INTACT_CPU_AUTO || cpu == INTACT_CPU_SCALAR || cpu_supports(cpu); }

intact_cpu it_cpu_best(void)
{
    static const intact_cpu order[] = { INTACT_CPU_AVX512VBMI, INTACT_CPU_AVX512VNNI, INTACT_CPU_AVXVNNI,
                                        INTACT_CPU_AVX2,       INTACT_CPU_NEONDOT,    INTACT_CPU_NEON };
    for (size_t i = 0; i < IT_LEN(order); i++)
        if (cpu_supports(order[i]))
            return order[i];
    return INTACT_CPU_SCALAR;
}
