//! The words of serde's libraries, which have no codes: the one place that takes them apart.

use super::{Error, suggest};
use regex::Regex;
use std::path::Path;

/// Turns serde's `path: what is wrong, expected a type` into an error that tells the two apart, in the user's words
/// rather than Rust's, and that suggests the nearest of the known names.
pub fn of_serde(message: &str) -> Error {
    // A path into a list at the top begins with a dot that says nothing: `.[0].name`.
    let message = message.strip_prefix('.').unwrap_or(message);
    unknown_name(message).unwrap_or_else(|| wrong_value(message))
}

/// The same for YAML, which may also be none; `text` is what was parsed. File and line are named.
pub(crate) fn of_serde_yaml(error: &serde_yaml::Error, text: &str, file: &Path) -> Error {
    if text.trim().is_empty() {
        return Error::new("the file is empty").at(file).expected("keys with values");
    }
    let message = error.to_string();
    // The place is told by `-->`; serde_yaml's own ` at line 3 column 5` would repeat it.
    let place = Regex::new(" at line [0-9]+ column [0-9]+").expect("the pattern is valid");
    let message = place.replace_all(&message, "");
    // A map of any keys says this in other words than one of known keys.
    let entry = Regex::new("duplicate entry with key \"([^\"]*)\"").expect("the pattern is valid");
    let message = entry.replace(&message, "duplicate field `$1`");
    let broken = [", while scanning ", ", while parsing "].iter().any(|words| message.contains(words));
    let told = if broken {
        Error::new(format!("the file is not YAML: {message}"))
            .help("is it cut short, is a quote or bracket left open, or a line indented otherwise than its neighbours?")
    } else {
        match path_in(&message) {
            Some(path) => {
                let value = serde_yaml::from_str(text).ok();
                of_serde(&format!("{}{}", entry_names(path, value.as_ref()), &message[path.len()..]))
            }
            None => of_serde(&message),
        }
    };
    let line = repetition(&message, text).or_else(|| Some(error.location()?.line()));
    line.into_iter().fold(told.at(file), Error::line)
}

/// The same for JSON, given the path to what is wrong. File and line are named.
pub(crate) fn of_serde_json(error: &serde_json::Error, path: &str, text: &str, file: &Path) -> Error {
    let told = if text.trim().is_empty() {
        Error::new("the file is empty").help("download it again: the last download may have been interrupted")
    } else if error.is_eof() {
        Error::new("the file ends in the middle of its JSON")
            .help("download it again: the last download may have been interrupted")
    } else {
        let words = words_of_serde_json(error);
        let path = entry_names(without_unknown(path, &words), None);
        let is_inside = path.contains(char::is_alphanumeric);
        let in_place = |what: Error| if is_inside { what.context(&path) } else { what };
        let found_in = if is_inside { format!("{path}: {words}") } else { words.clone() };
        unknown_name(&found_in).unwrap_or_else(|| in_place(wrong_value(&words)))
    };
    told.at(file).line(error.line().max(1))
}

/// A path in JSON without the unknown key at its end, which the message names itself.
fn without_unknown<'a>(path: &'a str, words: &str) -> &'a str {
    let key = words.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')).map(|(key, _)| key);
    let parent = key.and_then(|key| path.strip_suffix(key)).map(|parent| parent.strip_suffix('.').unwrap_or(parent));
    parent.unwrap_or(path)
}

/// The path that a message begins with, as far as it leads into a list: `.[0].layout` of `.[0].layout: missing field …`.
fn path_in(message: &str) -> Option<&str> {
    let path = message.split_once(": ")?.0;
    (path.contains('[') && !path.contains([' ', '`'])).then_some(path)
}

/// A path as people say it. Of `.[0].layout` is left `toy.layout` where the entry has a name in the file's `value`, and else
/// `entry 1, layout`, counted from one.
fn entry_names(path: &str, value: Option<&serde_yaml::Value>) -> String {
    let mut at = value;
    let mut said = String::new();
    let mut add = |part: &str, joint: &str| {
        let joint = if said.is_empty() { "" } else { joint };
        said.push_str(joint);
        said.push_str(part);
    };
    let mut joint = ".";
    for key in path.replace('[', ".[").split('.').filter(|key| !key.is_empty()) {
        let Some(index) = key.strip_prefix('[').and_then(|key| key.strip_suffix(']')?.parse::<usize>().ok()) else {
            add(key, joint);
            (at, joint) = (at.and_then(|value| value.get(key)), ".");
            continue;
        };
        at = at.and_then(|value| value.get(index));
        let name = ["name", "method"].into_iter().find_map(|key| at?.get(key)?.as_str());
        match name {
            Some(name) => add(name, "."),
            None => add(&format!("entry {}", index + 1), ", "),
        }
        joint = if name.is_some() { "." } else { ", " };
    }
    said
}

/// What `serde_json` says, without the place, which is told by `-->`.
pub(crate) fn words_of_serde_json(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.clone(), |(words, _)| words.to_owned())
}

fn wrong_value(message: &str) -> Error {
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

    #[test]
    fn entries_are_named_or_counted_from_one() {
        let registry = serde_yaml::from_str("- {name: toy, layout: x}\n- {layout: y}").unwrap();
        assert_eq!(entry_names(".[0].layout", Some(&registry)), "toy.layout");
        assert_eq!(entry_names(".[1].layout", Some(&registry)), "entry 2, layout");
        let suite = serde_yaml::from_str("methods: [{method: coop, options: 1}]\nshots: [1, x]").unwrap();
        assert_eq!(entry_names("methods[0].options", Some(&suite)), "methods.coop.options");
        assert_eq!(entry_names("shots[1]", Some(&suite)), "shots, entry 2");
        assert_eq!(entry_names("train[3][1]", None), "train, entry 4, entry 2");
    }
}
