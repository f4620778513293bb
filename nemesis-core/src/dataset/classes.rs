//! Classes in messages, and the names that prompts cannot be made of or that they cannot tell apart.

use super::{Contents, Sample};
use crate::backbone::class_words;
use crate::backbone::clip::{Tokenizer, clean_text};
use crate::error::abridged;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// How much of a class name a message shows: some are whole sentences.
const LONGEST: usize = 40;

/// How many classes a message names.
const MOST_NAMED: usize = 5;

/// A class in a message, with the start of its name: `class 1 (green)`.
pub fn class_title(label: usize, name: &str) -> String {
    let short: String = name.chars().take(LONGEST).collect();
    let cut = if short.len() < name.len() { "…" } else { "" };
    format!("class {label} ({}{cut})", visible(&short))
}

/// A name with what is not seen of it escaped: `red\u{200b}`.
pub(super) fn visible(name: &str) -> String {
    let shown = |c: char| match c {
        ' ' | '.' => c.to_string(),
        c if says_nothing(c) => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    name.chars().map(shown).collect()
}

/// Some classes in a message, and how many more there are.
pub(super) fn class_titles(labels: &[usize], names: &[String]) -> String {
    abridged(labels.iter().map(|label| class_title(*label, &names[*label])), MOST_NAMED)
}

/// Refuses a name of which nothing is left in a prompt, and one that ends the prompt it stands in.
pub(super) fn check_name(label: usize, name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::new(format!("class {label} has no name")).expected(WANTED).help(NAME_IT));
    }
    let words = clean_text(&class_words(name));
    if words.chars().all(says_nothing) {
        let what =
            format!("class {label} is called `{}`, of which a prompt keeps nothing but spaces and dots", visible(name));
        return Err(Error::new(what).expected(WANTED).help(NAME_IT));
    }
    match ["<|startoftext|>", "<|endoftext|>"].into_iter().find(|special| words.contains(special)) {
        Some(special) => Err(Error::new(format!(
            "the name of {} contains `{special}`, which CLIP takes for the border of a prompt",
            class_title(label, name)
        ))
        .help("rename the class")),
        None => Ok(()),
    }
}

const WANTED: &str = "a name that stands in prompts: `a photo of a NAME.`";
const NAME_IT: &str = "name the class there; labels stay as they are";

/// White space, full stops, and characters that are not seen.
fn says_nothing(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '.' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// The classes whose prompts are the same, if there are any.
pub(super) fn same_prompts(names: &[String]) -> Option<Error> {
    let mut classes: BTreeMap<Vec<i64>, Vec<usize>> = BTreeMap::new();
    for (label, name) in names.iter().enumerate() {
        classes.entry(Tokenizer::clip().encode(&class_words(name))).or_default().push(label);
    }
    let mut same: Vec<Vec<usize>> = classes.into_values().filter(|labels| labels.len() > 1).collect();
    same.sort();
    let first: Vec<String> = same.iter().take(MOST_NAMED).map(|labels| class_titles(labels, names)).collect();
    let more = same.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(", and {more} more such names") } else { String::new() };
    (!same.is_empty()).then(|| {
        Error::new(format!("CLIP cannot tell these classes apart by their names: {}{more}", first.join("; ")))
            .help("their prompts are the same; rename all but one where that is not meant")
    })
}

impl Contents {
    /// What is odd about classes and samples and does not keep them from being used.
    pub(super) fn oddities(&self) -> Vec<Error> {
        let same = same_prompts(&self.class_names);
        let lacking =
            [(&self.train, "training"), (&self.test, "test")].map(|(samples, kind)| self.lacking(samples, kind));
        std::iter::once(same).chain(lacking).flatten().collect()
    }

    /// The classes without images of a split that has some.
    fn lacking(&self, samples: &[Sample], kind: &str) -> Option<Error> {
        let mut lacking = vec![true; self.class_names.len()];
        for sample in samples {
            lacking[sample.label as usize] = false;
        }
        let labels: Vec<usize> = (0..lacking.len()).filter(|label| lacking[*label]).collect();
        let which = class_titles(&labels, &self.class_names);
        (!samples.is_empty() && !labels.is_empty()).then(|| Error::new(format!("no {kind} image is listed of {which}")))
    }
}

/// The tokens of a prompt, with start and end.
pub fn prompt_tokens(prompt: &str) -> usize {
    Tokenizer::clip().encode(prompt).len() + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_nothing_in_a_prompt_are_refused() {
        for nothing in ["", "  ", " _ ", "...", "._.", "&nbsp;", "\u{200b}", "\t", "\u{feff}_"] {
            assert!(check_name(3, nothing).is_err(), "{nothing:?}");
        }
        for name in ["a", "0", "+", "?", "🍎", "日本", "-", "C++", "...and justice"] {
            assert!(check_name(3, name).is_ok(), "{name:?}");
        }
        for special in ["<|endoftext|>", "a <|StartOfText|>", "&lt;|endoftext|&gt;"] {
            assert!(check_name(3, special).unwrap_err().what().contains("of a prompt"), "{special:?}");
        }
    }

    #[test]
    fn what_is_not_seen_of_a_name_is_escaped() {
        insta::assert_snapshot!(check_name(3, "\u{200b}\t_").unwrap_err(), @r"
        class 3 is called `\u{200b}\u{9}_`, of which a prompt keeps nothing but spaces and dots
          expected: a name that stands in prompts: `a photo of a NAME.`
          help: name the class there; labels stay as they are
        ");
        assert_eq!(class_title(1, "St. Élan\u{ad} 🍎"), r"class 1 (St. Élan\u{ad} 🍎)");
    }

    #[test]
    fn names_that_differ_only_in_what_clip_cleans_away_are_told_together() {
        let names = ["red thing", "green", "RED_thing", "red  thing", "a-b", "a - b", "red &amp; blue", "red & blue"];
        let told = same_prompts(&names.map(String::from)).unwrap();
        insta::assert_snapshot!(told, @r"
        CLIP cannot tell these classes apart by their names: class 0 (red thing), class 2 (RED_thing), class 3 (red  thing); class 4 (a-b), class 5 (a - b); class 6 (red &amp; blue), class 7 (red & blue)
          help: their prompts are the same; rename all but one where that is not meant
        ");
        assert_eq!(same_prompts(&["red", "reds"].map(String::from)), None);
    }
}
