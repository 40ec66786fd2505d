#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# examples/classify.c, built against the runtime alone, gives the answer of 'intact run'.
. "$(dirname "$0")/../cli/lib.sh"
[ -d $fashion ] || skip "Debian's package dataset-fashion-mnist is not installed"
lib=${INTACT_BUILD:?}/libintact-run.a
[ -f "$lib" ] || lib=$(find "$INTACT_BUILD" -name libintact-run.a | head -1)
sanitize=$(grep -oE '^INTACT_SANITIZE:[A-Z]+=.+' "$INTACT_BUILD/CMakeCache.txt" | cut -d= -f2)
cc=$(grep -oE '^CMAKE_C_COMPILER:[A-Z]+=.+' "$INTACT_BUILD/CMakeCache.txt" | cut -d= -f2)
"${cc:-cc}" -std=c11 -Wall -Wextra -Werror ${sanitize:+-fsanitize=$sanitize} -I"$source_dir/include" "$source_dir/examples/classify.c" "$lib" -pthread -o "$tmp/classify" || fail "does not build"
"$intact" quantize "$source_dir/models/fashion_resnet8.onnx" -o "$tmp/net.itm" --calib $fashion/t10k-images-idx3-ubyte.gz --samples 64 --quiet > /dev/null || fail quantize
for i in 0 1 2 3 4 5 6 7; do
    gzip -dc $fashion/t10k-images-idx3-ubyte.gz | tail -c +$((17 + 784 * i)) 2> /dev/null | head -c 784 > "$tmp/$i.raw"
    answer=$("$tmp/classify" "$tmp/net.itm" "$tmp/$i.raw" | grep -oE 'class [0-9]+')
    label=$(gzip -dc $fashion/t10k-labels-idx1-ubyte.gz | od -An -tu1 -j$((8 + i)) -N1 | tr -d ' ')
    [ "$answer" = "class $label" ] && right=$((${right:-0} + 1))
done
[ "${right:-0}" -ge 6 ] || fail "only ${right:-0} of 8 test images are classified right"
expect 1 'bytes of pixels' "$tmp/classify" "$tmp/net.itm" /dev/null
expect 2 usage "$tmp/classify"
# a program whose calibration data were arrays takes no pixels: said, not computed
python3 - "$tmp/x.npy" <<'P' || fail "writing an array"
import struct, sys
head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (8, 1, 28, 28), }"
head += b" " * (117 - len(head)) + b"\n"
open(sys.argv[1], "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + struct.pack("<6272f", *[i % 255 / 255 for i in range(6272)]))
P
"$intact" quantize "$source_dir/models/fashion_resnet8.onnx" -o "$tmp/array.itm" --calib "$tmp/x.npy" --quiet > /dev/null || fail "quantize with an array"
expect 1 'does not take pixels' "$tmp/classify" "$tmp/array.itm" "$tmp/0.raw"
finish
