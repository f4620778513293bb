//! Which methods can be told apart: each pair of columns on what both were run on.

use super::averages::{ByColumn, SEED, by_column};
use super::{NO_TEST, TARGETS_ALONE, transfers};
use crate::results::Results;
use crate::tables::{BySeed, Field, Footnotes, Sheet, SheetColumn, SheetRow, average_by_seed};
use nemesis_core::record::statistics::bootstrap::{groups, improvement_interval, probability_of_improvement};
use nemesis_core::record::statistics::{
    MOST_RUNS, POWER, RunsNeeded, SignedRanks, Summary, comparable, holm, runs_needed,
};
use nemesis_core::seeds::Seeds;
use std::collections::BTreeMap;

const COLUMNS: [SheetColumn; 11] = [
    SheetColumn { key: "first", heading: "First" },
    SheetColumn { key: "second", heading: "Second" },
    SheetColumn { key: "data_sets", heading: "Data sets" },
    SheetColumn { key: "difference", heading: "Difference" },
    SheetColumn { key: "improvement", heading: "P(better)" },
    SheetColumn { key: "improvement_low_95", heading: "From" },
    SheetColumn { key: "improvement_high_95", heading: "To" },
    SheetColumn { key: "wilcoxon_p", heading: "Wilcoxon" },
    SheetColumn { key: "holm_p", heading: "Holm" },
    SheetColumn { key: "seeds_needed", heading: "Seeds needed" },
    SheetColumn { key: "verdict", heading: "Shown" },
];

/// What is shown at this probability or below.
pub(super) const LEVEL: f64 = 0.05;

/// The verdict where a test shows nothing.
pub(super) const NOTHING_SHOWN: &str = "no difference can be shown";

/// Two columns side by side.
struct Pair {
    first: usize,
    second: usize,
    /// For each data set, second minus first, the mean over what both were run on.
    differences: Vec<f64>,
    /// The runs of both by data set, shots and classes.
    runs: (Vec<Vec<f64>>, Vec<Vec<f64>>),
    /// For each of these the number of the trainings that they are of.
    trainings: Vec<usize>,
    /// Second minus first by seed, the mean over everything that was run with all seeds.
    by_seed: Vec<f64>,
}

impl Pair {
    fn of(columns: &ByColumn, first: usize, second: usize) -> Option<Self> {
        let (firsts, seconds) = (&columns[&first], &columns[&second]);
        let mut by_dataset: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        let (mut runs, mut trainings) = ((Vec::new(), Vec::new()), Vec::new());
        let mut differences: Vec<BySeed> = Vec::new();
        for (condition, one) in firsts {
            let Some(two) = seconds.get(condition) else { continue };
            let shared: Vec<Option<Seeds>> = one.keys().filter(|seed| two.contains_key(seed)).copied().collect();
            if shared.is_empty() {
                continue;
            }
            let of = |by_seed: &BySeed| shared.iter().map(|seed| by_seed[seed]).collect::<Vec<f64>>();
            let apart: Vec<f64> = of(two).iter().zip(of(one)).map(|(two, one)| two - one).collect();
            by_dataset.entry(condition.rank).or_default().extend(Summary::of(&apart).map(|summary| summary.mean));
            differences.push(shared.iter().copied().zip(apart).collect());
            runs.0.push(of(one));
            runs.1.push(of(two));
            trainings.push(condition.trainings(shared.iter()));
        }
        let mean = |values: &Vec<f64>| Summary::of(values).map(|summary| summary.mean);
        let by_seed = average_by_seed(&differences).into_values().collect();
        let differences: Vec<f64> = by_dataset.values().filter_map(mean).map(comparable).collect();
        (!differences.is_empty()).then(|| {
            let trainings = groups(&trainings);
            Self { first, second, differences, runs, trainings, by_seed }
        })
    }
}

/// Each pair of trained columns: difference, probability of improvement, Wilcoxon's test with Holm's correction, and the
/// seeds it would take. None if no two columns were run on the same data set, shots and seed.
pub fn methods(results: &Results) -> Option<Sheet> {
    let columns = by_column(results);
    let order: Vec<usize> = columns.keys().copied().collect();
    let pairs: Vec<Pair> = order
        .iter()
        .enumerate()
        .flat_map(|(at, first)| order[at + 1..].iter().map(move |second| (*first, *second)))
        .filter_map(|(first, second)| Pair::of(&columns, first, second))
        .collect();
    let most = pairs.iter().map(|pair| pair.differences.len()).max()?;
    let transfers = transfers(results);
    let tests: Vec<Option<Test>> =
        if transfers { vec![None; pairs.len()] } else { Test::of(&pairs).into_iter().map(Some).collect() };
    let mut footnotes = Footnotes::default();
    let rows: Vec<SheetRow> =
        pairs.iter().zip(tests).map(|(pair, test)| row(pair, test, results, &mut footnotes)).collect();
    let mut remarks = vec![
        "Difference: second minus first in points, the mean over data sets. P(better): how likely a run of the second beats a \
         run of the first on the same data set, with its 95 % bootstrap interval; 0.5 is a coin."
            .to_owned(),
    ];
    remarks.extend((!transfers).then(|| wilcoxon(pairs.len())));
    remarks.push(format!(
        "Seeds needed: with how many seeds a paired t-test of the average would show this difference at 5 % with a \
         probability of {:.0} %, if difference and spread stay what they are. From few seeds this is a rough guess.{}",
        100.0 * POWER,
        if transfers { "" } else { TWO_QUESTIONS }
    ));
    if transfers {
        remarks.extend([TARGETS_ALONE, NO_TEST].map(str::to_owned));
    } else {
        remarks.extend(too_few(most, pairs.len()));
    }
    remarks.extend(results.incomplete());
    Some(Sheet {
        name: format!("{}-methods", results.suite),
        title: format!("{}: which methods can be told apart", results.suite),
        columns: COLUMNS.to_vec(),
        rows,
        remarks,
        footnotes: footnotes.into_texts(),
    })
}

