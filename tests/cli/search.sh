#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Recipes tried: --max-drop, --prefer size, --budget, tune and its resuming, on a small network with random weights and random arrays.
. "$(dirname "$0")/lib.sh"
cd "$tmp" || exit 1
"$intact" new resnet8 -o r8.onnx --seed 1 --quiet > /dev/null || fail new
cat > data.py <<'P'
import array, random, struct, sys
def npy(path, shape, code, data):
    head = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (code, str(tuple(shape)))).encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data)
if sys.argv[1] == "arrays": # FILE SEED COUNT
    random.seed(int(sys.argv[3]))
    n = int(sys.argv[4])
    npy(sys.argv[2], (n, 3, 32, 32), "<f4", array.array("f", [random.gauss(0, 1) for _ in range(n * 3072)]).tobytes())
else: # labels FILE ANSWERS.npy: the largest output; wrong FILE ANSWERS.npy: the smallest
    b = open(sys.argv[3], "rb").read()
    a = array.array("f", b[10 + struct.unpack("<H", b[8:10])[0]:])
    pick = max if sys.argv[1] == "labels" else min
    l = [pick(range(10), key=lambda k: a[i * 10 + k]) for i in range(len(a) // 10)]
    npy(sys.argv[2], (len(l),), "<i8", array.array("q", l).tobytes())
P
python3 data.py arrays c.npy 1 16
python3 data.py arrays e.npy 2 12
"$intact" run r8.onnx --input e.npy --output y.npy --quiet > /dev/null || fail run
python3 data.py labels l.npy y.npy
goal="--calib c.npy --eval e.npy --labels l.npy"

# the gate holds at the first step, for any number of threads the same bytes, which are those of its recipe; the steps are in the log
for t in 1 2 3; do
    expect 0 'holds, best' "$intact" quantize r8.onnx -o q$t.itm $goal --max-drop 1 --log log$t.json --threads $t --quiet
done
cmp q1.itm q2.itm && cmp q1.itm q3.itm || fail "the program depends on the number of threads"
python3 - <<'P' || fail "log"
import json
l = json.load(open("log1.json"))
assert l["holds"] and l["program"] == "q1.itm" and [s["step"] for s in l["steps"]] in (["max"], ["max", "calibrator"]) and l["float_top1"] == 1.0
json.dump(l["recipe"], open("found.json", "w"))
P
expect 0 'calibrated' "$intact" quantize r8.onnx -o again.itm --calib c.npy --recipe found.json --quiet
cmp q1.itm again.itm || fail "the recipe of a search gives another program"
[ ! -e q1.best.itm ] && [ ! -e q1.best.json ] && [ ! -e q1.try.itm ] || fail "temporaries are left"

# fewer bits under the gate, and under a size
expect 0 'mixed' "$intact" quantize r8.onnx -o p.itm $goal --max-drop 100 --prefer size --log p.json --quiet
python3 -c 'import json; json.dump(json.load(open("p.json"))["recipe"], open("found.json", "w"))'
expect 0 'calibrated' "$intact" quantize r8.onnx -o again.itm --calib c.npy --recipe found.json --quiet
cmp p.itm again.itm || fail "the recipe of a search with bits by layer gives another program"
[ "$(stat -c %s p.itm)" -lt $(($(stat -c %s q1.itm) / 2)) ] || fail "--prefer size is not small"
expect 0 'holds, best' "$intact" quantize r8.onnx -o b.itm --calib c.npy --budget size=50k --quiet
[ "$(stat -c %s b.itm)" -le 51200 ] || fail "the budget is not kept"
expect 2 'the smallest program .* has [0-9]+' "$intact" quantize r8.onnx -o s.itm --calib c.npy --budget size=10k --quiet
[ ! -e s.itm ] && [ ! -e s.best.itm ] && [ ! -e s.best.json ] || fail "something lies there though the budget cannot be kept"

# under a number of multiply-accumulates, and under a time on one thread
macs() { python3 -c 'import json,sys; s=json.load(open(sys.argv[1]))["steps"]; print(s[0]["weighted_macs"], s[-1]["weighted_macs"])' "$1"; }
expect 0 'holds, best' "$intact" quantize r8.onnx -o m.itm --calib c.npy --budget macs=8M --log m.json --quiet
read -r all few <<< "$(macs m.json)"
[ "$all" -gt 12000000 ] && [ "$few" -le 8000000 ] && [ "$few" -gt 4000000 ] || fail "weighted multiply-accumulates: $all, then $few"
expect 2 'the fewest that fewer bits make of it are [0-9]+' "$intact" quantize r8.onnx -o s.itm --calib c.npy --budget macs=1M --quiet
expect 0 'holds, best' "$intact" quantize r8.onnx -o m.itm --calib c.npy --budget latency=10000ms --log m.json --quiet
python3 -c 'import json; s=json.load(open("m.json"))["steps"]; assert len(s) == 1 and 0 < s[0]["ms"] < 10000' || fail "latency"
expect 2 'takes [0-9.]+ ms on one thread' "$intact" quantize r8.onnx -o s.itm --calib c.npy --budget latency=0.0001 --quiet
[ ! -e s.itm ] && [ ! -e s.best.itm ] || fail "something lies there though the budget cannot be kept"

# two bits everywhere: the gate may hold or not, and what is left on disk says which
"$intact" new resnet8 -o r8b.onnx --seed 4 --quiet > /dev/null
"$intact" run r8b.onnx --input e.npy --output yb.npy --quiet > /dev/null
python3 data.py labels lb.npy yb.npy
"$intact" quantize r8b.onnx -o g.itm --calib c.npy --eval e.npy --labels lb.npy --max-drop 0 --weight-bits 2 --act-bits 2 --keep8 none --set weights.per=tensor --log g.json --quiet > g.out 2> g.err
rc=$?
case $rc in
0) [ -e g.itm ] && [ ! -e g.best.itm ] || fail "a gate that holds leaves one program" ;;
1) [ ! -e g.itm ] && [ -e g.best.itm ] && [ -e g.best.json ] && grep -q 'gate is not met' g.err || fail "a gate that is not met: $(cat g.err)" ;;
*) fail "exit code $rc: $(cat g.err)" ;;
esac

