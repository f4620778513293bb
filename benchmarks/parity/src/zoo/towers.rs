//! The towers of the checkpoints in a folder, each loaded once.

use super::file::Weights;
use crate::fixtures::Fixtures;
use nemesis_core::Result;
use nemesis_core::backbone::clip::{Clip, TextPath};
use nemesis_core::backbone::{Assumption, Backbone};
use std::collections::BTreeMap;
use std::rc::Rc;
use tch::{Device, Kind};

/// The checkpoints of a folder.
#[derive(Debug)]
pub(super) struct Towers<'a> {
    fixtures: &'a Fixtures,
    path: TextPath,
    loaded: BTreeMap<String, Rc<Clip>>,
}

/// What the cases of a file compute with.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// Encodes prompts.
    pub(super) text: Rc<Clip>,
    /// Encodes images.
    pub(super) image: Rc<Clip>,
    /// The factor on cosines.
    pub(super) logit_scale: f64,
}

impl<'a> Towers<'a> {
    /// Nothing loaded yet; prompts go through text towers by `path`.
    pub(super) fn new(fixtures: &'a Fixtures, path: TextPath) -> Self {
        Self { fixtures, path, loaded: BTreeMap::new() }
    }

    /// The towers that a file names.
    ///
    /// # Errors
    ///
    /// When a checkpoint is missing or cannot be read.
    pub(super) fn of(&mut self, weights: &Weights) -> Result<Pair> {
        let text = self.load(&weights.text)?;
        let logit_scale = self.load(weights.logit_scale.as_ref().unwrap_or(&weights.text))?.spec().logit_scale;
        Ok(Pair { text, image: self.load(&weights.image)?, logit_scale })
    }

    fn load(&mut self, name: &str) -> Result<Rc<Clip>> {
        if let Some(clip) = self.loaded.get(name) {
            return Ok(Rc::clone(clip));
        }
        // Golden values are those of OpenAI's code.
        let file = self.fixtures.path(name);
        let clip = Clip::load_assuming(&file, Some(Assumption::OpenAi), Device::Cpu, Kind::Float)?;
        let clip = Rc::new(clip.with_text_path(self.path));
        self.loaded.insert(name.to_owned(), Rc::clone(&clip));
        Ok(clip)
    }
}
