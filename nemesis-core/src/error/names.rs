//! Names in messages: what was perhaps meant, and lists that are not too long.

use std::fmt::Display;

/// The candidate nearest to `name` by edit distance, if one is near enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(2))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many candidates [`suggest`] lists: more would bury the message.
const MAX_LISTED: usize = 20;

/// ` did you mean …?` for [`Error::help`](crate::Error::help), or the list of all candidates when none is near.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(candidate) = nearest(name, candidates.clone()) {
        return format!("did you mean `{candidate}`?");
    }
    format!("known are: {}", abridged(candidates, MAX_LISTED))
}

/// A list that fits in a message: its first `most` items, and how many more there are. `red, green and 3 more`.
pub fn abridged<T: Display>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let mut items = items.into_iter();
    let named = items.by_ref().take(most).map(|item| item.to_string()).collect::<Vec<_>>().join(", ");
    match items.count() {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_refuses_what_is_too_far() {
        assert_eq!(nearest("eurosta", ["eurosat", "dtd"]), Some("eurosat"));
        assert_eq!(nearest("imagenet", ["eurosat", "dtd"]), None);
    }

    #[test]
    fn a_list_that_is_too_long_says_how_much_is_left_out() {
        assert_eq!(abridged(["a", "b"], 2), "a, b");
        assert_eq!(abridged(["a", "b", "c", "d"], 2), "a, b and 2 more");
    }
}
