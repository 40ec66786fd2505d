/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h: the tree of CPU levels: scalar -> avx2 -> avxvnni; avx2 -> avx512vnni -> avx512vbmi; scalar -> neon -> neondot. */
#ifndef IT_CPU_H
#define IT_CPU_H

#include "base/base.h"

intact_cpu it_cpu_best(void);              /* the highest level this machine and its system can run */
intact_cpu it_cpu_parent(intact_cpu cpu);  /* the level it inherits from; SCALAR's is INTACT_CPU_COUNT */

#endif
