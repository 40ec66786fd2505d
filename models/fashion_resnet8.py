#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains models/fashion_resnet8.onnx: the ResNet-8 of MLPerf Tiny on Fashion-MNIST, pixels 0...1, 28x28, one channel.

    apt-get install python3-torch dataset-fashion-mnist
    python3 models/fashion_resnet8.py models/fashion_resnet8.onnx

Recipe: SGD with Nesterov momentum 0.9, weight decay 5e-4, batch 128, learning rate 0.1 with a warm-up of one epoch and then
half a cosine to zero, random shifts by up to 2 pixels and horizontal flips, 24 epochs, seed 1. Prints one JSON line an epoch.
"""
import gzip
import json
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

FOLDER = "/usr/share/datasets/fashion-mnist/"
EPOCHS, BATCH, RATE, SEED = 24, 128, 0.1, 1


def idx(name, skip):
    with gzip.open(FOLDER + name) as f:
        return np.frombuffer(f.read(), np.uint8, offset=skip)


def load(stem):
    x = idx(stem + "-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).astype(np.float32) / 255
    y = idx(stem + "-labels-idx1-ubyte.gz", 8).astype(np.int64)
    return torch.from_numpy(x), torch.from_numpy(y)


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.down = None
        if stride != 1 or cin != cout:
            self.down = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.down is None else self.down(x)))


class ResNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def augment(x, gen):
    n = len(x)
    x = F.pad(x, (2, 2, 2, 2))
    dy, dx = torch.randint(0, 5, (n,), generator=gen), torch.randint(0, 5, (n,), generator=gen)
    out = torch.stack([x[i, :, dy[i]:dy[i] + 28, dx[i]:dx[i] + 28] for i in range(n)])
    flip = torch.rand(n, generator=gen) < 0.5
    out[flip] = out[flip].flip(-1)
    return out


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return sum((net(x[i:i + 500]).argmax(1) == y[i:i + 500]).sum().item() for i in range(0, len(x), 500)) / len(x)


def main():
    torch.manual_seed(SEED)
    gen = torch.Generator().manual_seed(SEED)
    (x, y), (xt, yt) = load("train"), load("t10k")
    net = ResNet8().to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), RATE, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = (len(x) + BATCH - 1) // BATCH
    rate = lambda s: (s + 1) / steps if s < steps else 0.5 * (1 + np.cos(np.pi * (s - steps) / ((EPOCHS - 1) * steps)))
    sched = torch.optim.lr_scheduler.LambdaLR(opt, rate)
    for epoch in range(EPOCHS):
        net.train()
        start, total = time.time(), 0.0
        order = torch.randperm(len(x), generator=gen)
        for i in range(0, len(x), BATCH):
            pick = order[i:i + BATCH]
            loss = F.cross_entropy(net(augment(x[pick], gen)), y[pick], label_smoothing=0.05)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            sched.step()
            total += loss.item() * len(pick)
        print(json.dumps({"epoch": epoch + 1, "loss": round(total / len(x), 4), "top1": accuracy(net, xt, yt),
                          "seconds": round(time.time() - start, 1)}), flush=True)
    net.eval()
    torch.onnx.export(net, xt[:1], sys.argv[1], input_names=["image"], output_names=["logits"], opset_version=13,
                      do_constant_folding=False, dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}})


main()
