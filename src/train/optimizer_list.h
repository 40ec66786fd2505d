/* SPDX-License-Identifier: Apache-2.0 */
/* OPTIMIZER(name): one line an optimizer; the descriptor it_optimizer_<name> ends src/train/optimizer_<name>.c. */
OPTIMIZER(sgd)
OPTIMIZER(adam)
OPTIMIZER(adamw)
