#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# intact export: every format is written, read again, and says what the program says; wrong use is told.
. "$(dirname "$0")/lib.sh"

net=$source_dir/tests/golden/fashion_resnet8.itm
expect 2 'needs -o' "$intact" export "$net"
expect 2 'MODEL|PROGRAM' "$intact" export -o "$tmp/a.onnx"
expect 2 "did you mean qop" "$intact" export "$net" -o "$tmp/a.onnx" --format qap
expect 2 "default is qdq" "$intact" export "$net" -o "$tmp/a.onnx" --format zzzzzzzz
expect 2 'float or pixels' "$intact" export "$net" -o "$tmp/a.onnx" --input bytes
expect 4 'cannot' "$intact" export "$tmp/none.itm" -o "$tmp/a.onnx"
expect 4 'nowhere' "$intact" export "$net" -o /nowhere/at/all.onnx
[ -e "$tmp/a.onnx" ] && fail "a failed command left a file"

for format in qdq qop; do
    for input in float pixels; do
        expect 0 'operators' "$intact" export "$net" -o "$tmp/$format.$input.onnx" --format $format --input $input
        expect 0 'QuantizeLinear' "$intact" info "$tmp/$format.$input.onnx"
    done
    expect 0 'image: float Nx1x28x28' "$intact" info "$tmp/$format.float.onnx"
    expect 0 'pixels: uint8 Nx28x28x1' "$intact" info "$tmp/$format.pixels.onnx"
done
expect 0 '"foreign": ?0' "$intact" export "$net" -o "$tmp/a.onnx" --json
expect 2 'no integer program' "$intact" export "$tmp/a.onnx" -o "$tmp/b.onnx"
cmp "$tmp/a.onnx" "$tmp/qdq.float.onnx" || fail "one program, two files"

head -c 3000 "$net" > "$tmp/cut.itm"
expect 4 'bytes' "$intact" export "$tmp/cut.itm" -o "$tmp/b.onnx"

# the same answers on real images, where there are any
[ -d "$fashion" ] || rest "Debian's package dataset-fashion-mnist is not installed"
"$intact" compare "$tmp/qdq.float.onnx" "$net" --data "$fashion/t10k-images-idx3-ubyte.gz" --limit 300 --json --quiet > "$tmp/c.json" || fail "compare"
grep -qE '"agreement": ?(1|0\.99)' "$tmp/c.json" || fail "the exported network answers otherwise: $(head -c 300 "$tmp/c.json")"
finish
