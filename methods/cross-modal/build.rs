//! Lets the tests find libtorch, and makes the plugin export only its entry.

fn main() {
    nemesis_build::link_libtorch();
    nemesis_build::export_entry_only();
}
