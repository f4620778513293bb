//! Typed YAML: every failure names the file, the line and, for an unknown key, the nearest known one.

use crate::error::suggest;
use crate::{Error, Result, files};
use regex::Regex;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads a YAML file into a `T`, whose structs should be `deny_unknown_fields`.
///
/// # Errors
///
/// When the file cannot be read, or as [`parse`].
pub fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    parse(&files::read_text(file)?, file)
}

/// Parses YAML text into a `T`; `file` is named in errors.
///
/// # Errors
///
/// When the text is not YAML, or not a `T`: an unknown or missing key, a wrong type, a rejected value.
pub fn parse<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T> {
    serde_yaml::from_str(text).map_err(|error| {
        let error = translate(&error, file);
        if text.trim().is_empty() {
            return Error::new("the file is empty").at(file).expected("keys with values");
        }
        match repetition(error.what(), text) {
            Some(line) => error.line(line),
            None => error,
        }
    })
}

fn translate(error: &serde_yaml::Error, file: &Path) -> Error {
    let message = error.to_string();
    let location = error.location();
    // The place is told by `-->`; serde_yaml's own ` at line 3 column 5` would repeat it.
    let place = Regex::new(" at line [0-9]+ column [0-9]+").expect("the pattern is valid");
    let message = place.replace_all(&message, "");
    // A path into a list at the top begins with a dot that says nothing: `.[0].name`.
    let message = message.strip_prefix('.').unwrap_or(&message);
    let broken = [", while scanning ", ", while parsing "].iter().any(|words| message.contains(words));
    let error = if broken {
        Error::new(format!("the file is not YAML: {message}"))
            .help("is it cut short, is a quote or bracket left open, or a line indented otherwise than its neighbours?")
    } else {
        unknown_name(message).unwrap_or_else(|| wrong_value(message))
    };
    let error = error.at(file);
    match location {
        Some(location) => error.line(location.line()),
        None => error,
    }
}

/// Turns serde's `path: what is wrong, expected a type` into an error that tells the two apart, in the user's words
/// rather than Rust's. JSON's messages have the same form.
pub(crate) fn wrong_value(message: &str) -> Error {
    match message.split_once(", expected ") {
        Some((what, "u8" | "u16" | "u32" | "u64" | "usize")) => Error::new(what).expected("a whole number from 0 on"),
        Some((what, "i32" | "i64" | "isize")) => Error::new(what).expected("a whole number"),
        Some((what, "f32" | "f64")) => Error::new(what).expected("a number"),
        Some((what, "a sequence")) => Error::new(what).expected("a list"),
        Some((what, expected))
            if ["a map", "newtype variant"].contains(&expected) || expected.starts_with("struct ") =>
        {
            Error::new(what).expected("keys with values")
        }
        Some((what, expected)) => Error::new(what).expected(expected),
        None => Error::new(message),
    }
}

/// The line on which a key stands a second time, if the message says that one does: serde knows only where the map
/// begins. Unknown where the key also occurs elsewhere.
fn repetition(message: &str, text: &str) -> Option<usize> {
    let key = message.split_once("duplicate field `")?.1.split('`').next()?;
    let is_key =
        |line: &str| line.trim_start_matches([' ', '-']).strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let lines: Vec<usize> = text.lines().zip(1..).filter(|(line, _)| is_key(line)).map(|(_, number)| number).collect();
    if let [_, second] = lines[..] { Some(second) } else { None }
}

/// Turns serde's ``path: unknown field `a`, expected one of `b`, `c` `` into an error that suggests the nearest name.
fn unknown_name(message: &str) -> Option<Error> {
    let (prefix, kind, rest) = [("unknown field `", "key"), ("unknown variant `", "value")]
        .into_iter()
        .find_map(|(needle, kind)| message.split_once(needle).map(|(prefix, rest)| (prefix, kind, rest)))?;
    let (name, known) = rest.split_once('`')?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let path = prefix.trim_end_matches(": ");
    let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
    let error = Error::new(format!("unknown {kind} `{name}`{place}"));
    Some(if known.is_empty() {
        error.expected("no key at all")
    } else {
        error.expected(format!("one of {}", known.join(", "))).help(suggest(name, known.iter().copied()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only how parsing fails is tested")]
    struct Suite {
        shots: Vec<u32>,
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only how parsing fails is tested")]
    struct Inner {
        protocol: Protocol,
        seeds: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Protocol {
        Paper,
        Mini,
    }

    fn message(text: &str) -> String {
        parse::<Suite>(text, Path::new("suite.yaml")).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_placed_and_the_nearest_suggested() {
        insta::assert_snapshot!(message("shots: [1]\ninner:\n  protocol: paper\n  seds: 3\n"), @r"
        unknown key `seds` in `inner`
          --> suite.yaml:4
          expected: one of protocol, seeds
          help: did you mean `seeds`?
        ");
        insta::assert_snapshot!(message("shts: [1]\n"), @r"
        unknown key `shts`
          --> suite.yaml:1
          expected: one of shots, inner
          help: did you mean `shots`?
        ");
    }

    #[test]
    fn an_unknown_value_is_placed_and_the_nearest_suggested() {
        insta::assert_snapshot!(message("shots: [1]\ninner:\n  protocol: papre\n  seeds: 3\n"), @r"
        unknown value `papre` in `inner.protocol`
          --> suite.yaml:3
          expected: one of paper, mini
          help: did you mean `paper`?
        ");
    }

    #[test]
    fn a_wrong_type_a_missing_key_and_a_repeated_key_are_placed() {
        insta::assert_snapshot!(message("shots: [1, two]\n"), @r#"
        shots[1]: invalid type: string "two"
          --> suite.yaml:1
          expected: a whole number from 0 on
        "#);
        insta::assert_snapshot!(message("shots: [1]\n"), @r"
        missing field `inner`
          --> suite.yaml:1
        ");
        insta::assert_snapshot!(message("shots: [1]\nshots: [2]\n"), @r"
        duplicate field `shots`
          --> suite.yaml:2
        ");
    }

    #[test]
    fn broken_syntax_and_an_empty_file_are_placed() {
        insta::assert_snapshot!(message("shots: [1]\ninner: \"x\n"), @r"
        the file is not YAML: found unexpected end of stream, while scanning a quoted scalar
          --> suite.yaml:3
          help: is it cut short, is a quote or bracket left open, or a line indented otherwise than its neighbours?
        ");
        insta::assert_snapshot!(message(""), @r"
        the file is empty
          --> suite.yaml
          expected: keys with values
        ");
    }

    #[test]
    fn what_fits_is_read() {
        let suite: Suite = parse("shots: [1, 2]\ninner: {protocol: mini, seeds: 3}", Path::new("s.yaml")).unwrap();
        assert!(matches!(suite.inner.protocol, Protocol::Mini));
    }
}
