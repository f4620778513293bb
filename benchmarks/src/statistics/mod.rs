//! Statistics of the runs behind a table, in detail, two methods compared pair by pair or image by image, which methods
//! can be told apart, and where the spread comes from.

mod averages;
mod images;
mod methods;
mod pair;
mod variance;

pub use averages::{averages, ranks};
pub use images::images;
pub use methods::methods;
pub use pair::Pair;
pub use variance::variance;

use crate::results::{Evaluation, Results};
use crate::tables::{BySeed, Field, Footnotes, Sheet, SheetColumn, SheetRow, Spread, average_by_seed};
use nemesis_core::dataset::ClassSubset;
use nemesis_core::record::Subject;
use nemesis_core::record::statistics::{Paired, Summary};
use nemesis_core::seeds::Seeds;
use nemesis_core::shots::{self, ALL_SHOTS};
use nemesis_core::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What was evaluated, apart from method and seed. The order is that of tables: shots, then data sets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Condition {
    shots: Option<u32>,
    /// The data set's place in the table; the averages come last.
    rank: usize,
    dataset: String,
    classes: ClassSubset,
    /// The data set that was trained on, if it is a different one.
    trained_on: Option<String>,
    corruption: Option<String>,
    /// The epoch, if it is not the last.
    epoch: Option<u64>,
    limit: Option<u32>,
}

impl Condition {
    fn of(run: &Evaluation, results: &Results) -> Self {
        let cell = &run.record.cell;
        let training = cell.subject.training();
        let corruption = cell
            .corruption
            .map(|corruption| format!("{} v{}: {}", corruption.kind, corruption.position + 1, corruption.value));
        Self {
            shots: training.map(|training| training.shots),
            rank: results.rank(&cell.dataset),
            dataset: cell.dataset.clone(),
            classes: cell.classes,
            trained_on: training.map(|training| training.dataset.clone()).filter(|dataset| *dataset != cell.dataset),
            corruption,
            epoch: cell.epoch,
            limit: cell.limit,
        }
    }

    /// Which trainings runs of these seeds are of: conditions with the same ones were tested after the same trainings.
    fn trainings<'a>(&self, seeds: impl Iterator<Item = &'a Option<Seeds>>) -> (Option<u32>, &str, Vec<Option<Seeds>>) {
        let source = self.trained_on.as_deref().unwrap_or(&self.dataset);
        (self.shots, source, seeds.copied().collect())
    }

    /// The data set as it is shown, with what is special about the evaluation.
    fn label(&self, results: &Results) -> String {
        let title = if self.dataset.is_empty() { "Average" } else { results.title(&self.dataset) };
        let classes = (self.classes != ClassSubset::All).then(|| self.classes.to_string());
        let trained_on = self.trained_on.as_ref().map(|dataset| format!("trained on {}", results.title(dataset)));
        let epoch = self.epoch.map(|epoch| format!("epoch {epoch}"));
        let special: Vec<String> =
            [classes, trained_on, self.corruption.clone(), epoch].into_iter().flatten().collect();
        if special.is_empty() { title.to_owned() } else { format!("{title} ({})", special.join(", ")) }
    }

    /// The same over all data sets, wherever it was trained: the test sets of one training are not several trainings.
    fn average(&self) -> Self {
        Self { rank: usize::MAX, dataset: String::new(), trained_on: None, ..self.clone() }
    }
}

const COLUMNS: [SheetColumn; 10] = [
    SheetColumn { key: "data_set", heading: "Data set" },
    SheetColumn { key: "shots", heading: "Shots" },
    SheetColumn { key: "method", heading: "Method" },
    SheetColumn { key: "seeds", heading: "Seeds" },
    SheetColumn { key: "mean", heading: "Mean" },
    SheetColumn { key: "sample_deviation", heading: "Sample sd" },
    SheetColumn { key: "half_interval_95", heading: "± 95 %" },
    SheetColumn { key: "population_deviation", heading: "Population sd" },
    SheetColumn { key: "minimum", heading: "Min" },
    SheetColumn { key: "maximum", heading: "Max" },
];

const LEGEND: &str = "Top-1 accuracy in percent. Sample sd: divided by n − 1, as everywhere else in these tables. ± 95 %: half of \
                      Student's interval for the mean. Population sd: divided by n, which the authors' script prints \
                      (CoOp's parse_test_res.py, there of accuracies that were rounded to one decimal).";

const CROSSED: &str = "Samples and initialisations were crossed, so that runs are not independent. Sample sd: the root of all components \
                       of variance, which runs with seeds of their own would have as well. ± 95 %: from the components, with \
                       Satterthwaite's degrees of freedom. `nemesis stats` shows the components.";

