//! Lets the plugin export its entry and nothing else.

fn main() {
    nemesis_build::export_entry_only();
}
