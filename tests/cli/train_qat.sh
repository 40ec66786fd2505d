#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Quantization-aware training by the command: an integer program that answers as was printed, kills that change nothing, and what is asked wrongly.
. "$(dirname "$0")/lib_train.sh"
make_idx a 300 1
make_idx b 60 2
make_net s.onnx
"$intact" train s.onnx -o f.onnx $data --epochs 3 --batch 16 --lr 0.05 --quiet > out 2> err || fail "float: $(cat err)"
bits="--weight-bits 4 --act-bits 4"

for method in ste pact lsq; do
    # shellcheck disable=SC2086 # words
    "$intact" train f.onnx -o q.itm $data --epochs 2 --batch 16 --lr 0.01 --qat $method $bits --json > out.json 2> err || fail "$method: $(cat err)"
    told=$(python3 -c 'import json; print("%.2f" % (100 * json.load(open("out.json"))["val_top1"]))')
    "$intact" eval q.itm --data b-images-idx3-ubyte > out 2> err || fail "$method: eval: $(cat err)"
    grep -q "top-1 $told %" out || fail "$method: printed $told, eval says $(cat out)"
    "$intact" info q.itm > out || fail "$method: info"
    grep -q "\"method\": \"$method\"" out || fail "$method is not in the provenance"
    grep -q 'requantize x' out || fail "$method: streams of 8 bits were not split from layers' inputs of 4"
    [ -e q.itm.ckpt ] && fail "$method: the checkpoint was left"
done

# killed again and again, also where statistics are frozen halfway: the very same file
options="--epochs 3 --batch 16 --lr 0.01 --threads 2 --seed 2 --checkpoint-steps 3 --qat lsq $bits --freeze-after 1.5 --from mse --keep first"
# shellcheck disable=SC2086
"$intact" train f.onnx -o whole.itm $data $options --quiet > out 2> err || fail "whole: $(cat err)"
kills=0
pause=0.2
resume=
while [ ! -e part.itm ] && [ $kills -lt 60 ]; do
    # shellcheck disable=SC2086
    "$intact" train f.onnx -o part.itm $data $options --checkpoint part.ckpt --quiet $resume > out 2> err &
    pid=$!
    sleep $pause
    kill -KILL $pid 2> /dev/null && kills=$((kills + 1))
    wait $pid 2> /dev/null
    rc=$?
    [ $rc -eq 0 ] || [ $rc -eq 137 ] || { fail "after $kills kills: exit code $rc, said: $(cat err)"; break; }
    [ -e part.ckpt ] && resume="--resume part.ckpt"
    pause=$(awk "BEGIN { print $pause + 0.15 }")
done
cmp whole.itm part.itm || fail "killed $kills times: another program"
echo "killed $kills times"

# a seed of 64 bits is written as it was given
# shellcheck disable=SC2086
"$intact" train f.onnx -o seed.itm --data a-images-idx3-ubyte --epochs 1 --limit 32 --seed 18446744073709551615 --qat ste $bits --quiet > out 2> err || fail "seed: $(cat err)"
"$intact" info seed.itm | grep -q '"seed": "18446744073709551615"' || fail "the seed is not in the provenance"

# another method's run is not resumed
# shellcheck disable=SC2086
expect 4 'method' "$intact" train f.onnx -o x.itm $data ${options/lsq/ste} --resume part.ckpt --checkpoint x.ckpt
# shellcheck disable=SC2086
expect 2 'qat is lsq, weights 3 bits.* and was lsq, weights 4 bits' "$intact" train f.onnx -o x.itm $data ${options/--weight-bits 4/--weight-bits 3} --resume part.ckpt --checkpoint x.ckpt

train() { "$intact" train f.onnx --data a-images-idx3-ubyte --epochs 1 "$@"; }
expect 2 'needs --weight-bits B and --act-bits B' train -o x.itm --qat lsq
expect 2 'needs --weight-bits B and --act-bits B' train -o x.itm --qat lsq --act-bits 4
expect 2 'nearest: lsq' train -o x.itm --qat lsk $bits
expect 2 '1 bits for weights.*2 to 8' train -o x.itm --qat lsq --weight-bits 1 --act-bits 4
expect 2 '9 for activations.*2 to 8' train -o x.itm --qat lsq --weight-bits 4 --act-bits 9
expect 2 'ends in .itm' train -o x.onnx --qat lsq $bits
expect 2 'needs|--qat' train -o x.itm
expect 2 '--keep is of --qat' train -o x.onnx --keep first
expect 2 'no layer|lost' train -o x.itm --qat lsq $bits --keep first,lost
expect 2 'mean' train -o x.itm --qat lsq $bits --from mean
[ -e x.itm ] && fail "something was written although the run was refused"
finish
