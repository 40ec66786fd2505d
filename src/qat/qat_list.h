/* SPDX-License-Identifier: Apache-2.0 */
/* QAT(name): one line a quantization-aware method; the descriptor it_qat_<name> ends src/qat/<name>.c. */
QAT(ste)
QAT(pact)
QAT(lsq)
