#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A search's report: steps, sensitivity and the curve of size against accuracy are in page and JSON, beside all that a quantization tells; a network
# of more than fifty layers with long names fits the page.
. "$(dirname "$0")/lib.sh"
[ -d $fashion ] || skip "Debian's package dataset-fashion-mnist is not installed"
cd "$tmp" || exit 1
expect 0 'holds, best' "$intact" quantize "$source_dir/models/fashion_resnet8.onnx" -o s.itm --calib $fashion/train-images-idx3-ubyte.gz --samples 32 --eval $fashion/t10k-images-idx3-ubyte.gz \
    --eval-limit 200 --max-drop 100 --prefer size --report s.html --report-json s.json --quiet
python3 - <<'P' || fail "the search's report is not as it should be"
import json, re
j, page = json.load(open("s.json")), open("s.html", encoding="utf-8").read()
assert j["output"] == "s.itm" and len(j["steps"]) > 2 and len(j["points"]) > 1 and j["layers"] and j["eval"]["labelled"] == 200
assert sum(p["chosen"] for p in j["points"]) == 1 and all(s["bytes"] > 0 for s in j["steps"])
rows = j["sensitivity"]
assert len(rows) >= 8 and all(r["cause"] for r in rows) and sum(bool(r["line"]) for r in rows) > len(rows) / 2 and j["sensitivity_samples"] == 64
assert j["bound"] == "at most 100 points of top-1 lost" and "To be held: at most 100 points" in page and sum(s["chosen"] for s in j["steps"]) == 1
assert all(abs(s["drop"]) <= 1 and s["drop_standard_error"] >= 0 for s in j["steps"])
sections = re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.S)
assert [s for s, _ in sections] == ["summary", "accuracy", "next", "done", "layers", "sensitivity", "steps", "pareto", "details"], [s for s, _ in sections]
for name, text in sections:
    if name in ("sensitivity", "pareto"): assert text.count("<circle") > 1, name
import os
assert os.path.getsize("s.itm") == j["file_bytes"], (os.path.getsize("s.itm"), j["file_bytes"])
P
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || rest "no chromium to look at the page with"
normal calib.npy 1 12 3 32 32
"$intact" new mobilenet_v2 -o m.onnx --seed 1 --input 3x32x32 --quiet > /dev/null || fail "new mobilenet_v2"
expect 0 'holds, best' "$intact" quantize m.onnx -o m.itm --calib calib.npy --budget size=1.6M --report m.html --quiet
look() { HOME=$tmp timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$tmp/profile" "$@" 2> /dev/null; }
# names as exporters of large networks make them, without a place to break; the measuring script is the test's
sed -e 's/conv/MobileNetV2_expanded_conv_16_project_BatchNorm_FusedBatchNormV3_of_a_very_long_name/g' -e 's/<details>/<details open>/g' -e 's#</body>#<script>const d=document.documentElement;let s=[...document.querySelectorAll("svg")].filter(e=>e.getBoundingClientRect().height<20||!e.querySelector("circle,rect,path[d*=v]")).length;document.body.setAttribute("data-seen",`wide=${d.scrollWidth-d.clientWidth} empty=${s} rows=${document.querySelectorAll("\#sensitivity tbody tr").length}`)</script></body>#' m.html > open.html
look --dump-dom "file://$tmp/open.html" > dom || fail "$browser does not show the page: exit code $?"
grep -q 'data-seen' dom || fail "the page's measuring script did not run in $browser"
for width in 360 800 1600; do
    seen=$(look --window-size=$width,2000 --dump-dom "file://$tmp/open.html" | grep -o 'data-seen="[^"]*"')
    case $seen in
        *'wide=0 empty=0 rows='[5-9][0-9]*) ;;
        *) fail "at $width pixels: $seen" ;;
    esac
done
finish
