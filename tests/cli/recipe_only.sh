#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A recipe that says every range needs no calibration data; one that does not names the first value without a range. Same recipe, same bytes.
. "$(dirname "$0")/lib.sh"
cd "$tmp" || exit 1
"$intact" new resnet8 -o r8.onnx --seed 1 --quiet > /dev/null || fail new
python3 - <<'P'
import array, random, struct
head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (16, 3, 32, 32), }"
head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
random.seed(1)
open("c.npy", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + array.array("f", [random.gauss(0, 1) for _ in range(16 * 3072)]).tobytes())
P
"$intact" quantize r8.onnx --calib c.npy -o data.itm --json > data.json || fail "with data"
python3 - <<'P'
import json
ranges = json.load(open("data.json"))["ranges"]
values = [{"name": r["value"], "activations": {"range": [r["lo"], r["hi"]]}} for r in ranges]
def recipe(name, **more): json.dump({"intact_recipe": 1, "values": values, **more}, open(name, "w"))
recipe("full.json")
recipe("some.json", values=values[:3])
recipe("bias.json", methods=["bias"])
recipe("gptq.json", weights={"round": "gptq"})
recipe("levels.json", activations={"bits": 4, "levels": "lloyd"})
json.dump({"intact_ranges": 1, "values": {r["value"]: [r["lo"], r["hi"]] for r in ranges}}, open("ranges.json", "w"))
open("missing", "w").write(ranges[3]["value"])
P
expect 0 'ranges of the recipe' "$intact" quantize r8.onnx -o a.itm --recipe full.json
expect 0 'ranges of the recipe' "$intact" quantize r8.onnx -o b.itm --recipe full.json --threads 3 --report b.html --report-json b.json
cmp a.itm b.itm || fail "the same recipe gives other bytes"
expect 0 'ranges of the recipe' "$intact" quantize r8.onnx -o c.itm --range-file ranges.json
cmp a.itm c.itm || fail "a ranges file gives other bytes than the same ranges in a recipe"
expect 0 'a quantized ONNX network; ranges of the recipe' "$intact" quantize r8.onnx -o a.onnx --recipe full.json
# codes of eight bits are those that calibration found; 16 bits leave no room beyond a range that is given
"$intact" compare data.itm a.itm --data c.npy --json > diff.json || fail compare
python3 -c 'import json; r = json.load(open("diff.json")); assert r["agreement"] == 1.0, r' || fail "the recipe's ranges answer otherwise"

expect 2 "^intact: $(cat missing): is the first value without a range, .*--calib DATA .*range" "$intact" quantize r8.onnx -o x.itm --recipe some.json
expect 2 'bias works on calibration data' "$intact" quantize r8.onnx -o x.itm --recipe bias.json
expect 2 'gptq, which works on calibration data' "$intact" quantize r8.onnx -o x.itm --recipe gptq.json
expect 2 'fitted to calibration data' "$intact" quantize r8.onnx -o x.itm --recipe levels.json
expect 2 'needs --calib DATA' "$intact" quantize r8.onnx -o x.itm
expect 2 'seed: is 9223372036854775808; 0 to 9223372036854775807' "$intact" quantize r8.onnx -o x.itm --calib c.npy --seed 9223372036854775808
expect 0 'calibrated' "$intact" quantize r8.onnx -o s.itm --calib c.npy --seed 9223372036854775807 --quiet
"$intact" info s.itm --json | grep -q '"seed": *9223372036854775807' || fail "the largest seed is stored otherwise"
[ ! -e x.itm ] || fail "a program is left after a failure"
finish
