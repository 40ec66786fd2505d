#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Help, unknown words, values out of range, man pages and completion.
. "$(dirname "$0")/lib.sh"

expect 0 'usage: intact COMMAND' "$intact" --help
expect 0 'exit codes: 0 done.* 130 interrupted' "$intact" --help
expect 2 'usage: intact COMMAND' "$intact"
expect 0 '^intact [0-9]' "$intact" --version
expect 2 "did you mean 'quantize'" "$intact" quantise
expect 2 "there is no command" "$intact" zzzzzzzz
for c in info quantize eval compare run bench man completion train; do
    expect 0 "intact $c" "$intact" $c --help
    expect 0 "intact $c" "$intact" help $c
    "$intact" man $c > "$tmp/page" || fail "man $c"
    grep -q '^.SH OPTIONS' "$tmp/page" || fail "man $c has no options"
    grep -q '130 interrupted' "$tmp/page" || fail "man $c does not tell the exit codes"
    expect 2 "has no option '--zzzzzz'" "$intact" $c --zzzzzz
done
# every option of the help stands in the man page and in the completion
"$intact" completion > "$tmp/complete" || fail completion
bash -n "$tmp/complete" || fail "the completion script does not parse"
for c in info quantize eval compare run bench train; do
    for o in $("$intact" $c --help | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'); do
        "$intact" man $c | sed 's/\\//g' | grep -q -- "$o" || fail "man $c lacks $o"
        grep -q -- "$o" "$tmp/complete" || fail "completion lacks $o of $c"
    done
done
# an option that a command explains itself is listed once
for c in info quantize eval compare run bench operators man completion new train; do
    twice=$("$intact" $c --help | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' | sort | uniq -d)
    [ -z "$twice" ] || fail "$c lists twice: $twice"
done
# the completion at work: complete WORDS... prints what bash would offer for the last word
complete_words() {
    bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _intact 2> /dev/null; echo "${COMPREPLY[*]}"' "$tmp/complete" "$@"
}
[ "$(complete_words intact he)" = help ] || fail "completion of 'he': $(complete_words intact he)"
[ "$(complete_words intact help q)" = quantize ] || fail "completion of 'help q': $(complete_words intact help q)"
complete_words intact help "" | grep -q 'info quantize eval' || fail "completion after help: $(complete_words intact help "")"
complete_words intact man "" | grep -q 'info quantize eval' || fail "completion after man: $(complete_words intact man "")"
complete_words intact bench --th | grep -qx -- --threads || fail "completion of 'bench --th': $(complete_words intact bench --th)"
# the pages set without a warning where man-db and groff are there
if command -v man > /dev/null && command -v groff > /dev/null; then
    for c in "" info quantize eval compare run bench operators man completion new train; do
        # shellcheck disable=SC2086 # no command, no argument
        "$intact" man $c > "$tmp/page.1"
        for width in 60 80; do
            LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=$width man --warnings -E UTF-8 -l -Tutf8 -Z "$tmp/page.1" 2>&1 > /dev/null | grep . && fail "man $c, $width columns"
        done
    done
fi
expect 2 "did you mean '--calib'" "$intact" quantize x.onnx -o y.itm --calb z
expect 2 "did you mean '--preprocess'" "$intact" eval x.onnx --data z --preproces raw
expect 2 'needs MODEL.onnx' "$intact" quantize
expect 2 'needs -o' "$intact" quantize x.onnx --calib z
expect 2 'needs --data' "$intact" eval x.onnx
expect 2 'needs --input' "$intact" run x.onnx
expect 2 'does not know what to do' "$intact" info a b
expect 2 "'-3'.*whole number" "$intact" bench x --batch -3
expect 2 "'two'.*whole number" "$intact" bench x --threads two
expect 2 "'fast'.*scalar" "$intact" bench x --cpu fast
expect 2 'needs a value' "$intact" bench x --batch
expect 2 'takes no value' "$intact" bench x --json=1
model=$source_dir/models/fashion_resnet8.onnx
expect 2 'affine or symmetric' "$intact" quantize "$model" -o "$tmp/a.itm" --calib x --activations odd
expect 2 'per-channel or per-tensor' "$intact" quantize "$model" -o "$tmp/a.itm" --calib x --weights odd
expect 2 'nearest.*entropy|did you mean.*entropy' "$intact" quantize "$model" -o "$tmp/a.itm" --calib x --method entrpy
expect 2 '2 to 8' "$intact" quantize "$model" -o "$tmp/a.itm" --calib x --weight-bits 9
expect 2 '2 to 8' "$intact" quantize "$model" -o "$tmp/a.itm" --calib x --act-bits 1
expect 2 'set was given twice.*commas' "$intact" quantize "$model" -o "$tmp/a.itm" --calib x --set weights.bits=4 --set weights.range=mse
[ -e "$tmp/a.itm" ] && fail "a failed command left a file"
finish
