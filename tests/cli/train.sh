#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# intact train at work: it learns, prints what eval measures, keeps the file's words about itself, and leaves metrics and a report that say the same.
. "$(dirname "$0")/lib_train.sh"
make_idx a 300 1
make_idx b 120 2
make_net s.onnx

# shellcheck disable=SC2086 # words
"$intact" train s.onnx -o t.onnx $data --epochs 4 --batch 16 --lr 0.05 --weight-decay 5e-4 --nesterov --warmup 0.5 --augment crop=1 --label-smoothing 0.05 --clip 5 --seed 3 \
    --metrics m.jsonl --report r.html --report-json r.json --threads 2 > out 2> err || fail "train: $(cat err)"
[ "$(grep -c '^epoch ' out)" -eq 4 ] || fail "not a line an epoch: $(cat out)"
[ -e t.onnx.ckpt ] && fail "a checkpoint that nobody asked for was left"
"$intact" eval t.onnx --data b-images-idx3-ubyte --json --quiet > eval.json || fail eval
python3 - <<'P' || fail "output, metrics, report and eval do not say the same"
import json, re
e, r, lines = json.load(open("eval.json")), json.load(open("r.json")), [json.loads(l) for l in open("m.jsonl")]
out, page = open("out").read(), open("r.html", encoding="utf-8").read()
assert [l["epoch"] for l in lines] == [1, 2, 3, 4] and len(r["epochs"]) == 4
assert abs(lines[-1]["val_top1"] - e["top1"]) < 1e-9 and abs(r["val_top1"] - e["top1"]) < 1e-8, (lines[-1], e)
assert e["top1"] > 0.9 and lines[0]["loss"] > lines[-1]["loss"], (e, lines)
assert "top-1 %.2f %%" % (100 * e["top1"]) in out
assert abs(lines[-1]["rate"]) < 0.01 and max(l["rate"] for l in lines) <= 0.05
import hashlib
assert r["output_sha256"] == hashlib.sha256(open("t.onnx", "rb").read()).hexdigest() and r["settings"]["augment"] == "crop=1" and r["intact_training"] == 1
assert [s for s in re.findall(r'<section id="(\w+)"', page)] == ["summary", "accuracy", "loss", "rate", "epochs", "done"]
assert page.count("<svg") == 3 and "<script" not in page and "http" not in page.replace("http://www.w3.org", "")
P

# again, with another number of feeders: the same file
# shellcheck disable=SC2086
"$intact" train s.onnx -o u.onnx $data --epochs 4 --batch 16 --lr 0.05 --weight-decay 5e-4 --nesterov --warmup 0.5 --augment crop=1 --label-smoothing 0.05 --clip 5 --seed 3 \
    --feeders 3 --threads 2 --json > j.json 2> err || fail "again: $(cat err)"
cmp t.onnx u.onnx || fail "one seed, two files"
python3 -c 'import json; j = json.load(open("j.json")); assert len(j["epochs"]) == 4 and j["val_top1"] > 0.9 and j["parameters"] > 70000' || fail "JSON"

# nothing but numbers has changed
"$intact" info s.onnx --json --quiet > i1 && "$intact" info t.onnx --json --quiet > i2
python3 - <<'P' || fail "the trained network has another form"
import json
a, b = json.load(open("i1")), json.load(open("i2"))
for k in ("inputs", "outputs", "macs", "parameters"): assert a[k] == b[k], (k, a[k], b[k])
P

# further ways: each learns, and what it writes is what it measured. --limit keeps them short
while read -r name options; do
    # shellcheck disable=SC2086
    "$intact" train t.onnx -o "$name.onnx" $data --epochs 1 --batch 16 --limit 96 --threads 2 --json --quiet $options > j.json 2> err || fail "$name: $(cat err)"
    "$intact" eval "$name.onnx" --data b-images-idx3-ubyte --json --quiet > eval.json || fail "$name: eval"
    python3 -c 'import json, sys; j, e = json.load(open("j.json")), json.load(open("eval.json")); sys.exit(0 if abs(j["val_top1"] - e["top1"]) < 1e-9 and e["top1"] > 0.5 else "%r %r" % (j["val_top1"], e["top1"]))' || fail "$name"
done <<'WAYS'
adam --optimizer adam --lr 0.0005
adamw --optimizer adamw --weight-decay 0.01 --lr 0.0005 --schedule linear
step --schedule step --milestones 0.3,0.6 --factor 0.5 --lr 0.01
ema --ema 0.9 --lr 0.01
restat --restat 64 --lr 0.01
freeze --freeze-bn --lr 0.005 --decay-all --weight-decay 1e-4
distill --distill t.onnx --temperature 2 --distill-weight 0.5 --lr 0.01
bf16 --dtype bf16 --lr 0.01
f16 --dtype f16 --lr 0.01
static --dtype f16 --loss-scale 256 --lr 0.01
preprocess --preprocess scale=1/255,mean=0.0,std=1 --lr 0.005 --schedule constant
WAYS
cmp -s ema.onnx restat.onnx && fail "averaged weights are the last ones"
finish
