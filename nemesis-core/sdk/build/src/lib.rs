//! What build scripts and `xtask` know about libtorch: which version is needed, whether a folder holds it, and the
//! linker arguments that let a binary find it at run time.
//!
//! `tch` cannot do the last: a dependency's link arguments do not reach the packages that depend on it. So a package
//! with a binary or tests has this build script:
//!
//! ```no_run
//! nemesis_build::link_libtorch();
//! ```
//!
//! This crate has no dependencies, so it is built, and a missing libtorch reported, before anything else.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

/// The version of libtorch that the pinned `tch` is written for.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// The header with libtorch's version, in its folder.
const VERSION_HEADER: &str = "include/torch/headeronly/version.h";

/// Lets every binary, test and bench of the calling package find libtorch without `LD_LIBRARY_PATH`, and load it even
/// if the linker sees no use of it: plugins rely on the copy that their host has loaded.
///
/// The package's code gets the folder from `env!("NEMESIS_LIBTORCH_FOLDER")`.
///
/// Call it from a build script. Without a libtorch of the right version, it prints one message and fails the build.
pub fn link_libtorch() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var_os("LIBTORCH").map(PathBuf::from).unwrap_or_default();
    // The build script runs again when `cargo xtask setup` installs or replaces libtorch here.
    println!("cargo::rerun-if-changed={}", libtorch.join(VERSION_HEADER).display());
    if let Err(problem) = check_libtorch(&libtorch) {
        println!("cargo::error={problem}. Run `cargo xtask setup`, or set LIBTORCH as `nemesis env` prints it.");
        return;
    }
    println!("cargo::rustc-env=NEMESIS_LIBTORCH_FOLDER={}", libtorch.display());
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    for argument in link_arguments(&libtorch, &os) {
        println!("cargo::rustc-link-arg={argument}");
    }
}

/// Hides everything that the libraries in a plugin would export besides its entry. `tch` and others have C functions of
/// their own, and two plugins in one process should not see each other's.
///
/// Call it from a plugin's build script.
pub fn export_entry_only() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    }
}

/// The linker arguments of [`link_libtorch`] on the operating system `os`, as Cargo calls it.
pub fn link_arguments(libtorch: &Path, os: &str) -> Vec<String> {
    // The path is not resolved: if it is a link, binaries follow it when `cargo xtask setup` changes its target.
    let mut arguments = vec![format!("-Wl,-rpath,{}", libtorch.join("lib").display())];
    if os == "linux" {
        arguments.push("-Wl,--push-state,--no-as-needed,-ltorch_cpu,-lc10,--pop-state".to_owned());
    }
    arguments
}

/// Checks that `folder` holds the headers of the wanted libtorch and its library.
///
/// # Errors
///
/// A sentence without a final period that says what is missing or wrong.
pub fn check_libtorch(folder: &Path) -> Result<(), String> {
    if folder.as_os_str().is_empty() {
        return Err(format!("libtorch {LIBTORCH_VERSION} is needed, but LIBTORCH is not set"));
    }
    let shown = folder.display();
    let header = std::fs::read_to_string(folder.join(VERSION_HEADER))
        .map_err(|_| format!("there is no libtorch {LIBTORCH_VERSION} in {shown} (no {VERSION_HEADER})"))?;
    match version_in_header(&header) {
        Some(version) if version == LIBTORCH_VERSION => {}
        Some(version) => return Err(format!("{shown} holds libtorch {version}, but {LIBTORCH_VERSION} is needed")),
        None => return Err(format!("{shown} holds a libtorch without a version ({VERSION_HEADER})")),
    }
    let library = format!("lib/{}torch_cpu{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    if folder.join(&library).is_file() { Ok(()) } else { Err(format!("there is no {library} in {shown}")) }
}

/// The version in libtorch's `version.h`, such as `2.11.0`.
pub fn version_in_header(header: &str) -> Option<String> {
    let number = |name: &str| {
        header.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let defines = words.next() == Some("#define") && words.next() == Some(name);
            words.next().filter(|_| defines)?.parse::<u32>().ok()
        })
    };
    let [major, minor, patch] = ["TORCH_VERSION_MAJOR", "TORCH_VERSION_MINOR", "TORCH_VERSION_PATCH"].map(number);
    Some(format!("{}.{}.{}", major?, minor?, patch?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "/// Major.\n#define TORCH_VERSION_MAJOR 2\n\n#define TORCH_VERSION_MINOR 11\n\
                          #define TORCH_VERSION_PATCH 0\n#define TORCH_VERSION \\\n  \"2.11.0\"\n";

    #[test]
    fn the_version_is_read_off_the_header() {
        assert_eq!(version_in_header(HEADER).as_deref(), Some("2.11.0"));
        assert_eq!(version_in_header("#define TORCH_VERSION_MAJOR 2\n"), None);
        assert_eq!(version_in_header(&HEADER.replace(" 11", " eleven")), None);
    }

    #[test]
    fn a_folder_without_libtorch_says_what_is_missing() {
        let problem = check_libtorch(Path::new("nowhere")).unwrap_err();
        assert_eq!(problem, "there is no libtorch 2.11.0 in nowhere (no include/torch/headeronly/version.h)");
    }
}
