//! Reads and writes the files of `CoOp`'s Python code and its descendants. Nothing in a file is executed.

mod class_tokens;
pub mod coop;
pub mod few_shot_lists;
mod json_lines;
mod locate;
mod pickled_list;

pub use class_tokens::LearnedFor;
