/* SPDX-License-Identifier: Apache-2.0 */
/* LOSS(name): one line a loss; the descriptor it_loss_<name> ends src/train/loss_<name>.c. */
LOSS(cross_entropy)
LOSS(mean_squared)
