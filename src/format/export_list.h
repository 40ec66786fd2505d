/* SPDX-License-Identifier: Apache-2.0 */
/* FORMAT(name): one line a way to write programs as ONNX; the descriptor it_export_<name> ends src/format/export_<name>.c. */
FORMAT(qdq)
FORMAT(qop)
