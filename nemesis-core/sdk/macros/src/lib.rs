//! One macro: a hash over the sources of the crate that calls it, so that a result can name the code that made it.

#![forbid(unsafe_code)]

mod fingerprint;
mod local;
mod lock;
mod tokens;

use fingerprint::Fingerprint;
use proc_macro::{TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::path::Path;

/// A hash over the sources of the calling crate, as 32 hexadecimal digits in a string literal.
///
/// It covers `src/**`, `Cargo.toml`, `build.rs` if there is one, files that sources include from elsewhere by a path
/// that is written out (`include_str!("../x")`, or behind `env!("CARGO_MANIFEST_DIR")`), and the versions of all
/// packages that the crate depends on, from the nearest `Cargo.lock` in its folder or above it. In Rust sources, only
/// what can change a result counts: comments, documentation, tests and the texts of errors do not. It does not see
/// features and variables of the build, nor what a build script reads. With `local` before everything else, it also
/// covers the crates that the crate takes from folders (`path = …`).
///
/// More files and folders can be given as string arguments, relative to the crate's folder:
/// `source_fingerprint!("../other/src")`. With `only` before the first of them, the hash covers only these and the
/// packages: `source_fingerprint!(only "src/a")`. The same sources give the same hash wherever they are. The crate is
/// recompiled when one of the files changes.
#[proc_macro]
pub fn source_fingerprint(arguments: TokenStream) -> TokenStream {
    let expanded = covered(arguments).and_then(|Covered { paths, locals }| {
        let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        let root = variable("CARGO_MANIFEST_DIR")?;
        // Those who export a plugin ask for the crates in folders.
        let messages = if locals { tokens::MESSAGES_OF_PLUGIN } else { tokens::MESSAGES };
        let locals = if locals { local::dependencies_of(Path::new(&root)) } else { BTreeMap::new() };
        Fingerprint::of(&variable("CARGO_PKG_NAME")?, Path::new(&root), &paths, &locals, messages)
    });
    let code = match expanded {
        Ok(fingerprint) => expression(&fingerprint),
        Err(message) => format!("::core::compile_error!({message:?})"),
    };
    code.parse().unwrap_or_default()
}

/// The hash as an expression. Its constants make cargo track the files, and leave no trace in the binary.
fn expression(fingerprint: &Fingerprint) -> String {
    let track = |code, file| format!("{code} const _: &[u8] = ::core::include_bytes!({file:?});");
    let tracked = fingerprint.files.iter().fold(String::new(), track);
    format!("{{ {tracked} {:?} }}", fingerprint.hash)
}

/// What the macro's arguments ask for.
struct Covered {
    /// Files and folders, relative to the crate's folder.
    paths: Vec<String>,
    /// Whether the crates that it takes from folders are covered, too.
    locals: bool,
}

/// Reads the macro's arguments. The paths are the crate's own, unless `only` stands before the others, which are string
/// literals separated by commas.
fn covered(arguments: TokenStream) -> Result<Covered, String> {
    let mut arguments = arguments.into_iter().peekable();
    let mut has = |word: &str| arguments.next_if(|token| token.to_string() == word).is_some();
    let (locals, only) = (has("local"), has("only"));
    let own = if only { &[][..] } else { &fingerprint::OF_CRATE };
    let given =
        arguments.filter(|token| !matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',')).map(|token| {
            let text = token.to_string();
            text.strip_prefix('"')
                .and_then(|text| text.strip_suffix('"'))
                .map(str::to_owned)
                .ok_or_else(|| format!("source_fingerprint!: expected a path in quotes, found `{text}`"))
        });
    let paths: Result<Vec<String>, String> = own.iter().map(|path| Ok((*path).to_owned())).chain(given).collect();
    Ok(Covered { paths: paths?, locals })
}
