#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# intact new: every architecture can be made, has the published cost, and becomes an integer program that resembles it.
. "$(dirname "$0")/lib.sh"

expect 0 'resnet18 +3x224x224 +1000' "$intact" new --list
expect 0 '"name": ?"dscnn"' "$intact" new --list --json
expect 2 'needs ARCH' "$intact" new
expect 2 'needs -o' "$intact" new lenet5
expect 2 "did you mean resnet" "$intact" new resnet19 -o "$tmp/a.onnx"
expect 2 'is not known' "$intact" new zzzzzzzzzz -o "$tmp/a.onnx"
for input in 3 3x32 3x32x32x1 0x32x32 3x-1x32 x 3x32xa 3x32x99999999999; do
    expect 2 "'$input'.*3x224x224" "$intact" new resnet8 -o "$tmp/a.onnx" --input $input
done
expect 2 'must be 1 to 4096' "$intact" new resnet8 -o "$tmp/a.onnx" --input 3x5000x32
expect 2 'classes' "$intact" new resnet8 -o "$tmp/a.onnx" --classes 4000000000
expect 4 'vgg16 with input 3x8x8' "$intact" new vgg16 -o "$tmp/a.onnx" --input 3x8x8
expect 4 'nowhere' "$intact" new lenet5 -o /nowhere/at/all.onnx
[ -e "$tmp/a.onnx" ] && fail "a failed command left a file"

expect 0 '"parameters": ?75290' "$intact" new resnet8 -o "$tmp/a.onnx" --seed 3 --json
expect 0 'resnet8, 3x32x32 to 10 classes, 75.3 k parameters' "$intact" new resnet8 -o "$tmp/b.onnx" --seed 3 --threads 2
cmp "$tmp/a.onnx" "$tmp/b.onnx" || fail "one seed, two files"
expect 0 'to 3 classes' "$intact" new mobilenet_v2 -o "$tmp/a.onnx" --input 1x40x48 --classes 3
expect 0 'input: float Nx1x40x48' "$intact" info "$tmp/a.onnx"

command -v python3 > /dev/null || rest "python3 is not installed"
# NAME MILLIONS-OF-MACS (0: not at this size; tests/arch has them) DECIBEL INPUT. Deep random networks are chaotic: each layer amplifies the noise
# of those before it, so what can be asked of the answer falls with depth. What holds for all of them: no single layer adds much noise.
while read -r name macs decibel c h w; do
    "$intact" new "$name" -o "$tmp/n.onnx" --input "${c}x${h}x$w" --seed 1 --quiet > /dev/null || fail "new $name"
    normal "$tmp/calib.npy" 1 16 "$c" "$h" "$w"
    normal "$tmp/test.npy" 2 8 "$c" "$h" "$w"
    "$intact" info "$tmp/n.onnx" --json | python3 -c '
import json, sys
macs, want = json.load(sys.stdin)["macs"] / 1e6, float(sys.argv[1])
sys.exit(0 if not want or abs(macs / want - 1) < 0.015 else "%g million multiply-accumulates" % macs)' "$macs" || fail "$name: not the published cost"
    "$intact" quantize "$tmp/n.onnx" -o "$tmp/n.itm" --calib "$tmp/calib.npy" --quiet > /dev/null 2> "$tmp/err" || fail "$name does not become integer: $(cat "$tmp/err")"
    "$intact" run "$tmp/n.itm" --input "$tmp/test.npy" --quiet > /dev/null || fail "run $name"
    "$intact" compare "$tmp/n.onnx" "$tmp/n.itm" --data "$tmp/test.npy" --json --quiet | python3 -c '
import json, sys
c, low, step, at = json.load(sys.stdin), 60, 0, ""
for l in c["layers"]:
    db = 60 if l["sqnr_db"] is None else l["sqnr_db"]
    if db < 25 and low - db > step: step, at = low - db, l["name"] # above, the first layers fall from no noise at all
    low = min(low, db)
print("%-20s %5.1f dB, %d layers, the largest fall %.1f dB at %s" % (sys.argv[1], c["output_sqnr_db"], len(c["layers"]), step, at))
sys.exit(0 if c["output_sqnr_db"] > float(sys.argv[2]) and step < 6 else 1)' "$name" "$decibel" || fail "$name: the integer program is too far from the float network"
done <<'NETS'
lenet5 0.4165 20 1 28 28
resnet8 12.24 20 3 32 32
resnet20 41 15 3 32 32
resnet56 125.5 12 3 32 32
resnet18 0 12 3 64 64
resnet34 0 10 3 64 64
resnet50 0 5 3 64 64
mobilenet_v1 0 5 3 64 64
mobilenet_v2 0 5 3 64 64
mobilenet_v3_small 0 8 3 96 96
alexnet 0 20 3 96 96
googlenet 0 5 3 64 64
squeezenet1_1 0 20 3 64 64
shufflenet_v2 0 5 3 64 64
efficientnet_b0 0 4 3 64 64
dscnn 2.66 20 1 49 10
NETS
finish
