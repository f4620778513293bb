//! From tables to figures: what each kind of table looks like, drawn by `nemesis_figures`.

mod base_to_new;
mod few_shot;
mod low_norm_effect;
mod norm_curve;
mod ranks;

pub(super) use base_to_new::base_to_new;
pub(super) use few_shot::few_shot;
pub(super) use low_norm_effect::low_norm_effect;
pub(super) use norm_curve::norm_curve;
pub(super) use ranks::ranks;

use super::{Table, Value, is_crossed};
use nemesis_figures::Chart;

/// A figure of a table.
pub struct Figure {
    /// What kind of figure it is, as `nemesis figure` takes it: `few-shot`.
    pub kind: &'static str,
    /// What tells it apart from others of its kind and table; empty if it is the only one.
    pub of: String,
    /// The label of the method, if it is of one.
    pub method: Option<String>,
    /// The number of shots, as people write it, if it is of one.
    pub shots: Option<String>,
    /// What it shows, in a sentence for below it.
    pub caption: String,
    /// The chart.
    pub chart: Box<dyn Chart>,
    /// Whether one column of a paper is as wide as it should be.
    pub narrow: bool,
    /// Whether it sums up data sets, so that no part of it is one of them.
    pub summary: bool,
}

impl Figure {
    /// The only one of its kind, of all that the table holds.
    fn new(kind: &'static str, caption: String, chart: Box<dyn Chart>) -> Self {
        let (of, method, shots) = (String::new(), None, None);
        Self { kind, of, method, shots, caption, chart, narrow: false, summary: false }
    }
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figure").field("kind", &self.kind).field("of", &self.of).finish_non_exhaustive()
    }
}

/// The kinds of figures, with what each shows.
pub const KINDS: [(&str, &str); 5] = [
    ("few-shot", "accuracy by training images per class, a panel for each data set"),
    ("base-to-new", "accuracy on base and on new classes"),
    ("norm-curve", "accuracy and norm of the context vectors by epoch"),
    ("low-norm-effect", "what a lower norm of each context vector does to the accuracy"),
    ("ranks", "mean ranks of the methods, and which of them can be told apart"),
];

/// The labels of all columns of a table, each once, in order: the series of its figures.
fn series(table: &Table) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for column in table.groups.iter().flat_map(|group| &group.columns) {
        if !labels.contains(&column.label) {
            labels.push(column.label.clone());
        }
    }
    labels
}

fn number_of(series: &[String], label: &str) -> usize {
    series.iter().position(|known| known == label).unwrap_or_default()
}

/// What captions say of means that are not over all seeds.
fn lacking(table: &Table) -> &'static str {
    let mut measures = table.rows.iter().flat_map(|row| &row.values).flatten().filter_map(Value::measure);
    if measures.any(|measure| measure.runs.len() < measure.planned) {
        " Some means lack seeds, which the table's notes name."
    } else {
        ""
    }
}

/// What spreads are, for captions.
fn spread(table: &Table) -> &'static str {
    let values = table.rows.iter().flat_map(|row| &row.values).flatten();
    let mut seeds = values.filter_map(Value::measure).flat_map(|measure| &measure.runs).map(|run| &run.seed);
    if seeds.any(|seeds| is_crossed([seeds])) {
        "the deviation over samples and initialisations"
    } else {
        "the sample deviation over seeds"
    }
}
