//! From pictures with classes to the rows of a split file.

use super::Pictures;
use crate::dataset::Split;
use crate::dataset::division::{Labelled, split_trainval, split_whole};
use crate::dataset::layouts::{Row, Rows};
use crate::dataset::python_random::PythonRandom;
use crate::error::abridged;
use crate::{Error, Result};
use std::collections::BTreeSet;

/// How many classes a message names.
const MOST_NAMED: usize = 5;

/// Rows by label, and how they came about.
pub(super) struct Divided {
    pub(super) rows: Rows,
    pub(super) origin: String,
}

/// Divides pictures as CoOp does: those that say no split 50/20/30, class by class; where val is missing, a fifth of
/// train; where test is missing, val is tested on. A class's label is its place among `classes`.
pub(super) fn divide(pictures: &Pictures, classes: &BTreeSet<&str>, names: &[String], seed: u64) -> Result<Divided> {
    let mut sorted: Vec<_> = pictures.all.iter().collect();
    // Lists come in any order; few-shot samples depend on it.
    sorted.sort_by(|a, b| (&a.class, &a.path).cmp(&(&b.class, &b.path)));
    let labels: Vec<&str> = classes.iter().copied().collect();
    let of = |split: Option<Split>| -> Vec<Row> {
        let row = |picture: &&super::Picture| {
            let label = labels.binary_search(&picture.class.as_str()).unwrap_or_default();
            (picture.path.clone(), label as u32, names[label].clone())
        };
        sorted.iter().filter(|picture| picture.split == split).map(row).collect()
    };
    let mut random = PythonRandom::new(seed);
    let [whole, train, val, test] = [None, Some(Split::Train), Some(Split::Val), Some(Split::Test)].map(of);
    let (rows, origin) = match [&whole, &train, &val, &test].map(Vec::is_empty) {
        [false, true, true, true] => {
            let [train, val, test] = split_whole(&whole, &mut random);
            let rows = Rows { train, val, test };
            let short = lacking(&rows.train, names).into_iter().chain(lacking(&rows.test, names)).collect();
            refuse(
                &short,
                names,
                "too few pictures to be divided",
                "4 pictures or more of each class, so that half of them \
                are for training, a fifth for validation and the rest for testing",
            )?;
            (rows, format!("divided 50/20/30 by CoOp's rules with seed {seed}"))
        }
        [true, false, true, false] => {
            let (train, val) = split_trainval(&train, &mut random);
            (
                Rows { train, val, test },
                format!(
                    "train and test as given; a fifth of train is for validation, by CoOp's rules with seed {seed}"
                ),
            )
        }
        [true, false, false, true] => {
            let (train, fifth) = split_trainval(&train, &mut random);
            let origin = format!(
                "there are no test pictures: val is tested on, and a fifth of train is for validation, by CoOp's rules with seed {seed}"
            );
            (Rows { train, val: fifth, test: val }, origin)
        }
        [true, false, false, false] => (Rows { train, val, test }, "train, val and test as given".to_owned()),
        [true, true, true, true] => return Err(Error::new("there is no picture")),
        [true, true, ..] => {
            return Err(Error::new("there is no training picture").expected("`train` and `test`, and optionally `val`"));
        }
        [true, false, true, true] => {
            return Err(Error::new("there are training pictures alone, and nothing to test on")
                .help("add test pictures; or have the training pictures divided: give their folder itself, or shards whose names do not begin with `train`"));
        }
        [false, ..] => return Err(Error::new("some pictures say their split and others do not")),
    };
    refuse(&lacking(&rows.train, names), names, "no training picture", "each class among the training pictures")?;
    Ok(Divided { rows, origin })
}

/// The labels of which there is no row.
fn lacking(rows: &[Row], names: &[String]) -> BTreeSet<usize> {
    let there: BTreeSet<usize> = rows.iter().map(|row| row.label() as usize).collect();
    (0..names.len()).filter(|label| !there.contains(label)).collect()
}

fn refuse(labels: &BTreeSet<usize>, names: &[String], lack: &str, expected: &str) -> Result<()> {
    if labels.is_empty() {
        return Ok(());
    }
    let named = abridged(labels.iter().map(|label| format!("`{}`", names[*label])), MOST_NAMED);
    let has = if labels.len() == 1 { "the class" } else { "the classes" };
    let verb = if labels.len() == 1 { "has" } else { "have" };
    Err(Error::new(format!("{has} {named} {verb} {lack}")).expected(expected))
}
