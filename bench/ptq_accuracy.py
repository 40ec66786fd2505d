#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What post-training quantization does to real networks: the tables of docs/ACCURACY.md, and ONNX Runtime's own quantizer on the same images.

    python3 -m venv build/venv && build/venv/bin/pip install numpy onnx onnxruntime pillow
    build/venv/bin/python bench/ptq_accuracy.py build/intact --data INTACT_DATA [--rows 8bit,w4,...] [--nets cifar10_resnet20,...] [--log FILE.jsonl] [--threads 2]

Every row is a line of the log: network, command, what was measured. Images are split by index, in the order of their names: imagenet500 by index
modulo 10 into 100 for calibration (0, 1), 150 for the gate (2 to 4) and 250 for the report; CIFAR: each class's first 52 of train for calibration, its last 200
for the gate, all 10,000 of test for the report; Fashion-MNIST: calibration on train, report on test. Integer networks run in Intact's runtime, ONNX Runtime's in ONNX Runtime.
Losses are paired, with McNemar's standard error; logit SQNR is 10 log10 of the float logits' energy over the difference's, all samples together.
"""
import argparse
import glob
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import time

FASHION = "/usr/share/datasets/fashion-mnist"
IMAGENET_OF = [0, 0, 1, 1, 1, 2, 2, 2, 2, 2]  # index modulo 10: calibration, gate, report
PARTS = ("calib", "gate", "report")

# preprocessing as Intact's --preprocess and as (crop, scale, mean, deviation, BGR)
NETS = {
    "cifar10_resnet20": ("cifar", "cifar", (0, 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False), 0),
    "cifar10_resnet56": ("cifar", "cifar", (0, 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False), 0),
    "mlperf_tiny_resnet8": ("cifar", "raw", (0, 1, (0, 0, 0), (1, 1, 1), False), 0),
    "imagenet_squeezenet1_1": ("imagenet", "resize=0,crop=227,scale=1,mean=104:117:123,order=bgr", (227, 1, (104, 117, 123), (1, 1, 1), True), 0),
    "imagenet_mobilenet_v2": ("imagenet", "tf", (224, 1 / 127.5, (1, 1, 1), (1, 1, 1), False), 1),
    "fashion_resnet8": ("fashion", None, (0, 1 / 255, (0,), (1,), False), 0),
}
W4 = ["--weight-bits", "4"]
ADAROUND = ["--set", "weights.round=adaround,weights.range=mse"]
ROWS = {  # name: options of intact quantize; a gate where --max-drop stands
    "8bit": [],
    "8bit-drop": ["--max-drop", "0.5"],
    "w4-nearest": W4,
    "w4-bias": W4 + ["--apply", "bias"],
    "w4-adaround": W4 + ADAROUND,
    "w4-adaround-bias": W4 + ADAROUND + ["--apply", "bias"],
    "w4-adaround-equalize": W4 + ADAROUND + ["--apply", "equalize"],
    "w4-adaround-group32": W4 + ["--set", ADAROUND[1] + ",weights.per=group:32"],
    "w4a4-nearest": W4 + ["--act-bits", "4"],
    "w4a4-adaround": W4 + ["--act-bits", "4"] + ADAROUND,
    "w4a4-lloyd": W4 + ["--act-bits", "4", "--set", "activations.levels=lloyd"],
    "w4a4-lloyd-adaround": W4 + ["--act-bits", "4", "--set", ADAROUND[1] + ",activations.levels=lloyd"],
}
METHODS = {  # each method by itself; for 4-bit weights, and for 8-bit weights that share a scale in each layer
    "tensor": ["--set", "weights.per=tensor"],
    "channel": [],
    "group32": ["--set", "weights.per=group:32"],
    "affine": ["--set", "weights.scheme=affine"],
    "mse": ["--set", "weights.range=mse"],
    "gptq": ["--set", "weights.range=mse,weights.round=gptq"],
    "adaround": ADAROUND,
    "equalize": ["--apply", "equalize"],
    "absorb": ["--apply", "equalize,absorb"],
    "bias": ["--apply", "bias"],
    "all": ["--set", ADAROUND[1], "--apply", "equalize,bias"],
}
for name, options in METHODS.items():
    ROWS[f"m4-{name}"] = W4 + options
    if name not in ("channel", "group32", "tensor"):
        ROWS[f"t8-{name}"] = ["--set", ",".join(["weights.per=tensor"] + [o for o in options if "=" in o])] + [o for o in options if "=" not in o and o != "--set"]
ROWS["t8-tensor"] = METHODS["tensor"]
for name in ("max", "mse", "entropy", "auto", "percentile:99.9", "percentile:99.99", "percentile:99.999", "percentile:99.9999"):
    ROWS[f"c-{name}"] = ["--method", name]
for bits in ("4", "3"):
    for levels in ("even", "lloyd", "entropy"):
        ROWS[f"a{bits}-{levels}"] = ["--act-bits", bits, "--set", f"activations.levels={levels}"]


def images(kind, part, data):
    """The samples of a part: (path, class) pairs in the order of their names."""
    if kind == "imagenet":
        with open(f"{data}/imagenet500/labels.txt") as f:
            lines = [line.split() for line in f if line.strip()]
        return [(f"{data}/imagenet500/{w[0]}", int(w[1])) for i, w in enumerate(lines) if PARTS[IMAGENET_OF[i % 10]] == part]
    out = []
    folder = f"{data}/cifar10/" + ("test" if part == "report" else "train")
    for k, name in enumerate(sorted(os.listdir(folder))):
        files = sorted(glob.glob(f"{folder}/{name}/*"))
        out += [(f, k) for f in (files[:52] if part == "calib" else files[-200:] if part == "gate" else files)]
    return out


def folder_of(kind, part, data, to):
    """A folder with links to the part's images and labels.txt, as Intact reads it; Fashion-MNIST: its file."""
    if kind == "fashion":
        return f"{FASHION}/{'t10k' if part == 'report' else 'train'}-images-idx3-ubyte.gz"
    folder = f"{to}/{kind}-{part}"
    if not os.path.isdir(folder):
        os.makedirs(folder)
        with open(f"{folder}/labels.txt", "w") as f:
            for i, (path, label) in enumerate(images(kind, part, data)):
                os.symlink(os.path.realpath(path), f"{folder}/{i:05}.jpg")
                f.write(f"{i:05}.jpg {label} {label}\n")
    return folder


