#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two and three processes that share batches train as one does; one of them speaks and writes, and a run that one cannot go on with ends.
. "$(dirname "$0")/lib_train.sh"
command -v mpirun > /dev/null || skip "mpirun is not installed (openmpi-bin)"
make_idx a 330 1
make_idx b 61 2
make_net s.onnx
run() { # PROCESSES ARGUMENTS...
    local n=$1
    shift
    # shellcheck disable=SC2086
    timeout 120 mpirun --allow-run-as-root --oversubscribe -n "$n" "$intact" train s.onnx $data --batch 33 --lr 0.02 --augment crop=1 --seed 3 "$@"
}
run 2 -o probe.onnx --epochs 1 --threads 1 > out 2>&1
grep -q "this build knows no MPI" out && {
    grep -q "INTACT_MPI=ON" out || fail "does not say what would help: $(cat out)"
    [ $failures -eq 0 ] || finish
    skip "this build knows no MPI"
}

# 20 steps; sums over samples come in another order, as with another number of threads
for n in 1 2 3; do
    # shellcheck disable=SC2046
    run $n -o $n.onnx --epochs 2 --threads $([ $n = 1 ] && echo 2 || echo 1) --sync-bn --metrics $n.jsonl --checkpoint $n.ckpt > $n.out 2> $n.err || fail "$n processes: $(cat $n.err)"
    [ "$(grep -c '^epoch' $n.out)" = 2 ] || fail "$n processes spoke $(grep -c '^epoch' $n.out) lines of epochs"
    [ "$(grep -c 'parameters learned' $n.out)" = 1 ] || fail "$n processes did not end with one line: $(cat $n.out)"
    "$intact" eval $n.onnx --data b-images-idx3-ubyte --json --quiet > $n.json 2> err || fail "eval: $(cat err)"
done
python3 - <<'P' || fail "processes do not train as one does"
import json, sys
runs = {n: [json.loads(l) for l in open(f"{n}.jsonl")] for n in (1, 2, 3)}
for n in (2, 3):
    for a, b in zip(runs[1], runs[n]):
        off = abs(a["loss"] - b["loss"]) / a["loss"]
        print(n, a["epoch"], off, a["images"], b["images"])
        if off > 5e-4 or a["images"] != b["images"]: sys.exit(1)
    top1 = json.load(open(f"{n}.json"))["top1"]
    if abs(top1 - runs[n][-1]["val_top1"]) > 1e-6: sys.exit(f"{n}: eval says {top1}, training said {runs[n][-1]['val_top1']}")
P
# statistics of their own: another training, which works too
run 2 -o own.onnx --epochs 2 --threads 1 --metrics own.jsonl > out 2> err || fail "own statistics: $(cat err)"
grep -q '"epoch":2' own.jsonl || fail "own statistics: no second epoch"
run 2 -o average.onnx --epochs 1 --threads 1 --ema 0.9 > out 2> err || fail "averaged weights: $(cat err)"
# a stopped run goes on
cp 2.ckpt again.ckpt
run 2 -o again.onnx --epochs 2 --threads 1 --sync-bn --resume again.ckpt > out 2> err || fail "resume: $(cat err)"
cmp 2.onnx again.onnx || fail "resumed: another network"
# what cannot be
expect 3 "runs in one" run 2 -o q.itm --epochs 1 --qat lsq --weight-bits 4 --act-bits 4 --threads 1
run 2 -o none/x.onnx --epochs 1 --threads 1 > out 2> err && fail "an output that cannot be written passed"
finish
