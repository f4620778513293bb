//! Which two methods to compare: labels may contain the comma that separates them.

use crate::results::Results;
use nemesis_core::{Error, Result};
use std::collections::BTreeSet;

/// Two methods, each by the label of its column or by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The one that is compared with.
    pub first: String,
    /// The one that is judged.
    pub second: String,
}

impl Pair {
    /// Reads what was given with `option`: `FIRST` and `SECOND`, or `FIRST,SECOND`, which is split where both sides are columns. Quotes around a
    /// label, or a backslash before a comma, keep it in one piece.
    ///
    /// # Errors
    ///
    /// When these are not two methods, or there are several ways to split the text into two.
    pub fn parse(option: &str, given: &[String], results: &[Results]) -> Result<Self> {
        let wrong =
            || Error::new(format!("`{option}` compares two methods")).expected("FIRST,SECOND, as in coop,nemesis-pen");
        let text = match given {
            [first, second] => return Ok(Self { first: plain(first), second: plain(second) }),
            [text] => text,
            _ => return Err(wrong()),
        };
        let parted: Vec<Self> = (text.match_indices(',').map(|(at, _)| at))
            .filter(|at| !is_held_together(&text[..*at]))
            .map(|at| Self { first: plain(&text[..at]), second: plain(&text[at + 1..]) })
            .collect();
        let is_column = |name: &str| results.iter().any(|results| results.column(name).is_ok());
        let fitting: Vec<&Self> =
            parted.iter().filter(|pair| is_column(&pair.first) && is_column(&pair.second)).collect();
        match (fitting.as_slice(), parted.as_slice()) {
            ([pair], _) => Ok((*pair).clone()),
            ([], [pair]) => Ok(pair.clone()),
            ([], []) => Err(wrong()),
            ([], _) => {
                // If one side is a column, the other was mistyped.
                let half = parted.iter().find_map(|pair| match (is_column(&pair.first), is_column(&pair.second)) {
                    (true, false) => Some(&pair.second),
                    (false, true) => Some(&pair.first),
                    _ => None,
                });
                if let Some(error) = half.and_then(|name| results.first()?.column(name).err()) {
                    return Err(error);
                }
                let known: BTreeSet<&str> =
                    results.iter().flat_map(|results| &results.columns).map(String::as_str).collect();
                let known: Vec<String> = known.into_iter().map(|label| format!("`{label}`")).collect();
                Err(Error::new(format!("`{text}` does not split into two columns at any of its commas"))
                    .expected(format!("two of {}", known.join(", ")))
                    .help(format!("give each with an option of its own: {option} FIRST {option} SECOND")))
            }
            ([_, ..], _) => Err(Error::new(format!("`{text}` splits into two columns at several of its commas"))
                .help(format!("give each with an option of its own: {option} FIRST {option} SECOND"))),
        }
    }
}

/// Whether a comma after this text belongs to a label: quotes are open, or a backslash precedes it.
fn is_held_together(before: &str) -> bool {
    before.matches('"').count() % 2 == 1 || before.ends_with('\\')
}

/// A label without its quotes and backslashes.
fn plain(label: &str) -> String {
    let label = label.trim();
    let unquoted = label.strip_prefix('"').and_then(|label| label.strip_suffix('"')).unwrap_or(label);
    unquoted.replace("\\,", ",")
}
