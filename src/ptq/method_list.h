/* SPDX-License-Identifier: Apache-2.0 */
/* One line a method; the descriptor ends src/ptq/<kind>_<name>.c (method_, range_, round_, levels_). */
WEIGHT_RANGE(max)
WEIGHT_RANGE(mse)
ROUNDING(nearest)
PTQ_METHOD(equalize)
PTQ_METHOD(absorb)
PTQ_METHOD(bias)
ROUNDING(adaround)
ROUNDING(gptq)
LEVELS(lloyd)
LEVELS(entropy)
