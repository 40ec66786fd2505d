#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What 'cmake --install' leaves: a program outside builds against it through pkg-config and through find_package(intact), static and shared;
# the runtime needs none of the toolkit's libraries; nothing installed names this machine's folders.
. "$(dirname "$0")/../cli/lib.sh"
build=${INTACT_BUILD:?the build folder}
[ -e "$build/libintact-run.so" ] && [ -s "$build/completion/intact" ] || skip "not everything is built"
cached() { grep -oE "^$1:[A-Z]+=.+" "$build/CMakeCache.txt" | cut -d= -f2-; }
sanitize=$(cached INTACT_SANITIZE)
cc=$(cached CMAKE_C_COMPILER)
flags=${sanitize:+-fsanitize=$sanitize}
libdir=$(cached CMAKE_INSTALL_LIBDIR)
libdir=${libdir:-lib}
net=$source_dir/tests/golden/fashion_resnet8.itm
head -c 784 /dev/zero > "$tmp/pixels.raw"

cmake --install "$build" --prefix "$tmp/first" > "$tmp/log" 2>&1 || { cat "$tmp/log"; fail "does not install"; }
mv "$tmp/first" "$tmp/prefix" # an installed tree may move
prefix=$tmp/prefix
for f in bin/intact include/intact/run.h include/intact/intact.h share/man/man1/intact.1 share/man/man1/intact-quantize.1 \
    share/bash-completion/completions/intact "$libdir/libintact.a" "$libdir/libintact-run.a" "$libdir/libintact-run.so.0"; do
    [ -s "$prefix/$f" ] || fail "$f is not installed"
done
grep -rnE "$tmp|$build|$source_dir|/usr/" "$prefix/$libdir/cmake" "$prefix/$libdir/pkgconfig" && fail "an installed file names a folder of this machine"
expect 0 '^intact [0-9]' "$prefix/bin/intact" --version

# pkg-config
export PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig
want=
# shellcheck disable=SC2046,SC2086 # several words each
for kind in shared static; do
    if [ $kind = shared ]; then
        libs=$(pkg-config --libs intact-run)
    else
        libs="$(pkg-config --variable=libdir intact-run)/libintact-run.a -pthread"
    fi
    "$cc" -std=c11 $flags $(pkg-config --cflags intact-run) "$source_dir/examples/classify.c" $libs -o "$tmp/pc_$kind" ||
        fail "pkg-config, $kind: does not build"
    expect 0 'class [0-9]' env LD_LIBRARY_PATH="$prefix/$libdir" "$tmp/pc_$kind" "$net" "$tmp/pixels.raw"
    [ -z "$want" ] || [ "$want" = "$(cat "$tmp/out")" ] || fail "static and shared differ: $want, $(cat "$tmp/out")"
    want=$(cat "$tmp/out")
done
readelf -d "$tmp/pc_shared" | grep -q 'NEEDED.*libintact-run.so.0' || fail "pkg-config, shared: libintact-run.so.0 is not needed"
readelf -d "$tmp/pc_static" | grep NEEDED | grep -qE 'intact|jpeg|dnnl' && fail "the static program needs more than the runtime"
# shellcheck disable=SC2046,SC2086
"$cc" -std=c11 $flags $(pkg-config --cflags intact) "$source_dir/tests/install/toolkit.c" $(pkg-config --libs intact) -o "$tmp/pc_toolkit" > "$tmp/log" 2>&1 ||
    fail "pkg-config, toolkit: does not build: $(tail -3 "$tmp/log")"
expect 0 '^nearest: entropy$' env LD_LIBRARY_PATH="$prefix/$libdir" "$tmp/pc_toolkit"

# CMake. consume NAME OPTIONS...: configures tests/install
consume() {
    local name=$1
    shift
    cmake -S "$source_dir/tests/install" -B "$tmp/$name" -G Ninja -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$flags" -DCMAKE_PREFIX_PATH="$prefix" \
        -DINTACT_EXAMPLE="$source_dir/examples/classify.c" "$@" > "$tmp/log" 2>&1
}
{ consume both -DWITH_TOOLKIT=ON && cmake --build "$tmp/both" > "$tmp/log" 2>&1; } || { cat "$tmp/log"; fail "find_package: does not build"; }
for kind in shared static; do
    expect 0 'class [0-9]' "$tmp/both/classify_$kind" "$net" "$tmp/pixels.raw"
    [ "$want" = "$(cat "$tmp/out")" ] || fail "find_package, $kind: another answer, $(cat "$tmp/out")"
done
expect 0 '^nearest: entropy$' "$tmp/both/toolkit"
# a machine without the toolkit's libraries
{ consume alone -DHIDE_LIBRARIES=ON && cmake --build "$tmp/alone" > "$tmp/log" 2>&1; } ||
    { cat "$tmp/log"; fail "the runtime alone asks for the toolkit's libraries"; }
consume lacking -DHIDE_LIBRARIES=ON -DWITH_TOOLKIT=ON && fail "the toolkit was found without its libraries"
tr '\n' ' ' < "$tmp/log" | tr -s ' ' | grep -q 'intact::toolkit needs libdnnl' || { cat "$tmp/log"; fail "what the toolkit lacks is not said"; }
finish
