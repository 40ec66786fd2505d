/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c: the levels by name, and which of them this machine and its system can run. */
#include "base/cpu.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
/* CPUID by the Intel manual, volume 2A: leaf 7, LEAF7_1 its sub-leaf 1; what of the registers the system saves, volume 1, chapter 13. */
enum { LEAF7_EBX, LEAF7_ECX, LEAF7_1_EAX, XCR0, WORDS, XCR0_YMM = 0x6 /* xmm and ymm */, XCR0_ZMM = 0xe6 /* and masks and all of zmm */ };

static uint32_t xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

static bool read_features(uint32_t have[WORDS])
{
    const uint32_t base = bit_OSXSAVE | bit_AVX;
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & base) != base || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return false;
    have[LEAF7_EBX] = b;
    have[LEAF7_ECX] = c;
    have[LEAF7_1_EAX] = a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) ? a : 0; /* a: how many sub-leaves follow */
    have[XCR0] = xcr0();
    return true;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
enum { HWCAP, WORDS };

static bool read_features(uint32_t have[WORDS])
{
    have[HWCAP] = (uint32_t)getauxval(AT_HWCAP);
    return true;
}
#else
enum { WORDS = 1 };
static bool read_features(uint32_t have[WORDS]) { have[0] = 0; return false; }
#endif

typedef struct level {
    const char *name;
    intact_cpu parent;
    bool here;             /* of this architecture */
    uint32_t needs[WORDS]; /* besides its parent's */
} level;

static const level levels[INTACT_CPU_COUNT] = {
    [INTACT_CPU_AUTO] = { .name = "auto", .parent = INTACT_CPU_COUNT },
    [INTACT_CPU_SCALAR] = { .name = "scalar", .parent = INTACT_CPU_COUNT },
#define LEVEL(with, id, text, above, folder, flags, ...) \
    [INTACT_CPU_##id] = { .name = #text, .parent = (intact_cpu)IT_CPU_##above, IT_CPU_ON_##folder(.here = true, .needs = { __VA_ARGS__ }) },
    IT_CPU_LEVELS(LEVEL, )
#undef LEVEL
};

#define ONE(...) +1
_Static_assert(2 IT_CPU_LEVELS(ONE, ) == INTACT_CPU_COUNT, "each level of intact_cpu is in cpu_list.h");
#undef ONE

const char *intact_cpu_name(intact_cpu cpu) { return (unsigned)cpu < INTACT_CPU_COUNT ? levels[cpu].name : "unknown"; }

intact_cpu intact_cpu_parse(const char *name)
{
    for (int i = 0; name && i < INTACT_CPU_COUNT; i++)
        if (!strcmp(name, levels[i].name))
            return (intact_cpu)i;
    return INTACT_CPU_COUNT;
}

intact_cpu it_cpu_parent(intact_cpu cpu) { return (unsigned)cpu < INTACT_CPU_COUNT ? levels[cpu].parent : INTACT_CPU_COUNT; }

static bool has_features(intact_cpu cpu)
{
    uint32_t have[WORDS];
    if (!levels[cpu].here || !read_features(have))
        return false;
    for (; cpu != INTACT_CPU_SCALAR; cpu = levels[cpu].parent)
        for (int i = 0; i < WORDS; i++)
            if ((have[i] & levels[cpu].needs[i]) != levels[cpu].needs[i])
                return false;
    return true;
}

int intact_cpu_has(intact_cpu cpu)
{
    return cpu == INTACT_CPU_AUTO || cpu == INTACT_CPU_SCALAR || ((unsigned)cpu < INTACT_CPU_COUNT && has_features(cpu));
}

intact_cpu it_cpu_best(void)
{
#define LEVEL(with, id, ...) INTACT_CPU_##id,
    static const intact_cpu order[] = { INTACT_CPU_SCALAR, IT_CPU_LEVELS(LEVEL, ) };
#undef LEVEL
    size_t i = IT_LEN(order) - 1;
    while (!intact_cpu_has(order[i]))
        i--;
    return order[i];
}
