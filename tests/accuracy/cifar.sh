#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The CIFAR-10 networks: integer against float on all 10,000 test images.
. "$(dirname "$0")/lib_accuracy.sh"
row cifar10_resnet20 "$data/cifar10/train" "$data/cifar10/test" 0.3 81.03 512 --preprocess cifar
row cifar10_resnet56 "$data/cifar10/train" "$data/cifar10/test" 0.3 83.20 512 --preprocess cifar
row mlperf_tiny_resnet8 "$data/cifar10/train" "$data/cifar10/test" 0.4 75.48 512 --preprocess raw
finish
