#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Intact beside ONNX Runtime (float, 8-bit), OpenVINO (8-bit, the same QDQ file) and ncnn (float) on the networks of 'intact new': one
run, alternating, minima and medians. Peers whose Python packages are missing are left out. Writes a Markdown table.

    python3 -m venv build/venv && build/venv/bin/pip install numpy onnx onnxruntime openvino ncnn
    build/venv/bin/python bench/compare.py build/intact build/bench [--nets resnet18,...] [--threads 1,2] [--rounds 5] [--seconds 1]

ONNX Runtime's 8-bit is its own quantizer's QDQ, U8 activations and per-channel S8 weights: the form that its x86 kernels fuse fastest.
"""
import argparse
import datetime
import json
import math
import os
import statistics
import subprocess
import sys
import time

import numpy as np

NETS = {"resnet18": 224, "resnet50": 224, "vgg16": 224, "squeezenet1_1": 224, "mobilenet_v2": 224, "mobilenet_v3_small": 224, "shufflenet_v2": 224, "efficientnet_b0": 224, "resnet20": 32}


def timed(run, seconds):
    for _ in range(3):
        run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        t = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - t))
    return min(times), statistics.median(times)


def prepare(intact, folder, net, size):
    """The network, its calibration data, Intact's program and ONNX Runtime's QDQ file; made once."""
    onnx, itm, qdq, npy = (f"{folder}/{net}{s}" for s in (".onnx", ".itm", ".qdq.onnx", ".npy"))
    if not os.path.exists(onnx):
        subprocess.run([intact, "new", net, "-o", onnx, "--seed", "1", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    if not os.path.exists(npy):
        np.save(npy, np.random.default_rng(1).standard_normal((16, 3, size, size)).astype(np.float32))
    subprocess.run([intact, "quantize", onnx, "-o", itm, "--calib", npy, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    if not os.path.exists(qdq):
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
        import onnx as ox

        name = ox.load(onnx, load_external_data=False).graph.input[0].name

        class Reader(CalibrationDataReader):
            def __init__(self):
                self.rows = iter(np.load(npy)[:4])

            def get_next(self):
                row = next(self.rows, None)
                return None if row is None else {name: row[None]}

        quant_pre_process(onnx, qdq + ".pre", skip_symbolic_shape=True)
        quantize_static(qdq + ".pre", qdq, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        os.remove(qdq + ".pre")
    return onnx, itm, qdq


def ort_engine(path, threads, size):
    import onnxruntime as ort

    o = ort.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads, o.log_severity_level = threads, 1, 3
    s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    feed = {s.get_inputs()[0].name: np.random.default_rng(2).standard_normal((1, 3, size, size)).astype(np.float32)}
    return lambda seconds: timed(lambda: s.run(None, feed), seconds)


def openvino_engine(path, threads, size):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(path)
    model.reshape({model.inputs[0].any_name: [1, 3, size, size]})
    c = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})
    r = c.create_infer_request()
    x = np.random.default_rng(2).standard_normal((1, 3, size, size)).astype(np.float32)
    r.infer({0: x})
    return lambda seconds: timed(lambda: r.infer(), seconds)


def intact_engine(intact, path, threads, level):
    def run(seconds):
        out = subprocess.run([intact, "bench", path, "--threads", str(threads), "--seconds", str(seconds), "--cpu", level, "--json", "--quiet"], check=True, capture_output=True)
        r = json.loads(out.stdout)
        return r["min_ms"], r["median_ms"]

    return run


def engines_for(a, onnx, itm, qdq, threads, size):
    yield "Intact", intact_engine(a.intact, itm, threads, a.cpu)
    for name, make in (("ORT float", lambda: ort_engine(onnx, threads, size)), ("ORT int8", lambda: ort_engine(qdq, threads, size)),
                       ("OpenVINO int8", lambda: openvino_engine(qdq, threads, size))):
        if name.split()[0] in a.skip:
            continue
        try:
            yield name, make()
        except ImportError:
            pass
        except Exception as e:  # a peer that cannot load a network is a result, not a reason to stop
            print(f"{name} on {onnx}: {e}", file=sys.stderr)


def cpu_name():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "?")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("intact")
    p.add_argument("folder")
    p.add_argument("--nets", default=",".join(NETS))
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=1.0)
    p.add_argument("--cpu", default="auto")
    p.add_argument("--skip", default="")
    a = p.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    print(f"{datetime.date.today()}, {cpu_name()}, batch 1, {a.rounds} alternating rounds of {a.seconds} s, minimum (median of medians) in ms\n")
    files = {net: prepare(a.intact, a.folder, net, NETS[net]) for net in a.nets.split(",")}
    for threads in [int(t) for t in a.threads.split(",")]:
        ratios, head = {}, None
        for net in a.nets.split(","):
            size = NETS[net]
            engines = dict(engines_for(a, *files[net], threads, size))
            rounds = {n: [] for n in engines}
            for _ in range(a.rounds):
                for n, run in engines.items():
                    rounds[n].append(run(a.seconds))
            low = {n: min(t[0] for t in r) for n, r in rounds.items()}
            mid = {n: statistics.median(t[1] for t in r) for n, r in rounds.items()}
            peers = [n for n in engines if n != "Intact"]
            if head is None:
                head = peers
                print(f"**{threads} thread{'s' if threads > 1 else ''}**\n\n| network | Intact | " + " | ".join(head) + " | " + " | ".join(f"{n} / Intact" for n in head) + " |")
                print("|---" * (2 + 2 * len(head)) + "|")
            cells = [f"{low[n]:.2f} ({mid[n]:.2f})" if n in low else "-" for n in ["Intact"] + head]
            for n in head:
                if n in low:
                    ratios.setdefault(n, []).append(low[n] / low["Intact"])
            print(f"| {net} | " + " | ".join(cells) + " | " + " | ".join(f"{low[n] / low['Intact']:.2f}" if n in low else "-" for n in head) + " |", flush=True)
        mean = " | ".join(f"{math.exp(sum(map(math.log, ratios[n])) / len(ratios[n])):.2f}" if n in ratios else "-" for n in head)
        print("| geometric mean | " + " | " * len(head) + f"| {mean} |\n", flush=True)


main()
