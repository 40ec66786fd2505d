#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The ImageNet networks on 500 photographs: accuracy, agreement, and the memory that calibration takes.
. "$(dirname "$0")/lib_accuracy.sh"
row imagenet_squeezenet1_1 "$data/imagenet500" "$data/imagenet500" 1.0 61.2 100 --preprocess resize=0,crop=227,scale=1,mean=104:117:123,order=bgr
row imagenet_mobilenet_v2 "$data/imagenet500" "$data/imagenet500" 1.0 89.0 100 --preprocess tf --label-offset 1
python3 -c 'import json,sys; sys.exit(0 if json.load(open(sys.argv[1]))["agreement"] >= 0.92 else 1)' "$tmp/e" || fail "MobileNetV2 agrees with float on less than 92 %: $(cat "$tmp/e")"

# calibrating on all 500 stays below 400 MiB resident
python3 - "$intact" "$there/data/models/imagenet_mobilenet_v2.onnx" "$data/imagenet500" "$tmp/all.itm" <<'P' || fail "calibration memory"
import resource, subprocess, sys
intact, model, data, out = sys.argv[1:]
subprocess.run([intact, "quantize", model, "-o", out, "--calib", data, "--samples", "500", "--preprocess", "tf", "--quiet"], check=True)
mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"calibrating MobileNetV2 on 500 images: {mib:.0f} MiB resident")
sys.exit(0 if mib < 400 else 1)
P
finish
