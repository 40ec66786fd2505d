#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The page in a browser: drawn in light and dark, nothing overflows from 360 to 1600 pixels, no console message.
. "$(dirname "$0")/lib.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip "no chromium to look at the page with"
make_data
"$intact" quantize "$tmp/n.onnx" -o "$tmp/n.itm" --calib "$tmp/calib.npy" --weight-bits 4 --report "$tmp/r.html" --eval "$tmp/eval.npy" --quiet > /dev/null 2>&1 || fail "no report"
look() { HOME=$tmp timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$tmp/profile" "$@" 2> /dev/null; }

# everything unfolded; the measuring script is the test's
sed -e 's/<details>/<details open>/g' -e 's#</body>#<script>const d=document.documentElement;let s=[...document.querySelectorAll("svg")].filter(e=>e.getBoundingClientRect().height<20).length;document.body.setAttribute("data-seen",`wide=${d.scrollWidth-d.clientWidth} flat=${s} width=${d.clientWidth}`)</script></body>#' "$tmp/r.html" > "$tmp/open.html"
look --dump-dom "file://$tmp/open.html" > "$tmp/dom" || skip "chromium does not start here"
grep -q 'data-seen' "$tmp/dom" || skip "chromium does not start here"
for width in 360 800 1600; do
    seen=$(look --window-size=$width,2000 --dump-dom "file://$tmp/open.html" | grep -o 'data-seen="[^"]*"')
    case $seen in
        *'wide=0 flat=0 '*) ;;
        *) fail "at $width pixels: $seen" ;;
    esac
done
# cards in rows of one length, or one less; no column of sentences is cut off
"$intact" quantize "$tmp/n.onnx" -o "$tmp/n.itm" --calib "$tmp/calib.npy" --report "$tmp/few.html" --quiet > /dev/null 2>&1 || fail "no report"
for page in r few; do
    sed -e 's#</body>#<script>const rows={};for(const e of document.querySelectorAll(".cards li")){const b=e.getBoundingClientRect();(rows[b.top]??=[]).push(b.width)}const w=Object.values(rows),most=Math.max(...w.map(r=>r.length)),all=document.documentElement.clientWidth;const lone=w.filter(r=>r.length===1\&\&most>1\&\&r[0]<all*0.7).length;const cut=[...document.querySelectorAll(".stack td")].filter(e=>e.getBoundingClientRect().right>all).length;document.body.setAttribute("data-seen",`lone=${lone} short=${w.filter(r=>r.length<most-1\&\&r[0]<all*0.7).length} cut=${cut} lines=${document.querySelectorAll(".stack code").length>0}`)</script></body>#' "$tmp/$page.html" > "$tmp/cards.html"
    for width in 360 420 800 1280 1600; do
        seen=$(look --window-size=$width,2000 --dump-dom "file://$tmp/cards.html" | grep -o 'data-seen="[^"]*"')
        [ "$seen" = 'data-seen="lone=0 short=0 cut=0 lines=true"' ] || fail "$page at $width pixels: $seen"
    done
done
for scheme in 0 1; do
    look --blink-settings=preferredColorScheme=$scheme --window-size=1000,2000 --screenshot="$tmp/s$scheme.png" "file://$tmp/open.html" > /dev/null
    [ "$(stat -c %s "$tmp/s$scheme.png" 2> /dev/null || echo 0)" -gt 40000 ] || fail "an empty picture"
done
cmp -s "$tmp/s0.png" "$tmp/s1.png" && fail "light and dark are the same"
finish
