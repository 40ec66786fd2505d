# SPDX-License-Identifier: Apache-2.0
# lib.sh: what the report's tests share: a small network with odd weights, calibration and evaluation data as .npy.
. "$(dirname "$0")/../cli/lib.sh"
command -v python3 > /dev/null || skip "python3 is not installed"

# FILE SEED COUNT DIMS...: normally distributed numbers
normal() {
    python3 - "$@" <<'P'
import array, random, sys
path, seed, dims = sys.argv[1], int(sys.argv[2]), [int(d) for d in sys.argv[3:]]
rng, n = random.Random(seed), 1
for d in dims: n *= d
head = ("{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }" % ", ".join(map(str, dims))).encode()
head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
with open(path, "wb") as f:
    f.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    f.write(array.array("f", (rng.gauss(0, 1) for _ in range(n))).tobytes())
P
}

make_data() {
    "$intact" new resnet8 -o "$tmp/n.onnx" --seed 1 --quiet > /dev/null || fail "new resnet8"
    normal "$tmp/calib.npy" 1 12 3 32 32
    normal "$tmp/eval.npy" 2 8 3 32 32
}
