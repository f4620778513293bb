//! Two methods compared image by image, from the predictions that every record keeps.

use super::methods::{LEVEL, NOTHING_SHOWN};
use super::{Condition, seeds_field, shots_field};
use crate::results::{Evaluation, Results};
use crate::tables::{Field, Sheet, SheetColumn, SheetRow};
use crate::test_images::TestImages;
use nemesis_core::record::Store;
use nemesis_core::record::statistics::{McNemar, holm};
use nemesis_core::seeds::Seeds;
use nemesis_core::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

const COLUMNS: [SheetColumn; 10] = [
    SheetColumn { key: "data_set", heading: "Data set" },
    SheetColumn { key: "shots", heading: "Shots" },
    SheetColumn { key: "seed", heading: "Seed" },
    SheetColumn { key: "images", heading: "Images" },
    SheetColumn { key: "only_first", heading: "Only first" },
    SheetColumn { key: "only_second", heading: "Only second" },
    SheetColumn { key: "exact_p", heading: "Exact" },
    SheetColumn { key: "chi_squared_p", heading: "Chi²" },
    SheetColumn { key: "holm_p", heading: "Holm" },
    SheetColumn { key: "verdict", heading: "Shown" },
];

/// Two columns image by image, a row for each data set, shots and seed that both have. None if they share none.
///
/// # Errors
///
/// When a method is not among the columns, a data set is no longer where the run had it, or predictions are damaged.
pub fn images<'a>(
    results: &'a Results,
    first: &str,
    second: &str,
    store: &Store,
    test_images: &mut TestImages,
) -> Result<Option<Sheet>> {
    let (first, second) = (results.column(first)?, results.column(second)?);
    if first == second {
        return Err(Error::new(format!("`{first}` cannot be compared with itself")).expected("two methods"));
    }
    let of = |column: &str| {
        let plain = |run: &&Evaluation| {
            let cell = &run.record.cell;
            run.column == column && cell.corruption.is_none() && cell.epoch.is_none()
        };
        let of_run = |run| ((Condition::of(run, results), run.seed()), run);
        results.runs.iter().filter(plain).map(of_run).collect::<BTreeMap<_, &'a Evaluation>>()
    };
    let (firsts, seconds) = (of(first), of(second));
    let mut tests: Vec<(&Condition, Option<Seeds>, McNemar, usize)> = Vec::new();
    let keys: BTreeSet<&(Condition, Option<Seeds>)> = firsts.keys().chain(seconds.keys()).collect();
    for (condition, seed) in keys {
        // Zero-shot has neither shots nor seed, was trained on nothing, and is compared with every training.
        let unseeded = (Condition { shots: None, trained_on: None, ..condition.clone() }, None);
        let find = |runs: &BTreeMap<_, &'a Evaluation>| {
            runs.get(&(condition.clone(), *seed)).or_else(|| runs.get(&unseeded)).copied()
        };
        let (Some(one), Some(two)) = (find(&firsts), find(&seconds)) else { continue };
        let labels = test_images.labels(&one.record, results)?;
        let predicted = [store.predictions(&one.record)?, store.predictions(&two.record)?];
        if one.record.cell.images != two.record.cell.images || predicted.iter().any(|all| all.len() != labels.len()) {
            return Err(Error::new(format!(
                "{first} and {second} were not tested on the same images of {}",
                condition.label(results)
            ))
            .help("`nemesis run` computes again what has changed"));
        }
        let right = |method: usize, image: usize| predicted[method][image] == labels[image];
        let count = |one: bool, two: bool| {
            (0..labels.len()).filter(|image| right(0, *image) == one && right(1, *image) == two).count()
        };
        tests.push((condition, *seed, McNemar::of(count(true, false), count(false, true)), labels.len()));
    }
    if tests.is_empty() {
        return Ok(None);
    }
    let adjusted = holm(&tests.iter().map(|(_, _, test, _)| test.exact).collect::<Vec<_>>());
    let rows: Vec<SheetRow> = tests
        .iter()
        .zip(&adjusted)
        .map(|((condition, seed, test, count), adjusted)| {
            let verdict = match (*adjusted <= LEVEL, test.only_second > test.only_first) {
                (false, _) => NOTHING_SHOWN.to_owned(),
                (true, true) => format!("{second} is better"),
                (true, false) => format!("{first} is better"),
            };
            SheetRow {
                fields: vec![
                    Field::Text(condition.label(results)),
                    shots_field(condition.shots),
                    seed.map_or(Field::Nothing, seeds_field),
                    Field::Count(*count),
                    Field::Count(test.only_first),
                    Field::Count(test.only_second),
                    Field::Probability(test.exact),
                    test.chi_squared.map_or(Field::Nothing, Field::Probability),
                    Field::Probability(*adjusted),
                    Field::Text(verdict),
                ],
                ..SheetRow::default()
            }
        })
        .collect();
    let shown = |better: bool| {
        let is = |((_, _, test, _), adjusted): &(&(_, _, McNemar, _), &f64)| {
            **adjusted <= LEVEL && (test.only_second > test.only_first) == better
        };
        tests.iter().zip(&adjusted).filter(is).count()
    };
    let (better, worse) = (shown(true), shown(false));
    let remarks = vec![
        "Only first, only second: test images that only that method got right. Exact: the probability of a split this uneven \
         if neither is better (McNemar); Chi²: its approximation with continuity correction; Holm: Exact, corrected for all \
         rows."
            .to_owned(),
        format!(
            "{second} is better in {better} of {} comparisons, {first} in {worse}; in {} {NOTHING_SHOWN}.",
            tests.len(),
            tests.len() - better - worse
        ),
        "A row is about these two learned prompts on images like these. Whether one method is better than the other depends \
         on the seeds as well."
            .to_owned(),
    ];
    Ok(Some(Sheet {
        name: format!("{}-images", results.suite),
        title: format!("{}: {first} (first) and {second} (second), image by image", results.suite),
        columns: COLUMNS.to_vec(),
        rows,
        remarks,
        footnotes: Vec::new(),
    }))
}
