#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Intact's integer runtime beside ONNX Runtime's float, one run, alternating, batch 1. Prints a Markdown table.

    python3 -m venv build/venv && build/venv/bin/pip install onnxruntime numpy
    build/venv/bin/python bench/compare_ort.py build/intact NET.onnx:NET.itm [NET.onnx:NET.itm ...] [--threads 1,2] [--rounds 7]
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import time

import numpy as np
import onnxruntime as ort


def ort_session(path, threads):
    o = ort.SessionOptions()
    o.intra_op_num_threads = threads
    o.inter_op_num_threads = 1
    return ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])


def ort_times(session, seconds):
    x = session.get_inputs()[0]
    feed = {x.name: np.random.default_rng(1).random([1 if not isinstance(d, int) else d for d in x.shape], np.float32)}
    for _ in range(5):
        session.run(None, feed)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        t = time.perf_counter()
        session.run(None, feed)
        times.append(1e3 * (time.perf_counter() - t))
    return min(times), statistics.median(times)


def intact_times(intact, path, threads, seconds):
    out = subprocess.run([intact, "bench", path, "--threads", str(threads), "--seconds", str(seconds), "--json", "--quiet"], check=True, capture_output=True)
    r = json.loads(out.stdout)
    return r["min_ms"], r["median_ms"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("intact")
    p.add_argument("pairs", nargs="+", help="NET.onnx:NET.itm")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--seconds", type=float, default=1.0)
    a = p.parse_args()
    print(f"ONNX Runtime {ort.__version__} float against {subprocess.run([a.intact, '--version'], capture_output=True, text=True).stdout.strip()}, {platform.machine()}, "
          f"{a.rounds} alternating rounds of {a.seconds} s; minimum (median of medians), ms\n")
    print("| network | threads | ONNX Runtime float | Intact integer | ratio of minima | ratio of medians |\n|---|---|---|---|---|---|")
    for pair in a.pairs:
        onnx, itm = pair.split(":")
        for threads in [int(t) for t in a.threads.split(",")]:
            session = ort_session(onnx, threads)
            theirs, ours = [], []
            for _ in range(a.rounds):
                theirs.append(ort_times(session, a.seconds))
                ours.append(intact_times(a.intact, itm, threads, a.seconds))
            tm, om = min(t[0] for t in theirs), min(t[0] for t in ours)
            td, od = statistics.median(t[1] for t in theirs), statistics.median(t[1] for t in ours)
            name = os.path.basename(onnx).removesuffix(".onnx")
            print(f"| {name} | {threads} | {tm:.2f} ({td:.2f}) | {om:.2f} ({od:.2f}) | {tm / om:.2f} | {td / od:.2f} |", flush=True)


main()
