#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# instructions.sh: disassembles the Arm kernels: dot products in their own level only, no float arithmetic, and the sums of the tiles
# stay in registers.
set -u
build=${INTACT_BUILD:?the build folder} objdump=${INTACT_OBJDUMP:-objdump} nm=${INTACT_NM:-nm}
skip() { echo "skipped: $1"; exit 77; }
objects=$(find "$build" -path '*intact_run_objects.dir/src/run/kern/arm/*' -name '*.o' | sort)
[ -n "$objects" ] || skip "no Arm kernels in $build"
command -v "$objdump" >/dev/null || skip "no $objdump"
bad=0
complain() { echo "$1"; echo "$2" | head -5; bad=1; }

float='\s(f(add|sub|mul|div|madd|msub|nmul|mla|mls|max|min|sqrt|cmp|cvt[a-z]*|recp[ex]|rsqrt[es]|rint[a-z]*)|[su]cvtf)\s'
for object in $objects; do
    name=$(basename "$object")
    code=$("$objdump" -d --no-show-raw-insn "$object")
    "$nm" "$object" | grep -qE '__(asan|ubsan|tsan)_' && skip "a sanitizer's build has other code"
    found=$(echo "$code" | grep -E "$float")
    [ -z "$found" ] || complain "$name: float arithmetic" "$found"
    dots=$(echo "$code" | grep -cE '\s[su]dot\s')
    case $name in
    *_neon.c.o) [ "$dots" -eq 0 ] || complain "$name: $dots dot products beyond NEON" "" ;;
    conv_neondot.c.o) [ "$dots" -ge 900 ] || complain "$name: $dots dot products; expected those of 28 tiles" "" ;;
    esac
    found=$(echo "$code" | grep -E '\s(s[mu]mmla|usdot|sudot|bf[a-z]+|z[0-9]+\.[bhsd]|sq(rdml[as]h))\s')
    [ -z "$found" ] || complain "$name: beyond ARMv8.2 with dot products" "$found"
    # vectors moved to or from the stack in a tile's innermost loop: at most two, in the largest tile
    case $name in
    conv_*) found=$(echo "$code" | awk '
        /^[0-9a-f]+ <tile_[0-9]+x[0-9]+>:/ { tile = $2; n = 0; next }
        /^$/ { tile = "" }
        tile {
            address = $1; sub(":", "", address); at[address] = n; n++
            spill[n] = spill[n - 1] + (/\[sp/ && /\t(q|d|v)[0-9]/)
            macs[n] = macs[n - 1] + (/\t(sdot|smlal2?)\t/)
            if (/\tb\.[a-z]+\t/ && ($3 in at) && macs[n] - macs[at[$3]] >= 4 && spill[n] - spill[at[$3]] > 2 && n - at[$3] < 240)
                print tile, spill[n] - spill[at[$3]], "vectors on the stack"
        }')
        [ -z "$found" ] || complain "$name" "$found" ;;
    esac
done
[ $bad = 0 ] && echo "checked $(echo "$objects" | wc -l) objects"
exit $bad
