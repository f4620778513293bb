//! Where the parts of a data set can be downloaded, as `datasets.yaml` says it. Nothing here opens a connection.

use super::RelativePath;
use serde::Deserialize;

/// A part of a data set that comes by itself: its images, or its split file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, try_from = "PartText")]
pub struct Part {
    /// The files and folders that it leaves in the data set's folder.
    pub gives: Vec<RelativePath>,
    /// Where it can be had, in the order in which it is tried.
    pub from: Vec<Source>,
    /// A file of another data set that it is a copy of, relative to the data root.
    pub copy: Option<RelativePath>,
    /// What a person does where no source works, or where terms of use ask for a person.
    pub by_hand: Option<String>,
}

/// A file on a server that holds a part: the part itself, or an archive that it lies in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its address.
    pub url: Url,
    /// Its SHA-256.
    #[serde(default)]
    pub sha256: Option<Hex<32>>,
    /// Its MD5, where its publisher gives no better checksum.
    #[serde(default)]
    pub md5: Option<Hex<16>>,
    /// Its length, where it is known beforehand.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// An archive inside the archive, which is the one that holds the part.
    #[serde(default)]
    pub inner: Option<RelativePath>,
    /// What this archive calls the one thing that the part gives.
    #[serde(default)]
    pub called: Option<RelativePath>,
}

impl Source {
    /// Whether the file is an archive to be unpacked, by its name.
    pub fn is_archive(&self) -> bool {
        let name = self.url.file_name();
        [".zip", ".tar", ".tar.gz", ".tgz"].iter().any(|ending| name.ends_with(ending))
    }
}

/// [`Part`] as it is written, before its keys are compared with each other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartText {
    gives: Vec<RelativePath>,
    #[serde(default)]
    from: Vec<Source>,
    #[serde(default)]
    copy: Option<RelativePath>,
    #[serde(default)]
    by_hand: Option<String>,
}

impl TryFrom<PartText> for Part {
    type Error = String;

    fn try_from(text: PartText) -> Result<Self, String> {
        let PartText { gives, from, copy, by_hand } = text;
        if gives.is_empty() || gives.iter().any(|path| path.as_ref().as_os_str().is_empty()) {
            return Err("a part gives nothing, expected names of files or folders in `gives`".to_owned());
        }
        if gives.len() > 1 && (copy.is_some() || from.iter().any(|s| s.called.is_some() || !s.is_archive())) {
            return Err("a part gives several things, expected archives, without `called` or `copy`".to_owned());
        }
        if from.is_empty() && copy.is_none() && by_hand.is_none() {
            return Err("a part comes from nowhere, expected `from`, `copy` or `by_hand`".to_owned());
        }
        Ok(Self { gives, from, copy, by_hand })
    }
}

/// An address that begins with `http://` or `https://` and ends with a file's name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Url(String);

impl Url {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file's name: what stands behind the last slash, without a query.
    pub fn file_name(&self) -> &str {
        let path = self.0.split(['?', '#']).next().unwrap_or(&self.0);
        path.rsplit('/').next().unwrap_or(path)
    }
}

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme));
        let url = Self(text);
        let whole = scheme.is_some_and(|scheme| url.0[scheme.len()..].contains('/')) && !url.file_name().is_empty();
        if whole && url.0.chars().all(|c| c.is_ascii_graphic()) {
            Ok(url)
        } else {
            Err(format!("`{}` is no address of a file, expected one like `https://example.org/images.zip`", url.0))
        }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A checksum of `BYTES` bytes, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hex<const BYTES: usize>(String);

impl<const BYTES: usize> Hex<BYTES> {
    /// In lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const BYTES: usize> TryFrom<String> for Hex<BYTES> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!("`{text}` is no checksum of this kind, expected {} hexadecimal digits", 2 * BYTES))
        }
    }
}
