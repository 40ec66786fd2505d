#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The page of a training run in a browser: curves are drawn, nothing overflows from 360 to 1600 pixels, also for one epoch and without validation.
. "$(dirname "$0")/../cli/lib_train.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip "no chromium to look at the page with"
make_idx a 100 1
make_idx b 60 2
make_net s.onnx
# shellcheck disable=SC2086 # words
"$intact" train s.onnx -o t.onnx $data --epochs 30 --batch 20 --lr 0.02 --warmup 1 --report many.html --quiet > /dev/null || fail "train"
"$intact" train s.onnx -o t.onnx --data a-images-idx3-ubyte --epochs 1 --batch 20 --report one.html --quiet > /dev/null || fail "train, one epoch"
look() { HOME=$tmp timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$tmp/profile" "$@" 2> /dev/null; }
for page in many one; do
    sed -e 's#</body>#<script>const d=document.documentElement,all=[...document.querySelectorAll("svg")];const flat=all.filter(e=>e.getBoundingClientRect().height<20||!e.querySelector("circle")).length;const cut=[...document.querySelectorAll(".cards b")].filter(e=>e.scrollWidth>e.clientWidth).length;document.body.setAttribute("data-seen",`wide=${d.scrollWidth-d.clientWidth} flat=${flat} cut=${cut} plots=${all.length}`)</script></body>#' $page.html > open.html
    look --dump-dom "file://$tmp/open.html" > dom || skip "chromium does not start here"
    grep -q data-seen dom || skip "chromium does not start here"
    for width in 360 800 1600; do
        seen=$(look --window-size=$width,2000 --dump-dom "file://$tmp/open.html" | grep -o 'data-seen="[^"]*"')
        [ "$seen" = 'data-seen="wide=0 flat=0 cut=0 plots=3"' ] || fail "$page at $width pixels: $seen"
    done
done
finish
