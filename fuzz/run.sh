#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD [SECONDS] [TARGET...]: builds the fuzz targets with clang and the sanitizers in BUILD and runs each for SECONDS
# (default 60) on a copy of its corpus. One line a target; what makes one crash stays in BUILD/fuzz. Fails when any crashed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 1 ]; then
  echo "usage: run.sh BUILD [SECONDS] [TARGET...]" >&2
  exit 2
fi
build=$1
seconds=${2:-60}
[ $# -gt 1 ] && shift 2 || shift
if [ $# -eq 0 ]; then
  for source in "$here"/fuzz_*.c; do
    set -- "$@" "$(basename "$source" .c)"
  done
fi
cmake -S "$here/.." -B "$build" -DCMAKE_C_COMPILER="${CC:-clang}" -DCMAKE_BUILD_TYPE=Release -DINTACT_FUZZ=ON -DINTACT_TESTS=OFF \
  -DINTACT_SANITIZE=address,undefined >/dev/null
cmake --build "$build" --target "$@" >"$build/fuzz-build.log" 2>&1 || { tail -40 "$build/fuzz-build.log"; exit 1; }
bad=0
for target in "$@"; do
  name=${target#fuzz_}
  work=$build/fuzz/$name
  mkdir -p "$work/corpus"
  if [ -d "$here/corpus/$name" ]; then
    cp "$here/corpus/$name"/* "$work/corpus/" 2>/dev/null || true
  fi
  dict=
  [ -f "$here/corpus/$name.dict" ] && dict=-dict=$here/corpus/$name.dict
  # shellcheck disable=SC2086 # no dictionary, no argument
  if "$build/$target" -max_total_time="$seconds" -max_len=1048576 -rss_limit_mb=4096 -timeout=25 -artifact_prefix="$work/" $dict \
    "$work/corpus" >"$work/log" 2>&1; then
    echo "$target: ok, $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$work/log") runs, $(ls "$work/corpus" | wc -l) inputs"
  else
    echo "$target: FAILED: $(grep -m1 -E 'ERROR|runtime error|libFuzzer' "$work/log" || tail -1 "$work/log"); see $work"
    bad=1
  fi
done
exit $bad
