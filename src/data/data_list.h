/* SPDX-License-Identifier: Apache-2.0 */
/* DATA(name): one line a kind of data set, tried in this order; the descriptor it_data_<name> ends src/data/<name>.c. */
DATA(labels)
DATA(folder)
DATA(idx)
DATA(npy)
DATA(cifar)
