//! Lets the programs and tests of this package find libtorch.

fn main() {
    nemesis_build::link_libtorch();
}
