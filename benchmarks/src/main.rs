//! The command `nemesis`.

fn main() {}
