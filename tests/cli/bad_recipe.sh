#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Recipes, ranges and calibration data that are wrong: the place, the value and what would be right are named; nothing is written.
. "$(dirname "$0")/lib.sh"
cd "$tmp" || exit 1
"$intact" new resnet8 -o n.onnx --seed 1 --quiet > /dev/null || fail new
python3 - <<'P'
import array, random, struct
def npy(path, values):
    n = len(values) // 3072
    head = ("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 3, 32, 32), }" % n).encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + array.array("f", values).tobytes())
random.seed(3)
good = [random.gauss(0, 1) for _ in range(8 * 3072)]
npy("c.npy", good)
npy("zero.npy", [0.0] * len(good))
npy("inf.npy", [float("inf") if i % 3072 == 7 else v for i, v in enumerate(good)])
npy("nan.npy", [float("nan") if i % 3072 == 7 else v for i, v in enumerate(good)])
npy("one.npy", good[:5000] + [float("nan")] + good[5001:])
npy("huge.npy", [1e38 * v for v in good])
P
quantize() { "$intact" quantize n.onnx -o x.itm --calib c.npy --quiet "$@"; }
layers=$("$intact" info n.onnx --layers --json | python3 -c 'import json,sys; print(*[l["name"] for l in json.load(sys.stdin)["layers"] if l["op"] == "Conv"], sep="\n")' 2> /dev/null | head -3)
layer=$(echo "$layers" | sed -n 2p)
[ -n "$layer" ] || fail "no layer's name to be had"

# try RECIPE CODE PATTERN
try() {
    printf '%s' "$1" > r.json
    expect "$2" "$3" quantize --recipe r.json
}
near=${layer%?}x
try "{\"intact_recipe\": 1, \"layers\": [{\"name\": \"$near\", \"weights\": {\"bits\": 4}}]}" 2 "r.json: layers\[0\].name: no layer with weights is called \"$near\"; nearest: conv_[0-9]+; [0-9]+ can be named: intact info MODEL.onnx --layers lists them"
try "{\"intact_recipe\": 1, \"values\": [{\"name\": \"inputt\", \"activations\": {\"bits\": 4}}]}" 2 'r.json: values\[0\].name: no value is called "inputt"; nearest: input; .*--ranges lists them'
try "{\"intact_recipe\": 1, \"layers\": [{\"name\": \"first\"}, {\"name\": \"no such\", \"weights\": {\"bits\": 4}}]}" 2 'r.json: layers\[1\].name: no layer .* is called "no such"; [0-9]+ can be named'
try '{"intact_recipe": 1, "activations": {"range": [-1, 1]}}' 2 'r.json: activations.range: is "-1 1" for all values; .*"values"'
expect 2 'activations.range: is "-1 1" for all values' quantize --set 'activations.range=-1 1'
for bits in 0 1 9 16 33 -4; do
    try "{\"intact_recipe\": 1, \"weights\": {\"bits\": $bits}}" 2 "r.json: weights.bits: is \"$bits\"; 2 to 8 bits are possible"
done
for bits in 0 1 9 15 17 31 33; do
    try "{\"intact_recipe\": 1, \"layers\": [{\"name\": \"first\", \"activations\": {\"bits\": $bits}}]}" 2 "layers\[0\].activations.bits: is \"$bits\"; 2 to 8 bits, or 16, are possible"