# bad input
expect 2 'needs --eval' "$intact" quantize r8.onnx -o x.itm --calib c.npy --max-drop 1
expect 2 "'-1'" "$intact" quantize r8.onnx -o x.itm --calib c.npy --eval e.npy --max-drop -1
expect 2 'needs --max-drop' "$intact" quantize r8.onnx -o x.itm --calib c.npy --prefer size
for b in bytes=3 size=0 size=2X macs= macs=3.5x latency=0 latency=3s; do
    expect 2 'size=2MB, macs=150M, latency=3.5ms' "$intact" quantize r8.onnx -o x.itm --calib c.npy --budget $b
done
expect 2 'needs --max-drop' "$intact" quantize r8.onnx -o x.onnx --calib c.npy --fallback float
expect 2 "'int8'" "$intact" quantize r8.onnx -o x.onnx --calib c.npy --eval e.npy --max-drop 1 --fallback int8
expect 2 'only a quantized ONNX network can hold layers in float: -o OUT.onnx' "$intact" quantize r8.onnx -o x.itm $goal --max-drop 1 --fallback float --quiet
expect 2 'a byte a weight all the same' "$intact" quantize r8.onnx -o x.onnx --calib c.npy --budget size=1M --quiet
expect 2 'calib' "$intact" quantize r8.onnx -o x.itm --budget size=1M
expect 4 'no labels|has no label' "$intact" quantize r8.onnx -o x.itm --calib c.npy --eval e.npy --max-drop 1 --quiet
[ ! -e x.itm ] && [ ! -e x.best.itm ] && [ ! -e x.try.itm ] || fail "files are left after a failure"
expect 2 'needs -o' "$intact" tune r8.onnx --calib c.npy
expect 4 'none.npy' "$intact" tune r8.onnx --calib none.npy -o t0 --quiet

