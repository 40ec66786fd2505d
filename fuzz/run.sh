#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [BUILD [SECONDS [TARGET...]]]: builds the fuzz targets with clang and the sanitizers in BUILD (build-fuzz) and runs each for SECONDS
# (FUZZ_SECONDS, or 60) on a copy of its corpus, JOBS (as many as processors) at a time. One line a target; what makes one crash stays in
# BUILD/fuzz. Fails when any crashed. Targets: the names of fuzz_*.c, with or without fuzz_; all of them when none is given.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-build-fuzz}
seconds=${2:-${FUZZ_SECONDS:-60}}
jobs=${JOBS:-$(nproc)}
if [ $# -gt 2 ]; then shift 2; else set --; fi
if [[ ! $seconds =~ ^[0-9]+$ ]]; then
    echo "usage: run.sh [BUILD [SECONDS [TARGET...]]]; SECONDS is '$seconds'" >&2
    exit 2
fi
targets=()
for t in "$@"; do
    targets+=("fuzz_${t#fuzz_}")
    [ -f "$here/fuzz_${t#fuzz_}.c" ] || { echo "run.sh: there is no target $t in $here" >&2; exit 2; }
done
if [ ${#targets[@]} -eq 0 ]; then
    for source in "$here"/fuzz_*.c; do
        targets+=("$(basename "$source" .c)")
    done
fi

mkdir -p "$build"
build=$(cd "$build" && pwd)
generator=()
[ -f "$build/CMakeCache.txt" ] || generator=(-G Ninja)
# Debug: it builds in half the time, and our own assertions stand
{ cmake -S "$here/.." -B "$build" "${generator[@]}" -DCMAKE_C_COMPILER="${CC:-clang}" -DCMAKE_BUILD_TYPE=Debug -DINTACT_FUZZ=ON -DINTACT_TESTS=OFF \
    -DINTACT_SANITIZE=address,undefined && cmake --build "$build" -j "$jobs" --target "${targets[@]}"; } > "$build/fuzz-build.log" 2>&1 ||
    { tail -40 "$build/fuzz-build.log"; exit 1; }

# one TARGET: runs it and prints its line
one() {
    local target=$1 name=${1#fuzz_} work=$build/fuzz/${1#fuzz_} dict=()
    rm -f "$work/failed"
    mkdir -p "$work/corpus"
    cp "$here/corpus/$name"/* "$work/corpus/" 2> /dev/null || true
    [ -f "$here/corpus/$name.dict" ] && dict=(-dict="$here/corpus/$name.dict")
    if OMP_NUM_THREADS=1 "$build/$target" -max_total_time="$seconds" -max_len=1048576 -rss_limit_mb=4096 -timeout=25 -artifact_prefix="$work/" "${dict[@]}" \
        "$work/corpus" > "$work/log" 2>&1; then
        echo "$target: ok, $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$work/log") runs, $(find "$work/corpus" -type f | wc -l) inputs"
    else
        touch "$work/failed"
        echo "$target: FAILED: $(grep -m1 -E 'ERROR|runtime error|libFuzzer' "$work/log" || tail -1 "$work/log"); see $work"
    fi
}
for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    one "$target" &
done
wait
for target in "${targets[@]}"; do
    [ ! -e "$build/fuzz/${target#fuzz_}/failed" ] || exit 1
done
