//! Whole commands, run as a user runs them.

mod bad_input;
mod command;
mod mini_suite;
mod plugin;
mod resume;
