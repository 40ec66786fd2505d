#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# old_cpus.sh: on emulated processors that lack a level's instructions, that level is not offered, nothing traps, and results are equal.
set -u
build=${INTACT_BUILD:?the build folder} source_dir=${INTACT_SOURCE:?the source folder} intact=${INTACT_BIN:-} nm=${INTACT_NM:-nm}
skip() { echo "skipped: $1"; exit 77; }
golden=$build/golden_test_golden kern=$build/kern_test_kern
[ -x "$golden" ] && [ -x "$kern" ] || skip "$golden and $kern are not built"
"$nm" "$golden" 2>/dev/null | grep -qE '__(asan|ubsan|tsan|sanitizer)_' && skip "sanitizers do not run under qemu"
"$nm" "$golden" 2>/dev/null | grep -qE ' it_kern_[a-z0-9_]+_(avx2|neon)$' || skip "a build without SIMD kernels"

# processor: the levels that it has; the last one is what must be chosen
case $(od -An -tu2 -j18 -N2 "$golden" | tr -d ' ') in # the machine of an ELF file
62) qemu=qemu-x86_64 table="Nehalem:scalar Haswell:scalar,avx2" sweep="" ;; # there qemu takes minutes for all kernels
183) qemu=qemu-aarch64 table="cortex-a53:scalar,neon max:scalar,neon,neondot" sweep=cortex-a53 ;;
*) skip "no table of processors for this machine" ;;
esac
command -v $qemu >/dev/null || skip "no $qemu"
case ${INTACT_EMULATOR:-} in "$qemu"*) qemu=$INTACT_EMULATOR ;; esac

program=$source_dir/tests/golden/fashion_resnet8.itm bad=0
complain() { echo "$1"; bad=1; }
for entry in $table; do
    cpu=${entry%%:*} levels=${entry#*:}
    said=$($qemu -cpu "$cpu" "$golden" 2>&1) || complain "$cpu: golden programs: exit code $?: $said"
    ran=$(echo "$said" | sed -n 's/^.*: equal at //p' | sort -u | tr '\n' ' ')
    [ "$ran" = "$(echo "$levels" | tr ',' '\n' | sort -u | tr '\n' ' ')" ] || complain "$cpu: levels $ran instead of $levels"
    best=$(echo "$said" | sed -n 's/^.*: auto is //p' | sort -u)
    [ "$best" = "${levels##*,}" ] || complain "$cpu: chose $best instead of ${levels##*,}"
    if [ "$cpu" = "$sweep" ]; then
        said=$($qemu -cpu "$cpu" "$kern" 2>&1) || complain "$cpu: kernels: exit code $?: $said"
    fi
    if [ -n "$intact" ] && [ -x "$intact" ]; then
        said=$($qemu -cpu "$cpu" "$intact" info "$program" 2>&1) || complain "$cpu: intact info: exit code $?: $said"
        echo "$said" | grep -q "packed for ${levels##*,}\$" || complain "$cpu: intact info does not say \"packed for ${levels##*,}\": $said"
    fi
    echo "$cpu: $ran"
done
exit $bad
