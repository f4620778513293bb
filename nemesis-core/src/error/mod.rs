//! The one error type of the library: what happened, where, what was expected, what to do. Code asks its kind, the option
//! and the place, and never its words.

pub(crate) mod access;
mod foreign;
mod names;

pub use foreign::of_serde;
pub(crate) use foreign::{of_serde_json, of_serde_yaml, words_of_serde_json};
pub use names::{abridged, nearest, suggest};

use access::Needs;
use nemesis_sdk::ErrorKind;
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

/// Missing parts are left out, since errors stand in records of failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Details {
    what: String,
    #[serde(skip_serializing_if = "Kind::is_other")]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

/// What sort of failure an [`Error`] is, as far as some code does something else for it. Whatever is new here needs one who
/// asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// libtorch was refused memory. A worker says how much there was.
    OutOfMemory,
    /// A plugin was made for another interface or another libtorch, or is written in Python and none can run it. The
    /// conformance kit wants it refused as that, and a run leaves its method out.
    Incompatible,
    /// A server, or a folder in its place, has no such file. Where a file may have one of several names, the next is tried.
    NotFound,
    /// A file of a folder of records is not what was written. `nemesis clean` lists them.
    Damaged,
    /// Anything else, and what a later version has a word for.
    #[default]
    #[serde(other)]
    Other,
}

impl Kind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_other(&self) -> bool {
        *self == Self::Other
    }
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that says what happened: a sentence without a final period.
    pub fn new(what: impl Into<String>) -> Self {
        Self { details: Box::new(Details { what: what.into(), ..Details::default() }) }
    }

    /// Says what sort of failure it is.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.details.kind = kind;
        self
    }

    /// Names the option that the error is about: one of a command, `--shots`, or of a method, `nemesis-pan.tau`.
    #[must_use]
    pub fn about(mut self, option: impl Into<String>) -> Self {
        self.details.option = Some(option.into());
        self
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

    /// Names the entry of the file given by [`Error::at`]: `train, entry 4`.
    #[must_use]
    pub fn entry(mut self, entry: impl Into<String>) -> Self {
        self.details.entry = Some(entry.into());
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

    /// Puts a place that is no file behind what happened: `what in place`.
    #[must_use]
    pub fn found_in(mut self, place: impl fmt::Display) -> Self {
        self.details.what = format!("{} in {place}", self.details.what);
        self
    }

    /// Reading `file` failed, or listing it if it is a folder: `doing` is what could not be done, `read the file`. The
    /// message says who may do it if permission is lacking, and names the target of a dangling link.
    pub fn io(doing: &str, file: impl AsRef<Path>, source: &std::io::Error) -> Self {
        access::explain(Needs::Read, doing, file.as_ref(), source)
    }

    /// Creating, replacing, renaming or removing `file` failed, which needs permission to write in its folder. Otherwise
    /// like [`Error::io`].
    pub fn io_write(doing: &str, file: impl AsRef<Path>, source: &std::io::Error) -> Self {
        access::explain(Needs::Write, doing, file.as_ref(), source)
    }

    /// What happened, without place, expectation and help.
    pub fn what(&self) -> &str {
        &self.details.what
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        self.details.kind
    }

    /// The option that the error is about, as [`Error::about`] names it.
    pub fn option(&self) -> Option<&str> {
        self.details.option.as_deref()
    }

    /// The file that the error is about, if it is about one.
    pub fn file(&self) -> Option<&Path> {
        self.details.file.as_deref()
    }

    /// Whether it already says what the user can do.
    pub fn has_help(&self) -> bool {
        self.details.help.is_some()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { what, file, line, entry, expected, help, kind: _, option: _ } = &*self.details;
        f.write_str(what)?;
        if let Some(file) = file {
            write!(f, "\n  --> {}", file.display())?;
            if let Some(line) = line {
                write!(f, ":{line}")?;
            }
            if let Some(entry) = entry {
                write!(f, " ({entry})")?;
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
        nemesis_sdk::Error::from(error).into()
    }
}

impl From<nemesis_sdk::Error> for Error {
    fn from(error: nemesis_sdk::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::OutOfMemory => Kind::OutOfMemory,
            ErrorKind::Failed
            | ErrorKind::Panicked
            | ErrorKind::InvalidOptions
            | ErrorKind::Cancelled
            | ErrorKind::Unsupported => Kind::Other,
        };
        let ours = Self::new(error.to_string()).of_kind(kind);
        error.about().into_iter().fold(ours, Self::about)
    }
}

impl From<Error> for nemesis_sdk::Error {
    /// A method gets all of the text. Of the rest the border has room for what an [`ErrorKind`] says.
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            Kind::OutOfMemory => ErrorKind::OutOfMemory,
            Kind::Incompatible | Kind::NotFound | Kind::Damaged | Kind::Other => ErrorKind::Failed,
        };
        Self::of_kind(kind, error.to_string())
    }
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
    fn every_part_arrives_in_another_process() {
        let error = Error::new("not enough memory")
            .of_kind(Kind::OutOfMemory)
            .about("nemesis-pan.tau")
            .at("suite.yaml")
            .line(3)
            .entry("methods, entry 2")
            .expected("less")
            .help("wait");
        let sent = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<Error>(&sent).unwrap(), error);
        assert_eq!(serde_json::to_string(&Error::new("no")).unwrap(), r#"{"what":"no"}"#);
        let later: Error = serde_json::from_str(r#"{"what":"no","kind":"of-a-later-version"}"#).unwrap();
        assert_eq!(later, Error::new("no"));
    }

    #[test]
    fn kind_and_option_survive_the_sdk() {
        let memory = Error::new("not enough").of_kind(Kind::OutOfMemory);
        assert_eq!(Error::from(nemesis_sdk::Error::from(memory.clone())), memory);
        let option = Error::from(nemesis_sdk::Error::option("tau", "too small"));
        assert_eq!((option.option(), option.what()), (Some("tau"), "option `tau`: too small"));
    }
}
