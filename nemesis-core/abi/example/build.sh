#!/usr/bin/env bash
# Compiles the example to FOLDER/libnemesis_method_task_residual.so:
#
#     LIBTORCH=/path/to/libtorch ./build.sh FOLDER
#
# A second argument is a folder with another `task_residual.cpp` and the `nemesis.h` that it is for.
set -euo pipefail
out=$(realpath "$1")/libnemesis_method_task_residual.so
here=$(realpath "$(dirname "$0")")
source=$here header=$here/../include
if [ $# -gt 1 ]; then source=$(realpath "$2") header=$source; fi
hash=$(cat "$source/task_residual.cpp" "$header/nemesis.h" | sha256sum | cut -c1-32)
"${CXX:-c++}" -std=c++17 -O1 -Wall -Wextra -Wno-missing-field-initializers -fPIC -shared -fvisibility=hidden \
    -DSOURCE_HASH="\"$hash\"" -I "$header" -isystem "$LIBTORCH/include" "$source/task_residual.cpp" \
    -L "$LIBTORCH/lib" -ltorch_cpu -lc10 -Wl,--version-script="$here/export.map" -o "$out"
