//! Whole commands, run as a user runs them.

mod bad_input;
mod book;
mod broken;
mod checkpoints;
mod command;
mod compare;
mod cuda;
mod fetch;
mod files;
mod interchange;
#[cfg(target_os = "linux")]
mod isolation;
mod mini_suite;
mod needs;
mod plugin;
mod plugin_c;
mod plugin_faults;
mod plugin_outside;
mod pool;
mod precision;
mod report;
mod resume;
mod server;
mod suites;
mod synthetic;
