//! How much of the spread of a method comes from the sample of images, and how much from the initialisation.

use super::methods::{LEVEL, NOTHING_SHOWN};
use super::{Condition, average_rows, shots_field};
use crate::results::{Evaluation, Results};
use crate::tables::{BySeed, Field, Footnotes, Sheet, SheetColumn, SheetRow, crossed};
use nemesis_core::record::Subject;
use nemesis_core::record::statistics::{Component, Crossed, holm};
use nemesis_core::seeds::Seeds;
use std::collections::{BTreeMap, BTreeSet};

const COLUMNS: [SheetColumn; 12] = [
    SheetColumn { key: "data_set", heading: "Data set" },
    SheetColumn { key: "shots", heading: "Shots" },
    SheetColumn { key: "method", heading: "Method" },
    SheetColumn { key: "source", heading: "Source" },
    SheetColumn { key: "levels", heading: "Seeds" },
    SheetColumn { key: "deviation", heading: "Sd" },
    SheetColumn { key: "low_95", heading: "From" },
    SheetColumn { key: "high_95", heading: "To" },
    SheetColumn { key: "share", heading: "Share" },
    SheetColumn { key: "f_test_p", heading: "F-test" },
    SheetColumn { key: "holm_p", heading: "Holm" },
    SheetColumn { key: "verdict", heading: "Shown" },
];

/// What the three components are called.
const SOURCES: [&str; 3] = ["sample", "initialisation", "both together"];

const MEANING: [&str; 2] = [
    "Sample: which training images were drawn, and their crops and flips. Initialisation: the initial context, the order of \
     batches, and all other draws. Both together: what depends on the pair; the same pair always gives the same result, so \
     that there is no other noise in it.",
    "Sd: by how many points of accuracy the source alone moves a training, as a standard deviation (two-way random effects, \
     from the analysis of variance). From, to: its 95 % interval if effects are normal (Williams and Tukey). Share: percent of \
     the variance of a training whose sample and initialisation are both drawn anew.",
];

const AVERAGE: &str = "Average: of the mean over data sets for each pair of seeds. A seed draws unrelated samples from different data \
                       sets, which even out, but may give all of them the same initial context.";

const FEW: &str = "With so few samples or initialisations, intervals are wide: what is not shown may still matter.";

/// So many of each leave no reason to warn.
const ENOUGH: usize = 10;

/// What is known of one data set, number of shots and column.
struct Found<'a> {
    condition: &'a Condition,
    column: usize,
    crossed: Option<Crossed>,
    /// How many samples the table has values of.
    samples: usize,
    /// How many initialisations.
    initialisations: usize,
    /// The corrected probabilities of the tests of samples and of initialisations.
    adjusted: [Option<f64>; 2],
}

/// For each data set, number of shots and column how much samples, initialisations, and both together contribute to the
/// spread. None if seeds were not split, or nothing was trained.
pub fn variance(results: &Results) -> Option<Sheet> {
    if !results.is_crossed() {
        return None;
    }
    let values = values(results);
    let mut found: Vec<Found<'_>> = values
        .iter()
        .map(|((condition, column), runs)| {
            let count = |of: fn(&Seeds) -> u64| runs.keys().flatten().map(of).collect::<BTreeSet<u64>>().len();
            Found {
                condition,
                column: *column,
                crossed: crossed(runs),
                samples: count(|seeds| seeds.sample),
                initialisations: count(|seeds| seeds.initialisation),
                adjusted: [None, None],
            }
        })
        .collect();
    let tests = correct(&mut found);
    let mut footnotes = Footnotes::default();
    let mut last = None;
    let rows = found.iter().flat_map(|one| {
        let place = (one.condition.shots, one.condition.rank);
        let apart = last.replace(place).is_some_and(|last| last != place);
        let mut rows = one.rows(results, &mut footnotes);
        rows[0].apart = apart;
        rows
    });
    let rows: Vec<SheetRow> = rows.collect();
    if rows.is_empty() {
        return None;
    }
    let tested = format!(
        "F-test: the probability of differences this large if the source does not matter. Holm: the same, corrected for {} in \
         this table. A source is shown to matter at {LEVEL} or below.",
        if tests == 1 { "1 test".to_owned() } else { format!("all {tests} tests") }
    );
    let has_average = found.iter().any(|one| one.condition.dataset.is_empty());
    let few = found.iter().filter_map(|one| one.crossed).any(|crossed| crossed.rows.min(crossed.columns) < ENOUGH);
    let remarks = sums(&found, results)
        .into_iter()
        .chain(MEANING.map(str::to_owned))
        .chain([tested])
        .chain(has_average.then(|| AVERAGE.to_owned()))
        .chain(few.then(|| FEW.to_owned()))
        .chain(results.incomplete());
    Some(Sheet {
        name: format!("{}-variance", results.suite),
        title: format!("{}: where the spread comes from", results.suite),
        columns: COLUMNS.to_vec(),
        rows,
        remarks: remarks.collect(),
        footnotes: footnotes.into_texts(),
    })
}

/// The accuracies of trained columns by seeds, and their averages over data sets.
fn values(results: &Results) -> BTreeMap<(Condition, usize), BySeed> {
    // Those of corrupted or earlier contexts repeat the same trainings.
    let trained = |run: &&Evaluation| {
        let cell = &run.record.cell;
        matches!(cell.subject, Subject::Training { .. }) && cell.corruption.is_none() && cell.epoch.is_none()
    };
    let mut values: BTreeMap<(Condition, usize), BySeed> = BTreeMap::new();
    for run in results.runs.iter().filter(trained) {
        let column = results.columns.iter().position(|known| *known == run.column).unwrap_or(usize::MAX);
        values.entry((Condition::of(run, results), column)).or_default().insert(run.seed(), run.accuracy());
    }
    let averages = average_rows(&values, results);
    values.extend(averages);
    values
}

