#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a first-time user ran into: options that were passed over, outputs over inputs, stale hashes, late refusals.
. "$(dirname "$0")/lib.sh"
cd "$tmp" || exit 1
"$intact" new lenet5 -o net.onnx --seed 1 --quiet > /dev/null || fail new
cat > npy.py <<'P'
import array, random, struct, sys # FILE SEED COUNT: inputs; FILE CLASS COUNT labels: labels
path, seed, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
labels = len(sys.argv) > 4
shape, code = ((n,), "<i8") if labels else ((n, 784) if "flat" in path else (n, 1, 28, 28), "<f4")
data = array.array("q", [seed] * n) if labels else array.array("f", [random.gauss(0, 1) for _ in range(n * 784)])
head = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (code, shape)).encode()
head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data.tobytes())
P
python3 npy.py x.npy 1 8
python3 npy.py e.npy 2 24
python3 npy.py flat.npy 3 8
quantize="$intact quantize net.onnx --calib x.npy --quiet"
expect 0 'calibrated' $quantize -o q.itm
whole() { for f in net.onnx x.npy q.itm; do sha256sum < $f; done; }
before=$(whole)

# nothing that is read is overwritten, no two outputs are one file
expect 2 'is the float network itself' $quantize -o net.onnx
expect 2 'is the float network itself' $quantize -o p.itm --report ./net.onnx
expect 2 'is the calibration data itself' $quantize -o x.npy
expect 2 'is where what is written goes' $quantize -o p.itm --report ./p.itm
expect 2 'is where the report goes' $quantize -o p.itm --report r.html --report-json r.html
expect 2 'is the calibration data itself' $quantize -o p.itm --budget size=1M --log x.npy
expect 2 'is the program itself' "$intact" export q.itm -o ./q.itm
expect 2 'is the input itself' "$intact" run q.itm --input x.npy -o x.npy
expect 2 'is the network itself' "$intact" run q.itm --input x.npy -o q.itm
[ "$(whole)" = "$before" ] && [ ! -e p.itm ] || fail "a refused command wrote"

# what cannot be written, or judged on, is told before the work
for o in "-o no/p.itm" "-o p.itm --report no/r.html" "-o p.itm --budget size=1M --log no/l.json"; do
    # shellcheck disable=SC2086
    expect 4 'no/' $quantize $o
done
expect 4 'none.npy' $quantize -o p.itm --report r.html --eval none.npy
[ ! -e p.itm ] || fail "a program was written before its report was refused"
: > file
expect 4 'is a file; the results need a folder' "$intact" tune net.onnx --calib x.npy -o file --quiet

# zero is a number
"$intact" run net.onnx --input e.npy --output y.npy --quiet > /dev/null || fail run
python3 - <<'P'
import struct # the label of each sample is what the network answers
b = open("y.npy", "rb").read()
at = 10 + struct.unpack("<H", b[8:10])[0]
y = struct.unpack("<240f", b[at:at + 960])
right = [max(range(10), key=lambda k: y[i * 10 + k]) for i in range(24)]
head = b"{'descr': '<i8', 'fortran_order': False, 'shape': (24,), }"
head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
open("l.npy", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + struct.pack("<24q", *right))
P
"$intact" new lenet5 -o other.onnx --seed 2 --quiet > /dev/null || fail new
eval="$intact eval other.onnx --data e.npy --labels l.npy --quiet"
expect 1 'the gate is 0.00' $eval --against net.onnx --max-loss 0
expect 0 'points' $eval --against net.onnx
expect 0 'top-1' $eval --min-top1 0
expect 2 'needs --against' $eval --max-loss 0
expect 2 "points from 0 to 100" "$intact" tune net.onnx --calib x.npy --eval e.npy --labels l.npy --max-drop 200 -o t --quiet
expect 2 'needs --eval' "$intact" tune net.onnx --calib x.npy --max-drop 0 -o t --quiet
expect 2 'top was given 0' "$intact" run q.itm --input x.npy --top 0
expect 2 'samples was given 0' $quantize -o p.itm --samples 0

# what would change nothing is refused, or remarked on
expect 2 'of --eval DATA' $quantize -o p.itm --labels l.npy
expect 2 'here all have 8' $quantize -o p.itm --keep8 last
for c in "info net.onnx" "run net.onnx --input x.npy" "bench net.onnx" "eval net.onnx --data e.npy --labels l.npy"; do
    # shellcheck disable=SC2086
    expect 2 'integer programs' "$intact" $c --cpu scalar
done
expect 2 'integer programs' "$intact" bench net.onnx --profile
expect 0 'arrays are taken as they are' "$intact" run net.onnx --input x.npy --preprocess raw
expect 2 "what to do with 'more'" "$intact" help info more
expect 2 "what to do with 'more'" "$intact" --version more
expect 2 'the path of the data set is empty' "$intact" eval net.onnx --data ''
expect 2 'known are qdq, qop' "$intact" export q.itm -o e.onnx --format foo
if [ -w /dev/full ]; then
    for c in help "help info" --version "info --help"; do
        # shellcheck disable=SC2086
        "$intact" $c > /dev/full 2> err
        [ $? -eq 4 ] || fail "$c > /dev/full succeeds"
    done
fi

