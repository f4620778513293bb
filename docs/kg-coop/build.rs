//! Lets the tests find libtorch, and the plugin export its entry and nothing else.

fn main() {
    nemesis_build::link_libtorch();
    nemesis_build::export_entry_only();
}
