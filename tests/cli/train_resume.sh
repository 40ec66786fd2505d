#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that is killed at any moment, or interrupted, goes on to the very same network, metrics and report.
. "$(dirname "$0")/lib_train.sh"
make_idx a 300 1
make_idx b 60 2
make_net s.onnx
options="--epochs 4 --batch 16 --lr 0.05 --augment crop=1 --seed 3 --threads 2 --ema 0.95 --checkpoint-steps 5"
# shellcheck disable=SC2086 # words
train() { "$intact" train s.onnx $data $options "$@"; }

train -o whole.onnx --metrics whole.jsonl --checkpoint whole.ckpt --quiet > out 2> err || fail "train: $(cat err)"
[ -s whole.ckpt ] || fail "a checkpoint that was asked for is gone"
strip() { python3 -c 'import json, sys
for l in open(sys.argv[1]): print(*[(k, v) for k, v in json.loads(l).items() if k in ("epoch", "loss", "train_top1", "val_top1", "rate", "images", "skipped")])' "$1"; }
strip whole.jsonl > whole.txt

# killed after so many seconds, again and again, until it is through; each time more or less has been done
for pause in 0.15 0.35 0.6 0.9; do
    rm -f part.*
    kills=0
    resume=
    while [ ! -e part.onnx ] && [ $kills -lt 60 ]; do
        # shellcheck disable=SC2086
        "$intact" train s.onnx $data $options -o part.onnx --metrics part.jsonl --checkpoint part.ckpt --quiet $resume > out 2> err &
        pid=$!
        sleep $pause
        kill -KILL $pid 2> /dev/null && kills=$((kills + 1))
        wait $pid 2> /dev/null
        rc=$?
        [ $rc -eq 0 ] || [ $rc -eq 137 ] || { fail "after $kills kills: exit code $rc, said: $(cat err)"; break; }
        [ -e part.ckpt ] && resume="--resume part.ckpt" # it is there from the first step on, or nothing was done
        pause=$(awk "BEGIN { print $pause + 0.1 }") # slow machines get through, too
    done
    cmp whole.onnx part.onnx || fail "killed $kills times: another network"
    strip part.jsonl > part.txt
    cmp whole.txt part.txt || fail "killed $kills times: other metrics"
    echo "killed $kills times"
done
ls part.onnx.tmp* part.ckpt.tmp* > /dev/null 2>&1 && fail "temporary files were left"

# interrupted: a sentence, and on from there
rm -f part.*
# shellcheck disable=SC2086
"$intact" train s.onnx $data $options -o part.onnx --checkpoint part.ckpt > out 2> err &
pid=$!
for _ in $(seq 200); do
    [ -e part.ckpt ] && break
    sleep 0.05
done
sleep 0.2
kill -INT $pid
wait $pid
rc=$?
if [ $rc -ne 0 ]; then
    [ $rc -eq 130 ] || fail "interrupted: exit code $rc"
    grep -q 'part.ckpt holds the run up to step [0-9]*, --resume goes on' err || fail "interrupted: said $(cat err)"
    [ -e part.onnx ] && fail "interrupted, and a network is there"
    expect 0 'goes on after step' train -o part.onnx --resume part.ckpt --checkpoint part.ckpt
fi
cmp whole.onnx part.onnx || fail "interrupted: another network"

# resuming what is through writes it again; from one checkpoint, to another
expect 0 'top-1' train -o again.onnx --resume whole.ckpt --checkpoint other.ckpt --quiet
cmp whole.onnx again.onnx || fail "a finished run resumed: another network"

# the checkpoint that nobody asked for goes away at the end, of a resumed run too
cp whole.ckpt default.onnx.ckpt
expect 0 'top-1' train -o default.onnx --resume default.onnx.ckpt --quiet
[ -e default.onnx.ckpt ] && fail "the default checkpoint was left after a resumed run"

# another run's checkpoint: one sentence that says what is different
make_net o.onnx 2
# shellcheck disable=SC2086
expect 2 'began with another network file' "$intact" train o.onnx -o x.onnx $data $options --resume whole.ckpt --checkpoint x.ckpt
"$intact" new lenet5 -o l.onnx --input 1x28x28 --classes 4 --quiet > /dev/null
"$intact" new resnet20 -o l.onnx --input 1x12x12 --classes 4 --quiet > /dev/null
# shellcheck disable=SC2086
expect 4 'another network' "$intact" train l.onnx -o x.onnx $data $options --resume whole.ckpt --checkpoint x.ckpt
expect 2 'seed is 4 here, and was 3' train -o x.onnx --resume whole.ckpt --checkpoint x.ckpt --seed 4
expect 2 'number of steps is [0-9]+ here' train -o x.onnx --resume whole.ckpt --checkpoint x.ckpt --epochs 5
expect 2 'decay is 0.01 here, and was 0' train -o x.onnx --resume whole.ckpt --checkpoint x.ckpt --weight-decay 0.01
expect 4 'optimizer or method are others|optimizer' train -o x.onnx --resume whole.ckpt --checkpoint x.ckpt --optimizer adam
expect 0 'begun with rate 0.05, this is 0.01' train -o x.onnx --resume whole.ckpt --checkpoint x.ckpt --lr 0.01
expect 4 'cannot open' train -o y.onnx --resume nothing.ckpt
expect 4 'not a checkpoint' train -o y.onnx --resume s.onnx
head -c 5000 whole.ckpt > cut.ckpt
expect 4 'the file has 5000 bytes' train -o y.onnx --resume cut.ckpt
[ -e y.onnx ] && fail "a failed run left a network"
finish