/// Corrects all tests for one another, and returns how many there are.
fn correct(found: &mut [Found<'_>]) -> usize {
    let of = |one: &Found<'_>| one.crossed.map_or([None, None], |it| [it.by_row.p_value, it.by_column.p_value]);
    let p_values: Vec<f64> = found.iter().flat_map(of).flatten().collect();
    let mut adjusted = holm(&p_values).into_iter();
    for one in found {
        one.adjusted = of(one).map(|p_value| p_value.and_then(|_| adjusted.next()));
    }
    p_values.len()
}

impl Found<'_> {
    fn is_shown(&self, source: usize) -> bool {
        self.adjusted[source].is_some_and(|adjusted| adjusted <= LEVEL)
    }

    /// A row for each source, or one that says why there is none.
    fn rows(&self, results: &Results, footnotes: &mut Footnotes) -> Vec<SheetRow> {
        let label = results.label(self.column);
        let head = || {
            vec![
                Field::Text(self.condition.label(results)),
                shots_field(self.condition.shots),
                Field::Text(label.to_owned()),
            ]
        };
        let Some(crossed) = self.crossed else {
            let nothing = std::iter::repeat_n(Field::Nothing, COLUMNS.len() - 4);
            let fields = head().into_iter().chain(nothing).chain([Field::Text("too few".to_owned())]).collect();
            let why = "needs at least two samples that were trained from the same two or more initialisations";
            return vec![SheetRow { fields, footnotes: vec![footnotes.mark(why.to_owned())], ..SheetRow::default() }];
        };
        let mut left_out = Vec::new();
        if crossed.rows < self.samples {
            let what = format!("{} of {} samples; the others lack an initialisation", crossed.rows, self.samples);
            left_out.push(footnotes.mark(what));
        }
        if crossed.columns < self.initialisations {
            let all = self.initialisations;
            left_out
                .push(footnotes.mark(format!("{} of {all} initialisations; the others lack samples", crossed.columns)));
        }
        let of = |(source, component): (usize, &Component)| {
            let levels = [crossed.rows, crossed.columns].get(source).copied();
            let variance = crossed.variance();
            let share = (variance > 0.0).then(|| 100.0 * component.variance.max(0.0) / variance);
            let mut marks = left_out.clone();
            if component.variance < 0.0 {
                marks.push(footnotes.mark("estimated below zero, which counts as zero".to_owned()));
            }
            let adjusted = self.adjusted.get(source).copied().flatten();
            let verdict = match adjusted {
                Some(_) if self.is_shown(source) => Field::Text(format!("{}s differ", SOURCES[source])),
                Some(_) => Field::Text(NOTHING_SHOWN.to_owned()),
                None if source == 2 => Field::Text(String::new()),
                None => Field::Text("nothing varies".to_owned()),
            };
            let probability = |value: Option<f64>| value.map_or(Field::Nothing, Field::Probability);
            let mut fields = head();
            fields.extend([
                Field::Text(SOURCES[source].to_owned()),
                levels.map_or(Field::Nothing, Field::Count),
                Field::Number(component.deviation(), 2),
                Field::Number(component.low, 2),
                Field::Number(component.high, 2),
                Field::number(share, 0),
                probability(component.p_value),
                probability(adjusted),
                verdict,
            ]);
            SheetRow { fields, footnotes: marks, ..SheetRow::default() }
        };
        crossed.components().into_iter().enumerate().map(of).collect()
    }
}

/// A sentence for each column: how its variance divides on average over data sets and numbers of shots.
fn sums(found: &[Found<'_>], results: &Results) -> Vec<String> {
    let columns: BTreeSet<usize> = found.iter().map(|one| one.column).collect();
    let sentence = |column: usize| {
        let of_column: Vec<(&Found<'_>, Crossed)> = (found.iter())
            .filter(|one| one.column == column && !one.condition.dataset.is_empty())
            .filter_map(|one| Some((one, one.crossed?)))
            .collect();
        // Estimates below zero belong in a mean: without them it would be too high.
        let mean = |source: usize| {
            let sum: f64 = of_column.iter().map(|(_, crossed)| crossed.components()[source].variance).sum();
            (sum / of_column.len() as f64).max(0.0)
        };
        let means = [mean(0), mean(1), mean(2)];
        let total: f64 = means.iter().sum();
        if of_column.is_empty() || total <= 0.0 {
            return None;
        }
        let [sample, initialisation, rest] = means.map(|variance| 100.0 * variance / total);
        let shown = |source: usize| of_column.iter().filter(|(one, _)| one.is_shown(source)).count();
        let count = of_column.len();
        let verdict = |source: usize| match shown(source) {
            0 => format!("{NOTHING_SHOWN} between {}s", SOURCES[source]),
            times if times == count => format!("{}s are shown to differ", SOURCES[source]),
            times => format!("{}s are shown to differ in {times} of {count}", SOURCES[source]),
        };
        let over = if count == 1 { String::new() } else { format!(", over {count} data sets and shots") };
        Some(format!(
            "{}{over}: {sample:.0} % of the variance comes from the sample of images, {initialisation:.0} % from the \
             initialisation and {rest:.0} % from both together; {}.",
            results.label(column),
            match [shown(0), shown(1)] {
                [0, 0] => format!("{NOTHING_SHOWN} between samples or between initialisations"),
                _ => format!("{}, {}", verdict(0), verdict(1)),
            }
        ))
    };
    columns.into_iter().filter_map(sentence).collect()
}
