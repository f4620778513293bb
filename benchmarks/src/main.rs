//! The `nemesis` command.

#![forbid(unsafe_code)]

fn main() {
    nemesis_bench::cli::main()
}
