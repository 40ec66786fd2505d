/* SPDX-License-Identifier: Apache-2.0 */
/* CALIB(name): one line a calibrator; the descriptor it_calib_<name> ends src/calib/<name>.c. */
CALIB(max)
CALIB(entropy)
CALIB(percentile)
CALIB(mse)
CALIB(auto)
