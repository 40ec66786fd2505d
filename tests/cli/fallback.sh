#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A quantized ONNX network instead of a program, whole or with layers in float: it answers as its measurement said, in the float executor and, where
# its Python package is there, in ONNX Runtime.
. "$(dirname "$0")/lib.sh"
[ -d $fashion ] || skip "Debian's package dataset-fashion-mnist is not installed"
model=$source_dir/models/fashion_resnet8.onnx
train=$fashion/train-images-idx3-ubyte.gz
images=$fashion/t10k-images-idx3-ubyte.gz
cd "$tmp" || exit 1
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# whole: the ONNX form answers as the program does
expect 0 'calibrated' "$intact" quantize "$model" -o p.itm --calib $train --samples 64 --quiet
expect 0 'calibrated' "$intact" quantize "$model" -o p.onnx --calib $train --samples 64 --quiet
agree=$("$intact" compare p.onnx p.itm --data $images --limit 500 --json --quiet | field agreement)
python3 -c "import sys; sys.exit($agree < 0.99)" || fail "the ONNX form agrees with the program on $agree only"

# two bits a weight lose much; float layers bring it back
expect 0 'holds, best' "$intact" quantize "$model" -o f.onnx --calib $train --samples 64 --eval $images --eval-limit 500 --max-drop 1 --fallback float --weight-bits 2 --keep8 none \
    --log f.json --report f.html --quiet
python3 - <<'P' || fail "the log is not as it should be"
import json
l = json.load(open("f.json"))
assert l["holds"] and l["program"] == "f.onnx" and l["steps"][0]["drop"] > 1, l["steps"]
floats = [r["name"] for r in l["recipe"]["layers"] if r["weights"]["bits"] == 32]
best = [s for s in l["steps"] if s["holds"]][-1]
open("top", "w").write("%.6f" % best["top1"])
open("floats", "w").write("%d" % len(floats))
P
[ -e f.onnx ] && [ ! -e f.best.onnx ] && [ ! -e f.try.onnx ] && [ -s f.html ] || fail "what is left: $(ls)"
top=$("$intact" eval f.onnx --data $images --limit 500 --json --quiet | python3 -c 'import json,sys; print("%.6f" % json.load(sys.stdin)["top1"])')
[ "$top" = "$(cat top)" ] || fail "f.onnx answers $top right, the log says $(cat top)"
# the recipe in the log makes the same network again
python3 -c 'import json; json.dump(json.load(open("f.json"))["recipe"], open("r.json", "w"))'
expect 0 'calibrated' "$intact" quantize "$model" -o g.onnx --calib $train --recipe r.json --quiet
agree=$("$intact" compare f.onnx g.onnx --data $images --limit 200 --json --quiet | field agreement)
[ "$agree" = 1.0 ] || fail "the recipe makes another network: agreement $agree"
[ "$(cat floats)" = 0 ] || expect 2 'stays in float.*-o OUT.onnx' "$intact" quantize "$model" -o g.itm --calib $train --recipe r.json --quiet

python3 -c 'import numpy, onnxruntime' 2> /dev/null || rest "Python's onnxruntime is not installed"
python3 - $images "$(cat top)" <<'P' || fail "ONNX Runtime answers otherwise"
import gzip, sys
import numpy as np, onnxruntime as ort
x = np.frombuffer(gzip.open(sys.argv[1]).read()[16:], np.uint8)[:500 * 784].reshape(500, 1, 28, 28).astype(np.float32) / 255
y = np.frombuffer(gzip.open(sys.argv[1].replace("images-idx3", "labels-idx1")).read()[8:], np.uint8)[:500]
s = ort.InferenceSession("f.onnx", providers=["CPUExecutionProvider"])
right = np.mean([s.run(None, {s.get_inputs()[0].name: x[i:i + 1]})[0].ravel().argmax() == y[i] for i in range(500)])
assert abs(right - float(sys.argv[2])) <= 0.006, right
P
finish
