#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# intact quantize --report: the page is whole and needs nothing else, JSON says the same, advice can be followed, threads leave no trace.
. "$(dirname "$0")/lib.sh"
make_data
quantize() { "$intact" quantize "$tmp/n.onnx" --calib "$tmp/calib.npy" --quiet "$@"; }

expect 2 'report' "$intact" quantize "$tmp/n.onnx" -o "$tmp/n.itm" --calib "$tmp/calib.npy" --eval "$tmp/eval.npy"
expect 4 'has no labels' "$intact" quantize "$tmp/n.onnx" -o "$tmp/n.itm" --calib "$tmp/calib.npy" --eval "$tmp/eval.npy" --max-drop 1 --report "$tmp/no.html" --quiet
expect 4 'nowhere' quantize -o "$tmp/n.itm" --report /nowhere/at/all.html
expect 4 'missing.npy' quantize -o "$tmp/n.itm" --report "$tmp/no.html" --eval "$tmp/missing.npy"
[ -e "$tmp/no.html" ] && fail "a failed command left a report"
for t in 1 3; do
    expect 0 '' quantize -o "$tmp/n.itm" --weight-bits 3 --report "$tmp/r$t.html" --report-json "$tmp/r$t.json" --eval "$tmp/eval.npy" --threads $t
done
cmp "$tmp/r1.html" "$tmp/r3.html" || fail "the page depends on the threads"
cmp "$tmp/r1.json" "$tmp/r3.json" || fail "the JSON depends on the threads"

python3 - "$tmp" <<'P' || fail "the report is not as it should be"
import html.parser, json, re, sys
tmp = sys.argv[1]
page, j = open(tmp + "/r1.html", encoding="utf-8").read(), json.load(open(tmp + "/r1.json"))

class Balance(html.parser.HTMLParser):
    void, stack, ids, links = {"meta", "br"}, [], set(), set()
    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag not in self.void: self.stack.append(tag)
        if "id" in a: assert a["id"] not in self.ids, a["id"]; self.ids.add(a["id"])
        if tag == "a": self.links.add(a["href"].lstrip("#"))
        assert tag not in ("script", "link", "img", "iframe"), tag
    def handle_startendtag(self, tag, attrs): pass
    def handle_endtag(self, tag): assert self.stack.pop() == tag, tag
b = Balance()
b.feed(page)
assert not b.stack and b.links <= b.ids, (b.stack, b.links - b.ids)
assert "http:" not in page and "https:" not in page and "url(" not in page and "nan" not in re.sub("<[^>]*>", "", page).lower().split()
sections = re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.S)
assert [s for s, _ in sections] == ["summary", "accuracy", "next", "done", "layers", "details"], [s for s, _ in sections]
plots = re.findall(r"<svg.*?</svg>", page, re.S)
for p in plots:
    assert "<title>" in p and (re.search(r'<path class="[ab]" d="M[^"]{20}', p) or p.count("<circle") > 5), p[:300]
weighty = [l for l in j["layers"] if l["weights"]]
assert len(plots) == 1 + len(weighty) + sum(1 for l in j["layers"] if l["activations"]["histogram"]), len(plots)
assert j["intact_report"] == 1 and j["samples"] == 12 and j["measured_samples"] == 12 and j["eval"]["samples"] == 8 and len(weighty) == 8
for l in j["layers"]:
    a = l["activations"]
    assert a["lo"] <= 0 <= a["hi"] and l["db"] is not None and (a["bits"] == 16 or a["own_db"] < 70), l["name"]
    assert l["db"] <= a["own_db"] + 3, (l["name"], l["db"], a["own_db"])
    if a["histogram"]: assert sum(a["histogram"]["bars"]) == a["histogram"]["count"] and len(a["histogram"]["bars"]) == 64
bits = sorted(l["weights"]["bits"] for l in weighty)
assert bits == [3] * 6 + [8] * 2, bits
for l in weighty: assert (l["weights"]["db"] > 35) == (l["weights"]["bits"] == 8), (l["name"], l["weights"]["db"])
lines = [a for a in j["advice"] if a["where"] in ("layers", "values")]
assert lines and j["recipe"]["weights"]["bits"] == 3
recipe = j["recipe"]
for a in lines: recipe.setdefault(a["where"], []).append(json.loads(a["line"]))
json.dump(recipe, open(tmp + "/advised.json", "w"))
open(tmp + "/before", "w").write(str(j["output_db"]))
P
expect 0 '' quantize -o "$tmp/n.itm" --recipe "$tmp/advised.json" --report-json "$tmp/advised.report.json"
python3 -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1] + "/advised.report.json"))["output_db"] > float(open(sys.argv[1] + "/before").read()))' "$tmp" ||
    fail "the advice does not raise the answer's signal to noise"
finish
