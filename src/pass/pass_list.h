/* SPDX-License-Identifier: Apache-2.0 */
/* PASS(name): one line a pass, in the order in which they run. */
PASS(free_batch)
PASS(fold_constants)
PASS(fold_identities)
PASS(fuse_matmul)
PASS(fold_batchnorm)
PASS(fold_pad)
PASS(fuse_swish)
PASS(fuse_clamp)
PASS(drop_dead)
