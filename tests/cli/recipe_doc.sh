#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs/RECIPE.md: its examples of a recipe and of a ranges file fit the network that they name, and do what they say.
. "$(dirname "$0")/lib.sh"
doc=$source_dir/docs/RECIPE.md
[ -f "$doc" ] || skip "there is no docs/RECIPE.md"
command -v python3 > /dev/null || skip "python3 is not installed"
cd "$tmp" || exit 1
cp "$source_dir/models/fashion_resnet8.onnx" net.onnx || skip "there is no network to try them on"
python3 - "$doc" <<'P' || fail "the examples are not to be had"
import array, json, random, re, struct, sys
blocks = re.findall(r"(?:^    .*\n)+", open(sys.argv[1], encoding="utf-8").read(), re.M)
made = [json.loads(b) for b in blocks if b.strip().startswith("{")]
assert [sorted(j)[0] if "intact_ranges" in j else "recipe" for j in made] == ["recipe", "intact_ranges"], made
json.dump(made[0], open("recipe.json", "w"))
json.dump(made[1], open("ranges.json", "w"))
random.seed(1)
head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (8, 1, 28, 28), }"
head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
open("c.npy", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + array.array("f", [random.random() for _ in range(8 * 784)]).tobytes())
P
expect 0 'calibrated on 8' "$intact" quantize net.onnx -o r.itm --calib c.npy --recipe recipe.json --report-json r.json --quiet
expect 0 'calibrated on 8' "$intact" quantize net.onnx -o g.itm --calib c.npy --range-file ranges.json --report-json g.json --quiet
"$intact" info r.itm --json > info.json || fail info
python3 - <<'P' || fail "the examples do not do what they say"
import fnmatch, json
recipe, ranges = json.load(open("recipe.json")), json.load(open("ranges.json"))
stored = json.load(open("info.json"))["provenance"]["recipe"]
for key in recipe: assert stored[key] == recipe[key], (key, stored[key])
layers = json.load(open("r.json"))["layers"]
weighty = [l for l in layers if l["weights"]]
eight = [i for i, l in enumerate(weighty) if i == 0 or fnmatch.fnmatch(l["name"], "/layer3/*")]
assert 2 < len(eight) < len(weighty)
for i, l in enumerate(weighty): assert l["weights"]["bits"] == (8 if i in eight else 4), (l["name"], l["weights"]["bits"])
of = lambda name, rows: next(l["activations"]["hi"] for l in rows if l["value"] == name)
rows = json.load(open("g.json"))["layers"]
assert abs(of(recipe["values"][0]["name"], layers) - 6.2) < 0.05
for name, (lo, hi) in ranges["values"].items(): assert abs(of(name, rows) - hi) < 0.05, name
P
# a layer's name where a value's belongs, and the other way round
echo '{"intact_recipe": 1, "values": [{"name": "/layer1/conv1/Conv", "activations": {"bits": 4}}]}' > bad.json
expect 2 'bad.json: values\[0\].name: no value is called "/layer1/conv1/Conv"; nearest: /layer1/' "$intact" quantize net.onnx -o x.itm --calib c.npy --recipe bad.json --quiet
echo '{"intact_recipe": 1, "layers": [{"name": "layer2/conv2", "weights": {"bits": 4}}]}' > bad.json
expect 2 'no layer with weights is called "layer2/conv2"; nearest: /layer2/conv2/Conv;' "$intact" quantize net.onnx -o x.itm --calib c.npy --recipe bad.json --quiet
finish
