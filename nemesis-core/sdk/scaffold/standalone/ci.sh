#!/usr/bin/env bash
# What continuous integration runs: lints, tests, and the conformance kit on the plugin.
# NEMESIS names the harness's program, which `nemesis env` sets; without it, one on the PATH is taken.
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-target}
case "$(uname)" in Darwin) suffix=dylib ;; *) suffix=so ;; esac

cargo fmt --check
# All in one profile: the bindings of libtorch, which take minutes, are then compiled once.
cargo clippy --release --all-targets -- --deny warnings
cargo test --release
cargo build --release
"${NEMESIS:-nemesis}" plugin check "$target/release/libnemesis_method_sparse_prompt.$suffix"
