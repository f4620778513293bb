#!/usr/bin/env bash
# What continuous integration runs: lints, tests, and the conformance kit on the plugin.
# NEMESIS is the path to the nemesis binary, set by `nemesis env`. Without it, the one on the PATH is used.
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-target}
case "$(uname)" in Darwin) suffix=dylib ;; *) suffix=so ;; esac

cargo fmt --check
# One profile for everything, so that the libtorch bindings, which take minutes, are compiled only once.
cargo clippy --release --all-targets -- --deny warnings
cargo test --release
cargo build --release
"${NEMESIS:-nemesis}" plugin check "$target/release/libnemesis_method_sparse_prompt.$suffix"
