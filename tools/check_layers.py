#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks every #include "..." under src against docs/layers.txt: check_layers.py [ROOT]. Prints one line for each breach."""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def read_rules(path):
    allowed, only = {}, {}
    for line in path.read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        head, _, tail = line.partition(":")
        if head.startswith("only "):
            only[head[5:].strip()] = set(tail.split())
        else:
            allowed[head.strip()] = set(tail.split())
    return allowed, only


def breaches(src, allowed, only):
    for path in sorted(src.rglob("*.[ch]")):
        name = path.relative_to(src).as_posix()
        folder = name.split("/")[0]
        if folder not in allowed:
            yield f"src/{name}:1: folder {folder} has no line in docs/layers.txt"
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            header = found.group(1)
            target = header.split("/")[0]
            if header in only and name not in only[header]:
                yield f"src/{name}:{number}: only {', '.join(sorted(only[header]))} may include {header}"
            elif "/" in header and target != folder and target not in allowed[folder] and header not in allowed[folder]:
                yield f"src/{name}:{number}: {folder} may not include {header}"
            elif "/" not in header and not (path.parent / header).exists():
                yield f"src/{name}:{number}: {header} is not beside the file; write the folder too"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = list(breaches(root / "src", *read_rules(root / "docs" / "layers.txt")))
    for line in found:
        print(line)
    return 1 if found else 0


sys.exit(main())
