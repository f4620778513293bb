//! From runs to the value of a table's cell, with its footnotes.

use super::spread::Spread;
use super::table::{Measure, SeedRun, Value, shown};
use nemesis_core::Result;
use nemesis_core::record::statistics::{COLLAPSE_FRACTION, COLLAPSE_POINTS, Summary, collapsed};
use nemesis_core::record::{CellId, EvaluationCell, EvaluationRecord, Store};
use nemesis_core::seeds::Seeds;
use std::collections::BTreeMap;

/// What is known about one evaluation of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is complete.
    Done(Box<EvaluationRecord>),
    /// It follows from complete evaluations: a harmonic mean of two, or a norm.
    Derived(f64),
    /// It, or the training that it needs, failed for this reason.
    Failed(String),
    /// It was not computed.
    Missing,
}

impl Outcome {
    /// What a store has of an evaluation.
    ///
    /// # Errors
    ///
    /// When a record is damaged; the message names the file.
    pub fn read(id: &CellId, store: &Store) -> Result<Self> {
        Ok(match store.get::<EvaluationCell>(id)? {
            Some(record) => Self::Done(Box::new(record)),
            None => store.failure(id)?.map_or(Self::Missing, |failure| Self::Failed(failure.reason.to_string())),
        })
    }

    /// The record, if the evaluation is complete.
    pub(crate) fn record(&self) -> Option<&EvaluationRecord> {
        match self {
            Self::Done(record) => Some(record),
            Self::Derived(_) | Self::Failed(_) | Self::Missing => None,
        }
    }

    /// The accuracy in percent, or the derived value, if everything it needs is complete.
    pub fn accuracy(&self) -> Option<f64> {
        match self {
            Self::Derived(value) => Some(*value),
            _ => self.record().map(|record| record.outcome.accuracy),
        }
    }

    /// What follows from the values of these outcomes, else the first failure among them, else nothing.
    pub(super) fn derived<const N: usize>(from: [&Self; N], value: impl Fn([f64; N]) -> f64) -> Self {
        let values = from.map(Self::accuracy);
        if values.iter().all(Option::is_some) {
            return Self::Derived(value(values.map(Option::unwrap_or_default)));
        }
        let failed = from.into_iter().find(|outcome| matches!(outcome, Self::Failed(_)));
        failed.cloned().unwrap_or(Self::Missing)
    }
}

/// The footnotes of a table, each text once.
#[derive(Debug, Default)]
pub(crate) struct Footnotes(Vec<String>);

impl Footnotes {
    /// The number of the footnote with this text, which is added when it is new.
    pub(crate) fn mark(&mut self, text: String) -> usize {
        let place = self.0.iter().position(|known| *known == text).unwrap_or_else(|| {
            self.0.push(text);
            self.0.len() - 1
        });
        place + 1
    }

    /// The numbers of footnotes on those of the runs, given by seed and accuracy, that collapsed.
    pub(crate) fn collapses<'a>(&mut self, runs: impl IntoIterator<Item = (&'a Option<Seeds>, &'a f64)>) -> Vec<usize> {
        let runs: Vec<(Option<Seeds>, f64)> = runs.into_iter().map(|(seed, accuracy)| (*seed, *accuracy)).collect();
        let accuracies: Vec<f64> = runs.iter().map(|(_, accuracy)| *accuracy).collect();
        let collapsed = runs.into_iter().zip(collapsed(&accuracies)).filter(|(_, collapsed)| *collapsed);
        collapsed.map(|((seed, accuracy), _)| self.mark(collapse(seed, accuracy))).collect()
    }

    pub(crate) fn into_texts(self) -> Vec<String> {
        self.0
    }
}

/// The value of a table's cell: the mean of its runs, one for each planned seed.
pub(super) fn value_of(runs: &[(Option<Seeds>, &Outcome)], footnotes: &mut Footnotes) -> Value {
    let mut marks = failures(runs, footnotes);
    let done: Vec<SeedRun> = runs
        .iter()
        .filter_map(|(seed, outcome)| Some(SeedRun { seed: *seed, accuracy: outcome.accuracy()? }))
        .collect();
    let Some(mut measure) = measure_of(done, runs.len()) else {
        return if marks.is_empty() { Value::Missing { footnotes: marks } } else { Value::Failed { footnotes: marks } };
    };
    let count = measure.runs.len();
    if count < runs.len() {
        marks.push(footnotes.mark(format!("{count} of {} seeds", runs.len())));
    }
    // What follows from several evaluations is no run that could have collapsed.
    let measured: Vec<(Option<Seeds>, f64)> =
        runs.iter().filter_map(|(seed, outcome)| Some((*seed, outcome.record()?.outcome.accuracy))).collect();
    marks.extend(footnotes.collapses(measured.iter().map(|run| (&run.0, &run.1))));
    measure.footnotes = marks;
    Value::Done(measure)
}

