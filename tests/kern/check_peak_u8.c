/* SPDX-License-Identifier: Apache-2.0 */
/* check_peak_u8: the probe has no result but its count: in proportion to the turns, and no less than one a turn. */
#include "check.h"

int check_peak_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    const uint64_t one = level->peak_u8(1);
    int bad = one == 0 || ref->peak_u8(1) == 0 || level->peak_u8(0) != 0;
    for (int i = 0; i < 20; i++) {
        uint32_t turns = check_pick(r, 0, 3000);
        bad += level->peak_u8(turns) != one * turns;
    }
    if (bad)
        fprintf(stderr, "peak_u8 counts wrongly; %llu in a turn\n", (unsigned long long)one);
    return bad;
}
