#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Planned activation memory of made networks stays within 5 % of the lower bound. INTACT_ALL=1: the large ones, too.
. "$(dirname "$0")/lib.sh"

command -v python3 > /dev/null || rest "python3 is not installed"
# an .npy with one image of 3 x N x N: FILE N
image() {
    python3 - "$@" <<'P'
import array, random, sys
n, rng = int(sys.argv[2]), random.Random(1)
head = ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, %d, %d), }" % (n, n)).encode()
head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
with open(sys.argv[1], "wb") as f:
    f.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    f.write(array.array("f", (rng.gauss(0, 1) for _ in range(3 * n * n))).tobytes())
P
}

nets="squeezenet1_1 mobilenet_v2 mobilenet_v3_small shufflenet_v2 efficientnet_b0 resnet20"
[ -z "${INTACT_ALL:-}" ] || nets="$nets resnet18 resnet50 vgg16 googlenet"
image "$tmp/224.npy" 224
image "$tmp/32.npy" 32
for net in $nets; do
    size=224
    [ "$net" = resnet20 ] && size=32
    expect 0 "$net" "$intact" new "$net" -o "$tmp/net.onnx" --seed 1 --quiet
    expect 0 '' "$intact" quantize "$tmp/net.onnx" -o "$tmp/net.itm" --calib "$tmp/$size.npy" --quiet
    "$intact" info "$tmp/net.itm" --json > "$tmp/info.json" || fail "$net: info"
    python3 - "$net" "$tmp/info.json" <<'P' || fail "$net: planned memory is more than 5 % above the bound"
import json, sys
i = json.load(open(sys.argv[2]))
print("%-20s peak %9d, bound %9d, ratio %.4f" % (sys.argv[1], i["peak_bytes"], i["bound_bytes"], i["peak_bytes"] / i["bound_bytes"]))
sys.exit(i["peak_bytes"] > 1.05 * i["bound_bytes"])
P
done
finish