/// What is said about a run that collapsed.
fn collapse(seed: Option<Seeds>, accuracy: f64) -> String {
    let seed = seed.map_or_else(String::new, |seed| format!(" of seed {seed}"));
    format!(
        "the run{seed} collapsed to {:.1} %, more than {COLLAPSE_POINTS} points and below {:.0} % of the best seed; it is \
         part of the mean",
        accuracy,
        100.0 * COLLAPSE_FRACTION
    )
}

/// Footnotes for the failed ones among `runs`, one for each reason.
fn failures(runs: &[(Option<Seeds>, &Outcome)], footnotes: &mut Footnotes) -> Vec<usize> {
    let mut seeds_by_reason: Vec<(&str, Vec<Option<Seeds>>)> = Vec::new();
    for (seed, outcome) in runs {
        let Outcome::Failed(reason) = outcome else { continue };
        match seeds_by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, seeds)) => seeds.push(*seed),
            None => seeds_by_reason.push((reason, vec![*seed])),
        }
    }
    let mark = |(reason, seeds): (&str, Vec<Option<Seeds>>)| {
        let reason = one_line(reason);
        let all = seeds.len() == runs.len();
        let seeds: Vec<String> = seeds.iter().flatten().map(Seeds::to_string).collect();
        footnotes.mark(match seeds.as_slice() {
            _ if all => reason,
            [seed] => format!("seed {seed} failed: {reason}"),
            seeds => format!("seeds {} failed: {reason}", seeds.join(", ")),
        })
    };
    seeds_by_reason.into_iter().map(mark).collect()
}

/// The mean and spread of runs; none when there is none.
pub(super) fn measure_of(runs: Vec<SeedRun>, planned: usize) -> Option<Measure> {
    let spread = Spread::of(&runs.iter().map(|run| (run.seed, run.accuracy)).collect())?;
    Some(Measure {
        mean: spread.mean,
        deviation: spread.deviation,
        half_interval: spread.half_interval,
        population_deviation: spread.population_deviation,
        runs,
        planned,
        best: false,
        second: false,
        decimals: 1,
        footnotes: Vec::new(),
    })
}

/// Marks the best and second best values of a group of columns, if there is something to compare.
pub(super) fn mark_best(values: &mut [Value]) {
    let means: Vec<f64> = values.iter().filter_map(Value::measure).map(|measure| measure.mean).collect();
    if means.len() < 2 {
        return;
    }
    let best = shown(means.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    let others = means.iter().copied().filter(|mean| shown(*mean) != best);
    let second = shown(others.fold(f64::NEG_INFINITY, f64::max));
    for value in values {
        if let Value::Done(measure) = value {
            measure.best = shown(measure.mean) == best;
            measure.second = shown(measure.mean) == second;
        }
    }
}

/// Accuracies by seed. What is not trained has a single one without a seed.
pub type BySeed = BTreeMap<Option<Seeds>, f64>;

/// The mean of several rows for each seed that all of them have.
pub fn average_by_seed<'a>(rows: impl IntoIterator<Item = &'a BySeed>) -> BySeed {
    let rows: Vec<&BySeed> = rows.into_iter().collect();
    let Some(first) = rows.first() else { return BySeed::new() };
    let mean = |seed: &Option<Seeds>| {
        let values = rows.iter().map(|row| row.get(seed).copied()).collect::<Option<Vec<f64>>>()?;
        Some((*seed, Summary::of(&values)?.mean))
    };
    first.keys().filter_map(mean).collect()
}

/// How many letters of a message stand under a table; `nemesis log` shows all.
const LONGEST: usize = 400;

/// A message of several lines as one.
pub(super) fn one_line(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let line = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_evaluations_is_no_run_that_collapsed() {
        let outcomes = [Outcome::Derived(10.0), Outcome::Derived(90.0)];
        let runs: Vec<_> = (1u64..).zip(&outcomes).map(|(seed, outcome)| (Some(Seeds::from(seed)), outcome)).collect();
        let value = value_of(&runs, &mut Footnotes::default());
        assert!(value.measure().is_some() && value.footnotes().is_empty(), "{value:?}");
    }
}
