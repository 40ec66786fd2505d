/* SPDX-License-Identifier: Apache-2.0 */
/* AUGMENT(name): one line a way to change images at random; the descriptor it_augmentation_<name> ends src/train/augment_<name>.c. They are done
** in this order. */
AUGMENT(crop)
AUGMENT(flip)
AUGMENT(cutout)
