//! The parts of a Rust source that can change a result: its tokens, without comments, documentation, tests and
//! messages; and the files that it takes in from elsewhere.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::iter::Peekable;

/// Methods of the engine's errors, and of what ends in a panic: the text in their arguments is for people.
pub(crate) const MESSAGES: &[&str] = &["help", "expected", "context", "expect"];
/// Those of a plugin, whose errors have no such methods. Under the other names it may have some that compute.
pub(crate) const MESSAGES_OF_PLUGIN: &[&str] = &["expect"];
/// Macros that panic.
const PANICS: [&str; 7] =
    ["panic", "unreachable", "assert", "assert_eq", "assert_ne", "debug_assert", "debug_assert_eq"];

/// What counts of a source.
#[derive(Debug, Default)]
pub(crate) struct Significant {
    /// The tokens, one per line.
    pub(crate) text: String,
    /// The files that it takes in, as far as their paths are written out.
    pub(crate) included: Vec<Included>,
}

/// The path of a file that a source takes in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Included {
    /// From the folder of the source.
    Beside(String),
    /// From the folder of the crate.
    InCrate(String),
}

/// The significant parts of a source. `messages` are the methods whose texts are for people.
///
/// # Errors
///
/// When the text is not Rust.
pub(crate) fn significant(source: &str, messages: &[&str]) -> Result<Significant, String> {
    let tokens: TokenStream = source.parse().map_err(|e| format!("not Rust: {e}"))?;
    let mut writer = Writer { messages, found: Significant::default() };
    writer.write(tokens, false);
    Ok(writer.found)
}

struct Writer<'a> {
    messages: &'a [&'a str],
    found: Significant,
}

impl Writer<'_> {
    /// Writes tokens. In a message, string literals are left out.
    fn write(&mut self, tokens: TokenStream, in_message: bool) {
        let mut tokens = tokens.into_iter().peekable();
        // The last two tokens show whether a group holds arguments.
        let mut before = [String::new(), String::new()];
        while let Some(token) = tokens.next() {
            if is_punct(&token, '#') && skip_attribute(&mut tokens) {
                continue;
            }
            if let TokenTree::Group(group) = &token {
                self.found.included.extend(included(&before, group));
                let of_message = group.delimiter() == Delimiter::Parenthesis && self.is_message(&before);
                self.write_group(group, in_message || of_message);
            } else if !(in_message && is_text(&token)) {
                self.add(&token.to_string());
            }
            let [_, last] = before;
            before = [last, token.to_string()];
        }
    }

    fn write_group(&mut self, group: &Group, message: bool) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.add(open);
        self.write(group.stream(), message);
        self.add(close);
    }

    fn add(&mut self, line: &str) {
        self.found.text.push_str(line);
        self.found.text.push('\n');
    }

    /// Whether the arguments that follow are a message: of `Error::new`, `.help`, `panic!` and the like.
    fn is_message(&self, [before, last]: &[String; 2]) -> bool {
        (before == "." && self.messages.contains(&last.as_str()))
            || (last == "!" && PANICS.contains(&before.as_str()))
            || (last == "new" && self.found.text.ends_with("Error\n:\n:\nnew\n"))
    }
}

/// The file that a group takes in: the arguments of `include_str!` and its like, or what `#[path = "…"]` says.
fn included([before, last]: &[String; 2], group: &Group) -> Option<Included> {
    let arguments: Vec<TokenTree> = group.stream().into_iter().collect();
    if last == "#" {
        return match &arguments[..] {
            [TokenTree::Ident(key), TokenTree::Punct(_), path] if key == "path" => written(path).map(Included::Beside),
            _ => None,
        };
    }
    if last != "!" || !["include", "include_bytes", "include_str"].contains(&before.as_str()) {
        return None;
    }
    match &arguments[..] {
        [TokenTree::Ident(concat), TokenTree::Punct(_), TokenTree::Group(parts), ..] if concat == "concat" => {
            in_crate(parts).map(Included::InCrate)
        }
        [path, rest @ ..] if rest.len() < 2 => written(path).map(Included::Beside),
        _ => None,
    }
}

/// The path in the arguments of `concat!(env!("CARGO_MANIFEST_DIR"), "/path")`.
fn in_crate(parts: &Group) -> Option<String> {
    let parts: Vec<TokenTree> = parts.stream().into_iter().collect();
    let [TokenTree::Ident(env), TokenTree::Punct(_), TokenTree::Group(variable), TokenTree::Punct(_), path, rest @ ..] =
        &parts[..]
    else {
        return None;
    };
    let of_crate = env == "env" && variable.stream().to_string() == "\"CARGO_MANIFEST_DIR\"";
    // One token more is a comma.
    let path = written(path).filter(|_| of_crate && rest.len() < 2)?;
    Some(path.trim_start_matches('/').to_owned())
}

/// The text of a string literal without escapes.
fn written(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else { return None };
    let literal = literal.to_string();
    let quoted = literal.strip_prefix('r').unwrap_or(&literal).trim_matches('#');
    let text = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains('\\')).then(|| text.to_owned())
}

