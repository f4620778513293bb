//! What the Python code of `CoOp` and its descendants reads and writes, for going there and back. Nothing in a file is
//! executed.

mod class_tokens;
pub mod coop;
pub mod few_shot_lists;
mod json_lines;
mod locate;
mod pickled_list;

pub use class_tokens::LearnedFor;
