#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# README.md: every command of its section "Use" runs as printed on a network that takes 224x224 images, and its lines of C compile without a warning.
. "$(dirname "$0")/lib.sh"
readme=$source_dir/README.md
[ -f "$readme" ] || skip "there is no README.md"
cd "$tmp" || exit 1

# in train/ and val/ the images have the classes that the network gives them
python3 - <<'P' || fail "no images"
import os, random, struct, zlib
chunk = lambda k, d: struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
def png(path, seed, h, w):
    rng = random.Random(seed)
    colour = [rng.randrange(256) for _ in range(3)]
    rows = b"".join(b"\0" + bytes(min(255, max(0, colour[c] + (x * (c + 1) - y * (seed % 3)) // 3 + rng.randrange(20))) for x in range(w) for c in range(3)) for y in range(h))
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))
for i in range(10):
    png("%d.png" % i, i, 240, 260)
P
"$intact" new lenet5 -o net.onnx --input 3x224x224 --classes 2 --seed 3 --quiet > /dev/null || fail new
mkdir -p train/0 train/1 val/0 val/1
for i in 0 1 2 3 4 5 6 7 8 9; do
    class=$("$intact" run net.onnx --input $i.png --preprocess imagenet --top 1 --quiet | awk '{ print $1 }')
    [ $i -lt 6 ] && mv $i.png "train/$class/" || mv $i.png "val/$class/"
done
cp "$(find val -name '*.png' | sort | head -1)" cat.jpg # by content, not by name

mkdir bin
ln -s "$intact" bin/intact
PATH=$tmp/bin:$PATH
lines=0
while IFS= read -r line; do
    lines=$((lines + 1))
    case $line in
    *" tune "*) # takes minutes: what was measured by then is kept
        # shellcheck disable=SC2086 # a line of words
        timeout --preserve-status -s INT 30 intact ${line#intact } > out 2> err
        rc=$?
        [ $rc -eq 0 ] || { [ $rc -eq 130 ] && [ -d tune ]; } || fail "README: $line: exit code $rc, said: $(head -c 400 err)"
        ;;
    *) bash -c "$line" > out 2> err || fail "README: $line: exit code $?, said: $(head -c 400 err)" ;;
    esac
done < <(awk '/^## /{ use = $2 == "Use" } use && /^```/{ code = !code; next } use && code && /^intact /{ sub(/ *#.*/, ""); print }' "$readme")
[ $lines -ge 10 ] || fail "only $lines commands were found in $readme"
[ -s int8.onnx ] || fail "the commands left no int8.onnx"

if command -v cc > /dev/null && [ -d "$source_dir/include/intact" ]; then
    {
        printf '#include <intact/run.h>\nvoid use(const unsigned char *pixels, short *scores);\nvoid use(const unsigned char *pixels, short *scores)\n{\nintact_error err; intact_program *program; intact_session *session;\n'
        awk '/^```c$/{ code = 1; next } /^```/{ code = 0 } code' "$readme" | sed -E 's/^(intact_[a-z_]+\()/(void)!\1/'
        printf '}\n'
    } > use.c
    grep -q intact_session_run use.c || fail "no lines of C were found in $readme"
    cc -std=c11 -Wall -Wextra -Werror -I "$source_dir/include" -c use.c -o use.o 2> err || fail "the lines of C do not compile: $(head -c 600 err)"
fi
finish
