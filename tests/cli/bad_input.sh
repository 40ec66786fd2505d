#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What users get wrong: a sentence and the right exit code every time, and no half-written file.
. "$(dirname "$0")/lib.sh"
[ -d $fashion ] || skip "Debian's package dataset-fashion-mnist is not installed"
model=$source_dir/models/fashion_resnet8.onnx
test_images=$fashion/t10k-images-idx3-ubyte.gz

# files that are not networks
expect 4 'No such file|cannot be opened' "$intact" info "$tmp/none.onnx"
: > "$tmp/empty.onnx"
expect 4 'empty' "$intact" info "$tmp/empty.onnx"
expect 4 "$tmp" "$intact" info "$tmp"
echo 'this is not a network' > "$tmp/text.onnx"
expect 4 'text.onnx' "$intact" info "$tmp/text.onnx"
for n in 1 10 100 1000 100000 300000; do
    head -c $n "$model" > "$tmp/cut.onnx"
    expect 4 'cut.onnx' "$intact" info "$tmp/cut.onnx"
done

# a good program, then a damaged one
expect 2 'needs --calib' "$intact" quantize "$model" -o "$tmp/never.itm"
expect 0 'calibrated on 32' "$intact" quantize "$model" -o "$tmp/good.itm" --calib $test_images --samples 32
for n in 3 20 100 5000 50000; do
    head -c $n "$tmp/good.itm" > "$tmp/cut.itm"
    expect 4 'cut.itm' "$intact" info "$tmp/cut.itm"
