//! Class names by label, gathered from samples that carry both.

use super::classes::visible;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// The class name of each label seen so far.
#[derive(Default)]
pub(super) struct LabelNames<'a>(BTreeMap<u32, &'a str>);

impl<'a> LabelNames<'a> {
    /// Notes that a sample of `label` calls its class `name`.
    pub(super) fn note(&mut self, label: u32, name: &'a str) -> Result<()> {
        let known = *self.0.entry(label).or_insert(name);
        if known == name { Ok(()) } else { Err(conflict(label, known, name)) }
    }

    /// The names by label, if the labels are `0..n`.
    pub(super) fn finish(self) -> Result<Vec<String>> {
        if self.0.is_empty() {
            return Err(Error::new("no training image is listed"));
        }
        for (expected, label) in self.0.keys().enumerate() {
            if expected as u32 != *label {
                let error = Error::new(format!("no training image has the label {expected}, but one has {label}"))
                    .expected("labels from 0 on without a gap");
                let from_one = expected == 0 && *label == 1;
                return Err(if from_one {
                    error.help("labels that count from 1 have to be lowered by 1")
                } else {
                    error
                });
            }
        }
        Ok(self.0.into_values().map(str::to_owned).collect())
    }
}

/// Two samples of one label disagree on its class name.
pub(super) fn conflict(label: u32, known: &str, name: &str) -> Error {
    Error::new(format!("the label {label} has two class names: `{}` and `{}`", visible(known), visible(name)))
}
