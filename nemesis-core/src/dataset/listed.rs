//! A data set held as lists in memory: what every layout is read into.

use super::{Dataset, Sample, Split};
use crate::Error;
use std::path::{Path, PathBuf};

/// A [`Dataset`] whose samples are listed in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// See [`Dataset::name`].
    pub name: String,
    /// See [`Dataset::folder`].
    pub folder: PathBuf,
    /// See [`Dataset::template`].
    pub template: String,
    /// See [`Dataset::own_templates`].
    pub own_templates: Vec<String>,
    /// Class names and samples.
    pub contents: Contents,
}

/// What a layout says of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// See [`Dataset::class_names`].
    pub class_names: Vec<String>,
    /// The training samples.
    pub train: Vec<Sample>,
    /// The validation samples, or none where they are the test samples.
    pub val: Option<Vec<Sample>>,
    /// The test samples.
    pub test: Vec<Sample>,
    /// See [`Dataset::remarks`].
    pub remarks: Vec<Error>,
}

impl Dataset for Listed {
    fn name(&self) -> &str {
        &self.name
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn class_names(&self) -> &[String] {
        &self.contents.class_names
    }

    fn samples(&self, split: Split) -> &[Sample] {
        match split {
            Split::Train => &self.contents.train,
            Split::Val => self.contents.val.as_ref().unwrap_or(&self.contents.test),
            Split::Test => &self.contents.test,
        }
    }

    fn template(&self) -> &str {
        &self.template
    }

    fn own_templates(&self) -> &[String] {
        &self.own_templates
    }

    fn val_is_test(&self) -> bool {
        self.contents.val.is_none()
    }

    fn remarks(&self) -> &[Error] {
        &self.contents.remarks
    }
}
