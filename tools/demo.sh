#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on Fashion-MNIST: a float ResNet-8 becomes integer; both are measured on the 10,000 test images.
set -euo pipefail
cd "$(dirname "$0")/.."

intact=${INTACT:-build/intact}
data=/usr/share/datasets/fashion-mnist
out=${OUT:-build/demo}
mkdir -p "$out"
float=models/fashion_resnet8.onnx
integer=$out/fashion_resnet8.itm

field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

echo "1. calibrate on 512 training images and write the integer program" >&2
"$intact" quantize "$float" -o "$integer" --calib $data/train-images-idx3-ubyte.gz --samples 512
echo "2. measure both on the 10,000 test images" >&2
f=$("$intact" eval "$float" --data $data/t10k-images-idx3-ubyte.gz --json)
q=$("$intact" eval "$integer" --data $data/t10k-images-idx3-ubyte.gz --json)
c=$("$intact" compare "$float" "$integer" --data $data/t10k-images-idx3-ubyte.gz --no-layers --json)
echo "3. time both, one thread, batch 1" >&2
fb=$("$intact" bench "$float" --seconds 2 --json)
qb=$("$intact" bench "$integer" --seconds 2 --json)

percent() { python3 -c 'import sys; print("%.2f %%" % (100 * float(sys.argv[1])))' "$1"; }
size() { python3 -c 'import os,sys; print("%.1f KiB" % (os.path.getsize(sys.argv[1]) / 1024))' "$1"; }
ms() { python3 -c 'import sys; print("%.3f" % float(sys.argv[1]))' "$1"; }

printf '\n%-28s %14s %14s\n' "Fashion-MNIST, ResNet-8" float integer
printf '%-28s %14s %14s\n' "top-1, 10,000 test images" "$(percent "$(field top1 <<< "$f")")" "$(percent "$(field top1 <<< "$q")")"
printf '%-28s %14s %14s\n' "same answer as float" "" "$(percent "$(field agreement <<< "$c")")"
printf '%-28s %14s %14s\n' "file size" "$(size "$float")" "$(size "$integer")"
printf '%-28s %14s %14s\n' "milliseconds per image" "$(ms "$(field median_ms <<< "$fb")")" "$(ms "$(field median_ms <<< "$qb")")"
printf '\nfloat network    %s\ninteger program  %s\n' "$float" "$integer"
printf 'try: %s info %s --layers\n' "$intact" "$integer"
