//! Errors are asked for their kind and option, and never for their words.

#[path = "common/sources.rs"]
mod sources;

use regex::Regex;
use sources::{code, sources};
use std::fs;
use std::path::Path;

/// Where the words of others are read, which have no codes: serde's, libtorch's, the dynamic linker's, and what plugins send
/// across the C interface, which carries text alone.
const BORDERS: [&str; 4] = [
    "nemesis-core/src/error/foreign.rs",
    "nemesis-core/sdk/src/error.rs",
    "nemesis-core/src/plugin/library.rs",
    "nemesis-core/sdk/src/border/text.rs",
];

/// What looks into the text of an error: its parts, or something that is called as errors are.
fn looks_into_words() -> Regex {
    let named = r"\b(error|err|e|failure|reason|refusal|warning|message)(\.reason)?(\s*\.to_string\(\))?";
    let asked = "contains|starts_with|ends_with|split_once|strip_prefix|find|matches|split";
    Regex::new(&format!(r"({named}|\.what\(\))\s*\.({asked})\(")).unwrap()
}

/// The code before the tests, without comments.
fn product(source: &str) -> String {
    code(source).take_while(|line| !line.starts_with("#[cfg(test)]")).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_reads_the_words_of_errors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for folder in ["nemesis-core/src", "nemesis-core/sdk/src", "benchmarks/src", "methods"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 200, "{}", files.len());
    let looks = looks_into_words();
    let found: Vec<String> = files
        .iter()
        .filter(|file| !file.ends_with("tests.rs") && !BORDERS.iter().any(|border| file.ends_with(border)))
        .flat_map(|file| {
            let product = product(&fs::read_to_string(file).unwrap());
            let found = looks.find_iter(&product).map(|found| format!("{}: {}", file.display(), found.as_str()));
            found.collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "ask for `kind()` or `option()`:\n{}", found.join("\n"));
}

#[test]
fn the_scan_would_find_them() {
    let looks = looks_into_words();
    for grep in [
        r#"if error.what().contains("`tau`") {"#,
        r#"reason.contains("out of memory")"#,
        "error\n    .to_string()\n    .starts_with(\"no\")",
        r#"failure.reason.split_once(": ")"#,
    ] {
        assert!(looks.is_match(grep), "{grep}");
    }
    for harmless in [r#"name.contains("lora_")"#, "self.failed.contains(&training)", "error.kind() == Kind::Other"] {
        assert!(!looks.is_match(harmless), "{harmless}");
    }
}
