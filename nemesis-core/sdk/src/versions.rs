//! What this copy of the SDK was built with. The plugin passes it to the host, which prints both sides' values if they
//! differ.

/// The version of libtorch, from its headers.
pub const LIBTORCH: &str = env!("NEMESIS_LIBTORCH");

/// The value of `_GLIBCXX_USE_CXX11_ABI`, `1` or `0`.
pub const CXX11_ABI: &str = env!("NEMESIS_CXX11_ABI");

/// The SDK itself.
pub const SDK: &str = concat!("nemesis-sdk ", env!("CARGO_PKG_VERSION"));

/// A hash over the sources of the SDK and the C interface. It is part of every plugin's own hash, because their code is
/// part of every plugin.
pub const SOURCE: &str = nemesis_macros::source_fingerprint!("../abi/src");