/// Number, mean, deviations, interval and range of the runs behind each value of a table.
pub fn statistics(results: &Results) -> Sheet {
    let mut footnotes = Footnotes::default();
    let rank = |column: &String| results.columns.iter().position(|known| known == column).unwrap_or(usize::MAX);
    let mut values: BTreeMap<(Condition, usize), BySeed> = BTreeMap::new();
    for run in &results.runs {
        let key = (Condition::of(run, results), rank(&run.column));
        values.entry(key).or_default().insert(run.seed(), run.accuracy());
    }
    values.extend(average_rows(&values, results));
    let mut last = None;
    let rows = values.iter().map(|((condition, column), by_seed)| {
        let apart = last
            .replace((condition.shots, condition.dataset.is_empty()))
            .is_some_and(|last| last != (condition.shots, condition.dataset.is_empty()));
        let label = results.label(*column);
        SheetRow { apart, ..row(condition, label, by_seed, results, &mut footnotes) }
    });
    let rows = rows.collect();
    Sheet {
        name: results.suite.clone(),
        title: format!("{}: the runs behind the table", results.suite),
        columns: COLUMNS.to_vec(),
        rows,
        remarks: std::iter::once(LEGEND.to_owned())
            .chain(results.is_crossed().then(|| CROSSED.to_owned()))
            .chain(transfers(results).then(|| TARGETS_ALONE.to_owned()))
            .chain(results.incomplete())
            .collect(),
        footnotes: footnotes.into_texts(),
    }
}

/// Seeds as a value.
fn seeds_field(seeds: Seeds) -> Field {
    if seeds.are_equal() { Field::Count(seeds.sample as usize) } else { Field::Text(seeds.to_string()) }
}

/// A number of shots as a value.
fn shots_field(shots: Option<u32>) -> Field {
    shots.map_or(Field::Nothing, |shots| match shots {
        ALL_SHOTS => Field::Text(shots::written(shots)),
        shots => Field::Count(shots as usize),
    })
}

/// The mean over data sets, or targets, for each column and number of shots, seed by seed, if none of them is missing.
fn average_rows(
    values: &BTreeMap<(Condition, usize), BySeed>,
    results: &Results,
) -> BTreeMap<(Condition, usize), BySeed> {
    let averaged = averaged(results);
    let mut rows: BTreeMap<(Condition, usize), Vec<&BySeed>> = BTreeMap::new();
    for ((condition, column), by_seed) in values {
        if averaged.contains(condition.dataset.as_str()) {
            rows.entry((condition.average(), *column)).or_default().push(by_seed);
        }
    }
    rows.retain(|_, rows| rows.len() == averaged.len() && rows.len() > 1);
    rows.into_iter()
        .map(|(key, rows)| (key, average_by_seed(rows)))
        .filter(|(_, by_seed)| !by_seed.is_empty())
        .collect()
}

