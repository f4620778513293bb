//! Makes the plugin export only its entry.

fn main() {
    nemesis_build::export_entry_only();
}
