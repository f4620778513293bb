//! Makes the plugin export only its entry, and lets its tests find libtorch.

fn main() {
    nemesis_build::link_libtorch();
    nemesis_build::export_entry_only();
}
