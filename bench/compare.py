#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Intact beside ONNX Runtime (float, 8-bit), OpenVINO (8-bit, the same QDQ file) and ncnn (float) on the networks of 'intact new': one
run, alternating, minima and medians; then what loading and the first run cost. Peers whose Python packages are missing are left out.
Writes Markdown tables.

    python3 -m venv build/venv && build/venv/bin/pip install numpy onnx onnxruntime openvino ncnn && build/venv/bin/pip install --no-deps pnnx
    build/venv/bin/python bench/compare.py build/intact build/bench [--nets resnet18,...] [--threads 1,2] [--rounds 5] [--seconds 1]

ONNX Runtime's 8-bit is its own quantizer's QDQ, U8 activations and per-channel S8 weights: the form that its x86 kernels fuse fastest.
ncnn reads what pnnx (its converter; the package's program needs no PyTorch) makes of the ONNX file, weights in 32 bits. Its 8-bit form is not
measured: ncnn2table and ncnn2int8, which make it, are in none of its Python packages.
"""
import argparse
import datetime
import glob
import importlib.util
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

NETS = {"resnet18": 224, "resnet50": 224, "vgg16": 224, "squeezenet1_1": 224, "mobilenet_v2": 224, "mobilenet_v3_small": 224, "shufflenet_v2": 224, "efficientnet_b0": 224, "resnet20": 32}


class Engine:
    """run(seconds) gives minimum and median in ms; load and first: ms until it is ready, and of the first run, one entry a start."""

    def __init__(self):
        self.load, self.first = [], []

    def start(self, ready, run_once):
        """ready() makes what run_once() needs."""
        t = time.perf_counter()
        ready()
        u = time.perf_counter()
        run_once()
        self.load.append(1e3 * (u - t))
        self.first.append(1e3 * (time.perf_counter() - u))
        self.run = lambda seconds: timed(run_once, seconds)
        return self


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
    x = np.random.default_rng(2).standard_normal((1, 3, size, size)).astype(np.float32)
    s, feed = None, {}

    def ready():
        nonlocal s
        s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
        feed[s.get_inputs()[0].name] = x

    return Engine().start(ready, lambda: s.run(None, feed))


def openvino_engine(path, threads, size):
    import openvino as ov

    core = ov.Core()
    x = np.random.default_rng(2).standard_normal((1, 3, size, size)).astype(np.float32)
    r = None

    def ready():
        nonlocal r
        model = core.read_model(path)
        model.reshape({model.inputs[0].any_name: [1, 3, size, size]})
        c = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})
        r = c.create_infer_request()
        r.set_input_tensor(ov.Tensor(x))

    return Engine().start(ready, lambda: r.infer())


def ncnn_files(onnx, size):
    """What pnnx makes of the ONNX file; made once. ImportError where there is no pnnx."""
    stem = onnx.removesuffix(".onnx") + ".ncnn"
    if not os.path.exists(stem + ".bin"):
        spec = importlib.util.find_spec("pnnx")
        found = [p for d in (spec.submodule_search_locations if spec else []) for p in glob.glob(f"{d}/bin/pnnx*") + glob.glob(f"{d}/pnnx")] or [shutil.which("pnnx")]
        if not found[0]:
            raise ImportError("pnnx")
        with tempfile.TemporaryDirectory() as d:
            shutil.copy(onnx, f"{d}/net.onnx")
            subprocess.run([found[0], "net.onnx", f"inputshape=[1,3,{size},{size}]", "fp16=0"], cwd=d, check=True, capture_output=True)
            shutil.move(f"{d}/net.ncnn.param", stem + ".param")
            shutil.move(f"{d}/net.ncnn.bin", stem + ".bin")
    return stem


def ncnn_engine(onnx, threads, size):
    import ncnn

    stem, net = ncnn_files(onnx, size), ncnn.Net()
    numbers = np.random.default_rng(2).standard_normal((3, size, size)).astype(np.float32)  # a Mat does not own what numpy gave it
    x = ncnn.Mat(numbers).clone()

    def ready():
        net.opt.num_threads = threads
        if net.load_param(stem + ".param") or net.load_model(stem + ".bin"):
            raise RuntimeError("ncnn cannot load what pnnx made")

    def run():
        e = net.create_extractor()
        e.input(net.input_names()[0], x)
        code, _ = e.extract(net.output_names()[0])
        if code:
            raise RuntimeError(f"ncnn fails with {code}")

    return Engine().start(ready, run)


def intact_engine(intact, path, threads, level):
    engine = Engine()

    def run(seconds):
        out = subprocess.run([intact, "bench", path, "--threads", str(threads), "--seconds", str(seconds), "--cpu", level, "--json", "--quiet"], check=True, capture_output=True)
        r = json.loads(out.stdout)
        engine.load.append(r["load_ms"])
        engine.first.append(r["first_ms"])
        return r["min_ms"], r["median_ms"]

    engine.run = run
    return engine


def engines_for(a, onnx, itm, qdq, threads, size):
    yield "Intact", intact_engine(a.intact, itm, threads, a.cpu)
    for name, make in (("ORT float", lambda: ort_engine(onnx, threads, size)), ("ORT int8", lambda: ort_engine(qdq, threads, size)),
                       ("OpenVINO int8", lambda: openvino_engine(qdq, threads, size)), ("ncnn float", lambda: ncnn_engine(onnx, threads, size))):
        if name.split()[0] in a.skip:
            continue
        try:
            yield name, make()
        except ImportError:
            pass
        except Exception as e:  # a peer that cannot load a network is a result, not a reason to stop
            print(f"{name} on {onnx}: {e}", file=sys.stderr)


def print_starts(starts, head):
    print("Loading until ready, and the first run after it, ms (Intact: median of the rounds, each a new process; the others once, libraries loaded before):\n")
    print("| network | " + " | ".join(f"{n}: loading | first run" for n in head) + " |\n" + "|---" * (1 + 2 * len(head)) + "|")
    for net, engines in starts.items():
        cells = [f"{statistics.median(engines[n].load):.1f} | {statistics.median(engines[n].first):.2f}" if n in engines else "- | -" for n in head]
        print(f"| {net} | " + " | ".join(cells) + " |")
    print(flush=True)


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
        ratios, head, starts = {}, None, {}
        for net in a.nets.split(","):
            size = NETS[net]
            engines = starts[net] = dict(engines_for(a, *files[net], threads, size))
            rounds = {n: [] for n in engines}
            for _ in range(a.rounds):
                for n, run in engines.items():
                    rounds[n].append(run.run(a.seconds))
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
        print_starts(starts, ["Intact"] + head)


main()
