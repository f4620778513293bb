//! The `nemesis` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    nemesis_bench::cli::main()
}
