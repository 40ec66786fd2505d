#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs/OPERATORS.md and the README say what the command says.
. "$(dirname "$0")/lib.sh"
mkdir -p "$tmp/tree/docs" "$tmp/tree/tools"
cp "$source_dir/README.md" "$tmp/tree/"
cp "$source_dir/tools/update_operators.sh" "$tmp/tree/tools/"
(cd "$tmp/tree" && INTACT=$intact bash tools/update_operators.sh) || fail "update_operators.sh"
cmp "$tmp/tree/docs/OPERATORS.md" "$source_dir/docs/OPERATORS.md" || fail "docs/OPERATORS.md is stale; run tools/update_operators.sh"
cmp "$tmp/tree/README.md" "$source_dir/README.md" || fail "README.md is stale; run tools/update_operators.sh"
finish
