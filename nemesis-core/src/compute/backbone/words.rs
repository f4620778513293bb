//! Class names as prompts have them.

/// A class name with spaces in place of underscores (`trainers/coop.py`).
pub fn class_words(name: &str) -> String {
    name.replace('_', " ")
}
