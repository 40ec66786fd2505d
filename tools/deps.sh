#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building needs, and with the word test those that testing needs, if any is missing (as root).
set -euo pipefail

packages="gcc cmake ninja-build pkg-config libdnnl-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev libjansson-dev zlib1g-dev
libjpeg-dev libpng-dev libcmocka-dev dataset-fashion-mnist python3"
if [ "${1:-}" = test ]; then
    # the second compiler with its sanitizers and fuzzer, C++ for the headers, objdump, Arm and old processors under emulation, a browser for the
    # reports, MPI for training in several processes
    packages="$packages clang libclang-rt-dev g++ binutils qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross chromium libopenmpi-dev openmpi-bin"
fi

missing=""
for p in $packages; do
    dpkg-query -W -f '${Status}' "$p" 2> /dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing" >&2
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || { echo "these packages are missing, and only root can install them:$missing" >&2; exit 1; }
    sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing > /dev/null