# tune, killed on the way and gone on with: the same report as in one go, nothing measured twice
few="--calib c.npy --eval e.npy --labels l.npy --recipe quick.json --quiet"
echo '{"intact_recipe": 1, "activations": {"method": "max"}, "weights": {"round": "nearest"}}' > quick.json
expect 0 'best' "$intact" tune r8.onnx $few -o t1
for f in report.json report.html recipe.json state.jsonl; do [ -s t1/$f ] || fail "tune makes no $f"; done
mkdir t2
head -c $(($(stat -c %s t1/state.jsonl) / 2)) t1/state.jsonl > t2/state.jsonl # as a kill in the middle of a line leaves it
expect 0 'best' "$intact" tune r8.onnx $few -o t2 --threads 1
cmp t1/report.json t2/report.json || fail "a resumed report differs"
cmp t1/recipe.json t2/recipe.json || fail "a resumed recipe differs"
mkdir t4 # what was damaged is measured again, not believed
sed -E 's/"name":"[^"]*"/"nome":null/g; s/"sqnr_db":[0-9]/"sqnr_db":9/' t1/state.jsonl > t4/state.jsonl
expect 0 'best' "$intact" tune r8.onnx $few -o t4
cmp t1/report.json t4/report.json || fail "a damaged state changes the report"
lines=$(wc -l < t2/state.jsonl)
expect 0 'best' "$intact" tune r8.onnx $few -o t2
[ "$(wc -l < t2/state.jsonl)" = "$lines" ] || fail "finished measurements were made again"
expect 0 'calibrated' "$intact" quantize r8.onnx -o r.itm --calib c.npy --recipe t1/recipe.json --quiet
"$intact" info r.itm --json | python3 -c 'import json,sys; json.dump(json.load(sys.stdin)["provenance"]["recipe"], open("stored.json", "w"))'
expect 0 'calibrated' "$intact" quantize r8.onnx -o r2.itm --calib c.npy --recipe stored.json --quiet
cmp r.itm r2.itm || fail "the recipe that a program stores gives another program"
# interrupted as a user does it: the exit code says so, nothing half-written is left, and the same command goes on
"$intact" tune r8.onnx $few -o t3 > /dev/null 2> t3.err &
pid=$!
for _ in $(seq 200); do [ -s t3/state.jsonl ] && break; sleep 0.05; done
kill -INT $pid
wait $pid
rc=$?
[ $rc -eq 130 ] || [ -e t3/report.json ] || fail "an interrupted tune exits with 130, not $rc: $(cat t3.err)"
[ $rc -eq 0 ] || [ ! -e t3/report.json ] || fail "an interrupted tune left a report"
[ ! -e t3/try.itm ] || fail "an interrupted tune left a program"
lines=$(wc -l < t3/state.jsonl)
expect 0 'best' "$intact" tune r8.onnx $few -o t3
cmp t1/report.json t3/report.json || fail "the report after an interrupt differs"
[ "$(wc -l < t3/state.jsonl)" = "$(wc -l < t1/state.jsonl)" ] && [ "$lines" -gt 0 ] || fail "measurements were made again after the interrupt"
python3 - <<'P' || fail "report"
import json
r = json.load(open("t1/report.json"))
rows = r["sensitivity"]["rows"]
assert sum(x["layer"] for x in rows) == 8
assert all(x["cause"] for x in rows) and any(x["remedy"] for x in rows)
for x in rows: # a line or nothing, never what the recipe says already
    if x["remedy"]: # the recipe says max
        line = json.loads(x["remedy"] if x["remedy"][0] == "{" else "{%s}" % x["remedy"])
        assert line.get("activations", {}).get("method") != "max" and line.get("name", x["name"]) in (x["name"], x.get("value")), x
steps = r["steps"]
assert r["holds"] is None and all(s["drop_standard_error"] >= 0 and isinstance(s["equal"], bool) for s in steps)
best = next(s for s in steps if s["step"] == r["recommended"])
assert best["equal"] and best["sqnr_db"] == max(s["sqnr_db"] for s in steps if s["equal"]), best
import re
page = open("t1/report.html", encoding="utf-8").read()
assert "<h1>r8.onnx</h1>" in page and "<title>r8.onnx quantized</title>" in page
sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.S))
assert {"summary", "accuracy", "done", "sensitivity", "steps"} <= set(sections), sections.keys()
assert "activations at the peak" in sections["summary"] and "<b>0 B</b>" not in sections["summary"] and sections["done"].count("<li>") > 2
assert "No bound was given" in sections["steps"] and "holds" not in sections["steps"] and sections["steps"].count(">chosen<") == 1 and ">equal<" in sections["steps"]
assert "-0.00" not in re.sub("<svg.*?</svg>", "", page, flags=re.S)
assert all(len(x["cost_by_bits"]) == 4 for x in rows if x["layer"])
sizes = [p["file_bytes"] for p in r["pareto"]]
assert sizes == sorted(sizes) and sizes
P
finish
