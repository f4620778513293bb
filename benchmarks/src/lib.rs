//! The benchmark: suites, plans, runs, tables and the command line of `nemesis`.

#![forbid(unsafe_code)]
// The macros of the standard library panic where they cannot write, as on a full disk.
#![warn(clippy::print_stderr, clippy::print_stdout)]

/// Prints a line to standard error. That it cannot be written there ends nothing: a run is worth more than its log.
macro_rules! log {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub mod adopt;
pub mod bytes;
pub mod cells;
pub mod clean;
pub mod cli;
pub mod cluster;
pub mod compare;
pub mod descriptions;
pub mod diff;
pub mod drift;
pub mod estimate;
pub mod fetch;
pub mod gather;
mod lists;
mod locks;
pub mod numbers;
mod page;
pub mod pictures;
pub mod plan;
pub mod plugins;
mod process;
pub mod progress;
pub mod published;
pub mod report;
pub mod results;
pub mod run;
pub mod settings;
pub mod statistics;
pub mod status;
pub mod suite;
pub mod tables;
pub mod test_images;
pub mod weights;
pub mod zero_shot;

pub use process::choose_python;