fn row(
    condition: &Condition,
    column: &str,
    by_seed: &BySeed,
    results: &Results,
    footnotes: &mut Footnotes,
) -> SheetRow {
    let is_average = condition.dataset.is_empty();
    let accuracies: Vec<f64> = by_seed.values().copied().collect();
    let spread = Spread::of(by_seed).expect("there is a value for each place");
    // The rows of the data sets say which runs collapsed under an average.
    let mut marks = if is_average { Vec::new() } else { footnotes.collapses(by_seed) };
    if by_seed.keys().any(Option::is_some) && accuracies.len() < results.seeds.len() {
        marks.push(footnotes.mark(format!("{} of {} seeds", accuracies.len(), results.seeds.len())));
    }
    let number = |value| Field::Number(value, 2);
    SheetRow {
        fields: vec![
            Field::Text(condition.label(results)),
            shots_field(condition.shots),
            Field::Text(column.to_owned()),
            Field::Count(accuracies.len()),
            number(spread.mean),
            Field::number(spread.deviation, 2),
            Field::number(spread.half_interval, 2),
            Field::number(spread.population_deviation, 2),
            number(accuracies.iter().copied().fold(f64::INFINITY, f64::min)),
            number(accuracies.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        ],
        footnotes: marks,
        alarm: false,
        apart: false,
    }
}

const PAIRED: [SheetColumn; 9] = [
    SheetColumn { key: "over", heading: "Over" },
    SheetColumn { key: "pairs", heading: "Pairs" },
    SheetColumn { key: "first", heading: "First" },
    SheetColumn { key: "second", heading: "Second" },
    SheetColumn { key: "difference", heading: "Difference" },
    SheetColumn { key: "half_interval_95", heading: "± 95 %" },
    SheetColumn { key: "wins", heading: "Wins" },
    SheetColumn { key: "ties", heading: "Ties" },
    SheetColumn { key: "losses", heading: "Losses" },
];

const PAIRS: &str = "A pair is both methods on one data set, number of shots and seed: they trained on the same images. \
                     Difference: second minus first, its mean over the pairs in points; ± 95 %: half of Student's interval \
                     for it. Wins, ties and losses are those of the second.";

const CAUTION: &str = "Caution: the interval over all pairs takes them for independent draws, and they are not. Pairs of one \
                       data set share their test images and draw from the same training images, and data sets were \
                       chosen, not drawn. \"Data sets\" is the careful one: it counts each data set's mean as one value.";

/// What is said besides where trainings are tested on several data sets.
const TARGETS_CAUTION: &str =
    "Here that is not careful enough: a training is evaluated on all targets, so that they rise and fall together.";

/// Whether the conditions of `runs` sum up to anything: all but those that repeat the same trainings, with a changed
/// context or one of an earlier epoch, and where something is tested on other data sets than it was trained on, those
/// alone.
fn counts(condition: &Condition, transfers: bool) -> bool {
    let is_final = condition.corruption.is_none() && condition.epoch.is_none();
    is_final && (condition.trained_on.is_some() || !transfers)
}

/// Whether some training is tested on other data sets than its own.
fn transfers(results: &Results) -> bool {
    let is_elsewhere = |run: &Evaluation| {
        let cell = &run.record.cell;
        cell.subject.training().is_some_and(|training| training.dataset != cell.dataset)
    };
    results.runs.iter().any(is_elsewhere)
}

/// The data sets that averages are over if nothing is missing: all, or the targets.
fn averaged(results: &Results) -> BTreeSet<&str> {
    let mut datasets: BTreeSet<&str> = results.datasets.iter().map(|(name, _)| name.as_str()).collect();
    if transfers(results) {
        for training in results.runs.iter().filter_map(|run| run.record.cell.subject.training()) {
            datasets.remove(training.dataset.as_str());
        }
    }
    datasets
}

/// What is said of averages that leave the data set out that was trained on.
const TARGETS_ALONE: &str = "Averages are over the targets, without the data set that was trained on.";

/// Why nothing is tested over targets.
const NO_TEST: &str = "Nothing is tested here: a training is evaluated on all targets, so that they rise and fall together, and \
                       tests would take each of them for a training of its own.";

/// What is said of sums that leave rows out.
const NOT_SUMMED: &str = "The rows that sum up are over the last epochs and unchanged contexts, and where trainings are \
                          tested on other data sets, over those.";

/// Why methods are not compared over crossed runs.
pub fn not_independent(results: &Results) -> Error {
    Error::new(format!(
        "the runs of `{}` share samples and initialisations (`--split-seeds`), and comparisons need independent ones",
        results.suite
    ))
    .help("compare the tables of runs without `--split-seeds`; `nemesis stats` shows how much either seed matters")
}

/// A pair of accuracies: first and second method.
type Accuracies = (f64, f64);

/// Two methods, each given by its column's label or its id, on what both were evaluated on. None if that is nothing.
///
/// # Errors
///
/// When a method is not among the columns, or its id stands for several of them.
pub fn paired(results: &Results, first: &str, second: &str) -> Result<Option<Sheet>> {
    let (first, second) = (results.column(first)?, results.column(second)?);
    if first == second {
        return Err(Error::new(format!("`{first}` cannot be compared with itself")).expected("two methods"));
    }
    let by_condition = |column: &str| {
        let mut values: BTreeMap<Condition, BySeed> = BTreeMap::new();
        let trained =
            |run: &&Evaluation| matches!(run.record.cell.subject, Subject::Training { .. }) && run.column == column;
        for run in results.runs.iter().filter(trained) {
            values.entry(Condition::of(run, results)).or_default().insert(run.seed(), run.accuracy());
        }
        values
    };
    let (firsts, seconds) = (by_condition(first), by_condition(second));
    let mut footnotes = Footnotes::default();
    let mut pairs: Vec<(&Condition, Vec<Accuracies>, Vec<usize>)> = Vec::new();
    for (condition, one) in &firsts {
        let Some(other) = seconds.get(condition) else { continue };
        let matched: Vec<Accuracies> =
            one.iter().filter_map(|(seed, value)| Some((*value, *other.get(seed)?))).collect();
        if !matched.is_empty() {
            let mut marks = BTreeSet::from_iter(collapses_of(first, condition, one, results, &mut footnotes));
            marks.extend(collapses_of(second, condition, other, results, &mut footnotes));
            pairs.push((condition, matched, marks.into_iter().collect()));
        }
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let transfers = transfers(results);
    let leaves_out = pairs.iter().any(|(condition, ..)| !counts(condition, transfers));
    Ok(Some(Sheet {
        name: results.suite.clone(),
        title: format!("{}: {first} (first) and {second} (second), pair by pair", results.suite),
        columns: PAIRED.to_vec(),
        rows: paired_rows(&pairs, transfers, results),
        remarks: (std::iter::once(PAIRS))
            .chain(leaves_out.then_some(NOT_SUMMED))
            .chain([CAUTION])
            .chain(transfers.then_some(TARGETS_CAUTION))
            .map(str::to_owned)
            .chain(results.incomplete())
            .collect(),
        footnotes: footnotes.into_texts(),
    }))
}

fn paired_rows(
    pairs: &[(&Condition, Vec<Accuracies>, Vec<usize>)],
    transfers: bool,
    results: &Results,
) -> Vec<SheetRow> {
    let mut by_dataset: BTreeMap<(usize, String), (Vec<Accuracies>, BTreeSet<usize>)> = BTreeMap::new();
    let mut by_shots: BTreeMap<Option<u32>, (Vec<Accuracies>, BTreeSet<usize>)> = BTreeMap::new();
    let mut all: (Vec<Accuracies>, BTreeSet<usize>) = Default::default();
    for (condition, pairs, marks) in pairs {
        let mut places = vec![by_dataset.entry((condition.rank, condition.label(results))).or_default()];
        if counts(condition, transfers) {
            places.extend([by_shots.entry(condition.shots).or_default(), &mut all]);
        }
        for (values, notes) in places {
            values.extend(pairs);
            notes.extend(marks);
        }
    }
    // Base and new classes of a data set are tested after the same training, so they are one value together.
    let mut whole: BTreeMap<&str, Vec<Accuracies>> = BTreeMap::new();
    for (condition, pairs, _) in pairs.iter().filter(|(condition, ..)| counts(condition, transfers)) {
        whole.entry(&condition.dataset).or_default().extend(pairs);
    }
    let means: Vec<Accuracies> = whole.values().map(|pairs| mean_of(pairs)).collect();
    let marks = |notes: &BTreeSet<usize>| notes.iter().copied().collect::<Vec<_>>();
    let mut rows: Vec<SheetRow> =
        by_dataset.iter().map(|((_, label), (pairs, notes))| paired_row(label, pairs, marks(notes))).collect();
    let shots_label = |shots: &Option<u32>| shots.map_or_else(|| "no shots".to_owned(), shots::in_words);
    let of_shots = by_shots.iter().map(|(shots, (pairs, notes))| paired_row(&shots_label(shots), pairs, marks(notes)));
    if means.is_empty() {
        return rows;
    }
    let first_of_shots = rows.len();
    rows.extend(of_shots);
    rows[first_of_shots].apart = true;
    rows.push(SheetRow { apart: true, ..paired_row("All pairs", &all.0, marks(&all.1)) });
    rows.push(paired_row("Data sets", &means, Vec::new()));
    rows
}

fn mean_of(pairs: &[Accuracies]) -> Accuracies {
    let mean = |of: fn(&Accuracies) -> f64| {
        let accuracies: Vec<f64> = pairs.iter().map(of).collect();
        Summary::of(&accuracies).expect("a row is of at least one pair").mean
    };
    (mean(|pair| pair.0), mean(|pair| pair.1))
}

fn paired_row(over: &str, pairs: &[Accuracies], footnotes: Vec<usize>) -> SheetRow {
    let paired = Paired::of(pairs).expect("a row is of at least one pair");
    let (first, second) = mean_of(pairs);
    let count = paired.difference.count;
    SheetRow {
        fields: vec![
            Field::Text(over.to_owned()),
            Field::Count(count),
            Field::Number(first, 2),
            Field::Number(second, 2),
            Field::Signed(paired.difference.mean, 2),
            Field::number(paired.difference.half_interval(0.95), 2),
            Field::Count(paired.wins),
            Field::Count(count - paired.wins - paired.losses),
            Field::Count(paired.losses),
        ],
        footnotes,
        alarm: false,
        apart: false,
    }
}

/// Footnotes for the collapsed runs of one method, which say where they are: a row sums up several places.
fn collapses_of(
    column: &str,
    condition: &Condition,
    by_seed: &BySeed,
    results: &Results,
    footnotes: &mut Footnotes,
) -> Vec<usize> {
    let mut own = Footnotes::default();
    own.collapses(by_seed);
    let shots = condition.shots.map_or_else(|| "0 shots".to_owned(), shots::in_words);
    let place = format!("{column} on {}, {shots}", condition.label(results));
    own.into_texts().into_iter().map(|text| footnotes.mark(format!("{place}: {text}"))).collect()
}
