#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trains models/fashion_resnet8.onnx from random weights: intact's resnet8 on Fashion-MNIST, pixels 0...1, 28x28, one channel.
#
#     apt-get install dataset-fashion-mnist
#     bash models/fashion_resnet8.sh [INTACT] [FOLDER]      # build/intact, models/
#
# Stopped in the middle, it goes on where it was. EPOCHS, THREADS and SEED change the recipe; THREADS is part of it because sums depend on it.
set -euo pipefail
cd "$(dirname "$0")/.."
intact=${1:-build/intact}
folder=${2:-models}
data=/usr/share/datasets/fashion-mnist
[ -d $data ] || { echo "$data is not there: apt-get install dataset-fashion-mnist" >&2; exit 1; }
work=build/fashion_resnet8
mkdir -p $work
"$intact" new resnet8 -o $work/start.onnx --input 1x28x28 --classes 10 --seed "${SEED:-1}" --quiet
resume=()
[ -e $work/run.ckpt ] && resume=(--resume $work/run.ckpt)
"$intact" train $work/start.onnx -o "$folder/fashion_resnet8.onnx" --data $data/train-images-idx3-ubyte.gz --val $data/t10k-images-idx3-ubyte.gz --preprocess unit \
    --epochs "${EPOCHS:-40}" --batch 128 --optimizer sgd --lr 0.1 --momentum 0.9 --nesterov --weight-decay 5e-4 --schedule cosine --warmup 1 \
    --augment crop=2,flip --label-smoothing 0.05 --ema 0.999 --seed "${SEED:-1}" --threads "${THREADS:-2}" \
    --checkpoint $work/run.ckpt "${resume[@]}" --metrics "$folder/fashion_resnet8.jsonl" --report $work/report.html
rm $work/run.ckpt
sha256sum "$folder/fashion_resnet8.onnx"
