#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Networks that come quantized, through the command: without data, with data for what is missing, refused with a reason.
. "$(dirname "$0")/../cli/lib.sh"
for n in qdq_conv qdq_zeros qlinear integer; do cp "$source_dir/fuzz/corpus/absorb/$n" "$tmp/$n.onnx"; done
cat > "$tmp/npy.py" <<'P'
import random, struct, sys
def save(path, *shape):
    random.seed(1)
    n = 1
    for d in shape: n *= d
    head = ("{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }" % ", ".join(map(str, shape))).ljust(117) + "\n"
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<%df" % n, *(random.gauss(0, 1) for _ in range(n))))
def load(path):
    b = open(path, "rb").read()
    at = 10 + struct.unpack("<H", b[8:10])[0]
    return struct.unpack("<%df" % ((len(b) - at) // 4), b[at:])
if sys.argv[1] == "save": save(sys.argv[2], *map(int, sys.argv[3:]))
elif sys.argv[1] == "ties":
    step = float(sys.argv[3])
    random.gauss = lambda *_: step * (random.randrange(-100, 155) + 0.5)
    save(sys.argv[2], *map(int, sys.argv[4:]))
elif sys.argv[1] == "first": # of samples the first
    b = load(sys.argv[2])
    n = len(b) // int(sys.argv[4])
    values = iter(b)
    random.gauss = lambda *_: next(values)
    save(sys.argv[3], 1, *map(int, sys.argv[5:]) if len(sys.argv) > 5 else (n,))
else:
    a, b, step = load(sys.argv[2]), load(sys.argv[3]), float(sys.argv[4])
    off = [abs(x - y) for x, y in zip(a, b)]
    share = sum(d > step / 2 for d in off) / len(off)
    sys.exit(0 if len(a) == len(b) and len(set(a)) > 1 and max(off) <= 1.01 * step and share <= float((sys.argv + [1])[5]) else "differ by %g, %g of them" % (max(off), share))
P

# no data: the scales of the network, and its answers to the next code
for n in "qdq_conv 3 4 4" "qdq_zeros 2 2 2"; do
    set -- $n
    python3 "$tmp/npy.py" save "$tmp/x.npy" 16 "$2" "$3" "$4"
    expect 0 'scales of the network kept' "$intact" quantize "$tmp/$1.onnx" -o "$tmp/$1.itm"
    expect 0 '' "$intact" run "$tmp/$1.onnx" --input "$tmp/x.npy" --output "$tmp/float.npy"
    expect 0 '' "$intact" run "$tmp/$1.itm" --input "$tmp/x.npy" --output "$tmp/int.npy"
    python3 "$tmp/npy.py" check "$tmp/float.npy" "$tmp/int.npy" 0.05 || fail "$1: the integer program answers otherwise"
done
expect 0 'nothing is calibrated' "$intact" quantize "$tmp/qlinear.onnx" -o "$tmp/q.itm"
expect 0 '"given":[1-9]' "$intact" quantize "$tmp/qlinear.onnx" -o "$tmp/q.itm" --json
expect 0 '"scale":0.05' "$intact" quantize "$tmp/qlinear.onnx" -o "$tmp/q.itm" --json
"$intact" quantize "$tmp/qlinear.onnx" -o "$tmp/r.itm" --threads 1 --quiet > /dev/null
cmp "$tmp/q.itm" "$tmp/r.itm" || fail "two runs differ"

# inputs that lie between two codes go to the even one, as QuantizeLinear has it, and the program knows
python3 "$tmp/npy.py" ties "$tmp/x.npy" 0.02 16 3 4 4
expect 0 'input_rounding.*half even' "$intact" info "$tmp/qdq_conv.itm" --json
expect 0 '' "$intact" run "$tmp/qdq_conv.onnx" --input "$tmp/x.npy" --output "$tmp/float.npy"
expect 0 '' "$intact" run "$tmp/qdq_conv.itm" --input "$tmp/x.npy" --output "$tmp/int.npy"
python3 "$tmp/npy.py" check "$tmp/float.npy" "$tmp/int.npy" 0.05 0.05 || fail "ties are rounded otherwise"

# pixels, when the preprocessing is told
expect 0 '' "$intact" quantize "$tmp/qdq_conv.onnx" -o "$tmp/p.itm" --preprocess cifar
expect 0 'std=0.229' "$intact" info "$tmp/p.itm" --json
expect 4 'images feed networks' "$intact" quantize "$tmp/qdq_zeros.onnx" -o "$tmp/never.itm" --preprocess cifar

# ranges that are found while running
python3 "$tmp/npy.py" save "$tmp/x.npy" 16 2 3 3
expect 3 'DynamicQuantizeLinear.*--calib' "$intact" quantize "$tmp/integer.onnx" -o "$tmp/never.itm"
expect 0 '' "$intact" run "$tmp/integer.onnx" --input "$tmp/x.npy" --output "$tmp/all.npy"
python3 "$tmp/npy.py" first "$tmp/x.npy" "$tmp/one.npy" 16 2 3 3
expect 0 '' "$intact" run "$tmp/integer.onnx" --input "$tmp/one.npy" --output "$tmp/first.npy"
python3 "$tmp/npy.py" first "$tmp/all.npy" "$tmp/all.npy" 16
python3 "$tmp/npy.py" check "$tmp/all.npy" "$tmp/first.npy" 0 || fail "the range of a sample depends on the samples beside it"
expect 0 'calibrated on 16 samples' "$intact" quantize "$tmp/integer.onnx" -o "$tmp/d.itm" --calib "$tmp/x.npy"

# methods want float weights
python3 "$tmp/npy.py" save "$tmp/x.npy" 16 3 4 4
expect 2 'came quantized' "$intact" quantize "$tmp/qdq_conv.onnx" -o "$tmp/never.itm" --calib "$tmp/x.npy" --apply equalize
# a search has nothing to change in them, and says so; what has no scale is still calibrated
expect 0 'came quantized: equalization.*left out' "$intact" tune "$tmp/qdq_conv.onnx" --calib "$tmp/x.npy" -o "$tmp/tune"
python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); sys.exit([s["step"] for s in j["steps"]] != ["as it came"])' "$tmp/tune/report.json" || fail "tune of what came quantized tries more than it can"
expect 0 'holds, best' "$intact" quantize "$tmp/qdq_conv.onnx" -o "$tmp/b.itm" --calib "$tmp/x.npy" --budget size=100k
[ -s "$tmp/b.itm" ] || fail "a budget that holds leaves no program"
expect 2 'came quantized, and keeps the bits' "$intact" quantize "$tmp/qdq_conv.onnx" -o "$tmp/never.itm" --calib "$tmp/x.npy" --budget size=1k
python3 "$tmp/npy.py" save "$tmp/y.npy" 16 2 3 3
expect 0 'calibrators are for what has no scale' "$intact" tune "$tmp/integer.onnx" --calib "$tmp/y.npy" -o "$tmp/tune2"
[ -e "$tmp/never.itm" ] && fail "a refused network left a file"
finish
