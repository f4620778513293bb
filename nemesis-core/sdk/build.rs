//! Passes the libtorch version to the crate, and lets its tests find libtorch.

fn main() {
    nemesis_build::link_libtorch();
    // `link_libtorch` fails the build if the version differs.
    println!("cargo::rustc-env=NEMESIS_LIBTORCH={}", nemesis_build::LIBTORCH_VERSION);
    // The same default as torch-sys's.
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let abi = std::env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    println!("cargo::rustc-env=NEMESIS_CXX11_ABI={abi}");
}
