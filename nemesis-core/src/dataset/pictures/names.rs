//! Class names for prompts, made of what folders and lists call classes.

use crate::error::{abridged, suggest};
use crate::{Error, Result, files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Characters that nobody sees, which come with copied text. Not the joiners (U+200C, U+200D) that some scripts need.
const INVISIBLE: [char; 6] = ['\u{ad}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{feff}'];

/// How many classes a message names.
const MOST_NAMED: usize = 5;

/// A class name as a prompt should have it: `001.Black_footed_Albatross` becomes `Black footed Albatross`. Numbers and
/// `WordNet` ids in front go, underscores and dashes become spaces.
pub(super) fn words(class: &str) -> String {
    let is_border = |c: char| matches!(c, '.' | '_' | '-' | ')' | ' ');
    let rest = class.strip_prefix('n').filter(|_| is_wordnet(class)).unwrap_or(class);
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let stripped = rest.trim_start_matches(is_border);
    let has_prefix = rest.len() < class.len() && stripped.len() < rest.len() && says_something(stripped);
    let name = if has_prefix { stripped } else { class };
    name.replace(['_', '-'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a name begins as an id of `WordNet` does: `n01440764`.
fn is_wordnet(class: &str) -> bool {
    let bytes = class.as_bytes();
    bytes.len() >= 9 && bytes[0] == b'n' && bytes[1..9].iter().all(u8::is_ascii_digit)
}

fn says_something(name: &str) -> bool {
    name.chars().any(char::is_alphabetic) && !(is_wordnet(name) && name.len() == 9)
}

/// The names of classes: those that `corrections` gives, the others cleaned.
///
/// # Errors
///
/// When nothing can be made of a class, or two classes come out the same.
pub(super) fn of(classes: &BTreeSet<&str>, corrections: &BTreeMap<String, String>) -> Result<Vec<String>> {
    // Their names stand in a file of lines and tabs.
    if let Some(class) = classes.iter().find(|class| class.chars().any(char::is_control)) {
        return Err(Error::new(format!("the class {class:?} holds a line break or another control character"))
            .expected("names of one line"));
    }
    if let Some(class) = classes.iter().find(|class| class.contains(INVISIBLE)) {
        return Err(Error::new(format!("the class {class:?} has an invisible character in its name"))
            .help("take it out: what looks the same would be two classes"));
    }
    let names: Vec<String> =
        classes.iter().map(|class| corrections.get(*class).cloned().unwrap_or_else(|| words(class))).collect();
    let uncorrected = || classes.iter().zip(&names).filter(|(class, _)| !corrections.contains_key(**class));
    let mute: Vec<&str> = uncorrected().filter(|(_, name)| !says_something(name)).map(|(class, _)| *class).collect();
    if !mute.is_empty() {
        let (are, they) = if mute.len() == 1 { ("is no name", "it") } else { ("are no names", "they") };
        let what = format!("{} {are} that CLIP knows: {they} would stand in prompts", listed(&mute));
        return Err(Error::new(what).expected("words, such as `tench` for `n01440764`").help(GIVE));
    }
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    for (class, name) in uncorrected() {
        if let Some(other) = first.insert(name.to_lowercase(), class) {
            return Err(Error::new(format!("the classes `{other}` and `{class}` would both be called `{name}`"))
                .help(format!("put them into one if they are one; or {GIVE}")));
        }
    }
    Ok(names)
}

const GIVE: &str = "give names with --class-names FILE, a line for each class: its folder, a tab, and its name";

fn listed(classes: &[&str]) -> String {
    abridged(classes.iter().map(|class| format!("`{class}`")), MOST_NAMED)
}

/// Reads lines of a class and its name, with a tab or, behind a class without spaces, a space between them.
///
/// # Errors
///
/// When a line is something else, names a class that is not there, or one twice.
pub(super) fn read(file: &Path, classes: &BTreeSet<&str>) -> Result<BTreeMap<String, String>> {
    let text = files::read_text(file)?;
    let mut names = BTreeMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut of_line = || {
            let known = |(class, _): &(&str, &str)| classes.contains(class.trim());
            let mut borders = line.char_indices().filter(|(_, c)| c.is_whitespace());
            let tab = line.split_once('\t');
            let (class, name) = tab
                .or_else(|| borders.rfind(|(at, _)| known(&line.split_at(*at))).map(|(at, _)| line.split_at(at)))
                .or_else(|| line.split_once(' '))
                .ok_or_else(|| {
                    Error::new(format!("`{line}` is not a class and its name"))
                        .expected("a line for each class: its folder, a tab, and its name")
                })?;
            // A folder's name may begin or end with a space; it stands so in the file that was written.
            let class = if classes.contains(class) { class } else { class.trim() };
            let name = name.trim();
            if !classes.contains(class) {
                return Err(
                    Error::new(format!("there is no class `{class}`")).help(suggest(class, classes.iter().copied()))
                );
            }
            if name.is_empty() {
                return Err(Error::new(format!("the class `{class}` has no name")));
            }
            match names.insert(class.to_owned(), name.to_owned()) {
                Some(_) => Err(Error::new(format!("the class `{class}` is named twice"))),
                None => Ok(()),
            }
        };
        of_line().map_err(|e: Error| e.at(file).line(index + 1))?;
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_of_what_orders_folders() {
        for (class, name) in [
            ("001.Black_footed_Albatross", "Black footed Albatross"),
            ("n02085620-Chihuahua", "Chihuahua"),
            ("12_red-fox", "red fox"),
            ("747-200", "747 200"),
            ("3D_printer", "3D printer"),
            ("  two   words ", "two words"),
            ("n01440764", "n01440764"),
        ] {
            assert_eq!(words(class), name);
        }
        for mute in ["3", "n01440764", "__", "12-7"] {
            assert!(of(&[mute].into(), &BTreeMap::new()).is_err(), "{mute}");
        }
        assert!(of(&["1_cat", "2_Cat"].into(), &BTreeMap::new()).is_err());
        let unseen = of(&["apple", "apple\u{200b}"].into(), &BTreeMap::new()).unwrap_err();
        assert_eq!(unseen.what(), r#"the class "apple\u{200b}" has an invisible character in its name"#);
        let given = [("1_cat".to_owned(), "lynx".to_owned())].into();
        assert_eq!(of(&["1_cat", "2_Cat"].into(), &given).unwrap(), ["lynx", "Cat"]);
    }
}
