//! The `nemesis` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    nemesis_bench::cli::main()
}
