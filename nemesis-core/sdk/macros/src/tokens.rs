//! The parts of a Rust source that can change a result: its tokens, without comments, documentation, tests and
//! messages.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::iter::Peekable;

/// Methods of errors, and macros that panic: the text in their arguments is for people.
const MESSAGES: [&str; 4] = ["help", "expected", "context", "expect"];
const PANICS: [&str; 7] =
    ["panic", "unreachable", "assert", "assert_eq", "assert_ne", "debug_assert", "debug_assert_eq"];

/// The significant tokens of a source, one per line.
///
/// # Errors
///
/// When the text is not Rust.
pub(crate) fn significant(source: &str) -> Result<String, String> {
    let tokens: TokenStream = source.parse().map_err(|e| format!("not Rust: {e}"))?;
    let mut text = String::new();
    write(tokens, false, &mut text);
    Ok(text)
}

/// Writes tokens. In a message, string literals are left out.
fn write(tokens: TokenStream, in_message: bool, text: &mut String) {
    let mut tokens = tokens.into_iter().peekable();
    // The last two tokens show whether a group holds arguments.
    let mut before = [String::new(), String::new()];
    while let Some(token) = tokens.next() {
        if is_punct(&token, '#') && skip_attribute(&mut tokens) {
            continue;
        }
        if let TokenTree::Group(group) = &token {
            let message = in_message || (group.delimiter() == Delimiter::Parenthesis && is_message(&before, text));
            write_group(group, message, text);
        } else if !(in_message && is_text(&token)) {
            text.push_str(&token.to_string());
            text.push('\n');
        }
        let [_, last] = before;
        before = [last, token.to_string()];
    }
}

fn write_group(group: &Group, message: bool, text: &mut String) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    };
    text.push_str(open);
    text.push('\n');
    write(group.stream(), message, text);
    text.push_str(close);
    text.push('\n');
}

/// Whether the arguments that follow are a message: of `Error::new`, `.help`, `panic!` and the like.
fn is_message([before, last]: &[String; 2], written: &str) -> bool {
    (before == "." && MESSAGES.contains(&last.as_str()))
        || (last == "!" && PANICS.contains(&before.as_str()))
        || (last == "new" && written.ends_with("Error\n:\n:\nnew\n"))
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

    fn changed(from: &str, to: &str) -> bool {
        assert!(SOURCE.contains(from), "{from}");
        significant(SOURCE).unwrap() != significant(&SOURCE.replace(from, to)).unwrap()
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
        let fields = |name: &str| significant(&format!("struct S {{ #[cfg(test)] t: u8, {name}: u8 }}")).unwrap();
        assert_ne!(fields("a"), fields("b"));
        let both = |name: &str| significant(&format!("#[cfg(test)] fn t() {{}} fn {name}() {{}}")).unwrap();
        assert_ne!(both("a"), both("b"));
        assert!(significant("fn (").is_err());
    }
}
