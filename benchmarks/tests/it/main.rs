//! Whole commands, run as a user runs them.

mod adopt;
mod all_methods;
mod all_shots;
mod bad_input;
mod book;
mod broken;
#[cfg(target_os = "linux")]
mod campaign;
mod changed_data;
mod checkpoints;
mod command;
mod compare;
mod context_classes;
mod cross_dataset;
mod cuda;
mod damaged_images;
mod data_faults;
mod descriptions;
mod errors;
mod exports;
mod feature_side;
mod fetch;
mod files;
mod folder_commands;
mod foreign_weights;
mod formats;
mod gallery;
mod gradients;
mod harmful_archives;
mod hub_checkpoints;
mod identity;
mod image_folders;
mod installed;
mod interchange;
#[cfg(target_os = "linux")]
mod isolation;
mod latex;
mod left_out;
mod left_out_methods;
mod manners;
#[cfg(target_os = "linux")]
mod many_runs;
mod mini_suite;
mod misleading_lists;
mod mistyped;
mod needs;
mod own_classes;
mod own_data;
mod parquet;
mod pictures;
mod plugin;
mod plugin_c;
mod plugin_faults;
mod plugin_outside;
mod pool;
mod pool_in_use;
mod precision;
#[cfg(target_os = "linux")]
mod processes;
mod protocols;
mod python_methods;
mod python_modules;
mod questions;
mod remarks;
mod repeats;
mod report;
mod report_page;
#[cfg(target_os = "linux")]
mod resume;
mod scale;
mod server;
mod shared_features;
#[path = "../../../nemesis-core/tests/common/skipped.rs"]
mod skipped;
mod split_seeds;
mod stats;
#[cfg(target_os = "linux")]
mod stopped;
mod submit;
mod suites;
mod synthetic;
mod toy;
mod zero_shot;
mod zoo;
