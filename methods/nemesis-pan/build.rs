//! Lets the plugin export its entry and nothing else, and its tests find libtorch.

fn main() {
    nemesis_build::link_libtorch();
    nemesis_build::export_entry_only();
}
