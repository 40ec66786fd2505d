#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What training ends in: CIFAR ResNet-20 from scratch in Intact and in PyTorch by one recipe, and cifar10_resnet20.onnx fine-tuned by Intact.

    apt-get install python3-torch python3-pil
    /usr/bin/python3 bench/train_accuracy.py build/intact --data INTACT_DATA [--nets FOLDER] [--runs intact,torch,finetune] [--epochs 30] [--seeds 1] [--log FILE.jsonl]

The data are cifar10/train and cifar10/test below INTACT_DATA, folders of images. From scratch: SGD with Nesterov momentum 0.9, weight decay 5e-4 of
weights alone, batch 128, learning rate 0.1 with a warm-up of one epoch and then half a cosine to zero, moved by up to 4 pixels with black coming in, and
flipped. Fine-tuned: a third of the epochs, learning rate 0.02, no warm-up. The accuracy is the last epoch's on all test images; none is chosen by it.
Every run is a line of the log: command or recipe, seed, accuracy, SHA-256 of the network that Intact wrote.
"""
import argparse
import glob
import json
import math
import os
import subprocess
import sys
import tempfile
import time

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH, RATE, DECAY, CROP, FINE_RATE = 128, 0.1, 5e-4, 4, 0.02


# ---- Intact ----

def intact(a, net, out, seed, epochs, rate, warmup):
    command = [a.intact, "train", net, "-o", out, "--data", os.path.join(a.data, "cifar10/train"), "--val", os.path.join(a.data, "cifar10/test"), "--preprocess", "cifar", "--epochs", str(epochs),
               "--batch", str(BATCH), "--lr", str(rate), "--nesterov", "--weight-decay", str(DECAY), "--warmup", str(warmup), "--augment", f"crop={CROP},flip", "--seed", str(seed), "--threads", str(a.threads)]
    r = json.loads(subprocess.run(command + ["--json", "--quiet"], check=True, stdout=subprocess.PIPE).stdout)
    return {"command": " ".join([os.path.basename(command[0])] + command[1:]), "top1": r["val_top1"], "error": r["val_top1_standard_error"], "seconds": r["seconds"], "sha256": r["sha256"],
            "images_per_second": max(e["images_per_second"] for e in r["epochs"]), "curve": [e["val_top1"] for e in r["epochs"]]}


def from_scratch(a, seed, folder):
    start = os.path.join(folder, "start.onnx")
    subprocess.run([a.intact, "new", "resnet20", "-o", start, "--seed", str(seed), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return intact(a, start, os.path.join(folder, "out.onnx"), seed, a.epochs, RATE, 1)


def finetune(a, seed, folder):
    out = os.path.join(a.keep or folder, f"cifar10_resnet20_tuned_{seed}.onnx")
    return intact(a, os.path.join(a.nets, "cifar10_resnet20.onnx"), out, seed, max(1, a.epochs // 3), FINE_RATE, 0)


# ---- PyTorch ----

def load(folder, torch):
    import numpy as np
    from PIL import Image
    classes = sorted(os.listdir(folder))
    files = [(f, c) for c, name in enumerate(classes) for f in sorted(glob.glob(os.path.join(folder, name, "*")))]
    x = np.stack([np.asarray(Image.open(f).convert("RGB")) for f, _ in files])
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(), torch.tensor([c for _, c in files])


def changed(x, generator, torch):
    """Pixels moved and flipped, as intact train does it."""
    n, big = len(x), torch.nn.functional.pad(x, (CROP,) * 4)
    dy, dx = (torch.randint(0, 2 * CROP + 1, (n,), generator=generator) for _ in range(2))
    out = torch.stack([big[i, :, dy[i]:dy[i] + 32, dx[i]:dx[i] + 32] for i in range(n)])
    flip = torch.rand(n, generator=generator) < 0.5
    out[flip] = out[flip].flip(-1)
    return out


def pytorch(a, seed, _):
    import torch
    from resnet20_torch import resnet20
    torch.set_num_threads(a.threads)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    (x, y), (xt, yt) = (load(os.path.join(a.data, "cifar10", part), torch) for part in ("train", "test"))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    floats = lambda p: ((p.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
    net = resnet20(torch).to(memory_format=torch.channels_last)
    groups = [{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": DECAY}, {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0}]
    optimizer = torch.optim.SGD(groups, RATE, momentum=0.9, nesterov=True)
    steps = math.ceil(len(x) / BATCH)
    rate = lambda s: (s + 1) / steps if s < steps else 0.5 * (1 + math.cos(math.pi * (s - steps) / max(1, (a.epochs - 1) * steps)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    start, curve = time.time(), []
    for epoch in range(a.epochs):
        net.train()
        for pick in torch.randperm(len(x), generator=generator).split(BATCH):
            loss = torch.nn.functional.cross_entropy(net(floats(changed(x[pick], generator, torch))), y[pick])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            curve.append(sum((net(floats(xt[i:i + 500])).argmax(1) == yt[i:i + 500]).sum().item() for i in range(0, len(xt), 500)) / len(xt))
        print(f"PyTorch, epoch {epoch + 1} of {a.epochs}: {100 * curve[-1]:.2f} %", file=sys.stderr, flush=True)
    return {"command": f"PyTorch {torch.__version__}, the same recipe", "top1": curve[-1], "error": math.sqrt(curve[-1] * (1 - curve[-1]) / len(xt)), "seconds": time.time() - start, "curve": curve}


RUNS = {"intact": ("Intact, from scratch", from_scratch), "torch": ("PyTorch, from scratch", pytorch), "finetune": ("Intact, cifar10_resnet20.onnx fine-tuned", finetune)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("intact")
    p.add_argument("--data", required=True, help="the folder that holds cifar10/")
    p.add_argument("--nets", default="../shared/data/models", help="where cifar10_resnet20.onnx is")
    p.add_argument("--runs", default="intact,torch,finetune")
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--seeds", default="1")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--keep", help="a folder for the fine-tuned networks")
    p.add_argument("--log", help="every run as a line of JSON")
    a = p.parse_args()
    print("| | seed | top-1 % (standard error) | minutes |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seed in (int(s) for s in a.seeds.split(",")):
            for run in a.runs.split(","):
                name, train = RUNS[run]
                r = train(a, seed, folder)
                if a.log:
                    with open(a.log, "a") as f:
                        f.write(json.dumps(dict(run=run, seed=seed, epochs=a.epochs, threads=a.threads, **r)) + "\n")
                print(f"| {name} | {seed} | {100 * r['top1']:.2f} ({100 * r['error']:.2f}) | {r['seconds'] / 60:.1f} |", flush=True)


main()
