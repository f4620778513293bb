//! A cell with its place in the table. Cells share what they have in common, so that a plan may have a million of them.

use nemesis_core::backbone::BackboneKey;
use nemesis_core::dataset::ClassSubset;
use nemesis_core::record::{Cell, CellId, EvaluationCell, MethodKey, Subject, TrainingCell};
use nemesis_core::seeds::Seeds;
use nemesis_core::shots::in_words;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// A cell with its place in the table.
///
/// What a few-shot sample adds to a cell is small. The rest is the same for all seeds, and is kept once.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCell {
    /// The cell's id.
    pub id: CellId,
    /// The label of the method's column; none for zero-shot.
    pub column: Option<Arc<str>>,
    /// How many images it works through: views to encode for a training, test images for an evaluation.
    pub images: u64,
    /// How many optimiser steps a training has.
    pub steps: u64,
    recipe: Recipe,
    drawn: Option<Arc<Drawn>>,
}

/// A cell, but for what its few-shot sample puts into it.
#[derive(Clone, Debug, PartialEq)]
enum Recipe {
    Training(Arc<TrainingCell>),
    Evaluation(Arc<EvaluationCell>),
}

/// What a few-shot sample puts into a training.
#[derive(Debug, PartialEq)]
pub(super) struct Drawn {
    /// The seeds: of the sample, and of all else.
    pub(super) seeds: Seeds,
    /// What the images hold.
    pub(super) images: Arc<str>,
    /// The fingerprint of a sample that comes from a list.
    pub(super) sample: Option<String>,
}

impl Drawn {
    fn put_into(&self, training: &mut TrainingCell) {
        training.set_seeds(self.seeds);
        training.images.clear();
        training.images.push_str(&self.images);
        training.sample.clone_from(&self.sample);
    }
}

/// Makes the cells of one method, data set and number of shots.
#[derive(Debug)]
pub(super) struct TrainingRecipe {
    shared: Arc<TrainingCell>,
    /// The same with the last sample, so that an id is computed without a copy.
    filled: TrainingCell,
    /// The label of its column.
    column: Arc<str>,
    /// How many views it encodes, and how many steps it has.
    work: (u64, u64),
}

impl TrainingRecipe {
    pub(super) fn new(cell: TrainingCell, column: Arc<str>, work: (u64, u64)) -> Self {
        Self { shared: Arc::new(cell.clone()), filled: cell, column, work }
    }

    /// The training on a sample.
    pub(super) fn with(&mut self, drawn: &Arc<Drawn>) -> PlannedCell {
        drawn.put_into(&mut self.filled);
        PlannedCell {
            id: self.filled.id(),
            column: Some(Arc::clone(&self.column)),
            images: self.work.0,
            steps: self.work.1,
            recipe: Recipe::Training(Arc::clone(&self.shared)),
            drawn: Some(Arc::clone(drawn)),
        }
    }
}

/// Makes the evaluations of such trainings on one test set.
#[derive(Debug)]
pub(super) struct EvaluationRecipe {
    shared: Arc<EvaluationCell>,
    filled: EvaluationCell,
    column: Option<Arc<str>>,
    images: u64,
}

impl EvaluationRecipe {
    pub(super) fn new(cell: EvaluationCell, column: Option<Arc<str>>, images: u64) -> Self {
        Self { shared: Arc::new(cell.clone()), filled: cell, column, images }
    }

    /// The evaluation of a training on a sample, or of what needs none.
    pub(super) fn with(&mut self, drawn: Option<&Arc<Drawn>>) -> PlannedCell {
        if let (Some(drawn), Subject::Training { cell }) = (drawn, &mut self.filled.subject) {
            drawn.put_into(cell);
        }
        PlannedCell {
            id: self.filled.id(),
            column: self.column.clone(),
            images: self.images,
            steps: 0,
            recipe: Recipe::Evaluation(Arc::clone(&self.shared)),
            drawn: drawn.cloned(),
        }
    }
}

impl PlannedCell {
    /// The whole cell.
    pub fn cell(&self) -> Cell {
        match &self.recipe {
            Recipe::Training(recipe) => {
                let mut cell = TrainingCell::clone(recipe);
                self.drawn.iter().for_each(|drawn| drawn.put_into(&mut cell));
                Cell::Training(cell)
            }
            Recipe::Evaluation(recipe) => {
                let mut cell = EvaluationCell::clone(recipe);
                if let (Some(drawn), Subject::Training { cell }) = (&self.drawn, &mut cell.subject) {
                    drawn.put_into(cell);
                }
                Cell::Evaluation(cell)
            }
        }
    }

