#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# instructions: disassembles the kernels: each level's objects hold no instruction beyond it, no float arithmetic, and the
# accumulators of the 512-bit tiles stay in registers.
build=${INTACT_BUILD:?the build folder}
objects=$(find "$build" -path '*intact_run_objects.dir/src/run/kern/*' -name '*.o' | sort)
skip() { echo "skipped: $1"; exit 77; }
command -v objdump >/dev/null || skip "no objdump"
[ -n "$objects" ] || skip "no kernel objects in $build"
nm $objects 2>/dev/null | grep -qE '__(asan|ubsan|tsan|sanitizer)_' && skip "a sanitizer's build has other code"
bad=0
complain() { echo "$1"; echo "$2" | head -5; bad=1; }

arithmetic='\bv?(add|sub|mul|div|sqrt|max|min|rcp|rcp14|rsqrt|rsqrt14|hadd|hsub|addsub|dp|round|rndscale|scalef|cmp[a-z_]*)(ps|pd|ss|sd|ph|sh)\b'
arithmetic+='|\bv?cvt[a-z0-9]*(ps|pd|ss|sd|ph|sh)[a-z0-9]*\b|\bvfn?m(add|sub)[a-z0-9]*\b|\bv?u?comis[sdh]\b'
arithmetic+='|\bf(add|sub|mul|div|ild|ist|istp|sqrt|chs|abs|com|ucom)[a-z]*\b'
beyond_avx2='\b(shlx|shrx|sarx|rorx|andn|bextr|bls[ir]|blsmsk|bzhi|mulx|pdep|pext|lzcnt|popcnt)[lq]?\b'
beyond_avx2+='|\bvfn?m(add|sub)|%zmm|%k[0-7]\b|%[xy]mm(1[6-9]|[23][0-9])'
beyond_vbmi='\bvp(compress|expand)[bw]\b|\bvpsh(l|r)d|\bvpopcnt|\bvpmadd52'
beyond_vbmi+='|bf16|\bv?gf2p8|\bv?aes|\bv?pclmul|\bvpconflict|\bvplzcnt|\bvp2intersect'
beyond_512="$beyond_vbmi|\bvperm(b|i2b|t2b)\b|\bvpmultishift"
evex='^ *[0-9a-f]+:[[:space:]]+62 '

for object in $objects; do
    name=$(basename "$object")
    code=$(objdump -d --no-addresses --no-show-raw-insn "$object" 2>/dev/null || objdump -d --no-show-raw-insn "$object")
    found=$(echo "$code" | grep -E "$arithmetic") && complain "$name: float arithmetic" "$found"
    case $name in
    *_avx2.c.o) found=$(echo "$code" | grep -E "$beyond_avx2|\bvpdp") && complain "$name: beyond AVX2" "$found" ;;
    *_avxvnni.c.o) found=$(echo "$code" | grep -E "$beyond_avx2") && complain "$name: beyond AVX-VNNI" "$found" ;;
    *_avx512vbmi.c.o) found=$(echo "$code" | grep -E "$beyond_vbmi") && complain "$name: beyond AVX512 VBMI" "$found" ;;
    *_avx512vnni.c.o) found=$(echo "$code" | grep -E "$beyond_512") && complain "$name: beyond AVX512 F, BW, VL, DQ and VNNI" "$found" ;;
    *) case $object in */kern/x86/*) complain "$name: what may its level hold? Say it here" ;; esac ;;
    esac
    case $name in
    *_avx2.c.o | *_avxvnni.c.o) found=$(objdump -d -w "$object" | grep -E "$evex") && complain "$name: EVEX encoding" "$found" ;;
    esac
done

object=$(echo "$objects" | grep 'conv_avx512vnni\.c\.o' | grep -v dwconv)
if [ -n "$object" ]; then
    tiles=$(nm "$object" | grep -cE ' t tile_[0-9]+x[0-9]+$')
    [ "$tiles" -ge 30 ] || complain "$object: $tiles tile functions; expected one a size" ""
    # the stack is %rsp, and %rbp where it is a frame pointer
    spills=$(objdump -d --no-show-raw-insn "$object" | awk '/^[0-9a-f]+ <tile_[0-9]/ { tile = $2; frame = 0 } /^$/ { tile = "" }
        /mov +%rsp,%rbp/ { frame = 1 }
        tile && /zmm/ && (/\(%rsp/ || (frame && /\(%rbp/)) { print tile, $0 }')
    [ -z "$spills" ] || complain "accumulators in memory:" "$spills"
fi
[ $bad = 0 ] && echo "checked $(echo "$objects" | wc -l) objects"
exit $bad
