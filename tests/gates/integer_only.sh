#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# integer_only.sh: the runtime compiles with general registers only, and calls no software float routine: it has no float at all.
set -eu
source_dir=${INTACT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$source_dir"
command -v gcc >/dev/null || { echo "skipped: no gcc"; exit 77; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-std=gnu11 -O2 -D_GNU_SOURCE -mgeneral-regs-only -Isrc -Iinclude"
echo 'int main(void) { return 0; }' >"$out/probe.c"
gcc $flags -c "$out/probe.c" -o "$out/probe.o" 2>/dev/null || { echo "skipped: this gcc has no -mgeneral-regs-only"; exit 77; }

# What libgcc would be called for, when the compiler has no float instruction: __muldf3, __floatsisf, __fixdfsi, __gtsf2, ...
soft='__(add|sub|mul|div|neg|float[a-z]*|fix[a-z]*|extend|trunc|cmp|unord|eq|ne|lt|le|gt|ge|pow)[sdxt]i?f'

float_in() { # FILE: 0 when it does not compile or calls a soft float routine
  if ! gcc $flags -c "$1" -o "$out/one.o" 2>"$out/log"; then
    cat "$out/log"
    return 0
  fi
  nm -u "$out/one.o" | grep -E "$soft|__(float|fix)[a-z]*[sdt]i[sdxt]f|__fix[a-z]*[sdxt]f[sdt]i"
}

# the gate itself works
echo 'int f(const int *x); int f(const int *x) { return (int)(*x * 0.3); }' >"$out/float.c"
float_in "$out/float.c" >/dev/null || { echo "the gate lets a float multiplication pass"; exit 1; }

bad=0
for file in src/base/*.c src/run/*.c src/run/kern/*.c src/run/kern/ref/*.c; do
  if float_in "$file"; then
    echo "$file: has float code; the runtime must not"
    bad=1
  fi
done
exit $bad
