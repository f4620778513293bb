//! The one error type of the library: what happened, where, what was expected, what to do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// A failure that a user can cause, told in one message.
///
/// `Display` prints up to four lines: what happened, the place (`--> file:line`), what was expected there, and
/// what to do about it. The first line carries no prefix; the command line adds its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Error {
    details: Box<Details>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Details {
    what: String,
    file: Option<PathBuf>,
    line: Option<usize>,
    expected: Option<String>,
    help: Option<String>,
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that says what happened: a sentence without a final period.
    pub fn new(what: impl Into<String>) -> Self {
        Self { details: Box::new(Details { what: what.into(), file: None, line: None, expected: None, help: None }) }
    }

    /// Names the file (or folder) that the error is about.
    #[must_use]
    pub fn at(mut self, file: impl AsRef<Path>) -> Self {
        self.details.file = Some(file.as_ref().to_owned());
        self
    }

    /// Names the line, counted from one, of the file given by [`Error::at`].
    #[must_use]
    pub fn line(mut self, line: usize) -> Self {
        self.details.line = Some(line);
        self
    }

    /// Says what was expected in place of what was found.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.details.expected = Some(expected.into());
        self
    }

    /// Says what the user can do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.details.help = Some(help.into());
        self
    }

    /// Puts `context` before what happened: `context: what`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.details.what = format!("{context}: {}", self.details.what);
        self
    }

    /// An input or output operation on `file` that failed: `doing` is what could not be done, `read the file`. Who may do
    /// it is told where permission is lacking, and where a link leads that leads nowhere.
    pub fn io(doing: &str, file: impl AsRef<Path>, source: &std::io::Error) -> Self {
        crate::access::explain(doing, file.as_ref(), source)
    }

    /// What happened, without place, expectation and help.
    pub fn what(&self) -> &str {
        &self.details.what
    }

    /// The file that the error is about, if it is about one.
    pub fn file(&self) -> Option<&Path> {
        self.details.file.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { what, file, line, expected, help } = &*self.details;
        f.write_str(what)?;
        if let Some(file) = file {
            write!(f, "\n  --> {}", file.display())?;
            if let Some(line) = line {
                write!(f, ":{line}")?;
            }
        }
        if let Some(expected) = expected {
            write!(f, "\n  expected: {expected}")?;
        }
        if let Some(help) = help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        Self::new(first_line(&error.to_string()))
    }
}

impl From<nemesis_sdk::Error> for Error {
    fn from(error: nemesis_sdk::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<Error> for nemesis_sdk::Error {
    fn from(error: Error) -> Self {
        Self::new(error.to_string())
    }
}

/// libtorch appends a C++ stack trace to its messages, which tells a user nothing.
fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or("libtorch failed without a message")
}

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

/// ` did you mean …?` for [`Error::help`], or the list of all candidates when none is near.
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
    fn display_tells_what_where_expected_and_what_to_do() {
        let error = Error::new("unknown key `shts`")
            .at("suite.yaml")
            .line(3)
            .expected("a key of a suite")
            .help("did you mean `shots`?");
        insta::assert_snapshot!(error, @r"
        unknown key `shts`
          --> suite.yaml:3
          expected: a key of a suite
          help: did you mean `shots`?
        ");
    }

    #[test]
    fn nearest_refuses_what_is_too_far() {
        assert_eq!(nearest("eurosta", ["eurosat", "dtd"]), Some("eurosat"));
        assert_eq!(nearest("imagenet", ["eurosat", "dtd"]), None);
    }
}