const TWO_QUESTIONS: &str =
    " More seeds make the average surer; what Wilcoxon's test can show depends on the data sets.";

/// What the test is, over so many pairs.
fn wilcoxon(pairs: usize) -> String {
    format!(
        "Wilcoxon: the probability of differences this one-sided if neither method is better; a data set counts once, with \
         the mean of its runs. Holm: the same, corrected for {}. A difference is shown at {LEVEL} or below.",
        if pairs == 1 { "1 comparison".to_owned() } else { format!("{pairs} comparisons") }
    )
}

/// Says that the test can show nothing with so many data sets, if it cannot: their signs can be equal by chance alone.
fn too_few(datasets: usize, pairs: usize) -> Option<String> {
    let least = |datasets: i32| 2f64.powi(1 - datasets) * pairs as f64;
    if least(datasets as i32) <= LEVEL {
        return None;
    }
    let enough = (1..64).find(|count| least(*count) <= LEVEL).unwrap_or(64);
    Some(format!(
        "{datasets} data {} cannot show any difference, whatever the accuracies: Wilcoxon's test needs at least {enough} \
         here.",
        if datasets == 1 { "set" } else { "sets" }
    ))
}

/// Wilcoxon's test of a pair.
#[derive(Clone, Copy)]
struct Test {
    /// None where no data set differs: there is nothing to rank, and nothing is shown.
    ranks: Option<SignedRanks>,
    /// The probability corrected for all pairs.
    adjusted: f64,
}

impl Test {
    fn of(pairs: &[Pair]) -> Vec<Self> {
        let ranks: Vec<Option<SignedRanks>> = pairs.iter().map(|pair| SignedRanks::of(&pair.differences)).collect();
        let adjusted = holm(&ranks.iter().copied().map(p_value).collect::<Vec<f64>>());
        ranks.into_iter().zip(adjusted).map(|(ranks, adjusted)| Self { ranks, adjusted }).collect()
    }

    fn verdict(&self, first: &str, second: &str) -> String {
        // The sign of the mean may be that of one data set, and the test is of the ranks.
        match (self.adjusted <= LEVEL, self.ranks.is_some_and(|ranks| ranks.is_positive)) {
            (false, _) => NOTHING_SHOWN.to_owned(),
            (true, true) => format!("{second} is better"),
            (true, false) => format!("{first} is better"),
        }
    }
}

fn p_value(ranks: Option<SignedRanks>) -> f64 {
    ranks.map_or(1.0, |ranks| ranks.p_value)
}

/// Without a test where the data sets are not independent.
fn row(pair: &Pair, test: Option<Test>, results: &Results, footnotes: &mut Footnotes) -> SheetRow {
    let (first, second) = (&results.columns[pair.first], &results.columns[pair.second]);
    let difference = Summary::of(&pair.differences).map_or(0.0, |summary| summary.mean);
    let interval = improvement_interval(&pair.runs.0, &pair.runs.1, &pair.trainings, SEED);
    let mut marks = Vec::new();
    if interval.is_none() {
        marks.push(footnotes.mark("a single run does not show how much runs differ".to_owned()));
    }
    let seeds = match Summary::of(&pair.by_seed).and_then(|difference| runs_needed(&difference)) {
        Some(RunsNeeded::Runs(runs)) => Field::Text(runs.to_string()),
        Some(RunsNeeded::TooMany) => Field::Text(format!("> {MOST_RUNS}")),
        None => Field::Nothing,
    };
    let probability = |of: fn(Test) -> f64| test.map_or(Field::Nothing, |test| Field::Probability(of(test)));
    let verdict = test.map_or_else(|| "not tested".to_owned(), |test| test.verdict(first, second));
    SheetRow {
        fields: vec![
            Field::Text(first.clone()),
            Field::Text(second.clone()),
            Field::Count(pair.differences.len()),
            Field::Signed(difference, 2),
            Field::number(probability_of_improvement(&pair.runs.0, &pair.runs.1), 2),
            Field::number(interval.map(|interval| interval.low), 2),
            Field::number(interval.map(|interval| interval.high), 2),
            probability(|test| p_value(test.ranks)),
            probability(|test| test.adjusted),
            seeds,
            Field::Text(verdict),
        ],
        footnotes: marks,
        ..SheetRow::default()
    }
}
