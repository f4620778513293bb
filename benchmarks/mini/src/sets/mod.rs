//! The eleven data sets: what each shows, how it looks, and where its files lie.

mod caltech101;
mod dtd;
mod eurosat;
mod fgvc_aircraft;
mod food101;
mod imagenet;
mod oxford_flowers;
mod oxford_pets;
mod shifted;
mod stanford_cars;
mod sun397;
mod ucf101;

use super::paint::{Look, Sketch};

/// A small procedural data set in the place of a real one.
#[derive(Debug)]
pub(super) struct MiniSet {
    /// The name of the real data set, as CoOp has it.
    pub(super) name: &'static str,
    /// The paths of its pictures in train and val, and in test, below the folders that its layout names. `{class}` is
    /// the class's folder, `{stem}` the same without underscores, `{label}` its label, `{n}` counts the class's
    /// pictures, `{i}` all of them. The first is empty for a data set for testing alone.
    pub(super) paths: [&'static str; 2],
    /// Whether its lists are in a random order, so that labels first appear unsorted.
    pub(super) shuffled: bool,
    /// What captions of its pictures say in pre-training.
    pub(super) forms: &'static [&'static str],
    /// Width and height of its pictures in pixels.
    pub(super) frame: (usize, usize),
    /// How its pictures are stored.
    pub(super) format: Format,
    /// How its pictures look, in the data set; the pictures of pre-training look otherwise.
    pub(super) look: Look,
    /// Its classes in the order of their labels.
    pub(super) classes: &'static [Class],
}

impl MiniSet {
    /// Whether it has the split of this place among train, val and test.
    pub(super) fn has(&self, split: usize) -> bool {
        split == 2 || !self.paths[0].is_empty()
    }
}

/// A class: its name in prompts, its name on disk, and how it is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) folder: &'static str,
    pub(super) draw: fn(&mut Sketch<'_>),
}

impl Class {
    const fn new(name: &'static str, folder: &'static str, draw: fn(&mut Sketch<'_>)) -> Self {
        Self { name, folder, draw }
    }
}

/// How pictures are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
}

/// The eleven data sets, in the order of CoOp's tables.
pub(super) const ELEVEN: &[&MiniSet] = &[
    &imagenet::SET,
    &caltech101::SET,
    &oxford_pets::SET,
    &stanford_cars::SET,
    &oxford_flowers::SET,
    &food101::SET,
    &fgvc_aircraft::SET,
    &sun397::SET,
    &dtd::SET,
    &eurosat::SET,
    &ucf101::SET,
];

/// The shifted copies of the first.
const SHIFTED: &[&MiniSet] = &[&shifted::V2, &shifted::SKETCH, &shifted::A, &shifted::R];

/// All data sets.
pub(super) fn all() -> impl Iterator<Item = &'static MiniSet> {
    ELEVEN.iter().chain(SHIFTED).copied()
}

/// All classes of the small ImageNet.
pub(super) const fn imagenet_classes() -> &'static [Class] {
    imagenet::SET.classes
}
