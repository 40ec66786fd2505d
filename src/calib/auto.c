/* SPDX-License-Identifier: Apache-2.0 */
/* auto: whichever of the others serves the network best; what has no trials gets the range of mse. */
#include "calib/calib.h"

static it_range auto_range(const it_hist *h, const it_calib_args *a) { return it_calib_mse.range(h, a); }

const it_calib it_calib_auto = {.name = "auto", .searches = true, .range = auto_range};
