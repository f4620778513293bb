//! Names that were perhaps meant.

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
    let mut all: Vec<&str> = candidates.into_iter().collect();
    let more = all.len().saturating_sub(MAX_LISTED);
    all.truncate(MAX_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("known are: {}{more}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_refuses_what_is_too_far() {
        assert_eq!(nearest("eurosta", ["eurosat", "dtd"]), Some("eurosat"));
        assert_eq!(nearest("imagenet", ["eurosat", "dtd"]), None);
    }
}