    /// Whether it is a training.
    pub fn is_training(&self) -> bool {
        matches!(self.recipe, Recipe::Training(_))
    }

    /// The evaluation, but for the sample of its training; none for a training.
    pub(super) fn evaluation(&self) -> Option<&EvaluationCell> {
        match &self.recipe {
            Recipe::Evaluation(cell) => Some(cell),
            Recipe::Training(_) => None,
        }
    }

    /// The training that it is or needs, but for the sample.
    fn training(&self) -> Option<&TrainingCell> {
        match &self.recipe {
            Recipe::Training(cell) => Some(cell),
            Recipe::Evaluation(cell) => cell.subject.training(),
        }
    }

    /// The id of the training that it evaluates.
    pub fn evaluates(&self) -> Option<CellId> {
        match self.cell() {
            Cell::Evaluation(cell) => cell.subject.training().map(TrainingCell::id),
            Cell::Training(_) => None,
        }
    }

    /// The digests of the lists of images that it sees, and those of the training that it evaluates.
    pub(super) fn image_lists(&self) -> impl Iterator<Item = &str> {
        let tested = self.evaluation().map(|cell| cell.images.as_str());
        tested.into_iter().chain(self.drawn.as_deref().map(|drawn| &*drawn.images))
    }

    /// The method, unless the classifier is a zero-shot one.
    pub fn method(&self) -> Option<&MethodKey> {
        match &self.recipe {
            Recipe::Training(cell) => Some(&cell.method),
            Recipe::Evaluation(cell) => cell.subject.method(),
        }
    }

    /// The backbone that it is computed with.
    pub fn backbone(&self) -> &BackboneKey {
        match &self.recipe {
            Recipe::Training(cell) => &cell.backbone,
            Recipe::Evaluation(cell) => &cell.backbone,
        }
    }

    /// The data set that is trained or tested on.
    pub fn dataset(&self) -> &str {
        match &self.recipe {
            Recipe::Training(cell) => &cell.dataset,
            Recipe::Evaluation(cell) => &cell.dataset,
        }
    }

    /// The data set whose few-shot sample the cell depends on: that of its training, else its own.
    pub fn home(&self) -> &str {
        match &self.recipe {
            Recipe::Training(cell) => &cell.dataset,
            Recipe::Evaluation(cell) => cell.home(),
        }
    }

    /// The classes that take part.
    pub fn classes(&self) -> ClassSubset {
        match &self.recipe {
            Recipe::Training(cell) => cell.classes,
            Recipe::Evaluation(cell) => cell.classes,
        }
    }

    /// Shots and seeds of the training that this cell is or needs.
    pub fn drawn(&self) -> Option<(u32, Seeds)> {
        Some((self.training()?.shots, self.drawn.as_ref()?.seeds))
    }

    /// Shots and seed of the few-shot sample that this cell's training sees.
    pub fn sample(&self) -> Option<(u32, u64)> {
        self.drawn().map(|(shots, seeds)| (shots, seeds.sample))
    }

    /// Whether its few-shot sample comes from a list, and is not the one that would be drawn.
    pub(super) fn departs_from_drawing(&self) -> bool {
        self.drawn.as_ref().is_some_and(|drawn| drawn.sample.is_some())
    }

    /// The few words that name the cell's job to a person: all cells that share its few-shot sample.
    pub fn job_title(&self) -> String {
        match self.sample() {
            Some((shots, seed)) => format!("{}, {}, seed {seed}", self.home(), in_words(shots)),
            None => format!("{}, zero-shot", self.home()),
        }
    }

    /// One line that names the cell to a person.
    pub fn title(&self) -> String {
        let what = if self.is_training() { "train" } else { "evaluate" };
        let dataset = match self.classes() {
            ClassSubset::All => self.dataset().to_owned(),
            half => format!("{} ({half})", self.dataset()),
        };
        match (&self.column, self.drawn()) {
            (Some(column), Some((shots, seeds))) => {
                format!("{what} {column} on {dataset}, {}, {}", in_words(shots), seeds.in_words())
            }
            _ => format!("{what} zero-shot CLIP on {dataset}"),
        }
    }
}

impl Serialize for PlannedCell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'a> {
            id: CellId,
            cell: Cell,
            column: Option<&'a str>,
            images: u64,
            steps: u64,
        }
        let Self { id, column, images, steps, .. } = self;
        let whole = Whole { id: *id, cell: self.cell(), column: column.as_deref(), images: *images, steps: *steps };
        whole.serialize(serializer)
    }
}
