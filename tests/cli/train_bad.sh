#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# intact train on what cannot work: one clear sentence, the right exit code, and the last checkpoint whole.
. "$(dirname "$0")/lib_train.sh"
make_idx a 200 1
make_idx b 60 2
make_net s.onnx

expect 2 'needs -o' "$intact" train s.onnx
expect 2 'needs --data' "$intact" train s.onnx -o t.onnx
expect 2 'needs --epochs' "$intact" train s.onnx -o t.onnx --data a-images-idx3-ubyte
t() { "$intact" train s.onnx -o t.onnx --data a-images-idx3-ubyte --epochs 2 --batch 16 --threads 2 "$@"; }
expect 2 "did you mean adamw|did you mean adam" t --optimizer adamv
expect 2 "did you mean cosine" t --schedule cosin
expect 2 "did you mean flip" t --augment flop
expect 2 'crop=x; a number' t --augment crop=x
expect 2 'milestone' t --schedule step --milestones 3
expect 2 'milestones and a factor are of the schedule step' t --milestones 1
expect 2 'commas between' t --schedule step --milestones 1,x
expect 2 'Nesterov momentum is of sgd' t --optimizer adam --nesterov
expect 2 'is of --distill' t --temperature 2
expect 2 'is of --val' t --val-limit 3
expect 2 'not above 0' t --lr 0
expect 2 'momentum is 1' t --momentum 1
expect 2 'label smoothing is 2' t --label-smoothing 2
expect 2 'warm-up epochs is 9' t --warmup 9
expect 2 'did you mean (f|bf)16|known are f32, bf16, f16' t --dtype bf17
expect 2 'a loss scale is of f16; bf16' t --dtype bf16 --loss-scale 8
expect 2 'loss-scale was given a number that is not above 0' t --dtype f16 --loss-scale 0
expect 2 'the loss scale is 1e\+09' t --dtype f16 --loss-scale 1e9
expect 2 'cannot stay as they are and be measured anew' t --freeze-bn --restat 9
expect 4 'cannot open|No such' "$intact" train none.onnx -o t.onnx --data a-images-idx3-ubyte --epochs 1
expect 4 'No such|nothing is there|not there|cannot' "$intact" train s.onnx -o t.onnx --data nowhere --epochs 1
expect 4 'nowhere' t --checkpoint nowhere/x.ckpt
expect 2 'itself, which would be overwritten' "$intact" train s.onnx -o s.onnx --data a-images-idx3-ubyte --epochs 1
expect 2 'needs another file' t --metrics t.onnx
[ -e t.onnx ] && fail "a failed command left a file"

# labels missing; classes that the network has not
mkdir labelless && cp a-images-idx3-ubyte labelless/x-images-idx3-ubyte
expect 4 'label' "$intact" train s.onnx -o t.onnx --data labelless/x-images-idx3-ubyte --epochs 1
"$intact" new resnet8 -o three.onnx --input 1x12x12 --classes 3 --quiet > /dev/null
expect 4 'its class is 3 \(the data has 4 classes, counted from 0\), but the network answers 3' "$intact" train three.onnx -o t.onnx --data a-images-idx3-ubyte --epochs 1
"$intact" new resnet8 -o nine.onnx --input 1x12x12 --classes 9 --quiet > /dev/null
expect 0 'answers 9 classes, the data has 4' "$intact" train nine.onnx -o t9.onnx --data a-images-idx3-ubyte --epochs 1
expect 4 'teacher gives 9 answers' t --distill nine.onnx
"$intact" new resnet8 -o large.onnx --input 1x16x16 --classes 4 --quiet > /dev/null
expect 4 'the teacher takes' t --distill large.onnx

# a loss that is not finite
rm -f t.onnx*
expect 4 'not finite.*t.onnx.ckpt holds the run up to step' t --lr 100000
[ -e t.onnx ] && fail "a network without numbers was written"
expect 0 'begun with rate 100000, this is 0.001' t --lr 0.001 --resume t.onnx.ckpt
[ -s t.onnx ] || fail "no network after resuming with a smaller rate"

# no room: the checkpoint of 300 KiB meets a limit, and the older one stays whole
rm -f t.onnx* k.ckpt
( ulimit -f 100; t --checkpoint k.ckpt > out 2> err; echo $? > rc )
[ "$(cat rc)" -eq 4 ] || fail "a full disk: exit code $(cat rc)"
grep -q 'k.ckpt: cannot' err || fail "a full disk: said $(cat err)"
[ -e k.ckpt ] && fail "a full disk: half a checkpoint was left"
t --checkpoint k.ckpt --quiet > /dev/null 2>&1 || fail "train"
cp k.ckpt k.copy
( ulimit -f 100; t --checkpoint k.ckpt > out 2> err; echo $? > rc )
[ "$(cat rc)" -eq 4 ] && cmp k.ckpt k.copy || fail "a full disk: the old checkpoint is gone"
if [ -w /dev/full ]; then
    expect 4 'full: ' t --metrics /dev/full
fi

# data that vanishes while it is read: class folders of images, removed behind the first epoch
python3 - <<'P' || fail "no images"
import os, random, struct, zlib
chunk = lambda k, d: struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
rng = random.Random(1)
for i in range(80):
    os.makedirs("f/%d" % (i % 4), exist_ok=True)
    rows = b"".join(b"\0" + bytes(rng.randrange(256) for _ in range(12)) for _ in range(12))
    open("f/%d/%d.png" % (i % 4, i), "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 12, 12, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
P
"$intact" train s.onnx -o v.onnx --data f --epochs 5000 --batch 16 --threads 2 > out 2> err &
pid=$!
for _ in $(seq 400); do
    grep -q '^epoch *2/' out && break
    sleep 0.05
done
mv f g
wait $pid
rc=$?
[ $rc -eq 4 ] || fail "data vanished: exit code $rc"
grep -qE 'f/[0-3]/.*cannot open.*v.onnx.ckpt holds the run up to step [1-9]' err || fail "data vanished: said $(tail -c 400 err)"
# an image that was never one is left out, named and counted
mv g f
echo no image > f/0/0.png
expect 0 'skipped f/0/0.png|skipped 0/0.png' "$intact" train s.onnx -o w.onnx --data f --epochs 1 --batch 16
expect 0 '1 unreadable ones skipped' "$intact" train s.onnx -o w.onnx --data f --epochs 1 --batch 16
# outputs that would overwrite a part of the data
cp a-labels-idx1-ubyte kept
for o in --metrics --report --report-json --checkpoint -o; do
    # shellcheck disable=SC2086
    expect 2 "belongs to the training data" "$intact" train s.onnx $data --epochs 1 -o lost.onnx $o a-labels-idx1-ubyte
    cmp -s kept a-labels-idx1-ubyte || fail "$o overwrote the labels"
done
finish
