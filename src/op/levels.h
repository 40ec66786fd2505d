/* SPDX-License-Identifier: Apache-2.0 */
/* levels.h: one loop compiled for several CPU levels. Lanes are separate elements and products are never fused, so every level gives the same bits. */
#ifndef IT_LEVELS_H
#define IT_LEVELS_H

#define IT_INLINE static inline __attribute__((always_inline))

/* Makes `static void name params`, which calls name##_body args compiled for the machine at hand; name##_body is IT_INLINE. */
#if defined(__x86_64__)
#define IT_LEVELS(name, params, args)                                                                                             \
    static void name##_plain params { name##_body args; }                                                                        \
    __attribute__((target("avx2"))) static void name##_avx2 params { name##_body args; }                                         \
    static void name params                                                                                                      \
    {                                                                                                                             \
        if (__builtin_cpu_supports("avx2"))                                                                                       \
            name##_avx2 args;                                                                                                     \
        else                                                                                                                      \
            name##_plain args;                                                                                                    \
    }
#else
#define IT_LEVELS(name, params, args) \
    static void name params { name##_body args; }
#endif

#endif
