#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Training with products of 16-bit operands: it learns, and a run that is killed goes on to the same network; another kind is another run.
. "$(dirname "$0")/lib_train.sh"
make_idx a 300 1
make_idx b 60 2
make_net s.onnx
options="--epochs 3 --batch 16 --lr 0.05 --seed 3 --threads 2 --checkpoint-steps 1 --quiet"

for kind in "--dtype bf16" "--dtype f16"; do
    rm -f part.*
    # shellcheck disable=SC2086
    "$intact" train s.onnx $data $options $kind -o whole.onnx --json > j.json 2> err || fail "$kind: $(cat err)"
    python3 -c 'import json, sys; j = json.load(open("j.json")); sys.exit(0 if j["val_top1"] > 0.7 else "top-1 %r" % j["val_top1"])' || fail "$kind learned nothing"
    resume=
    kills=0
    pause=0.2
    while [ ! -e part.onnx ] && [ $kills -lt 60 ]; do
        # shellcheck disable=SC2086
        "$intact" train s.onnx $data $options $kind -o part.onnx --checkpoint part.ckpt $resume > out 2> err &
        pid=$!
        sleep $pause
        kill -KILL $pid 2> /dev/null && kills=$((kills + 1))
        wait $pid 2> /dev/null
        rc=$?
        [ $rc -eq 0 ] || [ $rc -eq 137 ] || { fail "$kind: after $kills kills: exit code $rc, said: $(cat err)"; break; }
        [ -e part.ckpt ] && resume="--resume part.ckpt"
        pause=$(awk "BEGIN { print $pause + 0.1 }")
    done
    cmp whole.onnx part.onnx || fail "$kind, killed $kills times: another network"
    echo "$kind: killed $kills times"
    # shellcheck disable=SC2086
    "$intact" train s.onnx $data $options -o other.onnx --resume part.ckpt > out 2> err && fail "$kind: went on as f32"
    grep -qE 'dtype is f32 here|parts' err || fail "$kind: said: $(cat err)"
done
finish
