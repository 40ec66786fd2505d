#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A gate that cannot be met, on a trained network with two bits a weight: the whole ladder is walked, the exit code is 1, and the best that was
# found lies beside with its figures.
. "$(dirname "$0")/lib.sh"
[ -d $fashion ] || skip "Debian's package dataset-fashion-mnist is not installed"
model=$source_dir/models/fashion_resnet8.onnx
cd "$tmp" || exit 1
# labels are the float network's own answers, so that every changed answer costs
python3 - $fashion/t10k-images-idx3-ubyte.gz <<'P'
import array, gzip, struct, sys
raw = gzip.open(sys.argv[1]).read()[16:]
def npy(path, shape, code, data):
    head = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (code, str(tuple(shape)))).encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data)
def images(path, first, n): npy(path, (n, 1, 28, 28), "<f4", array.array("f", [v / 255 for v in raw[784 * first:784 * (first + n)]]).tobytes())
images("c.npy", 0, 64)
images("e.npy", 64, 1500)
P
"$intact" run "$model" --input e.npy --output y.npy --quiet > /dev/null || fail run
python3 - <<'P'
import array, struct
b = open("y.npy", "rb").read()
a = array.array("f", b[10 + struct.unpack("<H", b[8:10])[0]:])
l = [max(range(10), key=lambda k: a[i * 10 + k]) for i in range(len(a) // 10)]
head = b"{'descr': '<i8', 'fortran_order': False, 'shape': (%d,), }" % len(l)
head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
open("l.npy", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + array.array("q", l).tobytes())
P
goal="--calib c.npy --eval e.npy --labels l.npy --weight-bits 2 --keep8 none"
expect 1 'the gate is not met: the best step, .*, loses [0-9.]+ points; g.best.itm is its program' "$intact" quantize "$model" -o g.itm $goal --max-drop 0 --log g.json --quiet
[ ! -e g.itm ] && [ -e g.best.itm ] && [ ! -e g.try.itm ] || fail "what is left: $(ls)"
python3 - <<'P' || fail "the log is not as it should be"
import json
l = json.load(open("g.json"))
steps = l["steps"]
assert not l["holds"] and l["program"] == "g.best.itm" and l["float_top1"] == 1.0 and l["recipe"]["intact_recipe"] == 1
names = [s["step"] for s in steps]
assert names[0] == "max" and "equalize and bias" in names and "adaround" in names and names[-1] == "partial 100 %", names
drops = {s["step"]: s["drop"] for s in steps}
assert drops["max"] > 5 and drops["adaround"] < drops["max"] and drops["partial 100 %"] < 1, drops
open("best", "w").write("%.6f" % max(s["top1"] for s in steps))
P
cmp g.json g.best.json || fail "the figures beside the best program are not those of the log"
python3 -c 'import json; json.dump(json.load(open("g.best.json"))["recipe"], open("found.json", "w"))'
expect 0 'calibrated' "$intact" quantize "$model" -o again.itm --calib c.npy --recipe found.json --quiet
cmp g.best.itm again.itm || fail "the recipe of the best program gives another one"
top=$("$intact" eval g.best.itm --data e.npy --labels l.npy --json | python3 -c 'import json,sys; print("%.6f" % json.load(sys.stdin)["top1"])')
[ "$top" = "$(cat best)" ] || fail "g.best.itm answers $top right, the log says $(cat best)"
# a gate so wide that it holds, and then nothing lies beside
expect 0 'holds, best' "$intact" quantize "$model" -o h.itm $goal --max-drop 95 --quiet
[ -e h.itm ] && [ ! -e h.best.itm ] && [ ! -e h.best.json ] || fail "a gate that holds leaves one program"
finish