/// Skips the rest of an attribute if it is documentation, and also the item it is on if that is only for tests.
fn skip_attribute(tokens: &mut Peekable<impl Iterator<Item = TokenTree>>) -> bool {
    if tokens.peek().is_some_and(|token| is_punct(token, '!')) {
        // An inner attribute: `#![doc = …]`. Others are lints, which change no result.
        tokens.next();
        return matches!(tokens.next(), Some(TokenTree::Group(_)));
    }
    let Some(TokenTree::Group(attribute)) = tokens.peek() else { return false };
    let words: Vec<String> = attribute.stream().into_iter().map(|token| token.to_string()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["doc", ..] => drop(tokens.next()),
        ["cfg", "(test)"] => {
            tokens.next();
            skip_item(tokens);
        }
        _ => return false,
    }
    true
}

/// Skips an item, up to its block, semicolon or comma, whichever comes first. If that is too early, as in a list of
/// generic parameters, the rest counts. At worst, two hashes differ that could be equal.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(token, ';') || is_punct(token, ','),
    };
    tokens.find(ends);
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn is_text(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Literal(literal) if literal.to_string().ends_with(['"', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        //! A module.
        #![allow(dead_code)]
        /// Trains.
        #[must_use]
        fn train(rate: f64) -> Result<f64> { // fast
            if rate > 1.0 { return Err(Error::new(format!("{rate} is too high")).help("lower it")); }
            assert!(rate > 0.0, "no rate");
            Ok(rate * 0.5)
        }
        #[cfg(test)]
        mod tests { #[test] fn one() { assert_eq!(train(1.0), 0.5); } }
        #[cfg(test)] use std::fs;
        const NAME: &str = "sgd";
    "#;

    fn text(source: &str) -> String {
        significant(source, MESSAGES).unwrap().text
    }

    fn changed(from: &str, to: &str) -> bool {
        assert!(SOURCE.contains(from), "{from}");
        text(SOURCE) != text(&SOURCE.replace(from, to))
    }

    #[test]
    fn what_people_read_does_not_count() {
        assert!(!changed("//! A module.", "//! Another module."));
        assert!(!changed("/// Trains.", "/** Learns.\n */"));
        assert!(!changed("// fast", "/* slow */"));
        assert!(!changed("is too high", "is far too high"));
        assert!(!changed("lower it", "raise it"));
        assert!(!changed("no rate", "a rate"));
        assert!(!changed("train(1.0), 0.5", "train(2.0), 1.0"));
        assert!(!changed("use std::fs", "use std::env"));
        assert!(!changed("allow(dead_code)", "warn(missing_docs)"));
        assert!(!changed("    ", "\n"));
    }

    #[test]
    fn what_computes_counts() {
        assert!(changed("rate * 0.5", "rate * 0.25"));
        assert!(changed("rate > 1.0", "rate >= 1.0"));
        assert!(changed("rate > 0.0", "rate > 0.1"));
        assert!(changed("\"sgd\"", "\"adam\""));
        assert!(changed("const NAME", "#[cfg(unix)] const NAME"));
        assert!(changed("#[cfg(test)] use std::fs;", "fn more() {}"));
    }

    #[test]
    fn what_follows_a_skipped_item_counts() {
        let fields = |name: &str| text(&format!("struct S {{ #[cfg(test)] t: u8, {name}: u8 }}"));
        assert_ne!(fields("a"), fields("b"));
        let both = |name: &str| text(&format!("#[cfg(test)] fn t() {{}} fn {name}() {{}}"));
        assert_ne!(both("a"), both("b"));
        assert!(significant("fn (", MESSAGES).is_err());
    }

    #[test]
    fn methods_of_a_plugin_compute_whatever_they_are_called() {
        let changes = |messages: &[&str], call: &str| {
            let text = |word: &str| significant(&format!("fn f() {{ x.{call}({word:?}); }}"), messages).unwrap().text;
            text("a photo of a") != text("a picture of a")
        };
        assert!(changes(MESSAGES_OF_PLUGIN, "context") && changes(MESSAGES_OF_PLUGIN, "help"));
        assert!(!changes(MESSAGES_OF_PLUGIN, "expect") && !changes(MESSAGES, "context"));
    }

    #[test]
    fn files_that_are_taken_in_are_found() {
        let source = r#"
            const A: &str = include_str!("../a.json");
            static B: &[u8] = std::include_bytes!(r"b.bin",);
            include!(concat!(env!("CARGO_MANIFEST_DIR"), "/c.rs"));
            #[path = "../d.rs"]
            mod d;
            include!(concat!(env!("OUT_DIR"), "/made.rs"));
            #[cfg(test)]
            const T: &str = include_str!("t.json");
            macro_rules! of { ($file:expr) => { include_str!($file) }; }
        "#;
        let beside = |path: &str| Included::Beside(path.to_owned());
        let expected = [beside("../a.json"), beside("b.bin"), Included::InCrate("c.rs".to_owned()), beside("../d.rs")];
        assert_eq!(significant(source, MESSAGES).unwrap().included, expected);
    }
}
