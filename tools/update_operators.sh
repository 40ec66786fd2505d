#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Rewrites docs/OPERATORS.md and the table in README.md from what the command says. INTACT names the command.
set -euo pipefail
cd "$(dirname "$0")/.."
"${INTACT:-build/intact}" operators --json --quiet | python3 -c '
import json, re, sys
ops = json.load(sys.stdin)
with open("docs/OPERATORS.md", "w") as f:
    f.write("# Operators\n\nMade by `tools/update_operators.sh`; `intact operators` prints the same. ONNX opsets 7 to 21.\n\n| Operator | Float | Integer |\n|---|---|---|\n")
    f.writelines(f"| {k} | yes | {chr(32) if not v else chr(121) + chr(101) + chr(115)} |\n" for k, v in sorted(ops.items()))
text = open("README.md").read()
rows = "".join(f"| {k} | yes | {chr(32) if not v else chr(121) + chr(101) + chr(115)} |\n" for k, v in sorted(ops.items()))
table = f"<!-- operators -->\n<details><summary>{len(ops)} operators in float, {sum(ops.values())} in integers</summary>\n\n| Operator | Float | Integer |\n|---|---|---|\n{rows}\n</details>\n<!-- end -->"
text = re.sub(r"<!-- operators -->.*?<!-- end -->", lambda m: table, text, flags=re.S)
open("README.md", "w").write(text)
'
