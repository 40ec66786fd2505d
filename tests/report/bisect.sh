#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# intact compare --bisect: the layer that was spoiled is named, with its cause, float against integer and integer against integer.
. "$(dirname "$0")/lib.sh"
make_data
quantize() { "$intact" quantize "$tmp/n.onnx" --calib "$tmp/calib.npy" --quiet "$@" > /dev/null 2>&1 || fail "quantize $*"; }
bisect() { expect 0 "$1" "$intact" compare "$2" "$3" --data "$tmp/eval.npy" --bisect --quiet --json; }

quantize -o "$tmp/good.itm"
value=relu_5
printf '{"intact_recipe": 1, "values": [{"name": "%s", "activations": {"range": [0, 0.3]}}]}' "$value" > "$tmp/clip.json"
printf '{"intact_recipe": 1, "values": [{"name": "%s", "activations": {"range": [0, 900]}}]}' "$value" > "$tmp/coarse.json"
quantize -o "$tmp/clip.itm" --recipe "$tmp/clip.json"
quantize -o "$tmp/coarse.itm" --recipe "$tmp/coarse.json"
layer=conv_10
printf '{"intact_recipe": 1, "layers": [{"name": "%s", "weights": {"bits": 2}}]}' "$layer" > "$tmp/weights.json"
quantize -o "$tmp/weights.itm" --recipe "$tmp/weights.json"
for a in "$tmp/n.onnx" "$tmp/good.itm"; do
    bisect "\"value\": ?\"$value\".*\"cause\": ?\"clipping\"" "$a" "$tmp/clip.itm"
    bisect "\"value\": ?\"$value\".*\"cause\": ?\"range\"" "$a" "$tmp/coarse.itm"
    bisect "\"layer\": ?\"$layer\".*\"cause\": ?\"weights\"" "$a" "$tmp/weights.itm"
done
expect 0 'likely cause +clipping' "$intact" compare "$tmp/n.onnx" "$tmp/clip.itm" --data "$tmp/eval.npy" --bisect --quiet
expect 0 'no layer parts them' "$intact" compare "$tmp/good.itm" "$tmp/good.itm" --data "$tmp/eval.npy" --bisect --quiet
expect 0 "\"bisect\": ?null" "$intact" compare "$tmp/n.onnx" "$tmp/good.itm" --data "$tmp/eval.npy" --bisect --below -60 --quiet --json
expect 2 'no-layers' "$intact" compare "$tmp/n.onnx" "$tmp/good.itm" --data "$tmp/eval.npy" --bisect --no-layers
expect 2 'must be an integer program' "$intact" compare "$tmp/n.onnx" "$tmp/n.onnx" --data "$tmp/eval.npy" --bisect --quiet
finish
