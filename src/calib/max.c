/* SPDX-License-Identifier: Apache-2.0 */
/* max: the whole range that was seen; nothing is clipped. */
#include "calib/threshold.h"

static it_range max_range(const it_hist *h, const it_calib_args *a) { return it_range_clip(h, a, it_hist_amax(h)); }

const it_calib it_calib_max = {.name = "max", .range = max_range};
