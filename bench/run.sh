#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Latency of Intact beside its peers (bench/compare.py), in a virtual environment that this script makes. INTACT names the command.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=build/venv
[ -x $venv/bin/python ] || python3 -m venv $venv
$venv/bin/python -c 'import numpy, onnx, onnxruntime' 2> /dev/null ||
    { $venv/bin/pip -q install numpy onnx onnxruntime openvino ncnn && $venv/bin/pip -q install --no-deps pnnx; }
exec $venv/bin/python bench/compare.py "${INTACT:-build/intact}" build/bench "$@"
