//! Lets the binaries and tests of this package find libtorch.

fn main() {
    // Where `cargo xtask install` puts it; looked at first, so that an installed program does not depend on the clone.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/libtorch/lib");
    }
    nemesis_build::link_libtorch();
}