def pixels(net, part, data, limit=None):
    """The same samples as an array, prepared as Intact prepares them, and their labels."""
    import numpy as np
    from PIL import Image

    kind, _, (crop, scale, mean, dev, bgr), offset = NETS[net]
    if kind == "fashion":
        with gzip.open(folder_of(kind, part, data, None)) as f:
            x = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
        with gzip.open(folder_of(kind, part, data, None).replace("images-idx3", "labels-idx1")) as f:
            y = np.frombuffer(f.read(), np.uint8, offset=8)
        return x[:limit].astype(np.float32) * np.float32(scale), y[:limit].astype(int)
    xs, ys = [], []
    for path, label in images(kind, part, data)[:limit]:
        x = np.asarray(Image.open(path).convert("RGB"))
        if crop:
            t, l = (x.shape[0] - crop) // 2, (x.shape[1] - crop) // 2
            x = x[t:t + crop, l:l + crop]
        x = x[:, :, ::-1] if bgr else x
        xs.append(((x.astype(np.float32) * np.float32(scale) - np.float32(mean)) / np.float32(dev)).transpose(2, 0, 1))
        ys.append(label + offset)
    return np.stack(xs), np.array(ys)


def model_of(net, data):
    return f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/models/{net}.onnx" if net.startswith("fashion") else f"{data}/models/{net}.onnx"


def paired(a, b, n):
    """Points that are lost, and their standard error: a right in the first network alone, b in the second alone."""
    return 100 * (a - b) / n, 100 * math.sqrt(max(a + b - (a - b) ** 2 / n, 0)) / n


def command(args):
    p = subprocess.run(args, capture_output=True, text=True)
    if p.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(args)}: exit code {p.returncode}\n{p.stderr}")
    return p.returncode, p.stdout


def intact_row(a, net, row, splits):
    kind, pre, _, offset = NETS[net]
    model, out = model_of(net, a.data), f"{splits}/{net}.{row}.itm"
    calib, gate, report = (folder_of(kind, part, a.data, splits) for part in PARTS)
    prep = ["--preprocess", pre] if pre else []
    label = ["--label-offset", str(offset)] if offset else []
    options = ROWS[row] + (["--eval", gate] + label if "--max-drop" in ROWS[row] else [])
    for f in glob.glob(f"{out}*"):
        os.remove(f)
    began = time.time()
    code, _ = command([a.intact, "quantize", model, "-o", out, "--calib", calib, "--samples", "512", "--threads", str(a.threads), "--quiet"] + prep + options)
    seconds = time.time() - began
    best = out if os.path.exists(out) else f"{splits}/{net}.{row}.itm.best.itm"
    _, text = command([a.intact, "compare", model, best, "--data", report, "--no-layers", "--json", "--quiet", "--threads", str(a.threads)] + prep + label)
    r = json.loads(text)
    loss, error = paired(r["only_a"], r["only_b"], r["labelled"])
    return {"network": net, "row": row, "options": " ".join(ROWS[row]), "gate_met": code == 0, "float": 100 * r["top1_a"], "integer": 100 * r["top1_b"], "loss": loss, "error": error,
            "agreement": 100 * r["agreement"], "sqnr": r["output_sqnr_db"], "n": r["n"], "seconds": seconds, "bytes": os.path.getsize(best)}


