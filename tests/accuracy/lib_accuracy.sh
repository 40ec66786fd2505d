# SPDX-License-Identifier: Apache-2.0
# lib_accuracy.sh: one row of the accuracy table: calibrate, evaluate both on the same samples, hold against a bound.
. "$(dirname "$0")/../cli/lib.sh"
there=$(shared)
[ -n "$there" ] || skip "no networks and data made by others (INTACT_DATA or ../shared)"
data=$("$there/data/unpack") || skip "the data could not be unpacked"

# row NETWORK CALIB EVAL BOUND FLOAT_EXPECTED SAMPLES [options for both]
# A loss exceeds its bound when it does so by more than two standard errors of the paired difference.
row() {
    local name=$1 calib=$2 eval=$3 bound=$4 expected=$5 samples=$6
    shift 6
    local pre=() off=()
    while [ $# -gt 0 ]; do
        case $1 in
        --preprocess) pre=(--preprocess "$2"); shift 2 ;;
        --label-offset) off=(--label-offset "$2"); shift 2 ;;
        esac
    done
    "$intact" quantize "$there/data/models/$name.onnx" -o "$tmp/$name.itm" --calib "$calib" --samples "$samples" "${pre[@]}" --quiet > "$tmp/q" || { fail "$name: quantize"; return; }
    "$intact" eval "$tmp/$name.itm" --data "$eval" --against "$there/data/models/$name.onnx" "${off[@]}" --quiet --json > "$tmp/e" || { fail "$name: eval"; return; }
    python3 - "$name" "$bound" "$expected" "$tmp/e" "$tmp/row" <<'P' || fail "$name: $(cat "$tmp/row")"
import json, sys
name, bound, expected = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
e = json.load(open(sys.argv[4]))
loss, error, top = 100 * e["loss"], 100 * e["loss_standard_error"], 100 * e["top1_against"]
line = f'{name}: float {top:.2f} %, integer {100 * e["top1"]:.2f} %, loss {loss:.2f} (bound {bound}, standard error {error:.2f}), same answer {100 * e["agreement"]:.2f} %, n {e["n"]}'
print(line)
open(sys.argv[5], "w").write(line)
sys.exit(0 if loss <= bound + 2 * error and abs(top - expected) <= 0.2 else 1)
P
}
