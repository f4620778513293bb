//! Whole commands, run as a user runs them.

mod adopt;
mod bad_input;
mod book;
mod broken;
mod changed_data;
mod checkpoints;
mod command;
mod compare;
mod context_classes;
mod cuda;
mod data_faults;
mod fetch;
mod files;
mod gradients;
mod image_folders;
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
mod pool_in_use;
mod precision;
mod report;
mod resume;
mod server;
mod suites;
mod synthetic;
mod toy;
