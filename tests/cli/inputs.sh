#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a network's input is told: the shape that its file leaves open, the range of pixels.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || skip "python3 is not installed"
cd "$tmp" || exit 1
"$intact" new resnet8 -o n.onnx --seed 1 --quiet > /dev/null || fail "new resnet8"
python3 - <<'P' || fail "the network's input is not where it was"
import random
random.seed(1)
open("c.bin", "wb").write(b"".join(bytes([k % 10]) + random.randbytes(3072) for k in range(8)))
b = open("n.onnx", "rb").read()
side = b"\x0a\x02\x08\x20" # dim { dim_value: 32 }
assert b.count(side + side) == 1
open("open.onnx", "wb").write(b.replace(side + side, 2 * b"\x0a\x02\x12\x00")) # dim { dim_param: "" }
P

expect 3 'dimension 2.*--shape' "$intact" info open.onnx
for shape in 3x32x32 1x3x32x32 Nx3x32x32; do expect 0 'input +image: float Nx3x32x32|float Nx3x32x32' "$intact" info open.onnx --shape $shape; done
expect 0 'float Nx3x48x40' "$intact" info open.onnx --shape 3x48x40
expect 4 'dimension 1 is 3 in the network, 4' "$intact" info open.onnx --shape 4x32x32
expect 4 'has 4 dimensions' "$intact" info open.onnx --shape 32x32
for shape in 3x x 0x32x32 3xHxW 3x-1x32 99999999999x3x3 Nx; do expect 2 "'$shape' is no shape; 1x3x224x224 is one" "$intact" info open.onnx --shape $shape; done
expect 0 'calibrated' "$intact" quantize n.onnx -o n.itm --calib c.bin --preprocess cifar --quiet
expect 0 'calibrated' "$intact" quantize open.onnx -o open.itm --calib c.bin --preprocess cifar --shape 3x32x32 --quiet
expect 0 '"agreement": ?1.0' "$intact" compare n.itm open.itm --data c.bin --json --quiet
expect 0 '' "$intact" eval open.onnx --shape 3x32x32 --data c.bin --preprocess cifar --quiet

# -1..1 in 255 steps would have every pixel halfway between two codes
"$intact" quantize n.onnx -o t.itm --calib c.bin --preprocess scale=1/127.5,mean=1,order=rgb --json --quiet > t.json || fail "quantize with pixels of -1 to 1"
python3 -c 'import json; r = json.load(open("t.json"))["ranges"][0]; assert r["zero_point"] in (127, 128) and abs(1 / r["scale"] - 127) < 1e-3, r' || fail "the pixels of -1 to 1 lie between codes"
"$intact" quantize n.onnx -o u.itm --calib c.bin --preprocess scale=1/255,order=rgb --json --quiet > u.json || fail "quantize with pixels of 0 to 1"
python3 -c 'import json; r = json.load(open("u.json"))["ranges"][0]; assert r["zero_point"] == 0 and abs(1 / r["scale"] - 255) < 1e-3, r' || fail "the pixels of 0 to 1 are not their codes"
finish
