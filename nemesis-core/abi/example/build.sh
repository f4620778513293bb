#!/usr/bin/env bash
# Compiles the example to FOLDER/libnemesis_method_task_residual.so:
#
#     LIBTORCH=/path/to/libtorch ./build.sh FOLDER
set -euo pipefail
out=$(realpath "$1")/libnemesis_method_task_residual.so
cd "$(dirname "$0")"
hash=$(cat task_residual.cpp ../include/nemesis.h | sha256sum | cut -c1-32)
"${CXX:-c++}" -std=c++17 -O1 -Wall -Wextra -Wno-missing-field-initializers -fPIC -shared -fvisibility=hidden \
    -DSOURCE_HASH="\"$hash\"" -I ../include -isystem "$LIBTORCH/include" task_residual.cpp \
    -L "$LIBTORCH/lib" -ltorch_cpu -lc10 -Wl,--version-script=export.map -o "$out"