done
python3 - "$tmp/good.itm" "$tmp" <<'P'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
for i, at in enumerate([0, 8, 16, 33, 40, 60, 100, len(data) // 3, len(data) // 2, len(data) - 1]):
    bad = bytearray(data)
    bad[at] ^= 0x5a
    open(f"{sys.argv[2]}/flip{i}.itm", "wb").write(bad)
P
for f in "$tmp"/flip*.itm; do
    expect 4 "$(basename "$f")" "$intact" info "$f"
done

expect 4 'integer program .* already' "$intact" quantize "$tmp/good.itm" -o "$tmp/never.itm" --calib $test_images --samples 8
cp "$tmp/good.itm" "$tmp/newer.itm"
printf '\x07' | dd of="$tmp/newer.itm" bs=1 seek=4 conv=notrunc 2> /dev/null
expect 3 'version 7' "$intact" info "$tmp/newer.itm"

# data
expect 4 'none.idx|No such file' "$intact" eval "$model" --data "$tmp/none.idx"
mkdir "$tmp/void"
expect 4 'void' "$intact" eval "$model" --data "$tmp/void"
mkdir -p "$tmp/classes/a" "$tmp/classes/b"
expect 4 'classes' "$intact" eval "$model" --data "$tmp/classes"
echo 'no image at all' > "$tmp/classes/a/1.jpg"
echo 'nor here' > "$tmp/classes/b/2.png"
expect 4 'none of the 2 samples' "$intact" eval "$model" --data "$tmp/classes"
expect 4 'none of the 2 samples' "$intact" quantize "$model" -o "$tmp/never.itm" --calib "$tmp/classes"
cp $test_images "$tmp/lonely-images-idx3-ubyte.gz"
expect 4 'label' "$intact" eval "$model" --data "$tmp/lonely-images-idx3-ubyte.gz"
expect 4 'label.*out|outputs' "$intact" eval "$model" --data $test_images --label-offset 5 --limit 100
expect 2 'unknown|did you mean|nearest' "$intact" eval "$model" --data $test_images --preprocess imagnet
expect 4 'takes 28x28' "$intact" eval "$model" --data $test_images --preprocess crop=20 --limit 10

# arrays of the wrong layout, broken weights, the network as its own output, corrupt images among good ones
python3 - "$tmp" <<'P'
import array, sys
def npy(path, shape, kind, values):
    head = ("{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }" % (kind, ", ".join(map(str, shape)))).encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + values)
npy(sys.argv[1] + "/nhwc.npy", [2, 28, 28, 1], "<f4", array.array("f", [0.5] * 1568).tobytes())
npy(sys.argv[1] + "/flat.npy", [2, 784], "<f4", array.array("f", [0.5] * 1568).tobytes())
npy(sys.argv[1] + "/long.npy", [2, 1, 28, 29], "<f4", array.array("f", [0.5] * 1624).tobytes())
npy(sys.argv[1] + "/labels.npy", [2], "<i8", array.array("q", [0, 0]).tobytes())
P
expect 0 '0\.' "$intact" run "$model" --input "$tmp/flat.npy"
expect 4 '28x28x1.*1x28x28' "$intact" run "$model" --input "$tmp/nhwc.npy"
expect 4 '1x28x29.*1x28x28' "$intact" eval "$model" --data "$tmp/long.npy" --labels "$tmp/labels.npy"
python3 - "$model" "$tmp/nan.onnx" <<'P'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
at = max(range(0, len(data) - 4000, 4), key=lambda i: i if i < len(data) // 2 else 0)
data[at:at + 4] = struct.pack("<f", float("nan"))
open(sys.argv[2], "wb").write(data)
P
expect 4 'nan' "$intact" eval "$tmp/nan.onnx" --data $test_images --limit 8
cp "$model" "$tmp/self.onnx"
ln "$tmp/self.onnx" "$tmp/link.onnx"
expect 2 'is the float network itself' "$intact" quantize "$tmp/self.onnx" -o "$tmp/link.onnx" --calib $test_images --samples 8
cmp -s "$model" "$tmp/self.onnx" || fail "the float network was overwritten"
python3 - "$tmp/classes" $test_images <<'P'
import gzip, struct, sys, zlib
raw = gzip.open(sys.argv[2]).read()[16:]
chunk = lambda k, d: struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
for i in range(3):
    rows = b"".join(b"\0" + raw[784 * i + 28 * r:784 * i + 28 * r + 28] for r in range(28))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    open(f"{sys.argv[1]}/a/good{i}.png", "wb").write(png)
P
expect 0 '3 samples.*2 unreadable' "$intact" eval "$model" --data "$tmp/classes"
grep -q 'a/1.jpg' "$tmp/err" && grep -q 'b/2.png' "$tmp/err" || fail "not every unreadable sample is named: $(cat "$tmp/err")"
expect 0 'calibrated on 3 samples \(2 unreadable' "$intact" quantize "$model" -o "$tmp/some.itm" --calib "$tmp/classes"

head -c 1000000 $test_images > "$tmp/cut-images-idx3-ubyte.gz"
expect 4 'cut off: its 1000000 bytes end in the middle' "$intact" eval "$model" --data "$tmp/cut-images-idx3-ubyte.gz"
head -c 3100 "$model" > "$tmp/odd.bin"
expect 4 'records of 3073 bytes .27 are left over' "$intact" eval "$model" --data "$tmp/odd.bin"

# output onto a link: its target is replaced, the link stays
mkdir "$tmp/elsewhere"
echo old > "$tmp/elsewhere/real.itm"
ln -s elsewhere/real.itm "$tmp/link.itm"
expect 0 'calibrated on 8' "$intact" quantize "$model" -o "$tmp/link.itm" --calib $test_images --samples 8
[ -L "$tmp/link.itm" ] && [ "$(head -c 3 "$tmp/elsewhere/real.itm")" = ITM ] || fail "the target of a link was not replaced"

# output that cannot be written
expect 4 'no/such' "$intact" quantize "$model" -o "$tmp/no/such/out.itm" --calib $test_images --samples 8
if [ -w /dev/full ]; then
    "$intact" info "$model" > /dev/full 2> "$tmp/err" && fail "writing to a full device succeeded"
fi
cp "$tmp/good.itm" "$tmp/kept.itm"
sum=$(sha256sum < "$tmp/kept.itm")
( ulimit -f 8; "$intact" quantize "$model" -o "$tmp/kept.itm" --calib $test_images --samples 16 > /dev/null 2> "$tmp/err"; echo $? > "$tmp/rc" )
[ "$(cat "$tmp/rc")" -ne 0 ] || fail "a file beyond the limit was written"
[ "$(sha256sum < "$tmp/kept.itm")" = "$sum" ] || fail "the old file did not stay whole"
ls -A "$tmp" | grep -qiE 'kept.*(tmp|part)|^\.kept' && fail "a temporary was left: $(ls -A "$tmp")"

# an interrupt while it works
rm -f "$tmp/interrupted.itm"
"$intact" quantize "$model" -o "$tmp/interrupted.itm" --calib $fashion/train-images-idx3-ubyte.gz --samples 60000 > /dev/null 2> "$tmp/err" &
pid=$!
sleep 0.7
kill -INT $pid
wait $pid
rc=$?
[ $rc -eq 130 ] || fail "an interrupted command exits with 130, not $rc: $(cat "$tmp/err")"
[ -e "$tmp/interrupted.itm" ] && fail "an interrupted command left a file"
ls -A "$tmp" | grep -q 'interrupted' && fail "an interrupted command left a temporary"
finish