def without_softmax(path, to):
    """The network up to its logits, as Intact's program ends."""
    import onnx

    m = onnx.load(path)
    last = m.graph.node[-1]
    if last.op_type == "Softmax":
        shape = onnx.shape_inference.infer_shapes(m).graph
        logits = next(v for v in shape.value_info if v.name == last.input[0])
        m.graph.node.remove(last)
        del m.graph.output[:]
        m.graph.output.append(logits)
    onnx.save(m, to)
    return to


def ort_logits(path, x):
    import numpy as np
    import onnxruntime as ort

    o = ort.SessionOptions()
    o.log_severity_level = 3
    s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    name = s.get_inputs()[0].name
    return np.concatenate([s.run(None, {name: x[i:i + 1]})[0].reshape(1, -1) for i in range(len(x))])


def ort_rows(a, net, splits):
    """ONNX Runtime's quantizer, 8 bits, per-channel weights, with each of its calibrators."""
    import numpy as np
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = without_softmax(model_of(net, a.data), f"{splits}/{net}.logits.onnx")
    calib, _ = pixels(net, "calib", a.data, 512)
    x, y = pixels(net, "report", a.data)
    want = ort_logits(model, x)
    name = onnx.load(model).graph.input[0].name

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rows = iter(calib)

        def get_next(self):
            row = next(self.rows, None)
            return None if row is None else {name: row[None]}

    pre, path = f"{splits}/{net}.pre.onnx", f"{splits}/{net}.ort.onnx"
    quant_pre_process(model, pre, skip_symbolic_shape=True)
    for method in ("MinMax", "Entropy", "Percentile"):
        began = time.time()
        quantize_static(pre, path, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        calibrate_method=getattr(CalibrationMethod, method))
        seconds = time.time() - began
        have = ort_logits(path, x)
        f, q = want.argmax(1) == y, have.argmax(1) == y
        loss, error = paired(int((f & ~q).sum()), int((q & ~f).sum()), len(y))
        noise = float(((want - have).astype(np.float64) ** 2).sum())
        yield {"network": net, "row": f"ort-{method}", "options": f"ONNX Runtime quantize_static, {method}", "float": 100 * f.mean(), "integer": 100 * q.mean(), "loss": loss, "error": error,
               "agreement": 100 * float((want.argmax(1) == have.argmax(1)).mean()), "sqnr": 10 * math.log10(float((want.astype(np.float64) ** 2).sum()) / noise), "n": len(y), "seconds": seconds,
               "bytes": os.path.getsize(path)}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("intact")
    p.add_argument("--data", default=os.environ.get("INTACT_DATA", ""))
    p.add_argument("--rows", default="8bit-drop,ort")
    p.add_argument("--nets", default=",".join(NETS))
    p.add_argument("--log", default="")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    a.intact = os.path.abspath(a.intact)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=os.path.dirname(os.path.abspath(__file__))).stdout.strip()
    print("| network | row | float | integer | loss | agreement | logit SQNR, dB | s | KiB |\n|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as splits:
        for net in a.nets.split(","):
            for row in a.rows.split(","):
                for r in ort_rows(a, net, splits) if row == "ort" else [intact_row(a, net, row, splits)]:
                    r["commit"] = commit
                    print(f"| {net} | {r['row']} | {r['float']:.2f} | {r['integer']:.2f} | {r['loss']:.2f} ± {r['error']:.2f} | {r['agreement']:.2f} % | {r['sqnr']:.1f} | {r['seconds']:.0f} | "
                          f"{r['bytes'] / 1024:.0f} |", flush=True)
                    if a.log:
                        with open(a.log, "a") as f:
                            f.write(json.dumps(r) + "\n")


if __name__ == "__main__":
    sys.exit(main())
