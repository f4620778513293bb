//! Whole commands, run as a user runs them.

mod bad_input;
mod book;
mod broken;
mod changed_data;
mod command;
mod compare;
mod cuda;
mod fetch;
mod files;
mod identity;
mod interchange;
#[cfg(target_os = "linux")]
mod isolation;
mod left_out;
mod mini_suite;
mod needs;
mod plugin;
mod plugin_c;
mod plugin_faults;
mod plugin_outside;
mod pool;
mod precision;
mod questions;
mod remarks;
mod repeats;
mod report;
mod resume;
mod server;
mod stopped;
mod suites;
mod synthetic;
mod toy;
