//! `include/nemesis.h` is the interface in C, generated from the sources of this crate.

use cbindgen::{Builder, Config, DocumentationStyle, ExportConfig, Language, Style};
use nemesis_abi::{ABI_VERSION, ENTRY_SYMBOL, TOWERS};
use std::path::Path;

const PREAMBLE: &str = "\
/*
 * The C interface between nemesis and a method plugin.
 *
 * Generated from the crate nemesis-abi, whose documentation has the rules of the border: who frees what, on which
 * thread calls come, and when grad mode is on. Do not edit: `UPDATE_HEADER=1 cargo test -p nemesis-abi` writes it.
 */";

/// Everything that the entry leads to, in the order of the sources.
const TYPES: [&str; 13] = [
    "Str",
    "OwnedStr",
    "Status",
    "Task",
    "Batch",
    "FeatureSet",
    "ParameterSink",
    "TensorSink",
    "TensorList",
    "Host",
    "Towers",
    "TowerChanges",
    "Entry",
];

fn header() -> String {
    let trailer = format!(
        "// Both numbers of the version as text, as in the section of a plugin's file.\n\
         #define NEMESIS_ABI_VERSION \"{ABI_VERSION}\"\n\n\
         // The name by which the host's `get_extension` gives a NemesisTowers table.\n\
         #define NEMESIS_TOWERS \"{}\"\n\n\
         // The one symbol that a plugin exports.\n\
         #ifdef __cplusplus\nextern \"C\"\n#endif\n\
         const NemesisEntry *{ENTRY_SYMBOL}(void);",
        TOWERS.to_str().unwrap()
    );
    let config = Config {
        language: Language::C,
        cpp_compat: true,
        documentation_style: DocumentationStyle::C99,
        style: Style::Type,
        header: Some(PREAMBLE.to_owned()),
        trailer: Some(trailer),
        pragma_once: true,
        no_includes: true,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        usize_is_size_t: true,
        line_length: 120,
        tab_width: 4,
        export: ExportConfig {
            prefix: Some("Nemesis".to_owned()),
            include: TYPES.map(str::to_owned).to_vec(),
            ..ExportConfig::default()
        },
        ..Config::default()
    };
    let bindings = Builder::new().with_crate(env!("CARGO_MANIFEST_DIR")).with_config(config).generate().unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    // Constants are macros in C, which are written in capitals.
    let text = String::from_utf8(text).unwrap().replace("#define Nemesis", "#define NEMESIS_");
    text.lines().map(|line| without_links(line) + "\n").collect()
}

/// A line with the links of rustdoc, ``[`name`](target)``, as plain names.
fn without_links(line: &str) -> String {
    if !line.trim_start().starts_with("//") {
        return line.to_owned();
    }
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, link)) = rest.split_once('[').filter(|(_, link)| link.contains(']') && is_link(link)) {
        let (name, after) = link.split_once(']').unwrap();
        plain += before;
        plain += name;
        rest = after.strip_prefix('(').and_then(|target| target.split_once(')')).map_or(after, |(_, rest)| rest);
    }
    plain + rest
}

/// Tensor shapes are in brackets, too.
fn is_link(text: &str) -> bool {
    text.starts_with('`') || text.contains("](")
}

#[test]
fn the_header_is_that_of_the_sources() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/nemesis.h");
    let generated = header();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "include/nemesis.h does not match the sources; `UPDATE_HEADER=1 cargo test -p nemesis-abi` regenerates it"
    );
}