# an option goes before the recipe even where it says the default
echo '{"intact_recipe": 1, "calibration": {"seed": 7, "samples": 4}, "weights": {"per": "tensor"}, "activations": {"scheme": "symmetric"}}' > r.json
recipe_of() { "$intact" info "$1" --json | python3 -c 'import json,sys; r=json.load(sys.stdin)["provenance"]["recipe"]; print(r["calibration"]["seed"], r["weights"]["per"], r["activations"]["scheme"])'; }
expect 0 'calibrated' $quantize -o p.itm --recipe r.json
[ "$(recipe_of p.itm)" = "7 tensor symmetric" ] || fail "recipe: $(recipe_of p.itm)"
expect 0 'calibrated' $quantize -o p.itm --recipe r.json --seed 0 --weights per-channel --activations affine
[ "$(recipe_of p.itm)" = "0 channel affine" ] || fail "options behind a recipe: $(recipe_of p.itm)"

# a budget is kept to the byte, and 8 bits are kept where they fit
bytes=$(stat -c %s q.itm)
expect 0 '8 bits .*holds, best' $quantize -o b.itm --budget size="$bytes" 
[ "$(stat -c %s b.itm)" -le "$bytes" ] || fail "a budget of $bytes bytes gives $(stat -c %s b.itm)"
expect 0 'mixed .*holds, best' $quantize -o b.itm --budget size=$((bytes - 1))
[ "$(stat -c %s b.itm)" -lt "$bytes" ] || fail "a budget of $((bytes - 1)) bytes gives $(stat -c %s b.itm)"

# weights in a file beside the network count in its size, its hash and what tune remembers
python3 - <<'P' || fail "no network with external weights"
def varint(v):
    out = b""
    while v > 127:
        out += bytes([v & 127 | 128]); v >>= 7
    return out + bytes([v])
def field(n, b): return varint(n << 3 | 2) + varint(len(b)) + b
def number(n, v): return varint(n << 3) + varint(v)
def entry(k, v): return field(13, field(1, k) + field(2, v))
def io(name, dims): return field(1, name) + field(2, field(1, number(1, 1) + field(2, b"".join(field(1, d) for d in dims))))
weight = number(1, 4) + number(1, 784) + number(2, 1) + field(8, b"w") + entry(b"location", b"ext.bin") + number(14, 1)
graph = field(1, field(1, b"x") + field(1, b"w") + field(2, b"y") + field(4, b"Gemm") + field(5, field(1, b"transB") + number(3, 1) + number(20, 2))) + field(2, b"g") + field(5, weight)
graph += field(11, io(b"x", [field(2, b"N"), number(1, 784)])) + field(12, io(b"y", [field(2, b"N"), number(1, 4)]))
open("ext.onnx", "wb").write(number(1, 7) + field(7, graph) + field(8, number(2, 13)))
import array, random
for name in ("ext.bin", "ext2.bin"):
    open(name, "wb").write(array.array("f", [random.gauss(0, 1) for _ in range(3136)]).tobytes())
P
sha_of() { "$intact" info "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["provenance"]["model"]["sha256"])'; }
expect 0 'file +12.[0-9] KiB' "$intact" info ext.onnx
expect 0 'calibrated' "$intact" quantize ext.onnx -o a.itm --calib flat.npy --quiet
expect 0 'recipe.json' "$intact" tune ext.onnx --calib flat.npy -o t --quiet
lines=$(wc -l < t/state.jsonl)
python3 -c 'import json; r = json.load(open("t/report.json")); n = [s["step"] for s in r["steps"]]; assert r["intact_tune"] == 1 and len(set(n)) == len(n)' || fail "steps of one name"
expect 0 'recipe.json' "$intact" tune ext.onnx --calib flat.npy -o t --quiet
[ "$(wc -l < t/state.jsonl)" -eq "$lines" ] || fail "tune measures the same again"
cp ext2.bin ext.bin
expect 0 'recipe.json' "$intact" tune ext.onnx --calib flat.npy -o t --quiet
[ "$(wc -l < t/state.jsonl)" -gt "$lines" ] || fail "tune takes figures of other weights"
expect 0 'calibrated' "$intact" quantize ext.onnx -o b.itm --calib flat.npy --quiet
[ "$(sha_of a.itm)" != "$(sha_of b.itm)" ] || fail "other external weights, the same hash"
[ "$(sha_of q.itm)" = "$(sha256sum < net.onnx | cut -d ' ' -f 1)" ] || fail "the hash of a network in one file is not the file's"

# a background class that the labels do not count, for float and integer networks, also in compare
"$intact" new lenet5 -o wide.onnx --classes 1001 --quiet > /dev/null || fail new
"$intact" quantize wide.onnx -o wide.itm --calib x.npy --quiet > /dev/null || fail quantize
for c in "eval wide.onnx" "eval wide.itm" "compare wide.onnx wide.itm --no-layers"; do
    # shellcheck disable=SC2086
    expect 0 'label-offset 1' "$intact" $c --data e.npy --labels l.npy
done

# many answers, and an interrupt
expect 0 '"index"' "$intact" run wide.onnx --input x.npy --top 1001 --json
python3 -c 'import json; t = json.load(open("out"))["top"]; s = [(-p["score"], p["index"]) for p in t]; assert len(t) == 1001 and s == sorted(s)' || fail "--top 1001 is not in order"
"$intact" new vgg16 -o v.onnx > /dev/null 2> err &
pid=$!
sleep 0.7
kill -INT $pid
wait $pid
[ $? -eq 130 ] && [ ! -e v.onnx ] || fail "an interrupted new exits with $?"

# only the batch may be symbolic
python3 - <<'P'
b = open("ext.onnx", "rb").read()
open("dyn.onnx", "wb").write(b.replace(b"\x08\x90\x06", b"\x12\x01H", 1) if b.count(b"\x08\x90\x06") == 1 else b.replace(b"\x0a\x03\x08\x90\x06", b"\x0a\x03\x12\x01H", 1))
P
expect 3 'is symbolic; only the batch may be' "$intact" info dyn.onnx
finish
