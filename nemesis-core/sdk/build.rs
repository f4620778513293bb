//! Tells the crate which libtorch it is built with, and lets its tests find it.

fn main() {
    nemesis_build::link_libtorch();
    // The build has just ended if this is not what is there.
    println!("cargo::rustc-env=NEMESIS_LIBTORCH={}", nemesis_build::LIBTORCH_VERSION);
    // The same default as torch-sys's.
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let abi = std::env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    println!("cargo::rustc-env=NEMESIS_CXX11_ABI={abi}");
}
