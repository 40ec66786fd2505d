#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on Fashion-MNIST through the command: accuracy kept, every CPU level, thread count and run the same bytes.
. "$(dirname "$0")/lib.sh"
[ -d $fashion ] || skip "Debian's package dataset-fashion-mnist is not installed"
model=$source_dir/models/fashion_resnet8.onnx
train=$fashion/train-images-idx3-ubyte.gz
images=$fashion/t10k-images-idx3-ubyte.gz
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
check() { python3 -c "import sys; sys.exit(0 if ($1) else 1)" || fail "$1"; }

"$intact" quantize "$model" -o "$tmp/a.itm" --calib $train --samples 512 --quiet --threads 1 > /dev/null || fail quantize
"$intact" quantize "$model" -o "$tmp/b.itm" --calib $train --samples 512 --quiet --threads 2 > /dev/null || fail quantize
cmp "$tmp/a.itm" "$tmp/b.itm" || fail "the program depends on the number of threads"
float=$("$intact" eval "$model" --data $images --json | field top1)
integer=$("$intact" eval "$tmp/a.itm" --data $images --json | field top1)
check "$float >= 0.93"
check "$integer >= $float - 0.002"
levels=$("$intact" completion | sed -n "s/^ *bench:--cpu) .*compgen -W 'auto \([a-z0-9 ]*\)'.*/\1/p")
case $levels in scalar\ *) ;; *) fail "completion lists no CPU levels: '$levels'" ;; esac
for cpu in $levels; do
    [ $cpu = scalar ] || "$intact" info "$tmp/a.itm" --cpu $cpu > /dev/null 2>&1 || continue
    top=$("$intact" eval "$tmp/a.itm" --data $images --limit 2000 --cpu $cpu --json --threads 2 | field top1)
    [ -n "${first:=$top}" ] && [ "$top" = "$first" ] || fail "level $cpu gives $top, others $first"
done
# outputs, bytes, every level
python3 - "$tmp" $images <<'P' || fail "no png"
import gzip, struct, sys, zlib
raw = gzip.open(sys.argv[2]).read()[16:]
def png(path, pixels):
    chunk = lambda k, d: struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
    rows = b"".join(b"\0" + pixels[28 * i:28 * i + 28] for i in range(28))
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for i in range(5):
    png(f"{sys.argv[1]}/{i}.png", raw[784 * i:784 * i + 784])
P
for i in 0 1 2 3 4; do
    "$intact" run "$tmp/a.itm" --input "$tmp/$i.png" --output "$tmp/$i.npy" --quiet --cpu scalar > /dev/null || fail "run $i"
    for cpu in ${levels#scalar }; do
        "$intact" info "$tmp/a.itm" --cpu $cpu > /dev/null 2>&1 || continue
        "$intact" run "$tmp/a.itm" --input "$tmp/$i.png" --output "$tmp/$i.$cpu.npy" --quiet --cpu $cpu > /dev/null || fail "run $i $cpu"
        cmp "$tmp/$i.npy" "$tmp/$i.$cpu.npy" || fail "image $i differs at $cpu"
    done
done
# every method makes a working program
for m in max percentile:99.99 mse; do
    "$intact" quantize "$model" -o "$tmp/m.itm" --calib $train --samples 128 --method $m --quiet > /dev/null || fail "method $m"
    top=$("$intact" eval "$tmp/m.itm" --data $images --json | field top1)
    check "$top >= $float - 0.005"
done
"$intact" quantize "$model" -o "$tmp/m.itm" --calib $train --samples 128 --method entropy --quiet > /dev/null || fail "method entropy"
check "$("$intact" eval "$tmp/m.itm" --data $images --json | field top1) >= $float - 0.02" # clips this network hard: docs/ACCURACY.md
# gates and key sets
expect 0 'points' "$intact" eval "$tmp/a.itm" --data $images --limit 2000 --against "$model" --max-loss 0.5 --min-top1 90
expect 1 'the gate is' "$intact" eval "$tmp/a.itm" --data $images --limit 2000 --min-top1 99.9
expect 1 'the gate is' "$intact" eval "$tmp/m.itm" --data $images --limit 2000 --min-top1 99 --json
expect 2 'needs --against' "$intact" eval "$tmp/a.itm" --data $images --max-loss 1
keys() { python3 -c 'import json,sys; d=json.load(sys.stdin); sys.exit(0 if all(k in d for k in sys.argv[1:]) else 1)' "$@" || fail "JSON lacks one of: $*"; }
"$intact" eval "$tmp/a.itm" --data $images --limit 100 --json | keys n top1 top5 seconds
"$intact" eval "$tmp/a.itm" --data $images --limit 100 --against "$model" --json | keys n top1 top5 seconds loss loss_standard_error
"$intact" bench "$tmp/a.itm" --seconds 0.1 --json | keys threads batch min_ms median_ms p90_ms p99_ms
"$intact" info "$tmp/a.itm" --json | keys ops macs parameters file_bytes peak_bytes
for o in "--activations symmetric" "--weights per-tensor" "--weight-bits 6 --act-bits 6" "--weight-bits 4 --keep8 none"; do
    # shellcheck disable=SC2086
    "$intact" quantize "$model" -o "$tmp/o.itm" --calib $train --samples 128 $o --quiet > /dev/null || fail "options $o"
    top=$("$intact" eval "$tmp/o.itm" --data $images --json | field top1)
    check "$top >= 0.5"
done
"$intact" compare "$model" "$tmp/a.itm" --data $images --limit 1000 > "$tmp/compare" || fail compare
grep -q 'McNemar' "$tmp/compare" && grep -q 'SQNR' "$tmp/compare" || fail "compare lacks McNemar or SQNR"
"$intact" compare "$model" "$tmp/a.itm" --data $images --limit 1000 --json | python3 -c '
import json, sys
c = json.load(sys.stdin)
sys.exit(0 if c["agreement"] > 0.97 and len(c["layers"]) >= 10 and all(l["sqnr_db"] is None or l["sqnr_db"] > 15 for l in c["layers"]) else 1)' || fail "compare finds a bad layer"
"$intact" info "$tmp/a.itm" --json | python3 -c '
import json, sys
i = json.load(sys.stdin)
sys.exit(0 if i["macs"] > 1e6 and i["peak_bytes"] > 0 and i["provenance"]["calibration"]["samples"] == 512 else 1)' || fail "info"
"$intact" bench "$tmp/a.itm" --seconds 0.2 --threads 2 --batch 3 --json | field p99_ms > /dev/null || fail bench
finish
