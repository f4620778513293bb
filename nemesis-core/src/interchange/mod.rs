//! What the Python code of `CoOp` and its descendants reads and writes, for going there and back. Nothing in a file is
//! executed.

pub mod coop;
pub mod few_shot_lists;
mod pickled_list;
