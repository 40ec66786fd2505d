# SPDX-License-Identifier: Apache-2.0
# lib.sh: what the command tests share. Needs INTACT_BIN and INTACT_SOURCE; makes $tmp, counts failures, finish ends the script.
set -u
intact=${INTACT_BIN:?the intact command}
source_dir=${INTACT_SOURCE:?the source folder}
fashion=/usr/share/datasets/fashion-mnist
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
[ -x "$intact" ] || skip "the intact command is not built"

# expect CODE PATTERN COMMAND...: exit code and a text on either output
expect() {
    local code=$1 pattern=$2
    shift 2
    "$@" > "$tmp/out" 2> "$tmp/err"
    local rc=$?
    [ $rc -eq "$code" ] || fail "$* : exit code $rc, expected $code; said: $(head -c 400 "$tmp/err")"
    cat "$tmp/out" "$tmp/err" | grep -qE -- "$pattern" || fail "$* : no '$pattern' in: $(head -c 600 "$tmp/err") $(head -c 600 "$tmp/out")"
    [ $rc -lt 126 ] || fail "$* : crashed with $rc"
}

finish() {
    [ $failures -eq 0 ] || { echo "$failures checks failed"; exit 1; }
    echo "all checks passed"
    exit 0
}

# normal FILE SEED DIMS...: an .npy of normally distributed numbers; needs python3
normal() {
    python3 - "$@" <<'P'
import array, random, sys
path, seed, dims = sys.argv[1], int(sys.argv[2]), [int(d) for d in sys.argv[3:]]
rng, n = random.Random(seed), 1
for d in dims: n *= d
head = ("{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }" % ", ".join(map(str, dims))).encode()
head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
with open(path, "wb") as f:
    f.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    f.write(array.array("f", (rng.gauss(0, 1) for _ in range(n))).tobytes())
P
}

# Ends before the last checks, which cannot be made here: skipped, unless one of those made until then failed.
rest() {
    [ $failures -eq 0 ] || finish
    skip "the rest: $*; what was checked until then holds"
}

# The folder that holds data/ and conformance/ made by others, or nothing.
shared() {
    for d in "${INTACT_DATA:-}/.." "$source_dir/../shared"; do
        [ -d "$d/data/models" ] && { echo "$d"; return; }
    done
}
