#!/usr/bin/env bash
# What continuous integration runs for this method: lints, tests, and the conformance kit on the plugin.
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-../../target}
case "$(uname)" in Darwin) suffix=dylib ;; *) suffix=so ;; esac

cargo fmt --check
cargo clippy --all-targets -- --deny warnings
cargo test
cargo build --release --package nemesis-bench --package nemesis-method-sparse-prompt
"$target/release/nemesis" plugin check "$target/release/libnemesis_method_sparse_prompt.$suffix"
