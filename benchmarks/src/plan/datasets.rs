//! What can be told of a data set before anything is computed on it: what would fail, and what a reader of its numbers
//! should know.

use super::test_set::TestSet;
use crate::zero_shot::ZeroShot;
use nemesis_core::backbone::class_words;
use nemesis_core::dataset::few_shot::ALL_SHOTS;
use nemesis_core::dataset::{ClassSubset, Dataset, Entry, Sample, class_title, prompt_tokens};
use nemesis_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Opens a data set, unless one of these parts of it says nothing.
pub(super) fn open(entry: &Entry, root: &Path, subsets: &[ClassSubset]) -> Result<Box<dyn Dataset>> {
    let dataset = entry.open(root)?;
    check_subsets(&*dataset, subsets)?;
    Ok(dataset)
}

/// Refuses a data set of which a half, or all, is one class: every classifier gets its images right, and a harmonic mean
/// with that says nothing either.
fn check_subsets(dataset: &dyn Dataset, subsets: &[ClassSubset]) -> Result<()> {
    let names = dataset.class_names();
    let alone = subsets.iter().find_map(|subset| match subset.class_names(names) {
        [only] => Some((*subset, only)),
        _ => None,
    });
    let Some((subset, only)) = alone else { return Ok(()) };
    let (name, all) = (dataset.name(), names.len());
    let (what, needed) = match subset {
        ClassSubset::All => (format!("the data set `{name}` has one class, `{only}`"), 2),
        half => (format!("only one of the {all} classes of `{name}` is {half}, `{only}`"), 4),
    };
    Err(Error::new(format!("{what}: any classifier gets all of its images right"))
        .at(dataset.folder())
        .expected(format!("{needed} classes or more"))
        .help("leave the data set out with `--datasets`, or run a suite that tests all classes together"))
}

/// Refuses to test where there is no test image: accuracy of nothing is no number.
pub(super) fn check_test_set(test: &TestSet<'_>) -> Result<()> {
    match test.count {
        0 => Err(without_images("test", test.dataset, test.classes)
            .help("leave the data set out, or list test images in its split")),
        _ => Ok(()),
    }
}

/// Refuses to train where the few-shot sample has no image.
pub(super) fn check_training_set(images: u64, dataset: &dyn Dataset, classes: ClassSubset) -> Result<()> {
    match images {
        0 => Err(without_images("training", dataset, classes)
            .help("a data set for testing alone can only be a target of domain generalization")),
        _ => Ok(()),
    }
}

/// Whether every class of a few-shot sample has fewer images than there are shots.
pub(super) fn is_exhausted(train: &[Sample], shots: u32) -> bool {
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for sample in train {
        *counts.entry(sample.label).or_default() += 1;
    }
    counts.values().all(|count| *count < shots)
}

/// What is to be told where some classes of a few-shot sample have fewer images than there are shots, and others not.
pub(super) fn some_exhausted(dataset: &dyn Dataset, train: &[Sample], shots: u32) -> Option<Error> {
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for sample in train {
        *counts.entry(sample.label).or_default() += 1;
    }
    let short = counts.values().filter(|count| **count < shots).count();
    let what = match short {
        1 => {
            format!("1 class of `{}` has fewer than {shots} training images: all of its own are taken", dataset.name())
        }
        _ => format!(
            "{short} classes of `{}` have fewer than {shots} training images: all of theirs are taken",
            dataset.name()
        ),
    };
    (shots != ALL_SHOTS && short > 0 && short < counts.len()).then(|| Error::new(what))
}

fn without_images(kind: &str, dataset: &dyn Dataset, classes: ClassSubset) -> Error {
    let name = dataset.name();
    let what = match classes {
        ClassSubset::All => format!("the data set `{name}` has no {kind} image"),
        half => format!("the {half} classes of the data set `{name}` have no {kind} image"),
    };
    Error::new(what).at(dataset.folder())
}

/// Refuses class names that are too long for a prompt, behind so many context vectors or in a zero-shot template. The text
/// tower has `positions`, start and end included.
pub(super) fn check_lengths(dataset: &dyn Dataset, vectors: u64, zero_shot: &ZeroShot, positions: usize) -> Result<()> {
    let templates = zero_shot.templates(dataset);
    // Of each class the longest prompt, and its template if that is not a learned one.
    let longest = |name: &str| {
        let words = class_words(name);
        let learned = (prompt_tokens(&format!("{words}.")) + vectors as usize, None);
        let fixed = templates.iter().map(|template| (prompt_tokens(&template.replace("{}", &words)), Some(template)));
        fixed.chain([learned]).max_by_key(|(length, _)| *length).unwrap_or(learned)
    };
    let lengths = dataset.class_names().iter().map(|name| longest(name)).enumerate();
    let longest = lengths.max_by_key(|(_, (length, _))| *length).filter(|(_, (length, _))| *length > positions);
    let Some((label, (length, template))) = longest else { return Ok(()) };
    let class = class_title(label, &dataset.class_names()[label]);
    let name = dataset.name();
    let (with, help) = match template {
        Some(template) => (format!(" with `{template}`"), "shorten that template, or the class name"),
        None => (String::new(), "shorten the class name, or use fewer context vectors"),
    };
    let what =
        format!("the prompt of {class} of `{name}`{with} takes {length} tokens, start, end and context included");
    Err(Error::new(what).at(dataset.folder()).expected(format!("at most {positions} tokens")).help(help))
}