done
try '{"intact_recipe": 1, "weights": {"bits": "4"}}' 2 'weights.bits: is "4"; a whole number is needed'
try '{"intact_recipe": 1, "weights": {"bits": 4.5}}' 2 'weights.bits: is 4.5; a whole number is needed'
try '{"intact_recipe": 1, "weights": {"bitz": 4}}' 2 'weights.bitz: there is no such field; nearest: bits; there are: bits, per, scheme, range, round'
try '{"intact_recipe": 1, "activations": {"method": "entrpy"}}' 2 'activations.method.*entropy'
try '{"intact_recipe": 1, "values": [{"name": "input", "activations": {"range": [1, 2]}}]}' 2 'values\[0\].activations.range.*lo <= 0 <= hi'
try '{"intact_recipe": 1, "values": [{"name": "input", "activations": {"range": [0, 1e400]}}]}' 4 'not JSON'
try '{"intact_recipe": 1, "methods": ["equalise"]}' 2 'r.json: methods\[0\]: is "equalise"; did you mean "equalize"'
try '{"intact_recipe": 1, "methods": ["bias", 3]}' 2 'r.json: methods\[1\]: is 3; a name is needed'
try '{"intact_recipe": 1, "keep_softmax": 1}' 2 'r.json: keep_softmax: is 1; true or false is needed'
try '{"intact_recipe": 1, "layers": {}}' 2 'r.json: layers: is \{\}; a list is needed'
try '{"intact_recipe": 1, "calibration": {"samples": -3}}' 2 'r.json: calibration: is .*-3.*whole numbers'
try '{"intact_recipe": 2}' 2 'r.json: intact_recipe: is 2; a recipe begins with'
try '' 4 'r.json: is empty; it would begin with \{"intact_recipe": 1'
try '[]' 4 'r.json: holds JSON, but no object'
try '{"intact_recipe": 1, "layer": []}' 2 '"layer" is not a member of recipes; nearest: layers; there are: .*values'
try '{"recipe": 1}' 2 'begins with'
try '{"intact_recipe": 1,' 4 'not JSON: line 1'
expect 4 'none.json' quantize --recipe none.json
expect 2 '2 to 8' quantize --weight-bits 9
expect 2 '2 to 8' quantize --act-bits 1
expect 2 '^intact: --keep8: no layer .*nearest: ' quantize --weight-bits 4 --keep8 "$near"

# ranges
echo '{"intact_ranges": 1, "values": {"input": [-1, "2"]}}' > g.json
expect 2 'g.json: input: is \[-1,"2"\]; two numbers' quantize --range-file g.json
echo '{"intact_ranges": 1, "values": {"inptu": [-1, 2]}}' > g.json
expect 2 'g.json: values: no value is called "inptu"; nearest: input' quantize --range-file g.json
echo '{"intact_ranges": 1, "values": {"input": [1, 2]}}' > g.json
expect 2 'g.json: input: is "1 2"; two finite numbers, lo <= 0 <= hi' quantize --range-file g.json
: > g.json
expect 4 'g.json: is empty; it would begin with .*intact_ranges' quantize --range-file g.json
echo '{"intact_ranges": 1}' > g.json
expect 2 'a ranges file is' quantize --range-file g.json

# a layer in float has no place in a program
printf '{"intact_recipe": 1, "layers": [{"name": "%s", "weights": {"bits": 32}}]}' "$layer" > r.json
expect 2 "$layer: stays in float.*-o OUT.onnx" quantize --recipe r.json
printf '{"intact_recipe": 1, "values": [{"name": "*", "activations": {"bits": 32}}]}' > r.json
expect 2 'stays in float' quantize --recipe r.json

# calibration data without a usable range: the value is named
expect 4 'none of the 8 samples could be read; first: .*inf' "$intact" quantize n.onnx -o x.itm --calib inf.npy --quiet
expect 4 'none of the 8 samples could be read; first: .*nan' "$intact" quantize n.onnx -o x.itm --calib nan.npy --quiet
expect 4 '[a-z0-9_/]+: [0-9]+ of [0-9]+ values are infinite or not a number; the network overflows' "$intact" quantize n.onnx -o x.itm --calib huge.npy --quiet
[ ! -e x.itm ] || fail "something was written though the input is wrong"
expect 0 'skipped sample 1: element 1928 is nan' "$intact" quantize n.onnx -o x.itm --calib one.npy
expect 0 'input: is 0 everywhere on all calibration samples' "$intact" quantize n.onnx -o x.itm --calib zero.npy
expect 0 '' "$intact" run x.itm --input zero.npy --output y.npy
finish
