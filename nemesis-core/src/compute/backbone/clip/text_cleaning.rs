//! What CLIP does to a text before it is split into tokens, after `clip/simple_tokenizer.py` of openai/CLIP.
//!
//! CLIP calls Python's `ftfy.fix_text`, then `html.unescape` twice, then folds white space and case. No crate ports
//! `ftfy` without heavy or unmaintained dependencies, so this file does what it does to texts that occur as class
//! names and captions. Not covered, and left as they are: mojibake of encodings other than Latin-1 and
//! Windows-1252, mojibake in only a part of a line, and mojibake in which a byte was lost.

use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// The text as CLIP's byte-pair encoding sees it: repaired, unescaped, white space folded to single spaces, in
/// lower case.
pub(crate) fn clean(text: &str) -> String {
    let repaired = fix_text(text);
    let unescaped = htmlize::unescape(&repaired);
    let unescaped = htmlize::unescape(unescaped.as_ref());
    unescaped.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// `ftfy.fix_text` with its default settings, line by line.
fn fix_text(text: &str) -> String {
    // From the first line with a `<` on, `ftfy` takes the text for HTML source, in which entities are meant.
    let mut is_plain_text = true;
    text.split_inclusive('\n')
        .map(|line| {
            is_plain_text &= !line.contains('<');
            fix_line(line, is_plain_text)
        })
        .collect()
}

/// Applies all repairs to a line until they change nothing more.
fn fix_line(line: &str, unescape: bool) -> String {
    let mut text = line.to_owned();
    loop {
        let mut fixed = if unescape { unescape_complete_entities(&text).into_owned() } else { text.clone() };
        while let Some(repaired) = repair_mojibake(&fixed) {
            fixed = repaired;
        }
        fixed = fixed.chars().map(fix_c1_control).collect();
        fixed = fixed.chars().flat_map(split_ligature).flat_map(standard_width).map(uncurl_quote).collect();
        fixed = fixed.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}', '\u{85}'], "\n");
        fixed = TERMINAL_ESCAPE.replace_all(&fixed, "").into_owned();
        fixed.retain(|c| !is_stray_control(c));
        fixed = fixed.nfc().collect();
        if fixed == text {
            return fixed;
        }
        text = fixed;
    }
}

static TERMINAL_ESCAPE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("\x1b\\[[0-9;]*[a-zA-Z]").expect("the pattern is valid"));

static ENTITY: LazyLock<Regex> = LazyLock::new(|| Regex::new("&#?[0-9A-Za-z]{1,24};").expect("the pattern is valid"));

/// Replaces entities that end in a semicolon, also those whose names were written in capitals (`&EACUTE;`).
fn unescape_complete_entities(text: &str) -> Cow<'_, str> {
    ENTITY.replace_all(text, |found: &Captures<'_>| {
        let entity = &found[0];
        let decoded = htmlize::unescape(entity);
        if !decoded.ends_with(';') || entity == "&semi;" {
            return decoded.into_owned();
        }
        // A prefix that is an entity by itself (`&AMPX;`) makes the capitals ambiguous.
        let lower = entity.to_ascii_lowercase();
        let of_lower = htmlize::unescape(lower.as_str());
        let is_capitals = decoded == entity && entity == entity.to_ascii_uppercase();
        if is_capitals && !of_lower.ends_with(';') { of_lower.to_uppercase() } else { entity.to_owned() }
    })
}

/// A line whose characters are the bytes of UTF-8 text, read as Latin-1 or Windows-1252, is decoded again.
///
/// Two-byte sequences are taken for mojibake only when they begin with `Â` or `Ã`, since others occur in real text
/// (`AHÅ™` is a trade mark).
fn repair_mojibake(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let bytes: Vec<u8> = text.chars().map(windows_1252_byte).collect::<Option<_>>()?;
    let decoded = String::from_utf8(bytes).ok()?;
    let is_certain = |c: char| !c.is_ascii() && (c.len_utf8() > 2 || c <= '\u{ff}');
    decoded.chars().any(is_certain).then_some(decoded)
}

/// The characters that Windows-1252 has in place of the C1 controls, from `0x80` on; a control where it has none.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The byte that reads as `c` in Latin-1 or Windows-1252.
fn windows_1252_byte(c: char) -> Option<u8> {
    let in_table = || WINDOWS_1252.iter().position(|w| *w == c).map(|i| 0x80 + i as u8);
    u8::try_from(u32::from(c)).ok().or_else(in_table)
}

/// Reads C1 controls, which nobody means, as Windows-1252.
fn fix_c1_control(c: char) -> char {
    match c {
        '\u{80}'..='\u{9f}' => WINDOWS_1252[c as usize - 0x80],
        _ => c,
    }
}

/// Takes Latin ligatures and digraphs apart.
fn split_ligature(c: char) -> impl Iterator<Item = char> {
    let (whole, parts) = match c {
        // The compatibility decomposition would turn the long s into a plain one here.
        'ﬅ' => (None, "ſt".nfc().collect::<String>()),
        'Ĳ' | 'ĳ' | 'ŉ' | 'Ǆ'..='ǌ' | 'Ǳ'..='ǳ' | 'ﬀ'..='ﬆ' => (None, String::from(c).nfkc().collect()),
        _ => (Some(c), String::new()),
    };
    whole.into_iter().chain(parts.chars().collect::<Vec<_>>())
}

/// Turns half-width and full-width forms into the standard ones.
fn standard_width(c: char) -> impl Iterator<Item = char> {
    let is_wide = matches!(c, '\u{3000}' | '\u{ff01}'..='\u{ffef}');
    let (narrow, wide) = if is_wide { (None, Some(c)) } else { (Some(c), None) };
    narrow.into_iter().chain(wide.into_iter().nfkc())
}

fn uncurl_quote(c: char) -> char {
    match c {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        _ => c,
    }
}

/// Controls that `ftfy` removes; the others are white space, shape scripts, or belong to emoji.
fn is_stray_control(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffc}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair is what Python's `whitespace_clean(basic_clean(text)).lower()` gives, with ftfy 6.3.1.
    #[test]
    fn texts_are_cleaned_as_python_does() {
        for (text, cleaned) in [
            ("  two\t\n spaces\u{a0}here ", "two spaces here"),
            ("“curly” ‘quotes’", "\"curly\" 'quotes'"),
            ("ﬂuﬃest Ĳssel ﬅ", "fluffiest ijssel ſt"),
            ("ＬＯＵＤ　Ｕﾀｰﾝ", "loud uターン"),
            ("crÃ¨me brÃ»lÃ©e", "crème brûlée"),
            ("AHÅ™", "ahå™"),
            ("sandwich &amp;amp; salad", "sandwich & salad"),
            ("P&EACUTE;REZ &lt;3", "pérez <3"),
            ("<b> &rsquo; &notit; R&D", "<b> ’ ¬it; r&d"),
            ("\u{1b}[31mred\u{1b}[0m\u{feff}\u{7}", "red"),
            ("It\u{92}s 5\u{80}", "it's 5€"),
            ("e\u{301}a\r\nb", "éa b"),
            ("ΣΑΣ İ", "σας i\u{307}"),
            ("", ""),
        ] {
            assert_eq!(clean(text), cleaned, "{text:?}");
        }
    }
}
