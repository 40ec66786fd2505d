#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# headers.sh: each public header compiles alone, without a warning, as C99, C11 and C++11.
set -eu
source_dir=${INTACT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
strict="-pedantic -Wall -Wextra -Wstrict-prototypes -Werror -fsyntax-only -I$source_dir/include"
cc=${CC:-cc} cxx=${CXX:-c++}
command -v "$cc" >/dev/null || { echo "skipped: no C compiler ($cc)"; exit 77; }
bad=0
for header in "$source_dir"/include/intact/*.h; do
  line="#include \"intact/$(basename "$header")\""
  for std in c99 c11; do
    echo "$line" | "$cc" -std=$std $strict -x c - || { echo "$header: not clean as $std"; bad=1; }
  done
  if command -v "$cxx" >/dev/null; then
    echo "$line" | "$cxx" -std=c++11 ${strict/-Wstrict-prototypes/} -x c++ - || { echo "$header: not clean as C++11"; bad=1; }
  else
    echo "note: no C++ compiler ($cxx), C++ not checked"
  fi
done
exit $bad
