#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that must hold: both compilers, all tests, sanitizers, gates, a short fuzz. Ends with "N passed, N failed, N skipped".
# TEST_ONLY="gcc asan" runs a part; the parts are gcc clang asan tsan scalar arm fuzz.
set -uo pipefail
cd "$(dirname "$0")/.."

jobs=${JOBS:-$(nproc)}
parts=${TEST_ONLY:-"gcc clang asan tsan scalar arm fuzz"}
passed=0 failed=0 skipped=0

# build NAME "cmake options" -> build-NAME. With $only set: the tests that it matches, and what they need, alone.
build() {
    local name=$1 targets=()
    shift
    echo "== building $name"
    cmake -S . -B "build-$name" -G Ninja -DINTACT_WERROR=ON "$@" > "build-$name.log" 2>&1 &&
        { [ -z "${only:-}" ] || mapfile -t targets < <(ninja -C "build-$name" -t targets all | grep -oE "^($only)_test_[a-z0-9_]+" | sort -u); } &&
        ninja -C "build-$name" -j "$jobs" "${targets[@]}" >> "build-$name.log" 2>&1 && return 0
    echo "build of $name failed:"
    grep -E 'error|warning|FAILED|CMake' -A4 "build-$name.log" | head -60
    failed=$((failed + 1))
    return 1
}

# tests NAME [ctest options]: runs them and adds up
tests() {
    local name=$1
    shift
    echo "== testing $name"
    ctest --test-dir "build-$name" -j "$jobs" --output-on-failure "$@" > "build-$name-test.log" 2>&1
    local rc=$?
    local log="build-$name-test.log"
    local p f s
    p=$(grep -cE '^ *[0-9]+/[0-9]+ Test .* Passed' "$log")
    s=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*Skipped' "$log")
    f=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*(Failed|Timeout|Exception|Not Run)' "$log")
    [ $((p + f + s)) -gt 0 ] || { echo "no test ran in $name"; f=1; }
    [ $rc -eq 0 ] || [ "$f" -gt 0 ] || { echo "ctest ended with $rc in $name"; f=1; }
    [ "$f" -eq 0 ] || { grep -vE ' Passed +[0-9.]+ sec$|^ *Start' "$log" | tail -150; }
    [ "$s" -eq 0 ] || grep -E '\*\*\*Skipped' "$log"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    echo "   $name: $p passed, $f failed, $s skipped"
}

for part in $parts; do
    case $part in
    gcc) build gcc -DCMAKE_C_COMPILER=gcc -DINTACT_MPI=ON && tests gcc ;;
    clang) build clang -DCMAKE_C_COMPILER=clang && tests clang -LE slow ;;
    scalar) only='run|kern|golden' build scalar -DCMAKE_C_COMPILER=gcc -DINTACT_SCALAR=ON && tests scalar -R '^(run|kern|golden)' ;;
    arm) build arm -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DINTACT_RUNTIME_ONLY=ON && tests arm ;;
    asan) build asan -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DINTACT_SANITIZE=address,undefined && tests asan -LE slow -E '^gates' ;;
    tsan) only='run|base|api' build tsan -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DINTACT_SANITIZE=thread && tests tsan -R '^(run|base|api)' ;;
    fuzz) if FUZZ_SECONDS=${FUZZ_SECONDS:-10} bash fuzz/run.sh build-fuzz; then passed=$((passed + 1)); else failed=$((failed + 1)); fi ;;
    *) echo "unknown part $part"; failed=$((failed + 1)) ;;
    esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
