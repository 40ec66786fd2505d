#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# layers.sh: no file includes a header of a layer that its own may not see; and the checker notices a breach.
set -eu
source_dir=${INTACT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
python3 "$source_dir/tools/check_layers.py" "$source_dir"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/docs" "$copy/src/base" "$copy/src/run"
cp "$source_dir/docs/layers.txt" "$copy/docs/"
echo '#include "run/program.h"' >"$copy/src/base/bad.c"
echo '#include "run/itm.h"' >"$copy/src/run/bad.c"
lines=$(python3 "$source_dir/tools/check_layers.py" "$copy" | wc -l || true)
[ "$lines" -eq 2 ] || { echo "two breaches were planted, $lines found"; exit 1; }
