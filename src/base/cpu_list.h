/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_list.h: the CPU levels above plain C, one entry each, parents first; of those that a machine has, the last one is the best.
** LEVEL(with, constant, name, parent, folder, flags, features...)
**
** constant: of intact_cpu, behind INTACT_CPU_. name: what users write and kernels and their files end in. parent: the level whose kernels
** it inherits. folder: of src/run/kern, an architecture. flags: the compiler's, besides the parent's; cmake/kern.cmake reads them here.
** features: what the processor and its system must have, besides the parent's: bits in words of cpu.c, by the names of <cpuid.h> and
** <sys/auxv.h>. with: whatever the user of the list hands on. */
#define IT_CPU_LEVELS(LEVEL, with)                                                                                                        \
    LEVEL(with, AVX2, avx2, scalar, x86, "-mavx2", [LEAF7_EBX] = bit_AVX2, [XCR0] = XCR0_YMM)                                             \
    LEVEL(with, AVXVNNI, avxvnni, avx2, x86, "-mavxvnni", [LEAF7_1_EAX] = bit_AVXVNNI)                                                    \
    LEVEL(with, AVX512VNNI, avx512vnni, avx2, x86, "-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni",                             \
          [LEAF7_EBX] = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL, [LEAF7_ECX] = bit_AVX512VNNI, [XCR0] = XCR0_ZMM)        \
    LEVEL(with, AVX512VBMI, avx512vbmi, avx512vnni, x86, "-mavx512vbmi", [LEAF7_ECX] = bit_AVX512VBMI)                                    \
    LEVEL(with, NEON, neon, scalar, arm, "-march=armv8-a", [HWCAP] = HWCAP_ASIMD)                                                         \
    LEVEL(with, NEONDOT, neondot, neon, arm, "-march=armv8.2-a+dotprod", [HWCAP] = HWCAP_ASIMDDP)
