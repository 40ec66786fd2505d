#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# symbols.sh: every global name begins with intact_ or it_ (onnx__ in generated code); the shared library exports intact_ alone.
set -eu
build=${INTACT_BUILD:-}
[ -n "$build" ] && [ -f "$build/libintact-run.a" ] || { echo "skipped: INTACT_BUILD does not name a folder with libintact-run.a"; exit 77; }
command -v nm >/dev/null || { echo "skipped: no nm"; exit 77; }
bad=0
check() { # LIBRARY PATTERN NM-OPTIONS...
  library=$1 pattern=$2
  shift 2
  count=$(nm "$@" --defined-only "$library" 2>/dev/null | wc -l)
  if [ "$count" -lt 10 ]; then # a library that is missing or cannot be read has no wrong names either
    echo "$library: nm reads only $count symbols"
    bad=1
  fi
  names=$(nm "$@" --defined-only "$library" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -vE "$pattern|^__(odr_asan|asan|sancov|start_|stop_|gcov|llvm)" | sort -u || true)
  if [ -n "$names" ]; then
    echo "$library defines names that do not match $pattern:"
    echo "$names"
    bad=1
  fi
}
check "$build/libintact-run.a" '^(intact_|it_)' -g
[ ! -f "$build/libintact.a" ] || check "$build/libintact.a" '^(intact_|it_|onnx__)' -g
for shared in "$build"/libintact*.so; do
  [ ! -f "$shared" ] || check "$shared" '^intact_' -D -g
done
[ "$(nm -g --defined-only "$build/libintact-run.a" 2>/dev/null | grep -c ' intact_session_run$')" -eq 1 ] || { echo "intact_session_run is missing"; bad=1; }
exit $bad
