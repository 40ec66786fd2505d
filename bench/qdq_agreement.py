#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Quantized ONNX networks in Intact and in ONNX Runtime: whether the answers are the same, network by network and layer by layer.

    python3 -m venv build/venv && build/venv/bin/pip install numpy onnx onnxruntime pillow
    build/venv/bin/python bench/qdq_agreement.py build --models MODELS --data DATA --nets cifar10_resnet20 --samples 1000 [--layers 3] [--export]

BUILD holds intact and libintact-run.so, MODELS the float networks, DATA the folders imagenet500 and cifar10. ONNX Runtime's quantizer makes the quantized
networks (--forms), calibrated on --calib samples by min-max; both run the same inputs. ONNX Runtime runs each twice: fused, with its default
optimizations (QLinearConv and the like, sums in integers), and plain, without any, which is what the file says word by word, in floats
(convolutions of dequantized values). How often these two agree with each other stands beside. A Softmax at the end is left out on both sides. near: of the samples with another answer, those where
ONNX Runtime's two best logits are at most one code apart.

--layers N: each part of the network between two quantizations, fed ONNX Runtime's codes of N samples: how many of its codes differ.
--export: the other way round: Intact quantizes the float network, exports it, and ONNX Runtime runs that beside the integer program.
--dynamic: networks of quantize_dynamic (DynamicQuantizeLinear, ConvInteger, MatMulInteger): in Intact's float executor, and calibrated in integers.
"""
import argparse
import collections
import ctypes
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

# data, crop (0: as it is; below 0: made that small), what the pixels become (operation by operation as Intact has it), Intact's --preprocess
NETS = {
    "cifar10_resnet20": ("cifar", 0, lambda a: (a * (1 / 255) - vec(0.485, 0.456, 0.406)) / vec(0.229, 0.224, 0.225), "cifar"),
    "cifar10_resnet56": ("cifar", 0, lambda a: (a * (1 / 255) - vec(0.485, 0.456, 0.406)) / vec(0.229, 0.224, 0.225), "cifar"),
    "mlperf_tiny_resnet8": ("cifar", 0, lambda a: a, "raw"),
    "imagenet_squeezenet1_1": ("imagenet", 227, lambda a: a[::-1] - vec(104, 117, 123), "resize=0,crop=227,scale=1,mean=104:117:123,order=bgr"),
    "imagenet_mobilenet_v2": ("imagenet", 224, lambda a: a * (1 / 127.5) - 1, "tf"),
    "mlperf_tiny_vww_mobilenet": ("imagenet", -96, lambda a: a * (1 / 127.5) - 1, "resize=96,crop=96,scale=1/127.5,mean=1,std=1"),
    "mlperf_tiny_ad_autoencoder": ("spectrum", 0, None, None),
}
FORMS = {
    "qdq": ("QDQ", "QUInt8", "QInt8", True),
    "qdq-s8s8": ("QDQ", "QInt8", "QInt8", False),
    "qdq-u8u8": ("QDQ", "QUInt8", "QUInt8", False),
    "qop": ("QOperator", "QUInt8", "QInt8", True),
    "qop-s8s8": ("QOperator", "QInt8", "QInt8", False),
    "qop-u8u8": ("QOperator", "QUInt8", "QUInt8", False),
    "qdq-w4": ("QDQ", "QUInt8", "QInt4", True),
    "qdq-uw4": ("QDQ", "QUInt8", "QUInt4", False),
    "qdq-a16": ("QDQ", "QUInt16", "QInt8", True),
}
MOVERS = {"MaxPool", "Flatten", "Reshape", "Slice", "Transpose", "Pad", "Squeeze", "Unsqueeze"}


def vec(*v):
    return np.array(v, np.float32).reshape(-1, 1, 1)


# ---- data ----

def files(kind, data, part):
    root = f"{data}/imagenet500" if kind == "imagenet" else f"{data}/cifar10/{'train' if part == 'calib' else 'test'}"
    found = sorted(glob.glob(f"{root}/**/*.jp*g", recursive=True) + glob.glob(f"{root}/**/*.png", recursive=True))
    return [found[i] for i in np.random.default_rng(0 if part == "calib" else 1).permutation(len(found))]


def picture(path, crop, fill):
    from PIL import Image
    im = Image.open(path).convert("RGB")
    if crop < 0:
        im = im.resize((-crop, -crop))
    elif crop:
        left, top = (im.width - crop) // 2, (im.height - crop) // 2
        im = im.crop((left, top, left + crop, top + crop))
    return np.ascontiguousarray(fill(np.asarray(im, np.float32).transpose(2, 0, 1)), np.float32)


def samples(net, data, part, n):
    """Photographs; where a network has no data here, photographs made small, or spectra drawn at random."""
    kind, crop, fill, _ = NETS[net]
    if kind == "spectrum":
        rng = np.random.default_rng(0 if part == "calib" else 1)
        slow = rng.normal(0, 1, (n, 5, 16)).repeat(8, 2)
        return (-20 + 4 * slow + rng.normal(0, 2, (n, 5, 128))).reshape(n, 640).astype(np.float32)
    return np.stack([picture(f, crop, fill) for f in files(kind, data, part)[:n]])


# ---- ONNX Runtime ----

def session(model, fused, save=None):
    o = ort.SessionOptions()
    o.intra_op_num_threads = 1
    o.log_severity_level = 3
    if save:
        o.optimized_model_filepath = save
    o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL if fused else ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), o, providers=["CPUExecutionProvider"])


def run_each(s, x):
    """One sample at a time; a list of arrays, one an output."""
    name = s.get_inputs()[0].name
    each = [s.run(None, {name: x[i:i + 1]}) for i in range(len(x))]
    return [np.concatenate(v) for v in zip(*each)]


def prepared(net, models, to):
    from onnxruntime.quantization.shape_inference import quant_pre_process
    before = f"{to}/{net}.pre.onnx"
    if not os.path.exists(before):
        quant_pre_process(f"{models}/{net}.onnx", before, skip_symbolic_shape=True)
    return before


def quantize(net, models, form, x, to):
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):
        def __init__(self, name):
            self.it = iter([{name: v[None]} for v in x])

        def get_next(self):
            return next(self.it, None)

    fmt, act, weight, per_channel = FORMS[form]
    before = prepared(net, models, to)
    out = f"{to}/{net}.{form}.onnx"
    q.quantize_static(before, out, Reader(onnx.load(before).graph.input[0].name), quant_format=getattr(q.QuantFormat, fmt), activation_type=getattr(q.QuantType, act),
                      weight_type=getattr(q.QuantType, weight), per_channel=per_channel)
    return out


def without_softmax(path):
    """The network up to its last Softmax, and the scale and zero point of what is codes there."""
    m = onnx.load(path)
    consts = {i.name: numpy_helper.to_array(i) for i in m.graph.initializer}
    by = {o: n for n in m.graph.node for o in n.output}
    n = by.get(m.graph.output[0].name)
    while n is not None and n.op_type in ("DequantizeLinear", "QuantizeLinear"):
        n = by.get(n.input[0])
    if n is None or "Softmax" not in n.op_type:
        return m, None
    del m.graph.output[:]
    m.graph.output.append(helper.make_empty_tensor_value_info(n.input[0]))
    return m, (consts[n.input[1]], consts[n.input[2]]) if n.op_type == "QLinearSoftmax" else None


def logits(path, x, fused):
    m, scale = without_softmax(path)
    y = run_each(session(m, fused), x)[0]
    if scale:
        y = (y.astype(np.float32) - scale[1].astype(np.float32)) * scale[0]
    return y.reshape(len(x), -1)


# ---- Intact ----

class Port(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 128), ("type", ctypes.c_int), ("rank", ctypes.c_uint32), ("dims", ctypes.c_uint32 * 8), ("bytes", ctypes.c_size_t),
                ("scale", ctypes.c_float), ("zero_point", ctypes.c_int32), ("is_pixels", ctypes.c_int)]


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("where", ctypes.c_char * 160), ("message", ctypes.c_char * 480)]


def intact(build, *args):
    r = subprocess.run([f"{build}/intact", *args, "--quiet"], capture_output=True, text=True)
    if r.returncode:
        raise RuntimeError(r.stderr.strip())
    return r.stdout


def intact_run(build, program, x, to):
    np.save(f"{to}/x.npy", x)
    intact(build, "run", program, "--input", f"{to}/x.npy", "--output", f"{to}/y.npy")
    return np.load(f"{to}/y.npy").reshape(len(x), -1)


class Runtime:
    """The library as any program uses it: codes in, codes out."""

    def __init__(self, build):
        self.lib = ctypes.CDLL(f"{build}/libintact-run.so")
        self.lib.intact_session_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p]
        for f in ("intact_program_free", "intact_session_free"):
            getattr(self.lib, f).argtypes = [ctypes.c_void_p]
            getattr(self.lib, f).restype = None

    def check(self, status, e):
        if status:
            raise RuntimeError(f"{e.where.decode()}: {e.message.decode()}")

    def run(self, path, inputs):
        """inputs: uint8 arrays, samples first, channels last. The first output's codes, their scale and zero point."""
        e, program, run, port = Error(), ctypes.c_void_p(), ctypes.c_void_p(), Port()
        self.check(self.lib.intact_program_load(path.encode(), None, ctypes.byref(program), ctypes.byref(e)), e)
        self.check(self.lib.intact_session_new(program, None, ctypes.byref(run), ctypes.byref(e)), e)
        for k, v in enumerate(inputs):
            self.lib.intact_program_input(program, k, ctypes.byref(port))
            if port.type != 0 or port.bytes != v[0].nbytes:
                raise RuntimeError(f"input {k} has {port.bytes} bytes of type {port.type} for {v[0].nbytes} codes")
        self.lib.intact_program_output(program, 0, ctypes.byref(port))
        y = np.zeros((len(inputs[0]), port.bytes // (2 if port.type == 2 else 1)), np.int16 if port.type == 2 else np.uint8)
        rooms = [np.zeros(v[0].nbytes + 64, np.uint8) for v in inputs]
        for i in range(len(y)):
            for room, v in zip(rooms, inputs):
                room[:v[0].nbytes] = v[i].ravel()
            ins = (ctypes.c_void_p * len(rooms))(*[r.ctypes.data for r in rooms])
            out = (ctypes.c_void_p * 1)(y[i].ctypes.data)
            self.check(self.lib.intact_session_run(run, ins, len(rooms), out, 1, ctypes.byref(e)), e)
        self.lib.intact_session_free(run)
        self.lib.intact_program_free(program)
        return y, port.scale, port.zero_point


# ---- answers ----

def same(a, b):
    return a.argmax(1) == b.argmax(1)


def answers(net, y, fused, plain):
    """Rates of equal answers, and how near the others are. A network that gives no classes: values at most one code apart."""
    step = np.diff(np.unique(fused.astype(np.float64).round(6)))
    step = step[step > 1e-5].min() if len(step) else 1
    if NETS[net][0] == "spectrum":
        rate = [(np.abs(a - b) < 1.5 * step).mean() for a, b in ((y, fused), (y, plain), (fused, plain))]
        near = ""
    else:
        rate = [same(a, b).mean() for a, b in ((y, fused), (y, plain), (fused, plain))]
        counts = []
        for o in (fused, plain):
            other = np.flatnonzero(~same(y, o))
            counts.append(f"{sum(o[i].max() - o[i][y[i].argmax()] < 1.5 * step for i in other)} of {len(other)}")
        near = ", ".join(counts)
    equal = [(np.abs(a - b) < step / 2).mean() for a, b in ((y, fused), (y, plain), (fused, plain))]
    return rate, near, equal


def percent(v, digits=2):
    return f"{100 * v:.{digits}f}"


# ---- layers ----

def region(g, by, consts, last, stops):
    """Nodes that make the value `last` from values of `stops`, in order, and those values."""
    names, ins, todo = set(), [], [last]
    while todo:
        v = todo.pop()
        if not v or v in consts:
            continue
        if v in stops and v != last:
            if v not in ins:
                ins.append(v)
            continue
        n = by.get(v)
        if n is None:
            return None, None
        if n.output[0] not in names:
            names.add(n.output[0])
            todo += list(n.input)
    return [n for n in g.node if n.output[0] in names], ins


def code_values(m):
    """Names of the network's inner values that are codes of activations."""
    consts = {i.name for i in m.graph.initializer}
    out = []
    for n in m.graph.node:
        if n.op_type == "QuantizeLinear" and n.input[0] not in consts or n.op_type.startswith("QLinear") or n.op_type == "QGemm" and len(n.input) > 7:
            out.append(n.output[0])
        elif n.op_type in MOVERS and n.input[0] in out:
            out.append(n.output[0])
    return out


def channels_last(a):
    a = np.ascontiguousarray(np.moveaxis(a, 1, -1)) if a.ndim > 2 else a
    return (a.astype(np.int16) + 128).astype(np.uint8) if a.dtype == np.int8 else a


def layers(runtime, build, path, x, to):
    m = onnx.load(path)
    g = m.graph
    consts = {i.name: i for i in g.initializer}
    by = {o: n for n in g.node for o in n.output}
    stops = code_values(m)
    everything = onnx.load(path)
    have = {o.name for o in g.output}
    everything.graph.output.extend([helper.make_empty_tensor_value_info(v) for v in stops if v not in have])
    s = session(everything, True)
    vals = dict(zip([o.name for o in s.get_outputs()], run_each(s, x)))
    total, worst, refused = collections.OrderedDict(), [], []
    for last in stops:
        nodes, ins = region(g, by, set(consts), last, set(stops))
        if not nodes or not ins or by[last].op_type in MOVERS and by[last].input[0] in stops:
            continue
        kinds = [n.op_type for n in nodes if n.op_type not in ("QuantizeLinear", "DequantizeLinear", "Constant")]
        label = "+".join(kinds) or "QuantizeLinear"
        used = {i for n in nodes for i in n.input}
        part = helper.make_model(helper.make_graph(
            nodes, "part", [helper.make_tensor_value_info(i, helper.np_dtype_to_tensor_dtype(vals[i].dtype), [1, *vals[i].shape[1:]]) for i in ins],
            [helper.make_empty_tensor_value_info(last)], [c for k, c in consts.items() if k in used]), opset_imports=m.opset_import, ir_version=m.ir_version)
        y = []
        for fused in (True, False):
            s = session(part, fused)
            y.append(np.concatenate([s.run(None, {i: vals[i][k:k + 1] for i in ins})[0] for k in range(len(x))]))
        onnx.save(part, f"{to}/part.onnx")
        try:
            intact(build, "quantize", f"{to}/part.onnx", "-o", f"{to}/part.itm", "--keep-softmax")
            ours = runtime.run(f"{to}/part.itm", [channels_last(vals[i]) for i in ins])[0].ravel().astype(np.int32)
        except RuntimeError as e:
            refused.append(f"{last} ({label}): {e}")
            continue
        fused, plain = (channels_last(v).ravel().astype(np.int32) for v in y)
        t = total.setdefault(label, [0] * 8)
        off = [np.abs(a - b) for a, b in ((ours, fused), (ours, plain), (fused, plain))]
        t[0] += len(ours)
        t[7] += 1
        for k, d in enumerate(off):
            t[1 + 2 * k] += int((d > 0).sum())
            t[2 + 2 * k] = max(t[2 + 2 * k], int(d.max()))
        if min((off[0] > 0).mean(), (off[1] > 0).mean()) > 1e-3 or min(off[0].max(), off[1].max()) > 1:
            worst.append(f"{last} ({label}): {percent((off[0] > 0).mean(), 4)} % (max {off[0].max()}) of fused, {percent((off[1] > 0).mean(), 4)} % (max {off[1].max()}) of plain")
    print("\n| part | number | codes | Intact, fused: other codes, % (largest) | Intact, plain | fused, plain |\n|---|---|---|---|---|---|")
    for label, t in total.items():
        print(f"| {label} | {t[7]} | {t[0]} | " + " | ".join(f"{percent(t[1 + 2 * k] / t[0], 5)} ({t[2 + 2 * k]})" for k in range(3)) + " |")
    for line in worst + refused:
        print(f"- {line}")
    print(flush=True)


# ---- export ----

def fused_kinds(model, to):
    session(model, True, f"{to}/optimized.onnx")
    return collections.Counter(n.op_type for n in onnx.load(f"{to}/optimized.onnx").graph.node)


def warnings_of(path):
    """What ONNX Runtime says of a file when it loads it: in a process of its own, whose standard error is read."""
    code = "import sys, onnxruntime as o\ns = o.SessionOptions()\ns.log_severity_level = 2\no.InferenceSession(sys.argv[1], s, providers=['CPUExecutionProvider'])"
    return len([line for line in subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True).stderr.splitlines() if line.strip()])


def pixels(net, data, part, n):
    kind, crop, _, _ = NETS[net]
    return np.stack([picture(f, crop, lambda v: v).astype(np.uint8) for f in files(kind, data, part)[:n]])


def program_of(build, net, a, to):
    """The float network quantized by Intact, on images where it takes some; the answers of its runtime, and what ONNX Runtime is fed."""
    program, kind = f"{to}/{net}.itm", NETS[net][0]
    if kind == "spectrum" or NETS[net][1] < 0:
        np.save(f"{to}/calib.npy", samples(net, a.data, "calib", a.calib))
        intact(build, "quantize", f"{a.models}/{net}.onnx", "-o", program, "--calib", f"{to}/calib.npy")
        x = samples(net, a.data, "test", a.samples)
        return program, intact_run(build, program, x, to), x
    folder = f"{to}/{kind}.{a.calib}"
    if not os.path.isdir(folder):
        os.makedirs(folder)
        with open(f"{folder}/labels.txt", "w") as f:
            for k, path in enumerate(files(kind, a.data, "calib")[:a.calib]):
                os.symlink(os.path.realpath(path), f"{folder}/{k:05}.jpg")
                f.write(f"{k:05}.jpg 0\n")
    intact(build, "quantize", f"{a.models}/{net}.onnx", "-o", program, "--calib", folder, "--preprocess", NETS[net][3])
    p = pixels(net, a.data, "test", a.samples)
    codes, scale, zero = Runtime(build).run(program, [channels_last(p)])
    return program, np.float32(scale) * (codes.astype(np.float32) - zero), samples(net, a.data, "test", a.samples)


def export(build, net, a, to):
    program, y, x = program_of(build, net, a, to)
    for form in ("qdq", "qop"):
        out = f"{to}/{net}.export.{form}.onnx"
        intact(build, "export", program, "-o", out, "--format", form)
        kinds = fused_kinds(onnx.load(out), to)
        layers_in = sum(n for k, n in kinds.items() if k.startswith("QLinear") or k in ("QGemm", "DynamicQuantizeMatMul"))
        left = sum(n for k, n in kinds.items() if k in ("Conv", "FusedConv", "Gemm", "MatMul", "Add", "FusedGemm"))
        fused, plain = (logits(out, x, k) for k in (True, False))
        rate, near, equal = answers(net, y, fused, plain)
        print(f"| `{net}` | {form} | {warnings_of(out)} | {layers_in} | {left} | {len(x)} | " + " | ".join(percent(v) for v in rate) + f" | {near} | " +
              " | ".join(percent(v) for v in equal) + " |", flush=True)


# ---- ranges found while running ----

def dynamic(build, net, a, to):
    from onnxruntime import quantization as q
    x = samples(net, a.data, "test", a.samples)
    np.save(f"{to}/calib.npy", samples(net, a.data, "calib", a.calib))
    for weight in ("QInt8", "QUInt8"):
        path = f"{to}/{net}.dynamic.{weight}.onnx"
        q.quantize_dynamic(prepared(net, a.models, to), path, weight_type=getattr(q.QuantType, weight))
        kinds = collections.Counter(n.op_type for n in onnx.load(path).graph.node)
        theirs = logits(path, x, True)
        onnx.save(without_softmax(path)[0], f"{to}/cut.onnx")
        ours = intact_run(build, f"{to}/cut.onnx", x, to)
        refused = subprocess.run([f"{build}/intact", "quantize", path, "-o", f"{to}/never.itm"], capture_output=True, text=True)
        intact(build, "quantize", path, "-o", f"{to}/dynamic.itm", "--calib", f"{to}/calib.npy")
        y = intact_run(build, f"{to}/dynamic.itm", x, to)
        integer = ", ".join(f"{kinds[k]} {k}" for k in ("ConvInteger", "MatMulInteger") if kinds[k])
        print(f"| `{net}` | {weight} | {integer} | {len(x)} | {np.abs(ours - theirs).max() / np.abs(theirs).max():.2g} | {percent(same(ours, theirs).mean())} | "
              f"{refused.returncode} | {percent(same(y, theirs).mean())} |", flush=True)


def main():
    p = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    p.add_argument("build")
    p.add_argument("--models", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--nets", default=",".join(NETS))
    p.add_argument("--forms", default="qdq,qop,qdq-s8s8,qdq-u8u8")
    p.add_argument("--samples", type=int, default=500)
    p.add_argument("--calib", type=int, default=100)
    p.add_argument("--layers", type=int, default=0)
    p.add_argument("--export", action="store_true")
    p.add_argument("--dynamic", action="store_true")
    p.add_argument("--work", help="a folder that keeps what was made")
    a = p.parse_args()
    to = a.work or tempfile.mkdtemp()
    os.makedirs(to, exist_ok=True)
    print(f"ONNX Runtime {ort.__version__}, {subprocess.run([f'{a.build}/intact', '--version'], capture_output=True, text=True).stdout.strip()}\n")
    rates = "Intact, fused: same answer, % | Intact, plain | fused, plain | near (fused, plain) | Intact, fused: equal logits, % | Intact, plain | fused, plain"
    if a.export:
        print(f"| network | format | warnings | integer operators | float ones left | samples | {rates} |\n|" + "---|" * 13)
        for net in a.nets.split(","):
            export(a.build, net, a, to)
        return
    if a.dynamic:
        print("| network | weights | operators | samples | float executor: largest difference of the largest logit | same answer, % | exit without --calib | calibrated, in integers: "
              "same answer, % |\n|" + "---|" * 8)
        for net in a.nets.split(","):
            dynamic(a.build, net, a, to)
        return
    header = f"| network | form | samples | {rates} |\n|" + "---|" * 10
    print(header)
    for net in a.nets.split(","):
        calib, x = samples(net, a.data, "calib", a.calib), samples(net, a.data, "test", a.samples)
        for form in a.forms.split(","):
            path = quantize(net, a.models, form, calib, to)
            intact(a.build, "quantize", path, "-o", path[:-5] + ".itm")
            y, fused, plain = intact_run(a.build, path[:-5] + ".itm", x, to), logits(path, x, True), logits(path, x, False)
            rate, near, equal = answers(net, y, fused, plain)
            print(f"| `{net}` | {form} | {len(x)} | " + " | ".join(percent(v) for v in rate) + f" | {near} | " + " | ".join(percent(v) for v in equal) + " |", flush=True)
            if a.layers:
                layers(Runtime(a.build), a.build, path, x[:a.layers], to)
                print(header)


if __name__ == "__main__":
    main()
