# SPDX-License-Identifier: Apache-2.0
# lib.sh: what the report's tests share: a small network with odd weights, calibration and evaluation data as .npy.
. "$(dirname "$0")/../cli/lib.sh"
command -v python3 > /dev/null || skip "python3 is not installed"

make_data() {
    "$intact" new resnet8 -o "$tmp/n.onnx" --seed 1 --quiet > /dev/null || fail "new resnet8"
    normal "$tmp/calib.npy" 1 12 3 32 32
    normal "$tmp/eval.npy" 2 8 3 32 32
}
