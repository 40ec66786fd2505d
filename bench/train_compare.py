#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training of CIFAR ResNet-20 in Intact and in PyTorch, one run, alternating. Prints a Markdown table: images a second and peak memory.

    apt-get install python3-torch
    python3 bench/train_compare.py build/intact [--threads 2] [--rounds 5] [--steps 40] [--batch 128] [--log FILE.jsonl]

Both train with SGD (Nesterov momentum 0.9, weight decay 5e-4) on the same random images and labels. Intact is the command at work: it reads
pixels from a CIFAR-10 binary file, shuffles, crops and flips, in its own threads; what is counted is its second epoch. PyTorch gets its batches
ready made, as floats in the layout it likes, and nothing but forward, backward and update is counted, after a warm-up. Each measurement is a
process of its own: peak memory is what the kernel says of it (PyTorch's library alone takes some 200 MB of that: its row "at rest").
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

LAYOUTS = {"default": False, "channels_last": True}


# ---- PyTorch, in a process of its own ----

def torch_worker(layout, threads, batch, steps):
    import resource
    import torch
    from resnet20_torch import resnet20
    rest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    form = torch.channels_last if LAYOUTS[layout] else torch.contiguous_format
    net = resnet20(torch).to(memory_format=form).train()
    optimizer = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    x = torch.randn(batch, 3, 32, 32).to(memory_format=form)
    y = torch.randint(0, 10, (batch,))
    times = []
    for i in range(5 + steps):
        start = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if i >= 5:
            times.append(time.perf_counter() - start)
    print(json.dumps({"mean": batch * steps / sum(times), "best": batch / min(times), "version": torch.__version__, "rest_kib": rest}))


# ---- both, from outside ----

def measure(command):
    """What the command printed, and its peak resident memory in MB."""
    with tempfile.TemporaryFile("w+") as out:
        p = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            sys.exit("failed: " + " ".join(command))
        out.seek(0)
        return json.loads(out.read().strip().splitlines()[-1]), usage.ru_maxrss * 1024 / 1e6


def intact_once(a, folder):
    out = os.path.join(folder, "out.onnx")
    r, peak = measure([a.intact, "train", os.path.join(folder, "net.onnx"), "-o", out, "--data", os.path.join(folder, "data.bin"), "--preprocess", "cifar", "--epochs", "2", "--batch",
                       str(a.batch), "--threads", str(a.threads), "--lr", "0.05", "--nesterov", "--weight-decay", "5e-4", "--augment", "crop=4,flip", "--json", "--quiet"])
    return {"mean": r["epochs"][1]["images_per_second"], "waited": r["epochs"][1]["waited"] / r["epochs"][1]["seconds"], "peak": peak}


def torch_once(a, layout):
    r, peak = measure([a.python, os.path.abspath(__file__), "--worker", layout, "--threads", str(a.threads), "--batch", str(a.batch), "--steps", str(a.steps), "-"])
    return dict(r, peak=peak)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("intact")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--steps", type=int, default=40)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--python", default="/usr/bin/python3", help="one that has torch")
    p.add_argument("--log", help="every measurement as a line of JSON")
    p.add_argument("--worker", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.worker:
        return torch_worker(a.worker, a.threads, a.batch, a.steps)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([a.intact, "new", "resnet20", "-o", os.path.join(folder, "net.onnx"), "--seed", "1", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "data.bin"), "wb") as f:
            for i in range(a.batch * a.steps):
                f.write(bytes([i % 10]) + os.urandom(3072))
        rows = {"Intact": []} | {f"PyTorch, {l}": [] for l in LAYOUTS}
        for _ in range(a.rounds):
            rows["Intact"].append(intact_once(a, folder))
            for l in LAYOUTS:
                rows[f"PyTorch, {l}"].append(torch_once(a, l))
    if a.log:
        with open(a.log, "a") as f:
            for name, runs in rows.items():
                for r in runs:
                    f.write(json.dumps(dict(name=name, threads=a.threads, batch=a.batch, steps=a.steps, **r)) + "\n")
    version = rows["PyTorch, default"][0]["version"]
    print(f"ResNet-20, batch {a.batch}, {a.threads} threads, {platform.machine()}, {a.rounds} alternating rounds of {a.steps} steps, PyTorch {version}\n")
    print("| | images/s, best round | median round | fastest step | peak memory, MB | at rest | Intact's best against it |\n|---|---|---|---|---|---|---|")
    ours = max(r["mean"] for r in rows["Intact"])
    for name, runs in rows.items():
        best, median = max(r["mean"] for r in runs), statistics.median(r["mean"] for r in runs)
        step = f"{max(r['best'] for r in runs):.0f}" if "best" in runs[0] else ""
        rest = f"{runs[0]['rest_kib'] * 1024 / 1e6:.0f}" if "rest_kib" in runs[0] else ""
        print(f"| {name} | {best:.0f} | {median:.0f} | {step} | {min(r['peak'] for r in runs):.0f} | {rest} | {ours / best:.2f} |")
    print(f"\nIntact's trainer waited for its input pipeline in at most {100 * max(r['waited'] for r in rows['Intact']):.2f} % of the time.")


main()
